"""A clock that never goes back, and times as RFC 3339 text in UTC.

All texts have microseconds, so that text order is time order.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

_machine_time = partial(datetime.now, UTC)


class Clock:
    """The machine's clock, except that it never goes back.

    If the machine's clock is set back, this clock continues from its last time until the other has
    caught up. Later observations therefore never get an earlier time.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = _machine_time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._last = (wall(), elapsed())

    def now(self) -> datetime:
        """Return the current time."""
        wall, elapsed = self._wall(), self._elapsed()
        last, last_elapsed = self._last
        moment = max(wall, last + timedelta(seconds=elapsed - last_elapsed))
        self._last = (moment, elapsed)
        return moment

    def advance_to(self, moment: datetime) -> None:
        """Continue from a later time, seen by an earlier process; ignore an earlier one."""
        self._last = (max(self.now(), moment), self._elapsed())

    def seconds_ahead(self) -> float:
        """Return by how many seconds this clock is ahead of the machine's."""
        return max(0.0, (self.now() - self._wall()).total_seconds())


CLOCK = Clock()
"""The clock of this process."""


def utc_now() -> datetime:
    """Return the current time."""
    return CLOCK.now()


def now_rfc3339() -> str:
    """Return the current time, such as `2026-11-23T23:40:50.123456+00:00`."""
    return CLOCK.now().isoformat(timespec="microseconds")


def format_rfc3339(moment: datetime) -> str:
    """Return a time as text in UTC; a time without a zone counts as UTC, as ION's do (assumed)."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat(timespec="microseconds")


def readable(moment: str) -> str:
    """Return a time (RFC 3339) for a sentence: to the second, in UTC."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def normalize_rfc3339(value: str) -> str:
    """Return any ISO 8601 time in this form; raise ValueError for an invalid time."""
    try:
        moment = datetime.fromisoformat(value)
        utc = moment.tzinfo is UTC
        return moment.isoformat(timespec="microseconds") if utc else format_rfc3339(moment)
    except OverflowError as error:
        raise ValueError(value) from error  # before the year 1 or after 9999 in UTC
