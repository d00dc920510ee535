"""ETags: whoever has a state already need not be sent it again, and no change overwrites one that was not seen.

A tag has two halves: a digest of what people and programs set, and one of all the bytes. Whoever has the answer already
is told by both. Whoever changes it is held to the first alone, because a delivery or a sign-in is no change of theirs.
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
        description="The ETag of the state you read; where it is another by now, nothing is done (412).",
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
"""What use alone changes in an integration, a person, a key or a webhook URL."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def compute_etag(body: bytes) -> str:
    """Name a state by the JSON that shows it."""
    return f'"{_digest(_without_volatile_fields(body))}-{_digest(body)}"'


def _without_volatile_fields(body: bytes) -> bytes:
    """Leave out what moves by itself; a list has no fields and stays whole."""
    if not body.startswith(b"{"):
        return body
    fields = _FIELDS.decode(body).items()
    return msgspec.json.encode([each for each in fields if each[0] not in _VOLATILE_FIELDS])


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def check_if_match(if_match: str | None, now: msgspec.Struct) -> None:
    """Raise PreconditionFailedError where the one who changes something has seen another state of it than this."""
    if if_match is None or "*" in _split_tags(if_match):
        return
    settled, _, _ = compute_etag(msgspec.json.encode(now)).partition("-")
    if settled not in {one.partition("-")[0] for one in _split_tags(if_match)}:
        raise PreconditionFailedError


class ETagMiddleware:
    """Adds an ETag to whole JSON answers of GET, PATCH and PUT, and answers 304 to a GET that has it already."""

    def __init__(self, app: Asgi) -> None:
        self._application = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["method"] not in ("GET", "PATCH", "PUT"):
            await self._application(scope, receive, send)
            return
        start: Message | None = None

        async def answer(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _may_have_etag(message):
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

        await self._application(scope, receive, answer)


def _may_have_etag(start: Message) -> bool:
    headers: dict[bytes, bytes] = dict(start["headers"])
    return start["status"] == 200 and headers.get(b"content-type", b"").startswith(_JSON)  # noqa: PLR2004


def _add_etag(scope: Scope, start: Message, body: Message) -> tuple[Message, Message]:
    etag = compute_etag(body.get("body", b""))
    headers: list[Any] = [
        *start["headers"],
        (b"etag", etag.encode()),
        (b"cache-control", b"private, no-cache"),
    ]
    known = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
    had = {one.removeprefix("W/") for one in _split_tags(known.decode("latin-1"))}
    if scope["method"] == "GET" and had & {etag, "*"}:
        left = [(name, value) for name, value in headers if not name.startswith(b"content-")]
        return {**start, "status": 304, "headers": left}, {**body, "body": b""}
    return {**start, "headers": headers}, body


def _split_tags(written: str) -> set[str]:
    return {one.strip() for one in written.split(",")}
