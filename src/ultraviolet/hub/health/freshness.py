"""Freshness: how much the mirror can be trusted now, for each resource and as a whole, and why not where it cannot.

A resource is fresh while its last proof is no older than the schedule of fetches promises, and it decays by itself:
nothing has to go wrong for it to be no longer fresh, it is enough that nothing proves it. A dead webhook, failing
credentials, a pause, a hub that was down never look healthy. Each cause is named, with what to do next.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

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
from ultraviolet.hub.integrations.service import Integration
from ultraviolet.hub.sync import invalid_values
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.errors import NEXT_STEPS, known_step, next_step
from ultraviolet.mirror import latency
from ultraviolet.mirror.object_state import VERIFICATION

State: TypeAlias = Literal["fresh", "ageing", "stale", "unknown", "paused"]

CATCHING_UP = 30.0
"""Seconds something may wait to be read again before its resource is called stale: an ordinary change takes less."""
_SLACK = 60.0
"""Seconds a fetch may take beyond its schedule."""
_SILENT = 3
"""So many changes found without any event since, and the webhook counts as dead."""
_MOST = 200
"""Findings that are looked at."""
_WORST: tuple[State, ...] = ("paused", "stale", "unknown", "ageing", "fresh")


class Cause(msgspec.Struct, frozen=True):
    """Something that keeps the mirror from being known to be right, and what to do about it."""

    kind: str
    says: str
    next_step: str
    red: bool = True
    """Whether the mirror must not be called fresh because of it."""


class ResourceFreshness(msgspec.Struct, frozen=True):
    """How much one resource of the mirror can be trusted now; lateness is of the last day, in seconds."""

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
    """How much the mirror of an integration can be trusted now, in one honest sentence and in detail."""

    integration_id: int
    state: State
    sentence: str
    causes: list[Cause]
    last_change_at: str | None
    proven_at: str | None
    """When the resource proven longest ago was proven."""
    changes: int
    p50_seconds: float | None
    p99_seconds: float | None
    resources: list[ResourceFreshness]


class Circumstances(msgspec.Struct, frozen=True):
    """What is known beside the tables."""

    moment: datetime
    problem: str | None = None
    """What keeps ION from answering, as the controllers last saw it."""
    heals: bool = True
    trouble: str | None = None
    """Why the hub's database could not be written."""
    spooled: int = 0
    """Deliveries that wait in the spool of this process."""
    unmaintained_since: str | None = None
    """Since when no process has maintained the integration, where it is so."""
    limited: bool = False
    """ION has answered 429 within the last minutes."""


NOT_CHOSEN = "Not chosen for this integration: what was mirrored is kept and not followed"


class _Waiting(msgspec.Struct, frozen=True):
    count: int
    failing: int
    differing: int
    """Those that a verification found to differ from ION."""
    since: str
    error: str | None


def judge_freshness(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    now: Circumstances | None = None,
) -> Freshness:
    """Judge an integration."""
    known = now or Circumstances(utc_now())
    late = _late(connection, integration.id, known.moment)
    resources = list(_resources(connection, catalog, integration, known, late))
    mirrored = [one for one in resources if not one.skipped]
    proven = [one.proven_at for one in mirrored if one.proven_at]
    proven_at = min(proven) if proven and len(proven) == len(mirrored) else None
    last = _last_change(connection, integration.id)
    causes = list(_causes(connection, catalog, integration, known, proven_at))
    causes += [one.cause for one in mirrored if one.cause]
    state = _state(integration, causes, mirrored)
    every = _sum(late.values())
    return Freshness(
        integration_id=integration.id,
        state=state,
        sentence=_sentence(state, causes, last, proven_at, known.moment),
        causes=causes,
        last_change_at=last,
        proven_at=proven_at,
        changes=sum(every.values()),
        p50_seconds=latency.quantile(every, 0.5),
        p99_seconds=latency.quantile(every, 0.99),
        resources=resources,
    )


def age(moment: str | None, now: datetime) -> str:
    """Say how long ago something was: 3 s ago, 5 min ago, never."""
    return "never" if moment is None else f"{span(max(0.0, _seconds(moment, now)))} ago"


