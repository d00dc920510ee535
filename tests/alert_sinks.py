"""Receivers of alerts for tests: an SMTP server with STARTTLS and password, and an HTTP server."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from ultraviolet.child_process import free_port
from ultraviolet.local_ion.http.tls import Certificates, ensure_certificates

USER, PASSWORD = "hub", "pass word/of the mail server"


class Mailbox:
    """Stores received mails, or refuses them with the response in `refuses`."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.refuses: str | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        assert session.ssl is not None
        if self.refuses:
            return self.refuses
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


@contextmanager
def mail_server(folder: Path) -> Iterator[tuple[Mailbox, str, Certificates]]:
    """Run a mail server on localhost; yield its mailbox, its URL and its certificates."""
    made = ensure_certificates(folder, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    mailbox = Mailbox()

    def knows(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()))

    port = free_port()
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
        authenticator=knows,
        auth_required=True,
    )
    controller.start()
    quoted = PASSWORD.replace(" ", "%20").replace("/", "%2F")
    yield mailbox, f"smtp://{USER}:{quoted}@localhost:{port}", made
    controller.stop()


class Sink:
    """Stores requests; responds with the queued statuses, then with 204."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = ""

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posts]


@contextmanager
def http_sink() -> Iterator[Sink]:
    """Run an HTTP server on localhost that accepts POST requests."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            sink.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(sink.answers.pop(0) if sink.answers else 204)
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    sink.url = f"http://127.0.0.1:{server.server_address[1]}/hook/secret-part"
    yield sink
    server.shutdown()
    thread.join()
    server.server_close()
