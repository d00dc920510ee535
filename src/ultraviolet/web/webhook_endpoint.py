"""The endpoint for webhook deliveries: raw ASGI, because routing by a framework halves the throughput.

Unknown, malformed and revoked webhook URLs get the same response, so that responses do not reveal
which URLs exist.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

import msgspec
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ultraviolet import tracing
from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.http_protocol import Exchange
from ultraviolet.hub.core import metrics
from ultraviolet.hub.ingest.service import MAX_BODY_BYTES, IngestService
from ultraviolet.plain_request import PlainRequest
from ultraviolet.web.http.asgi import WEBHOOK_PATH_PREFIX, Asgi, Receive, Scope, Send, read_body
from ultraviolet.web.http.problem_details import problem_body
from ultraviolet.web.middleware.throttle import WebhookThrottle

_RECEIVED_BODY = msgspec.json.encode({"received": True})
_BODY_TIMEOUT_SECONDS = 30.0
"""Time limit for receiving a request body."""
_NOT_FOUND = 404
_CLOSE_HEADER = (b"connection", b"close")
_TITLES = {
    401: "Invalid signature",
    403: "Source not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    413: "Request body too large",
    422: "Validation error",
    429: "Too many unknown webhook URLs",
    503: "Temporarily unavailable",
}

log = structlog.get_logger()


class WebhookEndpoint:
    """Handles `POST /hooks/{token}`; passes all other requests to the application."""

    def __init__(
        self, ingest: IngestService, application: Asgi, throttle: WebhookThrottle | None = None
    ) -> None:
        self._ingest = ingest
        self._app = application
        self._throttle = throttle or WebhookThrottle()
        self._default_headers: Sequence[tuple[bytes, bytes]] | None = None
        self._ok, self._closes = b"", False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not scope["path"].startswith(WEBHOOK_PATH_PREFIX):
            await self._app(scope, receive, send)
            return
        if scope["method"] != "POST":
            await _reject(send, 405, (b"allow", b"POST"))
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        token = scope["path"][len(WEBHOOK_PATH_PREFIX) :]
        source = self._throttle.source((scope.get("client") or ("", 0))[0], headers)
        if not self._throttle.admits(source):
            await _reject(send, 403, _CLOSE_HEADER)
            return
        if not (self._throttle.may_guess(source) or self._ingest.knows(token)):
            await _reject(send, 429, _CLOSE_HEADER)
            return
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_SECONDS):
                body = await read_body(receive, MAX_BODY_BYTES)
        except TimeoutError:
            await _reject(send, 408, _CLOSE_HEADER)
            return
        if body is None:
            return
        with tracing.span("delivery", links=filter(None, [headers.get("traceparent")])) as span:
            status = await self._submit(token, headers, body)
            span.set_attributes(**{"http.response.status_code": status})
        if status == _NOT_FOUND:
            self._throttle.record_guess(source)
        await _respond(send, status)

    def accept(self, request: PlainRequest, exchange: Exchange) -> bool:
        """Answer a valid delivery without ASGI; return False for any other request."""
        if not request.path.startswith(WEBHOOK_PATH_PREFIX):
            return False
        if self._throttle.allowed:
            source = self._throttle.source((request.client or ("", 0))[0], request.headers)
            if not self._throttle.admits(source):
                return False
        token = request.path[len(WEBHOOK_PATH_PREFIX) :]
        answer = partial(self._answer, exchange)
        return self._ingest.accept(token, request.headers, request.body, answer)

    def _answer(self, exchange: Exchange, status: int) -> None:
        """Write the response to an accepted delivery."""
        default_headers = exchange.server_state.default_headers
        if default_headers is not self._default_headers:  # once a second
            self._default_headers = default_headers
            self._closes = _CLOSE_HEADER in default_headers
            self._ok = _response_bytes(200, default_headers)
        ok = status == 200  # noqa: PLR2004
        exchange.respond(
            self._ok if ok else _response_bytes(status, default_headers), close=self._closes
        )

    async def _submit(self, token: str, headers: dict[str, str], body: bytes) -> int:
        try:
            return await self._ingest.submit(token, headers, body)
        except StoreUnavailableError:
            pass
        except Exception:
            log.exception("delivery.failed")
        metrics.count_deliveries(503)
        return 503


async def _reject(send: Send, status: int, header: tuple[bytes, bytes]) -> None:
    """Reject a request before it counts as a delivery."""
    metrics.count_deliveries(status)
    await _respond(send, status, header)


def _response(status: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of a response."""
    if status < 300:  # noqa: PLR2004
        kind, body = b"application/json", _RECEIVED_BODY
    else:
        kind = b"application/problem+json"
        body = problem_body(status, _TITLES.get(status, "Rejected"))
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if status in (429, 503):
        headers.append((b"retry-after", b"1"))
    return headers, body


def _response_bytes(status: int, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    headers, body = _response(status)
    lines = [b"%b: %b\r\n" % header for header in (*default_headers, *headers)]
    return b"".join([STATUS_LINE[status], *lines, b"\r\n", body])


async def _respond(send: Send, status: int, *extra_headers: tuple[bytes, bytes]) -> None:
    headers, body = _response(status)
    headers = [*headers, *extra_headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