def span(seconds: float) -> str:
    """Say how long: 3 s, 40 s, 5 min, 2 h, 3 days."""
    for size, unit, least in ((86_400, "days", 2), (3600, "h", 2), (60, "min", 1)):
        if seconds >= least * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _resources(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    now: Circumstances,
    late: Mapping[str, Mapping[int, int]],
) -> Iterator[ResourceFreshness]:
    waiting = _waiting(connection, integration.id)
    query = select(watermarks).where(watermarks.c.integration_id == integration.id)
    known = {row["resource"]: row for row in connection.execute(query).mappings()}
    often = _interval(integration.incremental_schedule, now.moment)
    seldom = _interval(integration.full_schedule, now.moment)
    failed = failed_steps(connection, integration.id)
    for name in sorted(known.keys() | waiting.keys() | failed.keys()):
        row, here = known.get(name), waiting.get(name)
        followed = catalog.follows(name)
        here = here if followed else None
        resource = catalog.resources.get(name)
        dated = (
            resource is not None
            and resource.sort is not None
            and resource.field("_updated") is not None
        )
        proven_at = row["proven_at"] if row else None
        skipped = (row["skipped"] if row else None) if followed else NOT_CHOSEN
        state, cause = _judge(name, proven_at, here, often if dated else seldom, now)
        if name in failed and followed:
            says = f"{name.replace('_', ' ')} could not be read by the last fetch: {failed[name]}"
            state, cause = "stale", Cause("unreadable", says, next_step(failed[name]))
        if integration.paused:
            state = "paused"
        counts = late.get(name, {})
        yield ResourceFreshness(
            resource=name,
            state="unknown" if skipped else state,
            stale=here.count if here else 0,
            failing=here.failing if here else 0,
            proven_at=proven_at,
            proven_by=row["proven_by"] if row else None,
            watermark=row["updated"] if row else None,
            skipped=skipped,
            changes=sum(counts.values()),
            p50_seconds=latency.quantile(counts, 0.5),
            p99_seconds=latency.quantile(counts, 0.99),
            cause=None if skipped or integration.paused else cause,
        )


def _judge(
    name: str, proven_at: str | None, waiting: _Waiting | None, interval: float, now: Circumstances
) -> tuple[State, Cause | None]:
    title = name.replace("_", " ")
    if waiting and waiting.failing:
        says = f"{waiting.failing} {title} cannot be read: {waiting.error}"
        step = known_step(waiting.error or "") or command("object list", name, state="stale")
        return "stale", Cause("unreadable", says, step)
    if waiting and waiting.differing:
        says = f"{waiting.differing} {title} differ from ION, as a verification found, and wait to be read"
        return "stale", Cause("differs", says, "nothing: they are read from ION again at once")
    if waiting and now.heals and _seconds(waiting.since, now.moment) > CATCHING_UP:
        says = f"{waiting.count} {title} changed in ION and wait to be read, the first since {age(waiting.since, now.moment)}"
        more = "raise its requests per second, if ION allows more; see `ultraviolet integration findings`"
        return "stale", Cause(
            "behind", says, NEXT_STEPS["ion-rate-limited"] if now.limited else more
        )
    if proven_at is None:
        says = f"{title} were never compared with ION"
        return "unknown", Cause(
            "never_proven", says, "ultraviolet fetch run --mode full", red=False
        )
    old = _seconds(proven_at, now.moment)
    if old <= interval * 1.5 + _SLACK:
        return "fresh", None
    says = f"{title} were last confirmed {age(proven_at, now.moment)}, though a fetch is due every {span(interval)}"
    overdue = old > interval * 3 + _SLACK
    cause = Cause("overdue", says, "`ultraviolet fetch list` shows what fails", red=overdue)
    return ("stale" if overdue else "ageing"), cause


def _paused(integration: Integration) -> Cause:
    if integration.removed:
        return Cause(
            "paused", "It is being removed", "nothing: what it brought goes little by little"
        )
    return Cause(
        "paused", "Nothing is read from ION", command("integration resume", integration.name)
    )


