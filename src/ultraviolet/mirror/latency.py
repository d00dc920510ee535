"""Latency of changes: histograms per hour and per minute, from the change in ION to the mirror.

Counters are updated as changes are written, so that pages read few rows. Latency is as accurate as
the clocks of ION and the hub agree. The first fetch of a resource is not counted.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, text

from ultraviolet.clock import format_rfc3339
from ultraviolet.db import bulk, representation
from ultraviolet.db.tables.stats import DELAYS, arrivals
from ultraviolet.mirror.object_state import ObjectState

ALL_CAUSES = ""
"""The cause under which every change is counted, drift or not."""
UNKNOWN_BUCKET = -1
"""The bucket of changes whose time in ION is unknown."""
_FINEST_SECONDS = 0.001
_BUCKET_BOUNDS = tuple(_FINEST_SECONDS * math.sqrt(2) ** bucket for bucket in range(100))
_OUTER_BUCKET_RATIO = 4
"""Assumed ratio of the bounds of the first and the last bucket, which have only one bound."""

_ADD_LATENCY = text(
    """INSERT INTO arrivals (integration_id, hour, resource, cause, healed_by, bucket, count)
    VALUES (:integration, :hour, :resource, :cause, :healed_by, :bucket, :count)
    ON CONFLICT (integration_id, hour, resource, cause, healed_by, bucket)
    DO UPDATE SET count = arrivals.count + excluded.count"""
)
_DELAY_COLUMNS = [f"within_{number}" for number in range(len(DELAYS) + 1)]
_ADD_ACTIVITY = text(
    f"""INSERT INTO activity (integration_id, minute, changes, {", ".join(_DELAY_COLUMNS)})
    VALUES (:integration, :minute, :changes, {", ".join(f":{name}" for name in _DELAY_COLUMNS)})
    ON CONFLICT (integration_id, minute) DO UPDATE SET
      changes = activity.changes + excluded.changes,
      {", ".join(f"{name} = activity.{name} + excluded.{name}" for name in _DELAY_COLUMNS)}"""
)

Key = tuple[str, str, str, int]
"""Resource, cause, kind of the origin, bucket."""

_parse_now = lru_cache(16)(datetime.fromisoformat)
"""Parse the time of a batch, which is the same for all its changes."""


def measure_latency(news: Iterable[ObjectState], now: str) -> None:
    """Set the time of each change and its latency at `now`."""
    for state in news:
        observation, before = state.observation, state.before or {}
        updated = state.doc.get("_updated") or state.doc.get("Updated")
        known = state.was_full and updated in (before.get("_updated"), before.get("Updated"))
        if observation and observation.origin.kind == "event" and observation.source_time:
            state.change_time = observation.source_time
        elif (
            updated
            and not known
            and state.change != "delete"
            and representation.fits("time", updated)
        ):
            state.change_time = str(updated)
        else:
            state.change_time = state.since  # the first sign of the change
        try:
            state.latency_seconds = (
                seconds_between(state.change_time, now) if state.change_time else None
            )
        except (ValueError, TypeError):  # not a time, or without a time zone
            state.change_time = state.latency_seconds = None


def record_latency(
    connection: Connection,
    integration_id: int,
    news: Sequence[ObjectState],
    causes: Mapping[tuple[str, str], str],
    now: str,
) -> None:
    """Count measured changes, each under `ALL_CAUSES` and also under its cause of drift."""
    counts: Counter[Key] = Counter()
    for state in news:
        assert state.observation
        healed_by = state.observation.origin.kind
        bucket = latency_bucket(state.latency_seconds)
        counts[state.resource, ALL_CAUSES, healed_by, bucket] += 1
        if cause := causes.get(state.ref):
            counts[state.resource, cause, healed_by, bucket] += 1
    _add(connection, integration_id, now[:13], counts)


def record_activity(
    connection: Connection, integration_id: int, news: Sequence[ObjectState], now: str
) -> None:
    """Count measured changes of this minute."""
    if not news:
        return
    buckets = Counter(latency_bucket(state.latency_seconds, DELAYS) for state in news)
    counts = {name: buckets[number] for number, name in enumerate(_DELAY_COLUMNS)}
    row = {"integration": integration_id, "minute": now[:16], "changes": len(news)}
    bulk.execute_many(connection, _ADD_ACTIVITY, [row | counts])


def recount_drift(connection: Connection, integration_id: int, row: Any, cause: str | None) -> None:
    """Count a recorded drift under another cause, or no longer as drift."""
    origin = msgspec.json.decode(row.healed_by) if isinstance(row.healed_by, str) else row.healed_by
    bucket = latency_bucket(row.seconds)
    counts = Counter({(row.resource, row.cause, origin["kind"], bucket): -1})
    if cause:
        counts[row.resource, cause, origin["kind"], bucket] += 1
    _add(connection, integration_id, row.healed_at[:13], counts)


def load_histograms(
    connection: Connection, integration_id: int, since: datetime
) -> dict[str, dict[int, int]]:
    """Load the latency histogram of each resource since a time."""
    names = (arrivals.c.resource, arrivals.c.bucket)
    query = select(*names, func.sum(arrivals.c.count)).group_by(*names)
    query = query.where(
        arrivals.c.integration_id == integration_id,
        arrivals.c.cause == ALL_CAUSES,
        arrivals.c.hour >= format_rfc3339(since)[:13],
    )
    found: dict[str, dict[int, int]] = {}
    for resource, bucket, count in connection.execute(query):
        found.setdefault(resource, {})[bucket] = int(count)
    return found


def seconds_between(began: str, now: str) -> float:
    """Return the seconds between two times; 0 if clock differences make them negative."""
    return max(0.0, (_parse_now(now) - datetime.fromisoformat(began)).total_seconds())


def latency_bucket(seconds: float | None, bounds: Sequence[float] = _BUCKET_BOUNDS) -> int:
    """Return the bucket of a latency in a histogram with these upper bounds."""
    return UNKNOWN_BUCKET if seconds is None else bisect_left(bounds, seconds)


def quantile(
    counts: Mapping[int, int], share: float, bounds: Sequence[float] = _BUCKET_BOUNDS
) -> float | None:
    """Return a quantile in seconds: the geometric middle of its bucket; None if it is unknown.

    With the default bounds, the error is at most 20 %.
    """
    known = {
        bucket: count for bucket, count in counts.items() if bucket != UNKNOWN_BUCKET and count > 0
    }
    remaining = sum(known.values()) * share
    for bucket in sorted(known):
        remaining -= known[bucket]
        if remaining <= 0:
            lower = bounds[bucket - 1] if bucket else bounds[0] / _OUTER_BUCKET_RATIO
            upper = bounds[bucket] if bucket < len(bounds) else lower * _OUTER_BUCKET_RATIO
            return round(max(_FINEST_SECONDS, math.sqrt(lower * upper)), 3)
    return None


def _add(connection: Connection, integration_id: int, hour: str, counts: Mapping[Key, int]) -> None:
    rows = [
        {
            "integration": integration_id,
            "hour": hour,
            "resource": resource,
            "cause": cause,
            "healed_by": healed_by,
            "bucket": bucket,
            "count": count,
        }
        for (resource, cause, healed_by, bucket), count in counts.items()
    ]
    bulk.execute_many(connection, _ADD_LATENCY, rows)
