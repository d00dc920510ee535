"""Rate limit of the API: requests per minute and caller, counted in the memory of each process."""

import math
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec

from ultraviolet.errors import TooManyRequestsError
from ultraviolet.web.http.asgi import Asgi, Message, Receive, Scope, Send
from ultraviolet.web.middleware.auth import Caller

WINDOW_SECONDS = 60
_MAX_CALLERS = 10_000
_POLICY_NAME = "requests"


class RateLimitState(msgspec.Struct, frozen=True):
    """Remaining requests (negative if over the limit), and seconds until the reset."""

    requests: int
    seconds: int


class RateLimiter:
    """Counts requests by caller."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, identity: str) -> RateLimitState:
        """Count one request."""
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

    def headers(self, state: RateLimitState) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": f'"{_POLICY_NAME}";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"{_POLICY_NAME}";r={max(0, state.requests)};t={state.seconds}',
        }


class RateLimitMiddleware:
    """Rejects requests over the limit, and adds rate limit headers to all responses."""

    def __init__(self, app: Asgi, find_limiter: Callable[[Scope], RateLimiter]) -> None:
        self._app = app
        self._find_limiter = find_limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the handler rejects requests without a caller."""
        caller = cast("Caller | None", scope.get("user"))
        limiter = self._find_limiter(scope)
        if caller is None or not limiter.limit:
            await self._app(scope, receive, send)
            return
        state = limiter.take(caller.actor.identity)
        rate_limit = limiter.headers(state)
        if state.requests < 0:
            raise TooManyRequestsError(state.seconds, rate_limit)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[Any] = [*message["headers"]]
                headers += [
                    (name.lower().encode(), value.encode()) for name, value in rate_limit.items()
                ]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)
