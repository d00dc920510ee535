"""ETags for conditional requests: 304 for known responses, 412 for lost updates.

A tag has two halves: a digest of the settings, and a digest of the whole response. If-None-Match
compares both. If-Match compares only the first, because a delivery or a sign-in must not fail an
update.
"""

import hashlib
from typing import Annotated, Any

import msgspec
from litestar.params import HeaderParameter

from ultraviolet.errors import PreconditionFailedError
from ultraviolet.web.http.asgi import Asgi, Message, Receive, Scope, Send

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        required=False,
        description="The ETag of the last read. If the resource has changed since, the request fails (412).",
    ),
]
_JSON = b"application/json"
_VOLATILE_FIELDS = frozenset(
    {
        "first_delivery_at",
        "first_verified_at",
        "last_delivery_at",
        "last_failure",
        "last_failure_at",
        "last_refused_at",
        "last_sign_in_at",
        "last_used_at",
        "refused",
        "test_result",
    }
)
"""Fields that change by use, not by an update of the resource."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def compute_etag(body: bytes) -> str:
    """Return the ETag of a JSON response."""
    settings = body
    if body.startswith(b"{"):
        fields = _FIELDS.decode(body).items()
        settings = msgspec.json.encode([item for item in fields if item[0] not in _VOLATILE_FIELDS])
    return f'"{_digest(settings)}-{_digest(body)}"'


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def check_if_match(if_match: str | None, current: msgspec.Struct) -> None:
    """Raise PreconditionFailedError if the current state is not the one that the client has read."""
    if if_match is None or "*" in _split_tags(if_match):
        return
    settings, _, _ = compute_etag(msgspec.json.encode(current)).partition("-")
    if settings not in {tag.partition("-")[0] for tag in _split_tags(if_match)}:
        raise PreconditionFailedError


class ETagMiddleware:
    """Adds an ETag to JSON responses of GET, PATCH and PUT.

    Answers a GET with a known ETag with 304.
    """

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["method"] not in ("GET", "PATCH", "PUT"):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def send_with_etag(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:  # noqa: PLR2004
                headers: dict[bytes, bytes] = dict(message["headers"])
                if headers.get(b"content-type", b"").startswith(_JSON):
                    start = message
                    return
            if start is None:
                await send(message)
                return
            first, start = start, None
            if not message.get("more_body"):
                first, message = _add_etag(scope, first, message)
            await send(first)
            await send(message)

        await self._app(scope, receive, send_with_etag)


def _add_etag(scope: Scope, start: Message, body: Message) -> tuple[Message, Message]:
    etag = compute_etag(body.get("body", b""))
    headers: list[Any] = [
        *start["headers"],
        (b"etag", etag.encode()),
        (b"cache-control", b"private, no-cache"),
    ]
    if_none_match = next(
        (value for name, value in scope["headers"] if name == b"if-none-match"), b""
    )
    known = {tag.removeprefix("W/") for tag in _split_tags(if_none_match.decode("latin-1"))}
    if scope["method"] == "GET" and known & {etag, "*"}:
        kept = [(name, value) for name, value in headers if not name.startswith(b"content-")]
        return {**start, "status": 304, "headers": kept}, {**body, "body": b""}
    return {**start, "headers": headers}, body


def _split_tags(header: str) -> set[str]:
    return {tag.strip() for tag in header.split(",")}
