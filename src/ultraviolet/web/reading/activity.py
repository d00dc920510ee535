"""Activity as the edge shows it: changes a minute, and how long they took from ION to the mirror."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.mirror.arrivals import EVERY
from ultraviolet.mirror.tables import DELAYS, activity, arrivals
from ultraviolet.times import text

_SLOWEST = DELAYS[-1] * 4


class Minute(msgspec.Struct, frozen=True):
    """One minute; delays in seconds, None where nothing told its own time."""

    at: str
    changes: int = 0
    p50: float | None = None
    p99: float | None = None


class Healed(msgspec.Struct, frozen=True):
    """How often a cause of drift was put right."""

    cause: str
    count: int


def last_hour(connection: Connection, integration_id: int, now: datetime | None = None) -> list[Minute]:
    """Read the last 60 minutes, the one that runs included; quiet ones are zero."""
    end = (now or datetime.now(UTC)).replace(second=0, microsecond=0)
    minutes = [text(end - timedelta(minutes=ago))[:16] for ago in range(59, -1, -1)]
    query = select(activity).where(
        activity.c.integration_id == integration_id, activity.c.minute >= minutes[0]
    )
    known = {
        row["minute"]: _minute(row["minute"], row["changes"], [*row.values()][3:])
        for row in connection.execute(query).mappings()
    }
    return [known.get(minute) or Minute(minute) for minute in minutes]


def healed(connection: Connection, integration_id: int, since: str) -> list[Healed]:
    """Count by cause what was put right since then, most first."""
    count = func.sum(arrivals.c.count).label("count")
    query = (
        select(arrivals.c.cause, count)
        .where(
            arrivals.c.integration_id == integration_id,
            arrivals.c.hour >= since[:13],
            arrivals.c.cause != EVERY,
        )
        .group_by(arrivals.c.cause)
        .having(count > 0)
        .order_by(count.desc())
    )
    return [Healed(*row) for row in connection.execute(query)]


def _minute(at: str, changes: int, counts: Sequence[int]) -> Minute:
    return Minute(at, changes, quantile(counts, 0.5), quantile(counts, 0.99))


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Estimate a quantile from counts by upper bound, evenly spread within each."""
    wanted = sum(counts) * share
    if wanted == 0:
        return None
    bounds = (0.0, *DELAYS, _SLOWEST)
    for number, count in enumerate(counts):
        if wanted <= count:
            return bounds[number] + (bounds[number + 1] - bounds[number]) * wanted / count
        wanted -= count
    return _SLOWEST
