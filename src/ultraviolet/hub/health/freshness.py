"""Freshness: whether the mirror is up to date, per resource and as a whole, and the causes if not.

A resource is fresh while its last confirmation is no older than the fetch schedule allows.
Freshness decays without new confirmations, so a dead webhook, failing credentials, a pause or a
stopped hub never look healthy. Each cause has a next step.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec
from cronsim import CronSim
from sqlalchemy import Connection, case, func, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.command_text import command
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import versions
from ultraviolet.db.tables.stats import arrivals as counted
from ultraviolet.db.tables.sync import drift, stale, watermarks
from ultraviolet.hub.core import findings
from ultraviolet.hub.core.findings import Finding
from ultraviolet.hub.health import heartbeat, maintenance
from ultraviolet.hub.health.failed_steps import failed_steps
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.hub.sync import invalid_values
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.errors import NEXT_STEPS, known_step, next_step
from ultraviolet.mirror import latency
from ultraviolet.mirror.object_state import VERIFICATION

State: TypeAlias = Literal["fresh", "ageing", "stale", "unknown", "paused"]

CATCH_UP_SECONDS = 30.0
"""How long an object may wait for a read before its resource is stale; most changes take less."""
_FETCH_SLACK_SECONDS = 60.0
"""How long a fetch may take beyond its schedule."""
_DEAD_WEBHOOK_CHANGES = 3
"""Number of changes without a later event after which the webhook counts as dead."""
_MAX_FINDINGS = 200
_WORST_FIRST: tuple[State, ...] = ("paused", "stale", "unknown", "ageing", "fresh")


class Cause(msgspec.Struct, frozen=True):
    """A reason why the mirror may be out of date, with the next step."""

    kind: str
    says: str
    next_step: str
    red: bool = True
    """Whether this cause makes the mirror stale."""


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
    cause: Cause | None = None


class Freshness(msgspec.Struct, frozen=True):
    """The freshness of an integration's mirror, as a sentence and in detail."""

    integration_id: int
    state: State
    sentence: str
    causes: list[Cause]
    last_change_at: str | None
    proven_at: str | None
    """When the least recently confirmed resource was confirmed."""
    changes: int
    p50_seconds: float | None
    p99_seconds: float | None
    resources: list[ResourceFreshness]


class Circumstances(msgspec.Struct, frozen=True):
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
    limited: bool = False
    """Whether ION has answered 429 within the last minutes."""


NOT_CHOSEN = "Not selected for this integration; existing objects are kept but not updated"


class _StaleCount(msgspec.Struct, frozen=True):
    count: int
    failing: int
    differing: int
    """Number of objects that differed from ION in a verification."""
    since: str
    error: str | None


def judge_freshness(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    now: Circumstances | None = None,
) -> Freshness:
    """Return the freshness of an integration."""
    known = now or Circumstances(utc_now())
    latencies = _latencies(connection, integration.id, known.moment)
    resources = list(_resources(connection, catalog, integration, known, latencies))
    mirrored = [one for one in resources if not one.skipped]
    proven = [one.proven_at for one in mirrored if one.proven_at]
    proven_at = min(proven) if proven and len(proven) == len(mirrored) else None
    last = _last_change(connection, integration.id)
    causes = list(_causes(connection, catalog, integration, known, proven_at))
    causes += [one.cause for one in mirrored if one.cause]
    state = _state(integration, causes, mirrored)
    total = Counter[int]()
    for counts in latencies.values():
        total.update(counts)
    return Freshness(
        integration_id=integration.id,
        state=state,
        sentence=_sentence(state, causes, last, proven_at, known.moment),
        causes=causes,
        last_change_at=last,
        proven_at=proven_at,
        changes=total.total(),
        p50_seconds=latency.quantile(total, 0.5),
        p99_seconds=latency.quantile(total, 0.99),
        resources=resources,
    )


def age(moment: str | None, now: datetime) -> str:
    """Return the age of a time as text: "3 s ago", "5 min ago", "never"."""
    return "never" if moment is None else f"{span(_age_seconds(moment, now))} ago"


