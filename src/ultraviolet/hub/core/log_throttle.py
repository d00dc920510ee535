"""Complaints: what fails again and again, as everything does while a database is away, is told once a minute and when it is over."""

import time
from collections.abc import Callable
from typing import Any

import structlog

_EVERY = 60.0
"""Seconds between two lines about the same."""

log = structlog.get_logger()


class OutageLog:
    """Tells of one thing that fails: at once, then once a minute with how often since, and when it goes on."""

    def __init__(self, event: str, over: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._over = over
        self._clock = clock
        self._since: float | None = None
        self._told = 0.0
        self._silent = 0

    def failed(self, error: Exception, **said: Any) -> None:
        """Note that it failed."""
        now = self._clock()
        if self._since is None:
            self._since = now
        elif now - self._told < _EVERY:
            self._silent += 1
            return
        log.warning(self._event, error=str(error).strip(), **said, more=self._silent)
        self._told, self._silent = now, 0

    def over(self) -> None:
        """Note that it works; nothing is said where it did all along."""
        if self._since is not None:
            log.info(self._over, seconds=round(self._clock() - self._since, 1))
            self._since, self._silent = None, 0
