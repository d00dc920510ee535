"""Times as text: RFC 3339 in UTC with microseconds, so that text order is time order; and the clock they come from."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _wall() -> datetime:
    return datetime.now(UTC)


class Clock:
    """The machine's clock, except that it never goes back: what is learned later is never dated earlier.

    While the machine's clock is behind, because somebody or NTP set it back, this one goes on from where it was.
    """

    def __init__(
        self, wall: Callable[[], datetime] = _wall, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._known = (wall(), elapsed())

    def now(self) -> datetime:
        """Return the present moment."""
        wall, elapsed = self._wall(), self._elapsed()
        known, then = self._known
        moment = max(wall, known + timedelta(seconds=elapsed - then))
        self._known = (moment, elapsed)
        return moment

    def not_before(self, moment: datetime) -> None:
        """Go on from a later moment, which an earlier process has seen."""
        self._known = (max(self.now(), moment), self._elapsed())

    def ahead(self) -> float:
        """Tell by how many seconds the machine's clock is behind."""
        return max(0.0, (self.now() - self._wall()).total_seconds())


CLOCK = Clock()
"""The clock of this process."""


def utc_now() -> datetime:
    """Return the present moment."""
    return CLOCK.now()


def now_rfc3339() -> str:
    """Return the present moment, such as `2026-11-23T23:40:50.123456+00:00`."""
    return format_rfc3339(utc_now())


def format_rfc3339(moment: datetime) -> str:
    """Write a moment in UTC; one without a zone is taken to be UTC already, as ION's are (assumed)."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat(timespec="microseconds")


def normalize_rfc3339(value: str) -> str:
    """Bring any ISO 8601 time to the one form; raises ValueError where it is none."""
    try:
        return format_rfc3339(datetime.fromisoformat(value))
    except OverflowError as error:
        raise ValueError(value) from error  # in UTC it would lie before the year 1 or after 9999