def span(seconds: float) -> str:
    """Return a duration as text: "3 s", "5 min", "2 h", "3 days"."""
    for size, unit, least in ((86_400, "days", 2), (3600, "h", 2), (60, "min", 1)):
        if seconds >= least * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _resources(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    now: Circumstances,
    latencies: Mapping[str, Mapping[int, int]],
) -> Iterator[ResourceFreshness]:
    stale_counts = _stale_counts(connection, integration.id)
    query = select(watermarks).where(watermarks.c.integration_id == integration.id)
    known = {row["resource"]: row for row in connection.execute(query).mappings()}
    incremental_interval = _interval_seconds(integration.incremental_schedule, now.moment)
    full_interval = _interval_seconds(integration.full_schedule, now.moment)
    failed = failed_steps(connection, integration.id)
    for name in sorted(known.keys() | stale_counts.keys() | failed.keys()):
        followed = catalog.follows(name)
        row, counted = known.get(name), stale_counts.get(name) if followed else None
        resource = catalog.resources.get(name)
        dated = (
            resource is not None
            and resource.sort is not None
            and resource.field("_updated") is not None
        )
        proven_at = row["proven_at"] if row else None
        skipped = (row["skipped"] if row else None) if followed else NOT_CHOSEN
        interval = incremental_interval if dated else full_interval
        state, cause = _judge_resource(name, proven_at, counted, interval, now)
        if name in failed and followed:
            says = f"The last fetch could not read {name.replace('_', ' ')}: {failed[name]}"
            state, cause = "stale", Cause("unreadable", says, next_step(failed[name]))
        if integration.paused:
            state = "paused"
        counts = latencies.get(name, {})
        yield ResourceFreshness(
            resource=name,
            state="unknown" if skipped else state,
            stale=counted.count if counted else 0,
            failing=counted.failing if counted else 0,
            proven_at=proven_at,
            proven_by=row["proven_by"] if row else None,
            watermark=row["updated"] if row else None,
            skipped=skipped,
            changes=sum(counts.values()),
            p50_seconds=latency.quantile(counts, 0.5),
            p99_seconds=latency.quantile(counts, 0.99),
            cause=None if skipped or integration.paused else cause,
        )


def _judge_resource(
    name: str,
    proven_at: str | None,
    counted: _StaleCount | None,
    interval: float,
    now: Circumstances,
) -> tuple[State, Cause | None]:
    title = name.replace("_", " ")
    if counted and counted.failing:
        says = f"{counted.failing} {title} cannot be read: {counted.error}"
        step = known_step(counted.error or "") or command("object list", name, state="stale")
        return "stale", Cause("unreadable", says, step)
    if counted and counted.differing:
        says = f"A verification found {counted.differing} {title} that differ from ION"
        step = "No action needed: the hub is reading them from ION again"
        return "stale", Cause("differs", says, step)
    if counted and now.heals:
        waiting_seconds = _age_seconds(counted.since, now.moment)
        if waiting_seconds > CATCH_UP_SECONDS:
            says = (
                f"{counted.count} changed {title} have not been read from ION yet,"
                f" the oldest for {span(waiting_seconds)}"
            )
            step = (
                "Raise the integration's requests per second if ION allows more;"
                " `ultraviolet integration findings` lists problems"
            )
            step = NEXT_STEPS["ion-rate-limited"] if now.limited else step
            return "stale", Cause("behind", says, step)
    if proven_at is None:
        says = f"{title} have not been compared with ION yet"
        step = "ultraviolet fetch run --mode full"
        return "unknown", Cause("never_proven", says, step, red=False)
    age_seconds = _age_seconds(proven_at, now.moment)
    if age_seconds <= interval * 1.5 + _FETCH_SLACK_SECONDS:
        return "fresh", None
    says = (
        f"{title} were last confirmed {age(proven_at, now.moment)},"
        f" but a fetch is due every {span(interval)}"
    )
    overdue = age_seconds > interval * 3 + _FETCH_SLACK_SECONDS
    step = "`ultraviolet fetch list` shows failed fetches"
    return "stale" if overdue else "ageing", Cause("overdue", says, step, red=overdue)


