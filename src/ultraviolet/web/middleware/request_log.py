"""Request ids, security headers, traces, metrics and log lines for pages, API and files."""

import re
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from ultraviolet import redaction, tracing
from ultraviolet.hub.core import metrics
from ultraviolet.web.http.asgi import Asgi, Message, Receive, Scope, Send

_REQUEST_ID_HEADER = b"x-request-id"
_VALID_ID = re.compile(rb"[\w.:/+=@-]{1,100}")
_UNLOGGED_PATHS = ("/livez", "/readyz", "/metrics", "/live", "/static/", "/api/v1/changes/stream")

_CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SECURITY_HEADERS = (
    (b"content-security-policy", _CONTENT_SECURITY_POLICY),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
"""Added here because headers of the framework are missing on errors and files."""

log = structlog.get_logger()


class RequestLogMiddleware:
    """Assigns an id to each request, or accepts a valid one, and logs the response."""

    def __init__(self, application: Asgi) -> None:
        self._app = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = next(
            (value for name, value in scope["headers"] if name == _REQUEST_ID_HEADER), b""
        )
        id_ = header.decode() if _VALID_ID.fullmatch(header) else uuid.uuid4().hex
        started_at = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent: list[Any] = list(message.get("headers", []))
                names = {name.lower() for name, _ in sent}
                headers: list[Any] = [
                    *sent,
                    *(header for header in _SECURITY_HEADERS if header[0] not in names),
                    (_REQUEST_ID_HEADER, id_.encode()),
                ]
                message = {**message, "headers": headers}
            await send(message)

        with bound_contextvars(request_id=id_):
            with self._span(scope) as span:
                await self._app(scope, receive, send_with_headers)
                attributes = {
                    "http.request.method": scope["method"],
                    "url.path": redaction.redact(scope["path"]),
                }
                span.set_attributes(
                    **attributes, **{"http.response.status_code": status}, request_id=id_
                )
            path: str = scope["path"]
            if not path.startswith(_UNLOGGED_PATHS):
                seconds = time.perf_counter() - started_at
                kind = "api" if path.startswith("/api/") else "page"
                metrics.observe_request(kind, status, seconds)
                log.info(
                    "request.answered",
                    method=scope["method"],
                    path=path,
                    status=status,
                    ms=round(seconds * 1000, 1),
                )

    def _span(self, scope: Scope) -> AbstractContextManager[tracing.Span]:
        path: str = scope["path"]
        if not tracing.is_enabled() or path.startswith(_UNLOGGED_PATHS):
            return nullcontext(tracing.NO_SPAN)
        parents = [
            value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"
        ]
        return tracing.span("api" if path.startswith("/api/") else "page", links=parents)
