"""Changes over time, and their latency from ION to the mirror."""

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.db.tables.stats import DELAYS, activity
from ultraviolet.mirror.latency import quantile

Range = Literal["hour", "day", "week"]
_MINUTE_CHARACTERS, _HOUR_CHARACTERS = 16, 13
HOURS: dict[Range, int] = {"hour": 1, "day": 24, "week": 24 * 7}
_DELAY_COLUMNS = [activity.c[f"within_{bucket}"] for bucket in range(len(DELAYS) + 1)]
_SUMS = [func.sum(column).label(column.name) for column in (activity.c.changes, *_DELAY_COLUMNS)]


class Activity(msgspec.Struct, frozen=True):
    """The changes in one minute or hour; latencies in seconds, None if ION gave no time of change."""

    at: str
    changes: int = 0
    p50: float | None = None
    p99: float | None = None


def list_activity(
    connection: Connection, integration_id: int, span: Range = "hour"
) -> list[Activity]:
    """Return the last hour by minute, or the last day or week by hour, with empty intervals."""
    end = utc_now().replace(second=0, microsecond=0)
    minutes = span == "hour"
    size = _MINUTE_CHARACTERS if minutes else _HOUR_CHARACTERS
    count, step = (60, timedelta(minutes=1)) if minutes else (HOURS[span], timedelta(hours=1))
    places = [format_rfc3339(end - step * ago)[:size] for ago in range(count - 1, -1, -1)]
    place = func.substr(activity.c.minute, 1, size).label("place")
    here = (activity.c.integration_id == integration_id, activity.c.minute >= places[0])
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
