"""Middleware that limits response times and applies faults of connections and responses."""

import asyncio
import math
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from ultraviolet.http_protocol import LimitedProtocol
from ultraviolet.local_ion.auth.oauth import TOKEN_PATH
from ultraviolet.local_ion.faults.clock import Clock
from ultraviolet.local_ion.faults.kinds import Fault, FaultKindName
from ultraviolet.local_ion.faults.registry import FaultRegistry

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

API_PATHS = ("/graphql", TOKEN_PATH, f"/auth{TOKEN_PATH}")
"""The paths of a real ION; time limit and faults apply only to these."""
CONNECTION_STATE = "ultraviolet.connection"
FLUSH_SECONDS = 0.05
"""Time for the sent part of a body to leave before a reset."""


class ConnectionProtocol(LimitedProtocol):
    """HTTP protocol whose requests can access their connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Store the connection in the state of its requests."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION_STATE: transport}


class Exchange:
    """One request with its response."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, deadline: asyncio.Timeout
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.deadline = deadline
        self.started = False
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a message; lift the deadline at the first one."""
        if not self.started:
            self.started = True
            self.deadline.reschedule(None)
        await self._send(message)

    async def wait_for_disconnect(self) -> None:
        """Keep the connection open until the client closes it."""
        self.deadline.reschedule(None)
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def reset_connection(self) -> None:
        """Reset the connection."""
        transport = self.scope.get("state", {}).get(CONNECTION_STATE)
        if transport is None:
            raise ConnectionResetError("A fault reset the connection.")
        # With a linger time of zero, the system sends RST instead of FIN.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class HttpFaultMiddleware:
    """The API behind a gateway that limits response times and applies faults."""

    def __init__(self, app: App, faults: FaultRegistry, limit_seconds: float) -> None:
        self._app = app
        self._faults = faults
        self._limit_seconds = limit_seconds
        self._clock = Clock(faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request unless a fault applies; 502 if the response starts too late."""

        async def send_with_date(message: Message) -> None:
            """Add a Date header with the time of this ION's clock."""
            if message["type"] == "http.response.start":
                date = format_datetime(self._clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", ()), (b"date", date)]}
            await send(message)

        if scope["type"] != "http" or scope["path"] not in API_PATHS:
            await self._app(scope, receive, send_with_date)
            return
        try:
            async with asyncio.timeout(self._limit_seconds) as deadline:
                exchange = Exchange(scope, receive, send_with_date, deadline)
                path = scope["path"]
                for fault in self._faults.trigger("request", path):
                    if await _handle_request(exchange, fault):
                        return
                faulty_send = exchange.send
                for fault in self._faults.trigger("response", path):
                    faulty_send = RESPONSE_FAULTS[fault.kind](exchange, fault, faulty_send)
                await self._app(scope, receive, faulty_send)
        except TimeoutError:
            await _send_error_page(send_with_date, 502)


async def _send_response(
    send: Send, status: int, body: bytes, content_type: str, **headers: str
) -> None:
    named = {"content-type": content_type, "content-length": str(len(body)), **headers}
    fields = [(n.replace("_", "-").encode(), v.encode()) for n, v in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def _send_error_page(send: Send, status: int) -> None:
    """Send an HTML page, as a gateway does (assumed)."""
    known = status in (each.value for each in HTTPStatus)
    title = f"{status} {HTTPStatus(status).phrase}" if known else str(status)
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    await _send_response(send, status, page.encode(), "text/html; charset=utf-8")


async def _handle_request(exchange: Exchange, fault: Fault) -> bool:
    """Apply a fault to a request; return whether the request was handled."""
    match fault.kind:
        case "latency":
            await asyncio.sleep(fault.setting("seconds"))
            return False
        case "error":
            await _send_error_page(exchange.send, fault.setting("status"))
        case "rate_limit":
            body = b'{"errors":[{"message":"Too many requests"}]}'
            wait = str(math.ceil(fault.setting("seconds")))
            await _send_response(exchange.send, 429, body, "application/json", retry_after=wait)
        case "no_response":
            await exchange.wait_for_disconnect()
        case _:
            exchange.reset_connection()
    return True


def _slow_body(_: Exchange, fault: Fault, send: Send) -> Send:
    pause, pieces = fault.setting("seconds"), fault.setting("number")

    async def send_slowly(message: Message) -> None:
        body = message.get("body", b"")
        size = max(1, math.ceil(len(body) / pieces))
        for start in range(0, len(body), size):
            await asyncio.sleep(pause)
            more = message.get("more_body", False) or start + size < len(body)
            await send({**message, "body": body[start : start + size], "more_body": more})
        if not body:
            await send(message)

    return send_slowly


def _cut_body(exchange: Exchange, _: Fault, send: Send) -> Send:
    async def send_half(message: Message) -> None:
        body = message.get("body", b"")
        if not body:
            await send(message)
            return
        await send({**message, "body": body[: len(body) // 2], "more_body": True})
        await asyncio.sleep(FLUSH_SECONDS)
        exchange.reset_connection()

    return send_half


RESPONSE_FAULTS: Mapping[FaultKindName, Callable[[Exchange, Fault, Send], Send]] = {
    "slow_body": _slow_body,
    "cut_body": _cut_body,
}
"""The effect of a fault on the way a response is sent."""
