"""How often one key or person may ask the API: a number of requests a minute, counted in the memory of each process."""

import math
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec

from ultraviolet.errors import TooManyRequestsError
from ultraviolet.web.http.asgi import Asgi, Message, Receive, Scope, Send
from ultraviolet.web.middleware.auth import Caller

WINDOW_SECONDS = 60
"""Seconds."""
_MAX_CALLERS = 10_000
_NAME = "requests"


class RateLimitState(msgspec.Struct, frozen=True):
    """How many requests are left, and in how many seconds all are there again; less than 0 is one too many."""

    requests: int
    seconds: int


class RateLimiter:
    """Counts requests by who makes them."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, identity: str) -> RateLimitState:
        """Count one more request."""
        now = self._clock()
        began, count = self._windows.pop(identity, (now, 0))
        if now - began >= WINDOW_SECONDS:
            began, count = now, 0
        self._windows[identity] = began, count + 1
        while len(self._windows) > _MAX_CALLERS:
            del self._windows[next(iter(self._windows))]
        return RateLimitState(
            self.limit - count - 1, max(1, math.ceil(began + WINDOW_SECONDS - now))
        )

    def headers(self, left: RateLimitState) -> dict[str, str]:
        """Say it as draft-ietf-httpapi-ratelimit-headers-10 has it."""
        return {
            "RateLimit-Policy": f'"{_NAME}";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"{_NAME}";r={max(0, left.requests)};t={left.seconds}',
        }


class RateLimitMiddleware:
    """Refuses whoever asks too often, and tells everyone how many requests are left."""

    def __init__(self, app: Asgi, limits: RateLimiter) -> None:
        self._application = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request; who is nobody is refused further in."""
        caller = cast("Caller | None", scope.get("user"))
        if caller is None or not self._limits.limit:
            await self._application(scope, receive, send)
            return
        left = self._limits.take(caller.actor.identity)
        told = self._limits.headers(left)
        if left.requests < 0:
            raise TooManyRequestsError(left.seconds, told)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[Any] = [*message["headers"]]
                headers += [(name.lower().encode(), value.encode()) for name, value in told.items()]
                message = {**message, "headers": headers}
            await send(message)

        await self._application(scope, receive, answer)
