"""A clock that never goes back, and times as RFC 3339 text in UTC.

All texts have microseconds, so that text order is time order.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TEXT_CHARACTERS = len("2026-11-23T23:40:50.123456+00:00")


class Clock:
    """The machine's clock, except that it never goes back.

    If the machine's clock is set back, this clock continues from its last time until the other has
    caught up. Later observations therefore never get an earlier time. `wall` returns nanoseconds since
    1970, `elapsed` nanoseconds since any time.
    """

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        elapsed: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._offset = wall() - elapsed()
        """The largest difference between both clocks so far."""
        self._last_second = (0, "")
        """A second and its text, which are the same for most calls."""

    def nanoseconds(self) -> int:
        """Return the current time in nanoseconds since 1970."""
        # Read the wall first: a pause between both must not advance the clock for good.
        wall, elapsed = self._wall(), self._elapsed()
        self._offset = offset = max(self._offset, wall - elapsed)
        return elapsed + offset

    def now(self) -> datetime:
        """Return the current time."""
        return _EPOCH + timedelta(microseconds=self.nanoseconds() // 1000)

    def text(self) -> str:
        """Return the current time as RFC 3339 text."""
        second, nanosecond = divmod(self.nanoseconds(), 1_000_000_000)
        last, beginning = self._last_second
        if second != last:
            beginning = datetime.fromtimestamp(second, UTC).isoformat()[:19]
            self._last_second = second, beginning
        return f"{beginning}.{nanosecond // 1000:06}+00:00"

    def advance_to(self, moment: datetime) -> None:
        """Continue from a later time, seen by an earlier process; ignore an earlier one."""
        later = (moment - _EPOCH) // _MICROSECOND * 1000 - self._elapsed()
        self._offset = max(self._offset, later)

    def seconds_ahead(self) -> float:
        """Return by how many seconds this clock is ahead of the machine's."""
        return max(0, self.nanoseconds() - self._wall()) / 1e9


CLOCK = Clock()
"""The clock of this process."""


def utc_now() -> datetime:
    """Return the current time."""
    return CLOCK.now()


now_rfc3339 = CLOCK.text
"""Returns the current time, such as `2026-11-23T23:40:50.123456+00:00`."""


def format_rfc3339(moment: datetime) -> str:
    """Return a time as text in UTC; a time without a zone counts as UTC, as ION's do (assumed)."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat(timespec="microseconds")


def readable(moment: str) -> str:
    """Return a time (RFC 3339) for a sentence: to the second, in UTC."""
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@lru_cache(8192)  # a document's time is read several times on its way into the mirror
def normalize_rfc3339(value: str) -> str:
    """Return any ISO 8601 time in this form; raise ValueError for an invalid time."""
    try:
        moment = datetime.fromisoformat(value)
        if (
            len(value) == _TEXT_CHARACTERS
            and value[7] == "-"  # not a week date
            and value[10] == "T"
            and value[19] == "."
            and value[11:13] != "24"
            and value.endswith("+00:00")
        ):
            return value
        return format_rfc3339(moment)
    except OverflowError as error:
        raise ValueError(value) from error  # before the year 1 or after 9999 in UTC


def valid_time(value: object) -> str | None:
    """Return a time in this form; None for any other value."""
    if not isinstance(value, str):
        return None
    try:
        return normalize_rfc3339(value)
    except ValueError:
        return None
