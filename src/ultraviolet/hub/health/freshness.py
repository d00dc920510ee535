"""Freshness: whether the mirror is up to date, per resource and as a whole, and the reasons if not.

A resource is fresh while its last confirmation is no older than the fetch schedule allows.
Freshness decays without new confirmations, so a dead webhook, failing credentials, a pause or a
stopped hub never look healthy. Each finding has a next step.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from cronsim import CronSim
from sqlalchemy import Connection, case, func, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.command_text import command
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import versions
from ultraviolet.db.tables.stats import arrivals as counted
from ultraviolet.db.tables.sync import drift, fetches, stale, watermarks
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Action, Finding, Kind
from ultraviolet.hub.health import heartbeat, maintenance
from ultraviolet.hub.health.failed_steps import failed_steps
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.hub.sync import invalid_values
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.errors import NEXT_STEPS, known_step, next_step
from ultraviolet.mirror import latency
from ultraviolet.mirror.object_state import VERIFICATION


class State(StrEnum):
    """The state of an integration's mirror or of one of its resources, the worst first."""

    DELETING = "deleting"
    PAUSED = "paused"
    FAILING = "failing"
    """ION does not respond or rejects the credentials."""
    UNREAD = "unread"
    """No fetch has finished yet."""
    STALE = "stale"
    UNKNOWN = "unknown"
    """Never confirmed, or not mirrored."""
    AGEING = "ageing"
    """Not confirmed for longer than the schedule allows, but not for long."""
    FRESH = "fresh"


CATCH_UP_SECONDS = 30.0
"""How long an object may wait for a read before its resource is stale; most changes take less."""
_FETCH_SLACK_SECONDS = 60.0
"""How long a fetch may take beyond its schedule."""
_DEAD_WEBHOOK_CHANGES = 3
"""Number of changes without a later event after which the webhook counts as dead."""
_MAX_FINDINGS = 200
_CATCHING_UP_SECONDS = 10.0
"""How long an object may wait for a read before a note says so."""
_NO_CONNECTION: frozenset[Kind] = frozenset(
    {"ion_fails", "unreachable", "credentials", "permission", "rate_limit"}
)


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


