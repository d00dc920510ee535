"""`Idempotency-Key`: a POST of the API that is sent again is not done again; its first answer is given once more."""

import asyncio
import hashlib
from contextlib import suppress
from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import HTTPScope

from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.hub.core import idempotency
from ultraviolet.hub.core.idempotency import RENEWED_EVERY, KeyedRequest, StoredResponse
from ultraviolet.hub.hub import Hub
from ultraviolet.web.http.asgi import Asgi, Message, Receive, Scope, Send
from ultraviolet.web.middleware.auth import Caller

HEADER = b"idempotency-key"
REPLAYED = (b"idempotent-replayed", b"true")
MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_KEY_LENGTH = 255


class IdempotencyMiddleware:
    """Keeps the answers of what was done, for a day; what was refused has changed nothing and is not kept."""

    def __init__(self, app: Asgi, hub: Hub) -> None:
        self._application = app
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request; who is nobody is refused further in, who may not do it now is given no answer of before."""
        caller = cast("Caller | None", scope.get("user"))
        given = next((value for name, value in scope["headers"] if name == HEADER), None)
        if scope["method"] != "POST" or given is None or caller is None:
            await self._application(scope, receive, send)
            return
        await scope["route_handler"].authorize_connection(ASGIConnection(cast("HTTPScope", scope)))
        body = await _read_body(receive)
        asked = KeyedRequest(caller.actor.identity, _parse_key(given), _request_digest(scope, body))
        database, secrets = self._hub.database, self._hub.secrets
        before = await database.write(idempotency.begin, secrets, asked)
        if before is not None:
            await _replay(send, before)
            return
        answer: StoredResponse | None = None
        alive = asyncio.create_task(self._stay_alive(asked))
        try:
            answer = await self._do(scope, body, receive, send)
        finally:
            alive.cancel()
            await database.write(idempotency.finish, secrets, asked, answer)

    async def _do(
        self, scope: Scope, body: bytes, receive: Receive, send: Send
    ) -> StoredResponse | None:
        """Let it be done, and give the answer where it was."""
        unread, status, parts = True, 0, list[bytes]()

        async def replay() -> Message:
            nonlocal unread
            if unread:
                unread = False
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))
            await send(message)

        await self._application(scope, replay, note)
        return StoredResponse(status, b"".join(parts)) if 200 <= status < 300 else None  # noqa: PLR2004

    async def _stay_alive(self, asked: KeyedRequest) -> None:
        while True:
            await asyncio.sleep(RENEWED_EVERY)
            with suppress(UltravioletError):
                await self._hub.database.write(idempotency.renew, asked)


async def _replay(send: Send, answer: StoredResponse) -> None:
    headers: list[Any] = [(b"content-length", str(len(answer.body)).encode()), REPLAYED]
    if answer.body:
        headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _read_body(receive: Receive) -> bytes:
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and bool(message.get("more_body"))
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise RequestEntityTooLarge
    return b"".join(parts)


def _parse_key(given: bytes) -> str:
    """Read the key, with or without the quotes that the draft of the header asks for."""
    key = given.decode("latin-1").strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > _MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidError(
            f"A key is text of 1 to {_MAX_KEY_LENGTH} characters of ASCII.", field="Idempotency-Key"
        )
    return key


def _request_digest(scope: Scope, body: bytes) -> bytes:
    seen = hashlib.sha256()
    for part in (scope["path"].encode(), scope["query_string"], body):
        seen.update(len(part).to_bytes(8, "big"))
        seen.update(part)
    return seen.digest()
