"""Drift as the edge shows it: how much webhooks alone would have left wrong, for how long, and what put it right."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, text

from ultraviolet.db.tables.stats import arrivals as counted
from ultraviolet.db.tables.sync import drift
from ultraviolet.mirror import latency
from ultraviolet.mirror.drift import CAUSES
from ultraviolet.web.queries.rows import struct_columns

By = Literal["hour", "day"]
_MEANINGS: dict[str, str] = {**CAUSES}
_TIME_PREFIX_LENGTH = {"hour": 13, "day": 10}


class DriftSample(msgspec.Struct, frozen=True):
    """One object that webhooks alone would have left wrong."""

    seq: int
    integration_id: int
    resource: str
    id: str
    cause: str
    fields: list[str]
    wrong_since: str | None
    """ION's time of the change, or when the hub first heard of it; null where neither is known."""
    seconds: float | None
    """From then until it was right here."""
    healed_by: dict[str, Any]
    healed_at: str


class DriftFilter(msgspec.Struct, frozen=True):
    """Which drift is meant: of a resource, of a cause, within a time (RFC 3339, UTC)."""

    resource: str | None = None
    cause: str | None = None
    since: str | None = None
    until: str | None = None


class DriftCause(msgspec.Struct, frozen=True):
    """What one cause did to one resource; seconds are how long it was wrong, to a fifth."""

    resource: str
    cause: str
    meaning: str
    count: int
    share: float
    """Of all changes of the resource in that time."""
    p50_seconds: float | None
    p99_seconds: float | None
    healed_by: dict[str, int]


class DriftInterval(msgspec.Struct, frozen=True):
    """One hour or day: all changes, and how many of them webhooks alone would have left wrong, by cause."""

    at: str
    changes: int
    causes: dict[str, int]


class DriftReport(msgspec.Struct, frozen=True):
    """What webhooks alone would have left wrong in a time."""

    changes: int
    wrong: int
    causes: list[DriftCause]
    over_time: list[DriftInterval]
    samples: list[DriftSample]


def get_report(
    connection: Connection, integration_id: int, wanted: DriftFilter, by: By
) -> DriftReport:
    """Sum up a time; whole hours are counted."""
    rows = _read_counts(connection, integration_id, wanted)
    changes = Counter[str]()
    for row in rows:
        if row.cause == latency.ALL_CAUSES:
            changes[row.resource] += row.total
    wrong = [row for row in rows if row.cause != latency.ALL_CAUSES]
    return DriftReport(
        changes=sum(changes.values()),
        wrong=sum(row.total for row in wrong),
        causes=_causes(wrong, changes),
        over_time=_intervals(connection, integration_id, wanted, by),
        samples=list_samples(connection, integration_id, wanted, None, 20),
    )


def list_samples(
    connection: Connection, integration_id: int, wanted: DriftFilter, before: int | None, limit: int
) -> list[DriftSample]:
    """Read the newest first: every object that a read put right, and a sample of those events told."""
    query = select(*struct_columns(drift, DriftSample)).where(
        drift.c.integration_id == integration_id
    )
    query = query.order_by(drift.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(drift.c.seq < before)
    for column, value in ((drift.c.resource, wanted.resource), (drift.c.cause, wanted.cause)):
        if value:
            query = query.where(column == value)
    if wanted.since:
        query = query.where(drift.c.healed_at >= wanted.since)
    if wanted.until:
        query = query.where(drift.c.healed_at < wanted.until)
    return [DriftSample(**row) for row in connection.execute(query).mappings()]


def _read_counts(connection: Connection, integration_id: int, wanted: DriftFilter) -> Sequence[Any]:
    names = (counted.c.resource, counted.c.cause, counted.c.healed_by, counted.c.bucket)
    query = select(*names, func.sum(counted.c.count).label("total")).group_by(*names)
    return connection.execute(query.where(*_conditions(integration_id, wanted))).all()


def _conditions(integration_id: int, wanted: DriftFilter) -> Iterator[ColumnElement[bool]]:
    yield counted.c.integration_id == integration_id
    if wanted.resource:
        yield counted.c.resource == wanted.resource
    if wanted.cause:
        yield counted.c.cause.in_((wanted.cause, latency.ALL_CAUSES))
    if wanted.since:
        yield counted.c.hour >= wanted.since[:13]
    if wanted.until:
        yield counted.c.hour < wanted.until[:13]


def _causes(rows: Sequence[Any], changes: Counter[str]) -> list[DriftCause]:
    late: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    healers: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        late[row.resource, row.cause][row.bucket] += row.total
        healers[row.resource, row.cause][row.healed_by] += row.total
    found = [
        _to_cause(*key, buckets, dict(healers[key]), changes[key[0]])
        for key, buckets in late.items()
        if buckets.total()
    ]
    return sorted(found, key=lambda one: (-one.count, one.resource, one.cause))


def _to_cause(
    resource: str, cause: str, late: Counter[int], healers: dict[str, int], changes: int
) -> DriftCause:
    count = late.total()
    return DriftCause(
        resource=resource,
        cause=cause,
        meaning=_MEANINGS.get(cause, cause),
        count=count,
        share=round(count / changes, 4) if changes else 0.0,
        p50_seconds=latency.quantile(late, 0.5),
        p99_seconds=latency.quantile(late, 0.99),
        healed_by={name: n for name, n in healers.items() if n},
    )


def _intervals(
    connection: Connection, integration_id: int, wanted: DriftFilter, by: By
) -> list[DriftInterval]:
    at = func.substr(counted.c.hour, 1, _TIME_PREFIX_LENGTH[by]).label("at")
    query = select(at, counted.c.cause, func.sum(counted.c.count).label("total"))
    query = query.where(*_conditions(integration_id, wanted)).group_by(text("1"), counted.c.cause)
    every: Counter[str] = Counter()
    causes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(query):
        if row.cause == latency.ALL_CAUSES:
            every[row.at] += row.total
        else:
            causes[row.at][row.cause] += row.total
    return [
        DriftInterval(moment, every[moment], dict(causes[moment]))
        for moment in sorted(every | causes)
    ]