def _causes(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    now: Circumstances,
    proven_at: str | None,
) -> Iterator[Cause]:
    """Yield the causes that concern the integration as a whole, the most severe first."""
    if integration.removed:
        says = "The integration is being deleted"
        yield Cause("paused", says, "No action needed: its data is deleted in batches")
        return
    if integration.paused:
        step = command("integration resume", integration.name)
        yield Cause("paused", "The integration is paused, so nothing is read from ION", step)
        return
    found = findings.list_findings(connection, integration.id, _MAX_FINDINGS, unresolved=True)
    yield from _processing_causes(connection, integration, now)
    if now.trouble:
        step = "Free disk space and check that the hub may write to its database"
        yield Cause("database", now.trouble, step)
    if now.spooled:
        says = f"{now.spooled} deliveries wait in the spool"
        step = "No action needed: the hub writes them to the database in order"
        yield Cause("spool", says, step, red=False)
    yield from _watchdog_causes(found)
    yield from _connection_causes(integration, found, now)
    down = heartbeat.last_down(connection)
    if down and (proven_at is None or proven_at < down.until):
        says = (
            f"The hub was down from {down.since[:19]}Z to {down.until[:19]}Z,"
            " and some objects have not been confirmed since"
        )
        step = "The next fetch confirms them; `ultraviolet fetch run` starts one now"
        yield Cause("hub_was_down", says, step)
    yield from _event_causes(connection, catalog, integration, now)
    if not now.heals:
        says = "Healing is turned off by ULTRAVIOLET_HEAL, so stale objects are not read again"
        yield Cause("healing_off", says, "Remove the setting and restart the hub")


def _connection_causes(
    integration: Integration, found: Sequence[Finding], now: Circumstances
) -> Iterator[Cause]:
    """Yield the latest ION error that no finding reports, or else the error of the last test."""
    if (
        now.problem
        and not now.trouble
        and not any(one.kind in ("credentials", "unreachable") for one in found)
    ):
        step = known_step(now.problem) or command("integration test", integration.name)
        yield Cause("ion_fails", now.problem, step)
    elif integration.test_result and not integration.test_result.ok:
        errors = [f for f in integration.test_result.findings if f.severity == "error"]
        if errors:
            yield Cause("credentials", errors[0].message, errors[0].next_step)
        else:
            step = command("integration test", integration.name)
            yield Cause("credentials", "The last connection test failed", step)


def _event_causes(
    connection: Connection, catalog: Catalog, integration: Integration, now: Circumstances
) -> Iterator[Cause]:
    """Yield a cause if events do not arrive."""
    last_event, without_event = _changes_without_event(
        connection, catalog, integration.id, now.moment
    )
    if without_event >= _DEAD_WEBHOOK_CHANGES:
        since = f"the last event arrived {age(last_event, now.moment)}"
        says = (
            f"A fetch found {without_event} changes without a webhook event;"
            f" {since if last_event else 'no event has arrived yet'}"
        )
        plan = command("setup plan", integration.name)
        step = f"Check the receiver and its subscriptions with `{plan}`"
        yield Cause("silent", says, step)
    elif last_event is None:
        says = "No webhook event has arrived yet, so changes appear only after the next fetch"
        yield Cause("no_event_yet", says, command("setup apply", integration.name), red=False)


def _processing_causes(
    connection: Connection, integration: Integration, now: Circumstances
) -> Iterator[Cause]:
    """Yield a cause if no process maintains the integration, or if its events are not applied."""
    if now.unmaintained_since:
        idle = span(_age_seconds(now.unmaintained_since, now.moment))
        says = f"No hub process has maintained this integration for {idle}"
        step = "Check that a hub with role all or worker is running; read its log and restart it"
        yield Cause("unmaintained", says, step)
    since = maintenance.waits_since(connection, integration.id)
    if since and _age_seconds(since, now.moment) > maintenance.EVENTS_WAIT_SECONDS:
        waiting = span(_age_seconds(since, now.moment))
        says = f"Received events are not applied yet, the oldest for {waiting}"
        step = "Wait if many arrived at once; otherwise read the hub's log and restart it"
        yield Cause("events_wait", says, step)


