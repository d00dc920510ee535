"""Log throttling: log a repeated failure once a minute, and its end once."""

import time
from collections.abc import Callable
from typing import Any

import structlog

_LOG_INTERVAL_SECONDS = 60.0

log = structlog.get_logger()


class OutageLog:
    """Log the first failure of an operation, then one a minute with a count, then the recovery."""

    def __init__(
        self, event: str, recovery_event: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._event = event
        self._recovery_event = recovery_event
        self._clock = clock
        self._failing_since: float | None = None
        self._logged_at = 0.0
        self._suppressed = 0

    def record_failure(self, error: Exception, **values: Any) -> None:
        """Record that the operation failed."""
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._logged_at < _LOG_INTERVAL_SECONDS:
            self._suppressed += 1
            return
        log.warning(self._event, error=str(error).strip(), **values, more=self._suppressed)
        self._logged_at, self._suppressed = now, 0

    def record_success(self) -> None:
        """Record that the operation succeeded; log it only after a failure."""
        if self._failing_since is not None:
            seconds = round(self._clock() - self._failing_since, 1)
            log.info(self._recovery_event, seconds=seconds)
            self._failing_since, self._suppressed = None, 0
