"""The door for deliveries: raw ASGI in front of the application, because a framework's routing costs half the rate.

Whatever an address is not good for, unknown, malformed and revoked ones answer alike, so that nobody can
learn from the answer which addresses exist.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from ultraviolet.hub import metrics
from ultraviolet.hub.ingest import LARGEST_BODY, Ingest
from ultraviolet.mirror.store import StoreUnavailableError
from ultraviolet.web.problems import problem_body

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = "/hooks/"

_RECEIVED = msgspec.json.encode({"received": True})
_TITLES = {
    401: "Signature does not match",
    404: "Not found",
    405: "Only POST",
    413: "Body too large",
    422: "Invalid",
    503: "Not now",
}

log = structlog.get_logger()


class Hooks:
    """Answers `POST /hooks/{token}` itself and hands everything else to the application."""

    def __init__(self, ingest: Ingest, application: Asgi) -> None:
        self._ingest = ingest
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._take(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _answer(send, 405, (b"allow", b"POST"))
            return
        body = await _body(receive)
        if body is None:
            return
        began = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            verdict = await self._ingest.submit(scope["path"][len(PREFIX) :], headers, body)
            status = verdict.status
        except StoreUnavailableError:
            status = 503
        except Exception:
            log.exception("delivery.failed")
            status = 503
        await _answer(send, status)
        metrics.delivered(status, time.perf_counter() - began)


async def _body(receive: Receive) -> bytes | None:
    """Read the body, but never much more of it than is accepted; None when the sender went away."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY or not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _answer(send: Send, status: int, *more: tuple[bytes, bytes]) -> None:
    if status < 300:  # noqa: PLR2004
        kind, body = b"application/json", _RECEIVED
    else:
        kind, body = b"application/problem+json", problem_body(status, _TITLES.get(status, "Refused"))
    length = str(len(body)).encode()
    headers = [(b"content-type", kind), (b"content-length", length), (b"cache-control", b"no-store"), *more]
    if status in (429, 503):
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
