"""How many requests a second one ION is asked: at most what was agreed, less while ION is slow or says so.

Additive increase, multiplicative decrease, as TCP does it: whoever shares a budget comes to a fair part of what
ION can bear, without knowing its limits (they are unknown).
"""

import asyncio
import time
from collections.abc import Callable

_SLOWEST = 0.2
"""Requests a second that are always tried, to learn when ION is well again."""
_STEP = 0.02
"""What an answer adds, as a share of the ceiling."""
_REFUSED = 0.5
_SLOW = 0.8
_SLOW_FACTOR = 4.0
_SLOW_SECONDS = 2.0
_ONCE_IN = 1.0
"""Seconds in which one decrease is enough: requests under way when it came say nothing new."""


class AdaptiveRateLimiter:
    """Requests a second, shared by everyone who holds it; short bursts of one second's worth pass."""

    def __init__(
        self, requests_per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.ceiling = self.rate = float(requests_per_second)
        self._clock = clock
        self._free_at = 0.0
        self._lowered_at = float("-inf")
        self._usual: float | None = None

    async def take(self) -> None:
        """Wait until one more request is within the budget."""
        now = self._clock()
        self._free_at = max(self._free_at, now - 1.0) + 1.0 / self.rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)

    def answered(self, seconds: float) -> None:
        """Note an answer and how long it took: a little more from now on, or less where ION has become slow."""
        usual = seconds if self._usual is None else min(self._usual * 1.01, seconds)
        self._usual = max(usual, 0.001)
        if seconds > _SLOW_SECONDS and seconds > _SLOW_FACTOR * self._usual:
            self._lower(_SLOW)
        else:
            self.rate = min(self.ceiling, self.rate + _STEP * self.ceiling)

    def refused(self, wait: float | None) -> None:
        """Note that ION asked to slow down, and for how long nobody should ask at all."""
        self._lower(_REFUSED)
        if wait:
            self._free_at = max(self._free_at, self._clock() + wait)

    def _lower(self, factor: float) -> None:
        now = self._clock()
        if now - self._lowered_at >= _ONCE_IN:
            self._lowered_at = now
            self.rate = max(min(_SLOWEST, self.ceiling), self.rate * factor)