def _causes(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    now: Circumstances,
    proven_at: str | None,
) -> Iterator[Cause]:
    """Return what concerns the integration as a whole, the gravest first."""
    if integration.paused:
        yield _paused(integration)
        return
    found = findings.list_findings(connection, integration.id, _MOST, unresolved=True)
    yield from _unmaintained(connection, integration, now)
    if now.trouble:
        yield Cause(
            "store", now.trouble, "make room on its disk and see that the hub may write there"
        )
    if now.spooled:
        says = f"{now.spooled} deliveries wait in the spool"
        yield Cause("spool", says, "nothing: they go into the database in order", red=False)
    yield from _found(found)
    if (
        now.problem
        and not now.trouble
        and not any(one.kind in ("credentials", "unreachable") for one in found)
    ):
        step = known_step(now.problem) or command("integration test", integration.name)
        yield Cause("ion_fails", now.problem, step)
    elif integration.test_result and not integration.test_result.ok:
        found = [f for f in integration.test_result.findings if f.severity == "error"]
        says, step = (
            (found[0].message, found[0].next_step)
            if found
            else ("The last test failed", "test again")
        )
        yield Cause("credentials", says, step)
    down = heartbeat.last_down(connection)
    if down and (proven_at is None or proven_at < down.until):
        span = f"from {down.since[:19]}Z to {down.until[:19]}Z"
        says = f"The hub was down {span}, and not everything was confirmed since"
        yield Cause(
            "hub_was_down", says, "the next fetch confirms it; `ultraviolet fetch run` does at once"
        )
    last_event, unheard = _unheard(connection, catalog, integration.id, now.moment)
    if unheard >= _SILENT:
        heard = (
            f"the last event came {age(last_event, now.moment)}"
            if last_event
            else "no event ever came"
        )
        says = f"ION has {unheard} changes that no event told; {heard}"
        yield Cause(
            "silent",
            says,
            f"{command('setup plan', integration.name)}: is the receiver active, and subscribed?",
        )
    elif last_event is None:
        says = "No event has come yet, so changes arrive with the next fetch only"
        yield Cause("no_event_yet", says, command("setup apply", integration.name), red=False)
    if not now.heals:
        yield Cause(
            "healing_off", "Healing is switched off by ULTRAVIOLET_HEAL", "start the hub without it"
        )


def _unmaintained(
    connection: Connection, integration: Integration, now: Circumstances
) -> Iterator[Cause]:
    """Yield that no process works for an integration, or that events wait, whatever the reason."""
    if now.unmaintained_since:
        says = f"No process has maintained this integration since {age(now.unmaintained_since, now.moment)}"
        step = "see that a hub of role all or worker runs, and what it logs; restart it"
        yield Cause("unmaintained", says, step)
    since = maintenance.waits_since(connection, integration.id)
    if since and _seconds(since, now.moment) > maintenance.EVENTS_WAIT_SECONDS:
        says = f"Events wait to be applied, the first since {age(since, now.moment)}"
        step = "wait if many came at once; else see what the hub logs, and restart it"
        yield Cause("events_wait", says, step)


def _found(standing: Sequence[Finding]) -> Iterator[Cause]:
    """Return what the watchdog found and has not put right; what it has is told, but is no reason for doubt."""
    for one in sorted(standing, key=lambda one: one.kind == invalid_values.KIND):
        if one.kind == "unreadable":
            continue  # the resource says so itself, and sooner
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
    return next(state for state in _WORST if state in found)


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
        return "Unknown: nothing was read from this ION yet. Next: ultraviolet fetch run."
    if state == "paused":
        return f"Paused: nothing is read from ION, deliveries are kept; {confirmed}."
    reasons = red or list(causes)
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    says, step = (reasons[0].says, reasons[0].next_step) if reasons else (confirmed, "")
    return f"{state.capitalize()}: {says.rstrip('.')}{more}. Next: {step.rstrip('.')}."


def _waiting(connection: Connection, integration_id: int) -> dict[str, _Waiting]:
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
        row.resource: _Waiting(row.waiting, row.failing, row.differing, row.since, row.error)
        for row in connection.execute(query.group_by(kept.resource))
    }


def _late(connection: Connection, integration_id: int, now: datetime) -> dict[str, dict[int, int]]:
    """Read how late changes arrived in the last day, by resource."""
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


def _unheard(
    connection: Connection, catalog: Catalog, integration_id: int, now: datetime
) -> tuple[str | None, int]:
    """Return when the last event came, and how many changes no event told since; of what ION never announces none."""
    # `+ 0` keeps SQLite from sorting all of an integration's rows where it can walk back from the newest.
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


def _sum(counts: Any) -> dict[int, int]:
    total: dict[int, int] = {}
    for one in counts:
        for bucket, count in one.items():
            total[bucket] = total.get(bucket, 0) + count
    return total


def _interval(schedule: str, now: datetime) -> float:
    times = CronSim(schedule, now)
    first, second = next(times), next(times)
    return (second - first).total_seconds()


def _seconds(moment: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(moment)).total_seconds()
