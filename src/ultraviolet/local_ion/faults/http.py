"""What stands in front of the local ION's API: the time limit of a request, and faults of connections and answers."""

import asyncio
import math
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ultraviolet.local_ion.auth.oauth import TOKEN_PATH
from ultraviolet.local_ion.faults.clock import Clock
from ultraviolet.local_ion.faults.registry import Fault, Faults, Kind

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

API = ("/graphql", TOKEN_PATH, f"/auth{TOKEN_PATH}")
"""The addresses a real ION has; only these are limited and struck by faults."""
CONNECTION = "ultraviolet.connection"


class Protocol(HttpToolsProtocol):
    """HTTP over a connection that an answer may break."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Let requests know the connection they came by."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION: transport}


class Exchange:
    """One request and its answer on their way through."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, deadline: asyncio.Timeout) -> None:
        self.scope = scope
        self.receive = receive
        self.deadline = deadline
        self.begun = False
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass the answer on; once it has begun, it may take its time."""
        if not self.begun:
            self.begun = True
            self.deadline.reschedule(None)
        await self._send(message)

    async def answer(self, status: int, body: bytes, content_type: str, **headers: str) -> None:
        """Answer in the API's stead."""
        await answer(self.send, status, body, content_type, **headers)

    async def hang(self) -> None:
        """Keep the connection until the other side has had enough."""
        self.deadline.reschedule(None)
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def break_off(self) -> None:
        """Reset the connection."""
        transport = self.scope.get("state", {}).get(CONNECTION)
        if transport is None:
            raise ConnectionResetError("The connection is reset by a fault.")
        # A linger of zero makes the system send RST instead of an orderly end.
        plain = transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class Gateway:
    """The API behind its gateway."""

    def __init__(self, app: App, faults: Faults, limit: float) -> None:
        self._app = app
        self._faults = faults
        self._limit = limit
        self._clock = Clock(faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless a fault strikes; 502 when the answer does not begin in time."""
        send = self._dated(send)
        if scope["type"] != "http" or scope["path"] not in API:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._limit) as deadline:
                await self._pass(Exchange(scope, receive, send, deadline))
        except TimeoutError:
            await http_error(send, 502)

    def _dated(self, send: Send) -> Send:
        """Let every answer carry the time as this ION believes it, in the header HTTP has for that."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", ()), (b"date", date)]}
            await send(message)

        return dated

    async def _pass(self, exchange: Exchange) -> None:
        path = exchange.scope["path"]
        for fault in self._faults.strike("request", path):
            if await REQUEST[fault.kind](exchange, fault):
                return
        send = exchange.send
        for fault in self._faults.strike("answer", path):
            send = ANSWER[fault.kind](exchange, fault, send)
        await self._app(exchange.scope, exchange.receive, send)


async def answer(send: Send, status: int, body: bytes, content_type: str, **headers: str) -> None:
    """Send a whole answer."""
    named = {"content-type": content_type, "content-length": str(len(body)), **headers}
    fields = [(n.replace("_", "-").encode(), v.encode()) for n, v in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def http_error(send: Send, status: int) -> None:
    """Answer as a gateway does: with a page, not with JSON (assumed)."""
    title = f"{status} {HTTPStatus(status).phrase}" if status in _STATUSES else str(status)
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    await answer(send, status, page.encode(), "text/html; charset=utf-8")


_STATUSES = frozenset(int(s) for s in HTTPStatus)


async def _latency(_: Exchange, fault: Fault) -> bool:
    await asyncio.sleep(fault.setting("seconds"))
    return False


async def _error(exchange: Exchange, fault: Fault) -> bool:
    await http_error(exchange.send, fault.setting("status"))
    return True


async def _rate_limit(exchange: Exchange, fault: Fault) -> bool:
    body = b'{"errors":[{"message":"Too many requests"}]}'
    wait = str(math.ceil(fault.setting("seconds")))
    await exchange.answer(429, body, "application/json", retry_after=wait)
    return True


async def _no_answer(exchange: Exchange, _: Fault) -> bool:
    await exchange.hang()
    return True


async def _reset(exchange: Exchange, _: Fault) -> bool:
    exchange.break_off()
    return True


def _slow_body(_: Exchange, fault: Fault, send: Send) -> Send:
    pause, pieces = fault.setting("seconds"), fault.setting("number")

    async def slowly(message: Message) -> None:
        body = message.get("body", b"")
        size = max(1, math.ceil(len(body) / pieces))
        for start in range(0, len(body), size):
            await asyncio.sleep(pause)
            more = message.get("more_body", False) or start + size < len(body)
            await send({**message, "body": body[start : start + size], "more_body": more})
        if not body:
            await send(message)

    return slowly


def _cut_body(exchange: Exchange, _: Fault, send: Send) -> Send:
    async def half(message: Message) -> None:
        body = message.get("body", b"")
        if not body:
            await send(message)
            return
        await send({**message, "body": body[: len(body) // 2], "more_body": True})
        # What was written must have left before the connection is reset, or the client sees no body at all.
        await asyncio.sleep(0.05)
        exchange.break_off()

    return half


REQUEST: Mapping[Kind, Callable[[Exchange, Fault], Awaitable[bool]]] = {
    "latency": _latency,
    "error": _error,
    "rate_limit": _rate_limit,
    "no_answer": _no_answer,
    "reset": _reset,
}
"""What a fault does to a request; true where that was the answer."""
ANSWER: Mapping[Kind, Callable[[Exchange, Fault, Send], Send]] = {
    "slow_body": _slow_body,
    "cut_body": _cut_body,
}
"""What a fault makes of the way an answer takes."""
