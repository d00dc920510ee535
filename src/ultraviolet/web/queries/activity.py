"""Changes over time, and their latency from ION to the mirror."""

import math
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.db.tables.stats import DELAYS, activity
from ultraviolet.mirror.latency import quantile

Range = Literal["hour", "day", "week"]
_MINUTE_CHARACTERS, _HOUR_CHARACTERS = 16, 13
MAX_BY_MINUTE = timedelta(hours=3)
HOURS: dict[Range, int] = {"hour": 1, "day": 24, "week": 24 * 7}
_DELAY_COLUMNS = [activity.c[f"within_{bucket}"] for bucket in range(len(DELAYS) + 1)]
_SUMS = [func.sum(column).label(column.name) for column in (activity.c.changes, *_DELAY_COLUMNS)]


class Activity(msgspec.Struct, frozen=True):
    """The changes in one minute or hour; latencies in seconds, None if ION gave no time of change."""

    at: str
    changes: int = 0
    p50: float | None = None
    p99: float | None = None


class Period(msgspec.Struct, frozen=True):
    """A range of times to chart: by minute if it is short, else by hour."""

    since: datetime
    until: datetime

    @property
    def by_minute(self) -> bool:
        """Whether the intervals are minutes."""
        return self.until - self.since <= MAX_BY_MINUTE

    @property
    def places(self) -> list[str]:
        """The start of each interval, in the form of the table."""
        size = _MINUTE_CHARACTERS if self.by_minute else _HOUR_CHARACTERS
        step = timedelta(minutes=1) if self.by_minute else timedelta(hours=1)
        whole = self.since.replace(second=0, microsecond=0)
        start = whole if self.by_minute else whole.replace(minute=0)
        count = max(1, math.ceil((self.until - start) / step))
        return [format_rfc3339(start + step * n)[:size] for n in range(count)]


def last(span: Range) -> Period:
    """Return the last hour, day or week, with the current minute or hour."""
    step = timedelta(minutes=1) if span == "hour" else timedelta(hours=1)
    now = utc_now().replace(second=0, microsecond=0)
    return Period(now - timedelta(hours=HOURS[span]) + step, now + timedelta(minutes=1))


def list_activity(connection: Connection, integration_id: int, period: Period) -> list[Activity]:
    """Return the changes of a period by minute or hour, with empty intervals."""
    places = period.places
    place = func.substr(activity.c.minute, 1, len(places[0])).label("place")
    here = (
        activity.c.integration_id == integration_id,
        activity.c.minute >= places[0],
        activity.c.minute < format_rfc3339(period.until)[:_MINUTE_CHARACTERS],
    )
    query = select(place, *_SUMS).where(*here).group_by(place)
    known = {row["place"]: _activity(row) for row in connection.execute(query).mappings()}
    return [known.get(place) or Activity(place) for place in places]


def summarize(connection: Connection, integration_id: int, since: datetime) -> Activity:
    """Return all changes since a time, as one interval."""
    start = format_rfc3339(since)[:_MINUTE_CHARACTERS]
    here = (activity.c.integration_id == integration_id, activity.c.minute >= start)
    row = connection.execute(select(*_SUMS).where(*here)).mappings().one()
    return _activity({"place": start, **row})


def _activity(row: Any) -> Activity:
    counts = {bucket: int(row[c.name] or 0) for bucket, c in enumerate(_DELAY_COLUMNS)}
    p50, p99 = (quantile(counts, share, DELAYS) for share in (0.5, 0.99))
    return Activity(row["place"], int(row["changes"] or 0), p50, p99)
