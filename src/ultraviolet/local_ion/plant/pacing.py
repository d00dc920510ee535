"""The pace of the plant: unlimited, or a steady rate of changes."""

import threading
import time
from collections.abc import Callable

MAX_BACKLOG_SECONDS = 1.0
"""How much lost time a rate limiter makes up for."""
PAUSED_POLL_SECONDS = 0.05
"""How often a paused plant checks its rate."""

Pace = Callable[[], None]
"""Wait until the next change may start."""


class PlantStoppedError(Exception):
    """The plant was stopped."""


class Unlimited:
    """Allows changes without a limit until the plant is stopped."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def __call__(self) -> None:
        """Raise PlantStoppedError if the plant was stopped."""
        if self._stop.is_set():
            raise PlantStoppedError


class RateLimiter:
    """Allows changes at a steady rate.

    Any thread may set the rate at any time; 0 pauses the plant.
    """

    def __init__(self, changes_per_second: float, stop: threading.Event) -> None:
        self.changes_per_second = changes_per_second
        self._stop = stop
        self._next = time.monotonic()

    def __call__(self) -> None:
        """Wait for the next change; raise PlantStoppedError if the plant is stopped meanwhile."""
        self.wait_while_paused()
        now = time.monotonic()
        self._next = max(self._next + 1 / self.changes_per_second, now - MAX_BACKLOG_SECONDS)
        self._wait(max(0.0, self._next - now))

    def wait_while_paused(self) -> None:
        """Wait until the rate is above 0; raise PlantStoppedError if stopped meanwhile."""
        while self.changes_per_second <= 0:
            self._wait(PAUSED_POLL_SECONDS)

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise PlantStoppedError
