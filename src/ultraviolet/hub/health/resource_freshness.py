"""Freshness of one resource: its state, and the finding that explains it.

A resource is fresh while its last confirmation is no older than the fetch schedule allows.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec
from cronsim import CronSim
from sqlalchemy import Connection, case, func, select

from ultraviolet.command_text import command
from ultraviolet.db.tables.sync import stale, watermarks
from ultraviolet.hub.core.finding import Action, Finding
from ultraviolet.hub.health.failed_steps import failed_steps
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.errors import NEXT_STEPS, known_step, next_step
from ultraviolet.ion.labels import counted_objects, resource_label
from ultraviolet.mirror import latency
from ultraviolet.mirror.stale_reasons import VERIFICATION

CATCH_UP_SECONDS = 30.0
"""How long an object may wait for a read before its resource is stale; most changes take less."""
_FETCH_SLACK_SECONDS = 60.0
"""How long a fetch may take beyond its schedule."""
_CATCHING_UP_SECONDS = 10.0
"""How long an object may wait for a read before a note says so."""
_NOT_CHOSEN = "Not selected for this integration; existing objects are kept but not updated"


class State(StrEnum):
    """The state of an integration's mirror or of one of its resources, the worst first."""

    DELETING = "deleting"
    PAUSED = "paused"
    FAILING = "failing"
    """ION does not respond or rejects the credentials."""
    UNSYNCED = "unsynced"
    """No fetch has finished yet."""
    STALE = "stale"
    UNCONFIRMED = "unconfirmed"
    """Never confirmed, or not mirrored."""
    AGEING = "ageing"
    """Not confirmed for longer than the schedule allows, but not for long."""
    CATCHING_UP = "catching_up"
    """Deliveries arrive, but a sync of the changes before has not finished."""
    FRESH = "fresh"

    @property
    def words(self) -> str:
        """The state as a text."""
        return self.value.replace("_", " ")


class ProcessStatus(msgspec.Struct, frozen=True):
    """Facts about the process that the tables do not contain."""

    moment: datetime
    problem: str | None = None
    """The latest ION error of the controllers."""
    heals: bool = True
    trouble: str | None = None
    """Why the last write to the hub's database failed."""
    spooled: int = 0
    """Number of deliveries in the spool of this process."""
    unmaintained_since: str | None = None
    """When a process last maintained the integration, if none does now."""
    no_hub: Finding | None = None
    """The finding that no hub runs on the database of this process."""
    limited: bool = False
    """Whether ION has answered 429 within the last minutes."""


class ResourceFreshness(msgspec.Struct, frozen=True):
    """The freshness of one resource; latencies are of the last 24 hours."""

    resource: str
    state: State
    stale: int
    failing: int
    proven_at: str | None
    proven_by: str | None
    watermark: str | None
    skipped: str | None
    changes: int = 0
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    finding: Finding | None = None


class _StaleCount(msgspec.Struct, frozen=True):
    count: int
    failing: int
    differing: int
    """Number of objects that differed from ION in a verification."""
    since: str
    error: str | None


def _label(resource: str) -> str:
    return resource_label(resource).plural.casefold()


def judge_resources(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    status: ProcessStatus,
    latencies: Mapping[str, Mapping[int, int]],
) -> Iterator[ResourceFreshness]:
    """Return the freshness of each resource; `latencies` are histograms by resource."""
    stale_counts = _stale_counts(connection, integration.id)
    query = select(watermarks).where(watermarks.c.integration_id == integration.id)
    known = {row["resource"]: row for row in connection.execute(query).mappings()}
    incremental_interval = _interval_seconds(integration.incremental_schedule, status.moment)
    full_interval = _interval_seconds(integration.full_schedule, status.moment)
    failed = failed_steps(connection, integration.id)
    for name in sorted(known.keys() | stale_counts.keys() | failed.keys(), key=_label):
        followed = catalog.follows(name)
        row, counted = known.get(name), stale_counts.get(name) if followed else None
        proven_at = row["proven_at"] if row else None
        skipped = (row["skipped"] if row else None) if followed else _NOT_CHOSEN
        # Without a watermark, as without dated rows, only a full fetch confirms a resource.
        interval = incremental_interval if row and row["updated"] else full_interval
        state, finding = _judge_resource(integration, name, proven_at, counted, interval, status)
        if name in failed and followed:
            message = f"The last sync could not read {name.replace('_', ' ')}: {failed[name]}"
            step = next_step(failed[name])
            state, finding = State.STALE, _unreadable(name, message, step)
        if status.no_hub and state in (State.FRESH, State.AGEING):
            state = State.UNCONFIRMED  # ION may have changed since
        if integration.paused:
            state = State.PAUSED
        counts = latencies.get(name, {})
        yield ResourceFreshness(
            resource=name,
            state=State.UNCONFIRMED if skipped else state,
            stale=counted.count if counted else 0,
            failing=counted.failing if counted else 0,
            proven_at=proven_at,
            proven_by=row["proven_by"] if row else None,
            watermark=row["updated"] if row else None,
            skipped=skipped,
            changes=sum(counts.values()),
            p50_seconds=latency.quantile(counts, 0.5),
            p99_seconds=latency.quantile(counts, 0.99),
            finding=None if skipped or integration.paused else finding,
        )


