"""Send notifications by SMTP, to a chat webhook, or to a signed webhook."""

import asyncio
import base64
import hashlib
import hmac
import smtplib
import ssl
import time
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec

from ultraviolet.connection_errors import connection_problem
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.hub.alerts import rendering
from ultraviolet.hub.alerts.destinations import DecryptedDestination
from ultraviolet.hub.alerts.rendering import Notification
from ultraviolet.hub.core.egress import AddressNotAllowedError, EgressPolicy
from ultraviolet.hub.core.settings import Settings
from ultraviolet.outgoing import get_proxy

_TIMEOUT_SECONDS = 10.0
_MAX_REPLY_LINES = 500
_MAX_ERROR_CHARACTERS = 200
_DEFAULT_PORTS = {"smtp": 587, "smtps": 465}


class NotSentError(UltravioletError):
    """The message was not sent; check the destination's address, then send a test."""

    kind = "not-sent"
    status = 502
    exit_code = 7


class _BoundedReplies:
    """The reply lines of a mail server, at most _MAX_REPLY_LINES per reply."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self.lines_left = _MAX_REPLY_LINES

    def readline(self, size: int) -> bytes:
        """Return a line; raise SMTPServerDisconnected after too many."""
        self.lines_left -= 1
        if self.lines_left < 0:
            raise smtplib.SMTPServerDisconnected("its reply has too many lines")
        return self._lines.readline(size)

    def close(self) -> None:
        """Close the connection's file."""
        self._lines.close()


class _Smtp(smtplib.SMTP):
    """SMTP with a limit on the length of a reply."""

    file: Any

    def getreply(self) -> tuple[int, bytes]:
        """Return one reply."""
        if self.file is None and self.sock is not None:
            self.file = _BoundedReplies(self.sock.makefile("rb"))
        if self.file is not None:
            self.file.lines_left = _MAX_REPLY_LINES
        return super().getreply()


class _SmtpTls(smtplib.SMTP_SSL, _Smtp):
    """The same over implicit TLS."""


class MailServer(msgspec.Struct, frozen=True):
    """The mail server for outgoing e-mail."""

    host: str
    port: int
    user: str
    password: str
    tls: bool
    """Implicit TLS; otherwise STARTTLS."""
    plain: bool = False
    """No encryption, for `?tls=off`."""

    def __repr__(self) -> str:
        """Keep the password out of tracebacks and logs."""
        return f"MailServer({self.host}:{self.port})"


def mail_server(url: str | None) -> MailServer:
    """Parse ULTRAVIOLET_SMTP_URL; raise InvalidError if it is missing or invalid."""
    if not url:
        raise InvalidError(
            "E-mail needs ULTRAVIOLET_SMTP_URL, such as smtp://user:password@mail.example.com"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidError(
            "ULTRAVIOLET_SMTP_URL must start with smtp:// or smtps:// and contain a host"
        )
    return MailServer(
        host=parts.hostname,
        port=port or _DEFAULT_PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "smtps",
        plain=parts.query == "tls=off",
    )


async def send(
    settings: Settings,
    egress: EgressPolicy,
    to: DecryptedDestination,
    notifications: Sequence[Notification],
) -> str:
    """Send notifications to a destination; return the result as text; raise NotSentError."""
    try:
        if to.kind == "email":
            message = rendering.render_email(
                notifications, settings.public_url, settings.mail_from, to.address
            )
            return await asyncio.to_thread(_mail, mail_server(settings.smtp_url), message)
        async with egress.session() as session:
            if to.kind == "slack":
                text = rendering.render_chat(notifications, settings.public_url)
                return await _post(session, to, text, "")
            result = ""
            for notification in notifications:
                # A repeated message keeps its id, so that the receiver can recognize it.
                alert_id, kind = notification.alert.id, notification.kind
                id_ = f"msg_test_{time.time_ns()}" if kind == "test" else f"msg_{alert_id}_{kind}"
                event = rendering.render_event(notification, settings.public_url)
                result = await _post(session, to, event, id_)
            return result
    except (InvalidError, ValueError) as error:  # an invalid address or header
        raise NotSentError(str(error)) from error


def sign(secret: str, id_: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message, as in Standard Webhooks 1.0."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


def _mail(server: MailServer, message: EmailMessage) -> str:
    try:
        with _connect(server) as smtp:
            if server.user:
                smtp.login(server.user, server.password)
            refused = smtp.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSentError(f"{server.host} did not accept it: {_describe_error(error)}") from error
    if refused:
        raise NotSentError(f"{server.host} refused {', '.join(refused)}")
    return f"{server.host} accepted it"


def _connect(server: MailServer) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.tls:
        return _SmtpTls(server.host, server.port, timeout=_TIMEOUT_SECONDS, context=context)
    smtp = _Smtp(server.host, server.port, timeout=_TIMEOUT_SECONDS)
    try:
        if not server.plain:
            smtp.starttls(context=context)
    except BaseException:
        smtp.close()
        raise
    return smtp


async def _post(
    session: aiohttp.ClientSession, to: DecryptedDestination, message: dict[str, Any], id_: str
) -> str:
    body = msgspec.json.encode(message)
    headers = {"content-type": "application/json", "user-agent": "ultraviolet"}
    if to.signing_secret:
        timestamp = int(time.time())
        signature = sign(to.signing_secret, id_, timestamp, body)
        headers |= {
            "webhook-id": id_,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature,
        }
    host = urlsplit(to.address).hostname
    try:
        async with session.post(
            to.address,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
            proxy=get_proxy(to.address),
        ) as answer:  # its body is not read
            if 200 <= answer.status < 300:  # noqa: PLR2004
                return f"{host} answered {answer.status}"
            raise NotSentError(f"{host} answered {answer.status}")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NotSentError(f"{host} did not accept it: {_describe_error(error)}") from error


def _describe_error(error: BaseException) -> str:
    """Return the text of an exception without the URL, which may be a secret."""
    match error:
        case smtplib.SMTPResponseException():
            reply = error.smtp_error
            text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
            return f"{error.smtp_code} {text}"[:_MAX_ERROR_CHARACTERS]
        case aiohttp.ClientConnectorError() | AddressNotAllowedError():
            return connection_problem(error)
        case TimeoutError():
            return f"no answer within {_TIMEOUT_SECONDS:.0f} seconds"
        case aiohttp.ClientError():
            return type(error).__name__
        case _:
            return connection_problem(error)[:_MAX_ERROR_CHARACTERS]
