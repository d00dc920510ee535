"""Activity as the edge shows it: changes a minute, and how long they took from ION to the mirror."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.db.tables.stats import DELAYS, activity

_MAX_DELAY_SECONDS = DELAYS[-1] * 4


class ActivityMinute(msgspec.Struct, frozen=True):
    """One minute; delays in seconds, None where nothing told when it changed."""

    at: str
    changes: int = 0
    p50: float | None = None
    p99: float | None = None


def last_hour(
    connection: Connection, integration_id: int, now: datetime | None = None
) -> list[ActivityMinute]:
    """Read the last 60 minutes, the one that runs included; quiet ones are zero."""
    end = (now or utc_now()).replace(second=0, microsecond=0)
    minutes = [format_rfc3339(end - timedelta(minutes=ago))[:16] for ago in range(59, -1, -1)]
    query = select(activity).where(
        activity.c.integration_id == integration_id, activity.c.minute >= minutes[0]
    )
    known = {
        row["minute"]: _minute(row["minute"], row["changes"], [*row.values()][3:])
        for row in connection.execute(query).mappings()
    }
    return [known.get(minute) or ActivityMinute(minute) for minute in minutes]


def _minute(at: str, changes: int, counts: Sequence[int]) -> ActivityMinute:
    return ActivityMinute(at, changes, quantile(counts, 0.5), quantile(counts, 0.99))


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Estimate a quantile from counts by upper bound, evenly spread within each."""
    wanted = sum(counts) * share
    if wanted == 0:
        return None
    bounds = (0.0, *DELAYS, _MAX_DELAY_SECONDS)
    for number, count in enumerate(counts):
        if wanted <= count:
            return bounds[number] + (bounds[number + 1] - bounds[number]) * wanted / count
        wanted -= count
    return _MAX_DELAY_SECONDS
