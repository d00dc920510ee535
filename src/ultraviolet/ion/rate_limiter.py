"""Limit the request rate to ION: at most the configured rate, less while ION is slow or limits it.

Additive increase and multiplicative decrease, as in TCP, share ION's capacity fairly between
clients without knowing ION's limits.
"""

import asyncio
import time
from collections.abc import Callable

_MIN_REQUESTS_PER_SECOND = 0.2
"""Minimum rate, to detect when ION recovers."""
_INCREASE = 0.02
"""Increase per response, as a share of the configured rate."""
_LIMITED_DECREASE = 0.5
_SLOW_DECREASE = 0.8
_SLOW_FACTOR = 4.0
_SLOW_SECONDS = 2.0
_MIN_DECREASE_INTERVAL_SECONDS = 1.0
"""Requests already sent at a decrease do not cause another one."""


class AdaptiveRateLimiter:
    """A shared limit of requests per second, with bursts of up to one second."""

    def __init__(
        self, requests_per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.ceiling = self.rate = float(requests_per_second)
        self._clock = clock
        self._free_at = 0.0
        self._lowered_at = float("-inf")
        self._usual: float | None = None

    async def take(self) -> None:
        """Wait until another request is within the limit."""
        now = self._clock()
        self._free_at = max(self._free_at, now - 1.0) + 1.0 / self.rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)

    def answered(self, seconds: float) -> None:
        """Raise the rate after a response, or lower it if ION has become slow."""
        usual = seconds if self._usual is None else min(self._usual * 1.01, seconds)
        self._usual = max(usual, 0.001)
        if seconds > _SLOW_SECONDS and seconds > _SLOW_FACTOR * self._usual:
            self._lower(_SLOW_DECREASE)
        else:
            self.rate = min(self.ceiling, self.rate + _INCREASE * self.ceiling)

    def refused(self, wait: float | None) -> None:
        """Lower the rate after ION limited it, and stop all requests for `wait` seconds."""
        self._lower(_LIMITED_DECREASE)
        if wait:
            self._free_at = max(self._free_at, self._clock() + wait)

    def _lower(self, factor: float) -> None:
        now = self._clock()
        if now - self._lowered_at >= _MIN_DECREASE_INTERVAL_SECONDS:
            self._lowered_at = now
            self.rate = max(min(_MIN_REQUESTS_PER_SECOND, self.ceiling), self.rate * factor)