def _judge_resource(
    integration: Integration,
    name: str,
    proven_at: str | None,
    counted: _StaleCount | None,
    interval: float,
    status: ProcessStatus,
) -> tuple[State, Finding | None]:
    title = name.replace("_", " ")
    if counted and counted.failing:
        message = f"{counted_objects(counted.failing, name)} cannot be read: {counted.error}"
        step = known_step(counted.error or "") or command(
            "object list", name, state="stale", integration=integration.name
        )
        return State.STALE, _unreadable(name, message, step)
    if counted and counted.differing:
        message = f"A verification found differences in {counted_objects(counted.differing, name)}"
        step = "No action needed: the hub is reading them from ION again"
        return State.STALE, Finding("differs", "error", message, step, subject=name)
    waiting_seconds = age_seconds(counted.since, status.moment) if counted and status.heals else 0.0
    if counted and waiting_seconds > CATCH_UP_SECONDS:
        message = (
            f"The hub has not read {counted_objects(counted.count, name)} that changed in ION,"
            f" the oldest for {span(waiting_seconds)}"
        )
        step = (
            NEXT_STEPS["ion-rate-limited"]
            if status.limited
            else "Raise the integration's requests per second if ION allows more;"
            f" `{command('integration findings', integration.name)}` lists problems"
        )
        return State.STALE, Finding(
            "behind", "error", message, step, Action.SHOW_FRESHNESS, subject=name
        )
    if proven_at is None:
        message = f"{title} have not been compared with ION yet"
        step = command("fetch run", integration.name, mode="full")
        return State.UNCONFIRMED, Finding(
            "never_proven", "warning", message, step, Action.FETCH, subject=name
        )
    seconds = age_seconds(proven_at, status.moment)
    if seconds <= interval * 1.5 + _FETCH_SLACK_SECONDS:
        finding = None
        if counted and waiting_seconds > _CATCHING_UP_SECONDS:
            message = (
                f"The hub is reading {counted_objects(counted.count, name)} that changed in ION"
            )
            step = "No action needed: the hub reads them within seconds"
            finding = Finding("behind", "info", message, step, subject=name)
        return State.FRESH, finding
    message = (
        f"{title} were last confirmed {age(proven_at, status.moment)},"
        f" but a sync is due every {span(interval)}"
    )
    overdue = seconds > interval * 3 + _FETCH_SLACK_SECONDS
    return State.STALE if overdue else State.AGEING, Finding(
        "overdue",
        "error" if overdue else "warning",
        message,
        f"`{command('fetch list', integration.name)}` shows failed syncs",
        Action.FETCH,
        subject=name,
    )


def _unreadable(resource: str, message: str, step: str) -> Finding:
    return Finding("unreadable", "error", message, step, Action.FULL_FETCH, subject=resource)


def _stale_counts(connection: Connection, integration_id: int) -> dict[str, _StaleCount]:
    kept = stale.c
    query = select(
        kept.resource,
        func.count().label("waiting"),
        func.count(kept.error).label("failing"),
        func.count(case((kept.reason == VERIFICATION, 1))).label("differing"),
        func.min(kept.since).label("since"),
        func.max(kept.error).label("error"),
    ).where(kept.integration_id == integration_id)
    return {
        row.resource: _StaleCount(row.waiting, row.failing, row.differing, row.since, row.error)
        for row in connection.execute(query.group_by(kept.resource))
    }


def age(moment: str | None, now: datetime) -> str:
    """Return the age of a time as pages show it: "just now", "5 min ago", "never"."""
    if moment is None:
        return "never"
    seconds = age_seconds(moment, now)
    return f"{span(seconds)} ago" if seconds >= 1 else "just now"


def span(seconds: float) -> str:
    """Return a duration as text: "3 sec", "5 min", "2 hr", "3 days"."""
    for size, unit, least in ((86_400, "days", 2), (3600, "hr", 2), (60, "min", 1)):
        if seconds >= least * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} sec"


def _interval_seconds(schedule: str, now: datetime) -> float:
    times = CronSim(schedule, now)
    first, second = next(times), next(times)
    return (second - first).total_seconds()


def age_seconds(moment: str, now: datetime) -> float:
    """Return the age of a time in seconds."""
    return max(0.0, (now - datetime.fromisoformat(moment)).total_seconds())
