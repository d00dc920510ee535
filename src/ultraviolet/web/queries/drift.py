"""Drift by resource, cause and time, with samples."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, text

from ultraviolet.db.tables.stats import arrivals
from ultraviolet.db.tables.sync import drift
from ultraviolet.mirror import latency
from ultraviolet.mirror.drift import CAUSES
from ultraviolet.web.queries.rows import struct_columns

By = Literal["hour", "day"]
_CAUSE_MEANINGS: dict[str, str] = {**CAUSES}
_TIME_PREFIX_LENGTH = {"hour": 13, "day": 10}


class DriftSample(msgspec.Struct, frozen=True):
    """An object that webhooks alone would have left wrong."""

    seq: int
    integration_id: int
    resource: str
    id: str
    cause: str
    fields: list[str]
    wrong_since: str | None
    """ION's time of the change, or the time of its first event; null if both are unknown."""
    seconds: float | None
    """Seconds from then until the mirror was correct."""
    healed_by: dict[str, Any]
    healed_at: str


class DriftFilter(msgspec.Struct, frozen=True):
    """Drift of a resource, of a cause, within a time range (RFC 3339, UTC)."""

    resource: str | None = None
    cause: str | None = None
    since: str | None = None
    until: str | None = None


class DriftCause(msgspec.Struct, frozen=True):
    """Drift of one resource by one cause; durations are exact to 20 %."""

    resource: str
    cause: str
    meaning: str
    count: int
    changes: int
    """All changes of the resource in the time range."""
    share: float
    """`count` divided by `changes`."""
    p50_seconds: float | None
    p99_seconds: float | None
    healed_by: dict[str, int]


class DriftInterval(msgspec.Struct, frozen=True):
    """One hour or day: the number of changes, and of drift by cause."""

    at: str
    changes: int
    causes: dict[str, int]


class DriftReport(msgspec.Struct, frozen=True):
    """Drift in a time range."""

    changes: int
    wrong: int
    causes: list[DriftCause]
    over_time: list[DriftInterval]
    samples: list[DriftSample]


def get_report(
    connection: Connection, integration_id: int, drift_filter: DriftFilter, by: By
) -> DriftReport:
    """Return the drift in a time range, rounded to whole hours."""
    names = (arrivals.c.resource, arrivals.c.cause, arrivals.c.healed_by, arrivals.c.bucket)
    counts = select(*names, func.sum(arrivals.c.count).label("total")).group_by(*names)
    rows = connection.execute(counts.where(*_conditions(integration_id, drift_filter))).all()
    changes = Counter[str]()
    for row in rows:
        if row.cause == latency.ALL_CAUSES:
            changes[row.resource] += row.total
    wrong = [row for row in rows if row.cause != latency.ALL_CAUSES]
    delays: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    healers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in wrong:
        delays[row.resource, row.cause][row.bucket] += row.total
        healers[row.resource, row.cause][row.healed_by] += row.total
    causes = [
        _to_cause(*key, buckets, dict(healers[key]), changes[key[0]])
        for key, buckets in delays.items()
        if buckets.total()
    ]
    return DriftReport(
        changes=sum(changes.values()),
        wrong=sum(row.total for row in wrong),
        causes=sorted(causes, key=lambda cause: (-cause.count, cause.resource, cause.cause)),
        over_time=_intervals(connection, integration_id, drift_filter, by),
        samples=list_samples(connection, integration_id, drift_filter, None, 20),
    )


def list_samples(
    connection: Connection,
    integration_id: int,
    drift_filter: DriftFilter,
    before: int | None,
    limit: int,
) -> list[DriftSample]:
    """Return drift samples, newest first: all corrections by reads and a sample of those by events."""
    query = select(*struct_columns(drift, DriftSample)).where(
        drift.c.integration_id == integration_id
    )
    query = query.order_by(drift.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(drift.c.seq < before)
    for column, value in (
        (drift.c.resource, drift_filter.resource),
        (drift.c.cause, drift_filter.cause),
    ):
        if value:
            query = query.where(column == value)
    if drift_filter.since:
        query = query.where(drift.c.healed_at >= drift_filter.since)
    if drift_filter.until:
        query = query.where(drift.c.healed_at < drift_filter.until)
    return [DriftSample(**row) for row in connection.execute(query).mappings()]


def _conditions(integration_id: int, drift_filter: DriftFilter) -> Iterator[ColumnElement[bool]]:
    yield arrivals.c.integration_id == integration_id
    if drift_filter.resource:
        yield arrivals.c.resource == drift_filter.resource
    if drift_filter.cause:
        yield arrivals.c.cause.in_((drift_filter.cause, latency.ALL_CAUSES))
    if drift_filter.since:
        yield arrivals.c.hour >= drift_filter.since[:13]
    if drift_filter.until:
        yield arrivals.c.hour < drift_filter.until[:13]


def _to_cause(
    resource: str, cause: str, delays: Counter[int], healers: dict[str, int], changes: int
) -> DriftCause:
    count = delays.total()
    return DriftCause(
        resource=resource,
        cause=cause,
        meaning=_CAUSE_MEANINGS.get(cause, cause),
        count=count,
        changes=changes,
        share=round(count / changes, 4) if changes else 0.0,
        p50_seconds=latency.quantile(delays, 0.5),
        p99_seconds=latency.quantile(delays, 0.99),
        healed_by={name: n for name, n in healers.items() if n},
    )


def _intervals(
    connection: Connection, integration_id: int, drift_filter: DriftFilter, by: By
) -> list[DriftInterval]:
    at = func.substr(arrivals.c.hour, 1, _TIME_PREFIX_LENGTH[by]).label("at")
    query = select(at, arrivals.c.cause, func.sum(arrivals.c.count).label("total"))
    query = query.where(*_conditions(integration_id, drift_filter)).group_by(
        text("1"), arrivals.c.cause
    )
    changes: Counter[str] = Counter()
    causes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(query):
        if row.cause == latency.ALL_CAUSES:
            changes[row.at] += row.total
        else:
            causes[row.at][row.cause] += row.total
    return [
        DriftInterval(start, changes[start], dict(causes[start]))
        for start in sorted(changes | causes)
    ]
