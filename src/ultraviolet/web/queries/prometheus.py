"""Prometheus metrics from the tables, with grouped queries for all integrations."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from sqlalchemy import Connection, func, not_, select

from ultraviolet.clock import utc_now
from ultraviolet.db import dialect
from ultraviolet.db.tables.events import events, webhook_urls
from ultraviolet.db.tables.integrations import integrations, retention
from ultraviolet.db.tables.stats import DELAYS, activity, arrivals
from ultraviolet.db.tables.sync import fetch_steps, fetches, stale, watermarks
from ultraviolet.hub.health import controller_status
from ultraviolet.hub.health.failed_steps import failed_steps
from ultraviolet.web.queries.drift import IS_CORRECTION

_BY_INTEGRATION = ("integration",)
_BY_RESOURCE = ("integration", "resource")


def prometheus_families(connection: Connection) -> list[Metric]:
    """Return the metrics of all integrations."""
    known = connection.execute(select(integrations.c.id, integrations.c.name))
    names = {row.id: row.name for row in known}
    return [
        *_integrations(connection),
        *_freshness(connection, names),
        *_events(connection, names),
        *_fetches(connection, names),
        *_changes(connection, names),
        *_removed(connection, names),
        _gauge(
            "ultraviolet_database_bytes",
            "Size of the database",
            ("kind",),
            [((connection.dialect.name,), dialect.database_bytes(connection))],
        ),
    ]


def unavailable_families() -> list[Metric]:
    """Return the metrics for an unavailable database."""
    return [_gauge("ultraviolet_database_up", "1 if the database is available", (), [((), 0)])]


def _integrations(connection: Connection) -> Iterator[Metric]:
    yield _gauge("ultraviolet_database_up", "1 if the database is available", (), [((), 1)])
    rows = connection.execute(select(integrations.c.name, integrations.c.paused)).all()
    yield _gauge(
        "ultraviolet_integration_paused",
        "1 if an integration is paused",
        _BY_INTEGRATION,
        [((r.name,), int(r.paused)) for r in rows],
    )
    problems = controller_status.find_problems(connection)
    unmaintained = {problem.name for problem in problems if problem.unmaintained_since}
    waiting = {
        problem.name: _seconds_since(problem.oldest_waiting_since)
        for problem in problems
        if problem.oldest_waiting_since
    }
    active = [r.name for r in rows if not r.paused]
    yield _gauge(
        "ultraviolet_integration_maintained",
        "1 if a process maintains an active integration",
        _BY_INTEGRATION,
        [((name,), int(name not in unmaintained)) for name in active],
    )
    yield _gauge(
        "ultraviolet_oldest_waiting_event_seconds",
        "Age of the oldest event that waits to be applied; 0 if no event is overdue",
        _BY_INTEGRATION,
        [((name,), waiting.get(name, 0.0)) for name in active],
    )


def _freshness(connection: Connection, names: dict[int, str]) -> Iterator[Metric]:
    by = (stale.c.integration_id, stale.c.resource)
    rows = connection.execute(
        select(*by, func.count(), func.count(stale.c.error), func.min(stale.c.since)).group_by(*by)
    ).all()
    keys = [(names[r[0]], r[1]) for r in rows]
    yield _gauge(
        "ultraviolet_stale_objects",
        "Objects known to have changed, waiting to be read",
        _BY_RESOURCE,
        zip(keys, [r[2] for r in rows], strict=True),
    )
    yield _gauge(
        "ultraviolet_stale_failing_objects",
        "Stale objects with at least one failed read",
        _BY_RESOURCE,
        zip(keys, [r[3] for r in rows], strict=True),
    )
    yield _gauge(
        "ultraviolet_stale_oldest_seconds",
        "Age of the oldest stale object",
        _BY_RESOURCE,
        zip(keys, [_seconds_since(r[4]) for r in rows], strict=True),
    )
    marks = watermarks.c
    query = select(marks.integration_id, marks.resource, marks.proven_at).where(
        marks.skipped.is_(None), marks.proven_at.is_not(None)
    )
    yield _gauge(
        "ultraviolet_freshness_seconds",
        "Time since the mirror of a resource was last proven correct",
        _BY_RESOURCE,
        [
            ((names[r.integration_id], r.resource), _seconds_since(r.proven_at))
            for r in connection.execute(query)
        ],
    )


def _events(connection: Connection, names: dict[int, str]) -> Iterator[Metric]:
    waiting = dict.fromkeys(names, 0)
    query = select(events.c.integration_id, func.count()).where(events.c.outcome.is_(None))
    waiting |= {
        row[0]: row[1] for row in connection.execute(query.group_by(events.c.integration_id))
    }
    yield _gauge(
        "ultraviolet_waiting_events",
        "Acknowledged events that are not applied yet",
        _BY_INTEGRATION,
        [((names[i],), n) for i, n in waiting.items()],
    )
    last = select(webhook_urls.c.integration_id, func.max(webhook_urls.c.last_delivery_at))
    rows = connection.execute(last.group_by(webhook_urls.c.integration_id)).all()
    yield _gauge(
        "ultraviolet_webhook_silence_seconds",
        "Time since the last delivery; absent if there was none",
        _BY_INTEGRATION,
        [((names[r[0]],), _seconds_since(r[1])) for r in rows if r[1]],
    )


def _fetches(connection: Connection, names: dict[int, str]) -> Iterator[Metric]:
    yield _gauge(
        "ultraviolet_unreadable_resources",
        "Resources that the last fetch or the last full fetch could not read",
        _BY_INTEGRATION,
        [((name,), len(failed_steps(connection, id_))) for id_, name in names.items()],
    )
    query = (
        select(
            fetches.c.integration_id, func.sum(fetch_steps.c.read), func.sum(fetch_steps.c.total)
        )
        .join(fetch_steps, fetch_steps.c.fetch_id == fetches.c.id)
        .where(fetches.c.state == "running")
        .group_by(fetches.c.integration_id)
    )
    rows = [(names[i], read or 0, total or 0) for i, read, total in connection.execute(query)]
    yield _gauge(
        "ultraviolet_fetch_read_objects",
        "Objects read by the running fetch",
        _BY_INTEGRATION,
        [((n,), r) for n, r, _ in rows],
    )
    yield _gauge(
        "ultraviolet_fetch_expected_objects",
        "Objects to read by the running fetch",
        _BY_INTEGRATION,
        [((n,), t) for n, _, t in rows],
    )
    done = select(fetches.c.integration_id, fetches.c.state, func.count()).where(
        fetches.c.state != "running"
    )
    ended = Counter[tuple[int, str]]()
    for id_, state, count in connection.execute(
        done.group_by(fetches.c.integration_id, fetches.c.state)
    ):
        ended[id_, state] += count
    for id_, totals in _totals(connection):  # counters include purged fetches
        for tag, count in totals.items():
            if tag.startswith("fetches."):
                ended[id_, tag.removeprefix("fetches.")] += count
    yield _counter(
        "ultraviolet_fetches",
        "Finished fetches by state",
        ("integration", "state"),
        [((names[id_], state), count) for (id_, state), count in ended.items()],
    )


def _removed(connection: Connection, names: dict[int, str]) -> Iterator[Metric]:
    removed = Counter[tuple[str, str]]()
    for id_, totals in _totals(connection):
        for tag, count in totals.items():
            removed[names[id_], tag.partition(".")[0]] += count
    yield _counter(
        "ultraviolet_retention_removed",
        "Records deleted by retention, by kind",
        ("integration", "kind"),
        removed.items(),
    )
    query = select(retention.c.integration_id, retention.c.ran_at).where(
        retention.c.ran_at.is_not(None)
    )
    yield _gauge(
        "ultraviolet_retention_age_seconds",
        "Time since the last retention run; one is due each day",
        _BY_INTEGRATION,
        [((names[r.integration_id],), _seconds_since(r.ran_at)) for r in connection.execute(query)],
    )


def _totals(connection: Connection) -> list[tuple[int, dict[str, int]]]:
    query = select(retention.c.integration_id, retention.c.totals)
    return [(row.integration_id, row.totals or {}) for row in connection.execute(query)]


def _changes(connection: Connection, names: dict[int, str]) -> Iterator[Metric]:
    bounds = [activity.c[f"within_{number}"] for number in range(len(DELAYS) + 1)]
    query = select(
        activity.c.integration_id,
        func.sum(activity.c.changes),
        *(func.sum(bound) for bound in bounds),
    )
    rows = [
        tuple[Any, ...](row)
        for row in connection.execute(query.group_by(activity.c.integration_id))
    ]
    yield _counter(
        "ultraviolet_changes",
        "Changes applied to the mirror",
        _BY_INTEGRATION,
        [((names[r[0]],), r[1]) for r in rows],
    )
    delay = HistogramMetricFamily(
        "ultraviolet_change_delay_seconds",
        "From ION's time of a change, or its first event, until the mirror had it",
        labels=_BY_INTEGRATION,
    )
    for row in rows:
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*map(str, DELAYS), "+Inf"), row[2:], strict=True):
            total += int(count)
            buckets.append((bound, total))
        delay.add_metric([names[row[0]]], buckets, sum_value=None)
    yield delay
    by_cause = (arrivals.c.integration_id, arrivals.c.cause)
    drift = select(*by_cause, func.sum(arrivals.c.count)).where(arrivals.c.cause != "")
    for name, about, condition in (
        ("drift", "Corrections: changes that ION had to be read for, by cause", IS_CORRECTION),
        (
            "understood_from_event",
            "Changes that an event contained, late or in a form that is often not understood",
            not_(IS_CORRECTION),
        ),
    ):
        rows = connection.execute(drift.where(condition).group_by(*by_cause))
        yield _counter(
            f"ultraviolet_{name}",
            about,
            ("integration", "cause"),
            [((names[r[0]], r[1]), r[2]) for r in rows],
        )


def _gauge(
    name: str, about: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    metric = GaugeMetricFamily(name, about, labels=labels)
    for key, value in values:
        metric.add_metric(key, value)
    return metric


def _counter(
    name: str, about: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    metric = CounterMetricFamily(name, about, labels=labels)
    for key, value in values:
        metric.add_metric(key, value)
    return metric


def _seconds_since(moment: str) -> float:
    return max(0.0, (utc_now() - datetime.fromisoformat(moment)).total_seconds())
