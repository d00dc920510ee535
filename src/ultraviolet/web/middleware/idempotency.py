"""`Idempotency-Key`: a repeated POST of the API is not executed again and returns the first response."""

import hashlib
from collections.abc import Callable
from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import HTTPScope

from ultraviolet.errors import InvalidError
from ultraviolet.hub.core import idempotency
from ultraviolet.hub.core.idempotency import RENEW_INTERVAL_SECONDS, KeyedRequest, StoredResponse
from ultraviolet.hub.core.periodic_task import PeriodicTask
from ultraviolet.hub.hub import Hub
from ultraviolet.web.http.asgi import Asgi, Message, Receive, Scope, Send, read_body
from ultraviolet.web.middleware.auth import Caller

HEADER = b"idempotency-key"
REPLAYED = (b"idempotent-replayed", b"true")
MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_KEY_LENGTH = 255


class IdempotencyMiddleware:
    """Stores successful responses for a day.

    Rejected requests changed nothing and are not stored.
    """

    def __init__(self, app: Asgi, find_hub: Callable[[Scope], Hub]) -> None:
        self._app = app
        self._find_hub = find_hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request.

        The handler rejects requests without a caller. The guards run before a stored response is
        returned.
        """
        caller = cast("Caller | None", scope.get("user"))
        header = next((value for name, value in scope["headers"] if name == HEADER), None)
        if scope["method"] != "POST" or header is None or caller is None:
            await self._app(scope, receive, send)
            return
        await scope["route_handler"].authorize_connection(ASGIConnection(cast("HTTPScope", scope)))
        body = await read_body(receive, MAX_BODY_BYTES)
        if body is None:  # the client is gone
            return
        if len(body) > MAX_BODY_BYTES:
            raise RequestEntityTooLarge
        digest = hashlib.sha256()
        for part in (scope["path"].encode(), scope["query_string"], body):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        request = KeyedRequest(caller.actor.identity, _parse_key(header), digest.digest())
        hub = self._find_hub(scope)
        database, secrets = hub.database, hub.secrets
        stored = await database.write(idempotency.begin, secrets, request)
        if stored is not None:
            length = str(len(stored.body)).encode()
            headers: list[Any] = [(b"content-length", length), REPLAYED]
            if stored.body:
                headers.append((b"content-type", b"application/json"))
            start = {"type": "http.response.start", "status": stored.status, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": stored.body})
            return
        response: StoredResponse | None = None
        renewal = PeriodicTask(
            "renewal",
            lambda: database.write(idempotency.renew, request),
            RENEW_INTERVAL_SECONDS,
            first_delay_seconds=RENEW_INTERVAL_SECONDS,
        )
        renewal.start()
        try:
            response = await self._execute(scope, body, receive, send)
        finally:
            await renewal.stop()
            await database.write(idempotency.finish, secrets, request, response)

    async def _execute(
        self, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> StoredResponse | None:
        """Execute the request; return its response if it succeeded."""
        unread, status, parts = True, 0, list[bytes]()

        async def replay() -> Message:
            nonlocal unread
            if unread:
                unread = False
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        async def record(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))
            await send(message)

        await self._app(scope, replay, record)
        return StoredResponse(status, b"".join(parts)) if 200 <= status < 300 else None  # noqa: PLR2004


def _parse_key(header: bytes) -> str:
    """Return the key, with or without the quotes that the draft standard requires."""
    key = header.decode("latin-1").strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > _MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidError(
            f"The key must have 1 to {_MAX_KEY_LENGTH} printable ASCII characters.",
            field="Idempotency-Key",
        )
    return key
