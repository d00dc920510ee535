"""How changes arrive: for each hour, resource, cause of drift and healer, how many, and how late, as a histogram.

The door counts as it writes, so that months are read in no time. Lateness is from ION's time of a change to the
moment the mirror showed it, as true as the two clocks agree; the first pass over a resource is not counted.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from ultraviolet.db import representation
from ultraviolet.mirror.object_state import ObjectState

ALL_CAUSES = ""
"""The cause under which every change is counted, drift or not."""
UNKNOWN_BUCKET = -1
"""The bucket of changes whose time in ION is not known."""
_FINEST = 0.001
_STEP = math.sqrt(2)
_BUCKETS = [_FINEST * _STEP**place for place in range(100)]

_ADD = text(
    """INSERT INTO arrivals (integration_id, hour, resource, cause, healed_by, bucket, count)
    VALUES (:integration, :hour, :resource, :cause, :healed_by, :bucket, :count)
    ON CONFLICT (integration_id, hour, resource, cause, healed_by, bucket)
    DO UPDATE SET count = arrivals.count + excluded.count"""
)

Key = tuple[str, str, str, int]
"""Resource, cause, healer, bucket."""


def measure_latency(news: Iterable[ObjectState], moment: str) -> None:
    """Note of each change that is none of a first pass since when it was news, and how late it is at a moment."""
    for state in news:
        state.news = _since(state)
        try:
            state.late = seconds_between(state.news, moment) if state.news else None
        except (ValueError, TypeError):  # ION's time is none, or has no zone
            state.news = state.late = None


def _since(state: ObjectState) -> str | None:
    seen, before = state.seen, state.before or {}
    if seen and seen.origin.kind == "event" and seen.source_time:
        return seen.source_time
    moment = state.doc.get("_updated") or state.doc.get("Updated")
    if not representation.fits("time", moment):
        return state.since
    known = state.was_full and moment in (before.get("_updated"), before.get("Updated"))
    if moment and not known and state.change != "delete":
        return str(moment)
    return state.since


def record_latency(
    connection: Connection,
    integration_id: int,
    news: Sequence[ObjectState],
    causes: Mapping[tuple[str, str], str],
    moment: str,
) -> None:
    """Count a batch of measured changes, each once under `EVERY` and once more under its cause of drift."""
    told = [(s.ref, _healer(s), latency_bucket(s.late)) for s in news]
    counts: Counter[Key] = Counter(
        [(ref[0], ALL_CAUSES, healer, place) for ref, healer, place in told]
    )
    counts.update(
        [(ref[0], causes[ref], healer, place) for ref, healer, place in told if ref in causes]
    )
    _add(connection, integration_id, moment[:13], counts)


def recount_drift(connection: Connection, integration_id: int, row: Any, cause: str | None) -> None:
    """Count a drift under another cause than it was, or no longer as one."""
    healer = msgspec.json.decode(row.healed_by) if isinstance(row.healed_by, str) else row.healed_by
    place = latency_bucket(row.seconds)
    counts = Counter({(row.resource, row.cause, healer["kind"], place): -1})
    if cause:
        counts[row.resource, cause, healer["kind"], place] += 1
    _add(connection, integration_id, row.healed_at[:13], counts)


def seconds_between(began: str, moment: str) -> float:
    """Return the time between two moments; none where the clocks of ION and the hub make it negative."""
    return max(0.0, (_moment(moment) - datetime.fromisoformat(began)).total_seconds())


_moment = lru_cache(16)(datetime.fromisoformat)
"""Reads the one moment that a batch is compared with."""


def latency_bucket(late: float | None) -> int:
    """Return the place of a lateness in the histogram."""
    return UNKNOWN_BUCKET if late is None else bisect_left(_BUCKETS, late)


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Return the seconds within which this share of the changes arrived, to a fifth; None where none is known."""
    known = {
        place: count for place, count in counts.items() if place != UNKNOWN_BUCKET and count > 0
    }
    wanted = sum(known.values()) * share
    for place in sorted(known):
        wanted -= known[place]
        if wanted <= 0:
            return round(_FINEST * _STEP ** max(0.0, place - 0.5), 3)
    return None


def _healer(state: ObjectState) -> str:
    assert state.seen
    return state.seen.origin.kind


def _add(connection: Connection, integration_id: int, hour: str, counts: Mapping[Key, int]) -> None:
    rows = [
        {
            "integration": integration_id,
            "hour": hour,
            "resource": resource,
            "cause": cause,
            "healed_by": healer,
            "bucket": place,
            "count": count,
        }
        for (resource, cause, healer, place), count in counts.items()
    ]
    if rows:
        connection.execute(_ADD, rows)