class Freshness(msgspec.Struct, frozen=True):
    """The freshness of an integration's mirror, as a sentence and in detail.

    An error among the findings makes the mirror stale.
    """

    integration_id: int
    state: State
    sentence: str
    findings: list[Finding]
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
    newest = select(versions.c.observed_at).where(versions.c.integration_id + 0 == integration.id)
    last = connection.execute(newest.order_by(versions.c.seq.desc()).limit(1)).scalar()
    found = list(_integration_findings(connection, catalog, integration, known, proven_at))
    found += [one.finding for one in mirrored if one.finding]
    errors = [finding for finding in found if finding.severity == "error"]
    if integration.removed:
        state = State.DELETING
    elif integration.paused:
        state = State.PAUSED
    elif any(finding.kind in _NO_CONNECTION for finding in errors):
        state = State.FAILING
    elif any(finding.kind == "unread" for finding in found):
        state = State.UNREAD
    elif errors:
        state = State.STALE
    else:
        states = {one.state for one in mirrored}
        state = next((one for one in State if one in states), State.UNKNOWN)
    total = Counter[int]()
    for counts in latencies.values():
        total.update(counts)
    return Freshness(
        integration_id=integration.id,
        state=state,
        sentence=_sentence(state, errors or found, last, proven_at, known.moment),
        findings=found,
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
        state, finding = _judge_resource(integration, name, proven_at, counted, interval, now)
        if name in failed and followed:
            message = f"The last fetch could not read {name.replace('_', ' ')}: {failed[name]}"
            step = next_step(failed[name])
            state, finding = State.STALE, _unreadable(name, message, step)
        if integration.paused:
            state = State.PAUSED
        counts = latencies.get(name, {})
        yield ResourceFreshness(
            resource=name,
            state=State.UNKNOWN if skipped else state,
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
    now: Circumstances,
) -> tuple[State, Finding | None]:
    title = name.replace("_", " ")
    if counted and counted.failing:
        message = f"{counted.failing} {title} cannot be read: {counted.error}"
        step = known_step(counted.error or "") or command("object list", name, state="stale")
        return State.STALE, _unreadable(name, message, step)
    if counted and counted.differing:
        message = f"A verification found {counted.differing} {title} that differ from ION"
        step = "No action needed: the hub is reading them from ION again"
        return State.STALE, Finding("differs", "error", message, step, subject=name)
    waiting_seconds = _age_seconds(counted.since, now.moment) if counted and now.heals else 0.0
    if counted and waiting_seconds > CATCH_UP_SECONDS:
        message = (
            f"{counted.count} changed {title} have not been read from ION yet,"
            f" the oldest for {span(waiting_seconds)}"
        )
        step = (
            NEXT_STEPS["ion-rate-limited"]
            if now.limited
            else "Raise the integration's requests per second if ION allows more;"
            " `ultraviolet integration findings` lists problems"
        )
        return State.STALE, Finding(
            "behind", "error", message, step, Action.SHOW_FRESHNESS, subject=name
        )
    if proven_at is None:
        message = f"{title} have not been compared with ION yet"
        step = command("fetch run", integration.name, mode="full")
        return State.UNKNOWN, Finding(
            "never_proven", "warning", message, step, Action.FETCH, subject=name
        )
    age_seconds = _age_seconds(proven_at, now.moment)
    if age_seconds <= interval * 1.5 + _FETCH_SLACK_SECONDS:
        finding = None
        if counted and waiting_seconds > _CATCHING_UP_SECONDS:
            message = f"{counted.count} {title} changed in ION and are being re-read"
            step = "No action needed: the hub reads them within seconds"
            finding = Finding("behind", "info", message, step, subject=name)
        return State.FRESH, finding
    message = (
        f"{title} were last confirmed {age(proven_at, now.moment)},"
        f" but a fetch is due every {span(interval)}"
    )
    overdue = age_seconds > interval * 3 + _FETCH_SLACK_SECONDS
    return State.STALE if overdue else State.AGEING, Finding(
        "overdue",
        "error" if overdue else "warning",
        message,
        "`ultraviolet fetch list` shows failed fetches",
        Action.FETCH,
        subject=name,
    )


def _unreadable(resource: str, message: str, step: str) -> Finding:
    return Finding("unreadable", "error", message, step, Action.SHOW_FRESHNESS, subject=resource)


def _integration_findings(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    now: Circumstances,
    proven_at: str | None,
) -> Iterator[Finding]:
    """Yield the findings about the integration as a whole, the most severe first."""
    if integration.removed:
        message, step = "The integration is being deleted", "No action needed: batches delete it"
        yield Finding("paused", "error", message, step)
        return
    if integration.paused:
        message = "The integration is paused, so nothing is read from ION"
        step = Action.RESUME.command(integration.name)
        yield Finding("paused", "error", message, step, Action.RESUME)
        return
    yield from _processing_findings(connection, integration, now)
    stored = finding_store.list_findings(connection, integration.id, _MAX_FINDINGS, unresolved=True)
    for one in sorted(stored, key=lambda one: one.kind == invalid_values.KIND):
        if one.kind != "unreadable":  # the resource reports it, and sooner
            yield msgspec.convert(one, Finding, from_attributes=True)
    yield from _connection_findings(integration, stored, now)
    if proven_at is None and (unread := _unread(connection, integration)):
        yield unread
    down = heartbeat.last_down(connection)
    if down and (proven_at is None or proven_at < down.until):
        message = (
            f"The hub was down from {down.since[:19]}Z to {down.until[:19]}Z,"
            " and some objects have not been confirmed since"
        )
        step = "The next fetch confirms them; `ultraviolet fetch run` starts one now"
        yield Finding("hub_was_down", "error", message, step, Action.FETCH)
    yield from _event_findings(connection, catalog, integration, now)
    if not now.heals:
        message = "Healing is turned off by ULTRAVIOLET_HEAL, so stale objects are not read again"
        step = "Remove the setting and restart the hub"
        yield Finding("healing_off", "error", message, step)


def _processing_findings(
    connection: Connection, integration: Integration, now: Circumstances
) -> Iterator[Finding]:
    """Yield a finding if nobody maintains the integration or writes or applies its events."""
    if now.unmaintained_since:
        idle = span(_age_seconds(now.unmaintained_since, now.moment))
        message = f"No hub process has maintained this integration for {idle}"
        step = "Check that a hub with role all or worker is running; read its log and restart it"
        yield Finding("unmaintained", "error", message, step)
    since = maintenance.waits_since(connection, integration.id)
    if since and _age_seconds(since, now.moment) > maintenance.EVENTS_WAIT_SECONDS:
        waiting = span(_age_seconds(since, now.moment))
        message = f"Received events are not applied yet, the oldest for {waiting}"
        step = "Wait if many arrived at once; otherwise read the hub's log and restart it"
        yield Finding("events_wait", "error", message, step)
    if now.trouble:
        step = "Free disk space and check that the hub may write to its database"
        yield Finding("database", "error", now.trouble, step)
    if now.spooled:
        message = f"{now.spooled} deliveries wait in the spool"
        step = "No action needed: the hub writes them to the database in order"
        yield Finding("spool", "warning", message, step)


def _connection_findings(
    integration: Integration, stored: Sequence[Finding], now: Circumstances
) -> Iterator[Finding]:
    """Yield the latest ION error that no finding reports, or else the errors of the last test."""
    reported = any(one.kind in ("credentials", "unreachable") for one in stored)
    if now.problem and not now.trouble and not reported:
        step = known_step(now.problem)
        if step and step == NEXT_STEPS["ion-unauthorized"]:
            yield Finding("credentials", "error", now.problem, step, Action.FIX_CREDENTIALS)
            return
        step = step or Action.TEST.command(integration.name)
        yield Finding("ion_fails", "error", now.problem, step, Action.TEST)
    elif integration.test_result:
        yield from (f for f in integration.test_result.findings if f.severity == "error")


def _unread(connection: Connection, integration: Integration) -> Finding | None:
    """Return a finding if no fetch has finished, not even the one that runs now."""
    query = select(fetches.c.state).distinct().where(fetches.c.integration_id == integration.id)
    states = set(connection.execute(query).scalars())
    if "done" in states:
        return None
    if "running" in states:
        message = "The first full sync is running, so the mirror is incomplete until it finishes"
        return Finding("unread", "warning", message, "No action needed")
    message = "Nothing has been read from ION yet"
    return Finding(
        "unread", "warning", message, Action.FETCH.command(integration.name), Action.FETCH
    )


def _event_findings(
    connection: Connection, catalog: Catalog, integration: Integration, now: Circumstances
) -> Iterator[Finding]:
    """Yield a finding if events do not arrive.

    Changes of resources for which ION never sends events do not count.
    """
    # `+ 0` makes SQLite scan back from the newest row instead of sorting all rows.
    newest = select(events.c.received_at).where(events.c.integration_id + 0 == integration.id)
    last = connection.execute(newest.order_by(events.c.seq.desc()).limit(1)).scalar()
    since = max(last or "", format_rfc3339(now.moment - timedelta(days=1)))
    query = select(func.count()).where(
        drift.c.integration_id == integration.id,
        drift.c.cause == "no_event_sent",
        drift.c.resource.not_in([r.name for r in catalog.silent]),
        drift.c.wrong_since > since,
        drift.c.healed_at > since,
    )
    without_event = connection.execute(query).scalar_one()
    if without_event >= _DEAD_WEBHOOK_CHANGES:
        arrived = f"the last event arrived {age(last, now.moment)}"
        message = (
            f"A fetch found {without_event} changes without a webhook event;"
            f" {arrived if last else 'no event has arrived yet'}"
        )
        step = f"Check the receiver and its subscriptions with `{command('setup plan', integration.name)}`"
        yield Finding("silent", "error", message, step, Action.REPAIR_WEBHOOKS)
    elif last is None:
        message = "No webhook event has arrived yet, so changes appear only after the next fetch"
        step = Action.SET_UP_WEBHOOKS.command(integration.name)
        yield Finding("no_event_yet", "warning", message, step, Action.SET_UP_WEBHOOKS)


def _sentence(
    state: State, reasons: Sequence[Finding], last: str | None, proven_at: str | None, now: datetime
) -> str:
    confirmed = (
        f"everything confirmed {age(proven_at, now)}"
        if proven_at
        else "not everything confirmed yet"
    )
    if state == State.FRESH:
        return f"Fresh: last change {age(last, now)}, {confirmed}."
    if state == State.PAUSED:
        return f"Paused: nothing is read from ION, deliveries are stored; {confirmed}."
    if state == State.UNREAD:
        reasons = [finding for finding in reasons if finding.kind == "unread"] or reasons
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    message, step = (reasons[0].message, reasons[0].next_step) if reasons else (confirmed, "")
    return f"{state.capitalize()}: {message.rstrip('.')}{more}. Next: {step.rstrip('.')}."


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


def _interval_seconds(schedule: str, now: datetime) -> float:
    times = CronSim(schedule, now)
    first, second = next(times), next(times)
    return (second - first).total_seconds()


def _age_seconds(moment: str, now: datetime) -> float:
    return max(0.0, (now - datetime.fromisoformat(moment)).total_seconds())