def _watchdog_causes(open_findings: Sequence[Finding]) -> Iterator[Cause]:
    """Yield the open findings of the watchdog; repaired ones do not make the mirror stale."""
    for one in sorted(open_findings, key=lambda one: one.kind == invalid_values.KIND):
        if one.kind == "unreadable":
            continue  # the resource reports it, and sooner
        harmless = (
            one.repaired_at is not None
            or one.kind in ("gap", "forged", invalid_values.KIND)
            or one.subject == "none"
        )
        yield Cause(one.kind, one.sentence, one.next_step, red=not harmless)


def _state(
    integration: Integration, causes: Sequence[Cause], mirrored: Sequence[ResourceFreshness]
) -> State:
    if integration.paused:
        return "paused"
    if any(cause.red for cause in causes):
        return "stale"
    if not mirrored:
        return "unknown"
    found = {one.state for one in mirrored}
    return next(state for state in _WORST_FIRST if state in found)


def _sentence(
    state: State, causes: Sequence[Cause], last: str | None, proven_at: str | None, now: datetime
) -> str:
    confirmed = (
        f"everything confirmed {age(proven_at, now)}"
        if proven_at
        else "not everything confirmed yet"
    )
    red = [cause for cause in causes if cause.red]
    if state == "fresh":
        return f"Fresh: last change {age(last, now)}, {confirmed}."
    if state == "unknown" and last is None:
        return "Unknown: nothing has been read from ION yet. Next: ultraviolet fetch run."
    if state == "paused":
        return f"Paused: nothing is read from ION, deliveries are stored; {confirmed}."
    reasons = red or list(causes)
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    says, step = (reasons[0].says, reasons[0].next_step) if reasons else (confirmed, "")
    return f"{state.capitalize()}: {says.rstrip('.')}{more}. Next: {step.rstrip('.')}."


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


def _latencies(
    connection: Connection, integration_id: int, now: datetime
) -> dict[str, dict[int, int]]:
    """Load the latency histogram of each resource for the last 24 hours."""
    names = (counted.c.resource, counted.c.bucket)
    query = select(*names, func.sum(counted.c.count)).group_by(*names)
    query = query.where(
        counted.c.integration_id == integration_id,
        counted.c.cause == latency.ALL_CAUSES,
        counted.c.hour >= format_rfc3339(now - timedelta(days=1))[:13],
    )
    found: dict[str, dict[int, int]] = {}
    for resource, bucket, count in connection.execute(query):
        found.setdefault(resource, {})[bucket] = int(count)
    return found


def _changes_without_event(
    connection: Connection, catalog: Catalog, integration_id: int, now: datetime
) -> tuple[str | None, int]:
    """Return the time of the last event and the number of later changes without an event.

    Resources for which ION never sends events do not count.
    """
    # `+ 0` makes SQLite scan back from the newest row instead of sorting all rows.
    newest = select(events.c.received_at).where(events.c.integration_id + 0 == integration_id)
    last = connection.execute(newest.order_by(events.c.seq.desc()).limit(1)).scalar()
    since = max(last or "", format_rfc3339(now - timedelta(days=1)))
    query = select(func.count()).where(
        drift.c.integration_id == integration_id,
        drift.c.cause == "no_event_sent",
        drift.c.resource.not_in([r.name for r in catalog.silent]),
        drift.c.wrong_since > since,
        drift.c.healed_at > since,
    )
    return last, connection.execute(query).scalar_one()


def _last_change(connection: Connection, integration_id: int) -> str | None:
    query = select(versions.c.observed_at).where(versions.c.integration_id + 0 == integration_id)
    return connection.execute(query.order_by(versions.c.seq.desc()).limit(1)).scalar()


def _interval_seconds(schedule: str, now: datetime) -> float:
    times = CronSim(schedule, now)
    first, second = next(times), next(times)
    return (second - first).total_seconds()


def _age_seconds(moment: str, now: datetime) -> float:
    return max(0.0, (now - datetime.fromisoformat(moment)).total_seconds())
