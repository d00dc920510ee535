"""Changes per minute, and their latency from ION to the mirror."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.db.tables.stats import DELAYS, activity
from ultraviolet.mirror.latency import quantile


class ActivityMinute(msgspec.Struct, frozen=True):
    """The changes of one minute; latencies in seconds, None if ION gave no time of change."""

    at: str
    changes: int = 0
    p50: float | None = None
    p99: float | None = None


def last_hour(
    connection: Connection, integration_id: int, now: datetime | None = None
) -> list[ActivityMinute]:
    """Return the last 60 minutes, including the current one and those without changes."""
    end = (now or utc_now()).replace(second=0, microsecond=0)
    minutes = [format_rfc3339(end - timedelta(minutes=ago))[:16] for ago in range(59, -1, -1)]
    query = select(activity).where(
        activity.c.integration_id == integration_id, activity.c.minute >= minutes[0]
    )
    known: dict[str, ActivityMinute] = {}
    for row in connection.execute(query).mappings():
        counts = {bucket: row[f"within_{bucket}"] for bucket in range(len(DELAYS) + 1)}
        p50, p99 = (quantile(counts, share, DELAYS) for share in (0.5, 0.99))
        known[row["minute"]] = ActivityMinute(row["minute"], row["changes"], p50, p99)
    return [known.get(minute) or ActivityMinute(minute) for minute in minutes]
