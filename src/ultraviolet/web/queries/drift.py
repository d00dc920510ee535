"""Corrections and changes understood from events, by resource, cause and time."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, func, or_, select, text

from ultraviolet.db.tables.stats import arrivals
from ultraviolet.db.tables.sync import drift
from ultraviolet.mirror import latency
from ultraviolet.mirror.drift import CAUSE_LABELS, CAUSES, TOLD_BY_EVENT, UNDERSTOOD
from ultraviolet.web.queries.rows import struct_columns

By = Literal["hour", "day"]
_LABELS: dict[str, str] = {**CAUSE_LABELS}
_MEANINGS: dict[str, str] = {**CAUSES}
_MEANINGS_OF_UNDERSTOOD: dict[str, str] = {**UNDERSTOOD}
IS_CORRECTION = or_(arrivals.c.healed_by.not_in(TOLD_BY_EVENT), arrivals.c.cause == "event_lost")
"""Whether a count of drift is of changes that a read of ION corrected."""
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
    """Changes of one resource with one cause; durations are exact to 20 %."""

    resource: str
    cause: str
    label: str
    """The name of the cause on pages."""
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
    """One hour or day: the number of changes, and of corrections by cause."""

    at: str
    changes: int
    causes: dict[str, int]


class DriftReport(msgspec.Struct, frozen=True):
    """Corrections in a time range, and the changes that were understood from events."""

    changes: int
    """All changes."""
    wrong: int
    """Corrections: changes that ION had to be read for."""
    objects: int
    """Objects that the corrections are of."""
    causes: list[DriftCause]
    """Corrections by resource and cause."""
    understood: list[DriftCause]
    """Changes that an event contained, but that arrived late or are often not understood."""
    over_time: list[DriftInterval]
    samples: list[DriftSample]


def get_report(
    connection: Connection, integration_id: int, drift_filter: DriftFilter, by: By
) -> DriftReport:
    """Return the drift in a time range, rounded to whole hours."""
    names = (arrivals.c.resource, arrivals.c.cause, arrivals.c.healed_by, arrivals.c.bucket)
    counts = select(
        *names, IS_CORRECTION.label("correction"), func.sum(arrivals.c.count).label("total")
    )
    counts = counts.where(*_conditions(integration_id, drift_filter)).group_by(*names)
    rows = connection.execute(counts).all()
    changes = Counter[str]()
    for row in rows:
        if row.cause == latency.ALL_CAUSES:
            changes[row.resource] += row.total
    drifted = [row for row in rows if row.cause != latency.ALL_CAUSES]
    corrections = [row for row in drifted if row.correction]
    understood = [row for row in drifted if not row.correction]
    objects = select(drift.c.resource, drift.c.id).where(
        *_sample_conditions(integration_id, drift_filter)
    )
    counted = select(func.count()).select_from(objects.distinct().subquery())
    return DriftReport(
        changes=sum(changes.values()),
        wrong=sum(row.total for row in corrections),
        objects=connection.execute(counted).scalar_one(),
        causes=_to_causes(corrections, changes, _MEANINGS),
        understood=_to_causes(understood, changes, _MEANINGS_OF_UNDERSTOOD),
        over_time=_intervals(connection, integration_id, drift_filter, by),
        samples=list_samples(connection, integration_id, drift_filter, None, 20),
    )


def count_corrections(connection: Connection, integration_id: int, since: str) -> int:
    """Return the number of corrections since a time, rounded to whole hours."""
    query = select(func.coalesce(func.sum(arrivals.c.count), 0)).where(
        *_conditions(integration_id, DriftFilter(since=since)),
        arrivals.c.cause != latency.ALL_CAUSES,
        IS_CORRECTION,
    )
    return connection.execute(query).scalar_one()


def list_samples(
    connection: Connection,
    integration_id: int,
    drift_filter: DriftFilter,
    before: int | None,
    limit: int,
) -> list[DriftSample]:
    """Return corrections, newest first."""
    query = select(*struct_columns(drift, DriftSample)).where(
        *_sample_conditions(integration_id, drift_filter)
    )
    if before is not None:
        query = query.where(drift.c.seq < before)
    found = connection.execute(query.order_by(drift.c.seq.desc()).limit(limit))
    return [DriftSample(**row) for row in found.mappings()]


def _sample_conditions(
    integration_id: int, drift_filter: DriftFilter
) -> Iterator[ColumnElement[bool]]:
    yield drift.c.integration_id == integration_id
    if drift_filter.resource:
        yield drift.c.resource == drift_filter.resource
    if drift_filter.cause:
        yield drift.c.cause == drift_filter.cause
    if drift_filter.since:
        yield drift.c.healed_at >= drift_filter.since
    if drift_filter.until:
        yield drift.c.healed_at < drift_filter.until


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


def _to_causes(
    rows: Sequence[Any], changes: Mapping[str, int], meanings: Mapping[str, str]
) -> list[DriftCause]:
    """Combine counts by resource and cause, most frequent first."""
    delays: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    healers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        delays[row.resource, row.cause][row.bucket] += row.total
        healers[row.resource, row.cause][row.healed_by] += row.total
    causes = [
        DriftCause(
            resource=resource,
            cause=cause,
            label=_LABELS.get(cause, cause),
            meaning=meanings.get(cause, cause),
            count=buckets.total(),
            changes=changes[resource],
            share=round(buckets.total() / changes[resource], 4) if changes[resource] else 0.0,
            p50_seconds=latency.quantile(buckets, 0.5),
            p99_seconds=latency.quantile(buckets, 0.99),
            healed_by={name: n for name, n in healers[resource, cause].items() if n},
        )
        for (resource, cause), buckets in delays.items()
        if buckets.total()
    ]
    return sorted(causes, key=lambda cause: (-cause.count, cause.resource, cause.cause))


def _intervals(
    connection: Connection, integration_id: int, drift_filter: DriftFilter, by: By
) -> list[DriftInterval]:
    at = func.substr(arrivals.c.hour, 1, _TIME_PREFIX_LENGTH[by]).label("at")
    query = select(at, arrivals.c.cause, func.sum(arrivals.c.count).label("total"))
    query = query.where(
        *_conditions(integration_id, drift_filter),
        or_(arrivals.c.cause == latency.ALL_CAUSES, IS_CORRECTION),
    ).group_by(text("1"), arrivals.c.cause)
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
