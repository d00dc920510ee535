"""Sending: by SMTP, to a chat's webhook, or as a signed webhook; what came of it is said in words."""

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

from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.hub.alerts import rendering
from ultraviolet.hub.alerts.destinations import DecryptedDestination
from ultraviolet.hub.alerts.rendering import Notification
from ultraviolet.hub.core.egress import AddressNotAllowedError, EgressPolicy
from ultraviolet.hub.core.settings import Settings
from ultraviolet.outgoing import get_proxy

_TIMEOUT = 10.0
_PATIENCE = aiohttp.ClientTimeout(total=_TIMEOUT)
_MAX_REPLY_LINES = 500
_PORTS = {"smtp": 587, "smtps": 465}


class NotSentError(UltravioletError):
    """The message did not get through; look at the destination's address, then send a test."""

    kind = "not-sent"
    status = 502
    exit_code = 7


class _BoundedReplies:
    """The lines a mail server says, of which one reply has no more than so many."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self.left = _MAX_REPLY_LINES

    def readline(self, size: int) -> bytes:
        """Read a line; raises SMTPServerDisconnected after too many."""
        self.left -= 1
        if self.left < 0:
            raise smtplib.SMTPServerDisconnected("it answers without end")
        return self._lines.readline(size)

    def close(self) -> None:
        """Close the connection's file."""
        self._lines.close()


class _Smtp(smtplib.SMTP):
    """SMTP that ends a reply without end."""

    file: Any

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply."""
        if self.file is None and self.sock is not None:
            self.file = _BoundedReplies(self.sock.makefile("rb"))
        if self.file is not None:
            self.file.left = _MAX_REPLY_LINES
        return super().getreply()


class _SmtpTls(smtplib.SMTP_SSL, _Smtp):
    """The same, encrypted from the first byte."""


class MailServer(msgspec.Struct, frozen=True):
    """Where mail is handed in."""

    host: str
    port: int
    user: str
    password: str
    tls: bool
    """From the first byte; else by STARTTLS."""
    plain: bool = False
    """Neither, as the address asks for with `?tls=off`."""

    def __repr__(self) -> str:
        """Keep the password out of tracebacks and logs."""
        return f"MailServer({self.host}:{self.port})"


def mail_server(url: str | None) -> MailServer:
    """Read ULTRAVIOLET_SMTP_URL; raises InvalidError where there is none or it makes no sense."""
    if not url:
        raise InvalidError(
            "E-mail needs ULTRAVIOLET_SMTP_URL, such as smtp://user:password@mail.example.com"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InvalidError("ULTRAVIOLET_SMTP_URL begins with smtp:// or smtps:// and names a host")
    return MailServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "smtps",
        plain=parts.query == "tls=off",
    )


async def send(
    settings: Settings,
    targets: EgressPolicy,
    to: DecryptedDestination,
    told: Sequence[Notification],
) -> str:
    """Tell a destination; returns what came of it in words, raises NotSentError with the same."""
    try:
        if to.kind == "email":
            message = rendering.render_email(
                told, settings.public_url, settings.mail_from, to.address
            )
            return await asyncio.to_thread(_mail, mail_server(settings.smtp_url), message)
        async with targets.session() as session:
            return await _post_all(session, settings.public_url, to, told)
    except (InvalidError, ValueError) as error:  # of an address or a header that cannot be written
        raise NotSentError(str(error)) from error


def sign(secret: str, id_: str, moment: int, body: bytes) -> str:
    """Sign a message as Standard Webhooks 1.0 has it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{id_}.{moment}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


def _mail(server: MailServer, message: EmailMessage) -> str:
    try:
        with _connect(server) as smtp:
            if server.user:
                smtp.login(server.user, server.password)
            refused = smtp.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSentError(f"{server.host} did not take it: {_reason(error)}") from error
    if refused:
        raise NotSentError(f"{server.host} refused {', '.join(refused)}")
    return f"{server.host} took it"


def _connect(server: MailServer) -> smtplib.SMTP:
    trust = ssl.create_default_context()
    if server.tls:
        return _SmtpTls(server.host, server.port, timeout=_TIMEOUT, context=trust)
    smtp = _Smtp(server.host, server.port, timeout=_TIMEOUT)
    try:
        if not server.plain:
            smtp.starttls(context=trust)
    except BaseException:
        smtp.close()
        raise
    return smtp


async def _post_all(
    session: aiohttp.ClientSession,
    public_url: str,
    to: DecryptedDestination,
    told: Sequence[Notification],
) -> str:
    """Post one message to a chat, one for each alert to a program."""
    if to.kind == "slack":
        return await _post(session, to, rendering.render_chat(told, public_url), "")
    says = ""
    for one in told:
        # The same number for the same message, so that whoever gets it twice can tell.
        id_ = f"msg_{one.alert.id}_{one.what}" if one.alert.id else f"msg_test_{time.time_ns()}"
        says = await _post(session, to, rendering.render_event(one, public_url), id_)
    return says


async def _post(
    session: aiohttp.ClientSession, to: DecryptedDestination, message: dict[str, Any], id_: str
) -> str:
    body = msgspec.json.encode(message)
    headers = {"content-type": "application/json", "user-agent": "ultraviolet"}
    if to.signing_secret:
        moment = int(time.time())
        signature = sign(to.signing_secret, id_, moment, body)
        headers |= {
            "webhook-id": id_,
            "webhook-timestamp": str(moment),
            "webhook-signature": signature,
        }
    host = urlsplit(to.address).hostname
    try:
        async with session.post(
            to.address,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=_PATIENCE,
            proxy=get_proxy(to.address),
        ) as answer:  # its body is not read
            if 200 <= answer.status < 300:  # noqa: PLR2004
                return f"{host} answered {answer.status}"
            raise NotSentError(f"{host} answered {answer.status}")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NotSentError(f"{host} did not take it: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Say what an exception was, without the address, which may be a secret."""
    match error:
        case smtplib.SMTPResponseException():
            said = error.smtp_error
            return f"{error.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"[
                :200
            ]
        case AddressNotAllowedError():
            return str(error)
        case aiohttp.ClientConnectorError():
            return str(error.os_error)
        case TimeoutError():
            return f"no answer within {_TIMEOUT:.0f} seconds"
        case aiohttp.ClientError():
            return type(error).__name__
        case _:
            return (str(error) or type(error).__name__)[:200]
