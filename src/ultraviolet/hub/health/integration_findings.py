"""Findings about an integration as a whole: whether it is processed, connected and receives events."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, case, func, select, text

from ultraviolet.clock import format_rfc3339, readable
from ultraviolet.command_text import command
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.sync import drift, fetch_steps, fetches
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import UNCHECKED_RECEIVER, Action, Finding
from ultraviolet.hub.health import controller_status, heartbeat
from ultraviolet.hub.health.resource_freshness import ProcessStatus, age, age_seconds, span
from ultraviolet.hub.integrations.models import Integration, is_sandbox
from ultraviolet.hub.sync import invalid_values
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.errors import NEXT_STEPS, known_step
from ultraviolet.text import counted

_DEAD_WEBHOOK_CHANGES = 3
"""Number of changes without a later event after which the webhook counts as dead."""
_COMPLETE_SINCE = text(
    """SELECT max(since) FROM (
      SELECT max(subscribed_at) AS since FROM webhook_urls
        WHERE integration_id = :integration AND state = 'active'
      UNION ALL SELECT max(coalesce(repaired_at, resolved_at)) FROM findings
        WHERE integration_id = :integration AND kind = 'receiver' AND subject <> :unchecked
          AND (repaired_at IS NOT NULL OR severity = 'error')) AS ends"""
)
"""When deliveries began to arrive: with the last subscription, or the end of an interruption."""
_REPORTED_BY_WATCHDOG = ("credentials", "unreachable")


def find_integration_findings(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    status: ProcessStatus,
    proven_at: str | None,
) -> Iterator[Finding]:
    """Yield the findings about the integration as a whole, the most severe first."""
    if integration.removed:
        message, step = "The integration is being deleted", "No action needed: batches delete it"
        yield Finding("paused", "error", message, step)
        return
    if status.no_hub:
        yield status.no_hub
    if integration.paused:
        message = "The integration is paused, so nothing is read from ION"
        step = Action.RESUME.command(integration.name)
        yield Finding("paused", "error", message, step, Action.RESUME)
        return
    yield from _processing_findings(connection, integration, status)
    stored = finding_store.list_open(connection, integration.id)
    receiver = next((one for one in stored if one.kind == "receiver" and not one.repaired_at), None)
    last = _last_event_at(connection, integration)
    missed = _missed_changes(connection, catalog, integration, last, status)
    yield from _stored_findings(stored, receiver, missed)
    yield from _connection_findings(integration, stored, status)
    if unread := _unread(connection, integration, proven_at):
        yield unread
    if receiver is None and (gap := _open_gap(connection, integration)):
        yield gap
    down = heartbeat.last_down(connection)
    if down and (proven_at is None or proven_at < down.until):
        message = (
            f"The hub was down from {readable(down.since)} to {readable(down.until)},"
            " and some objects have not been confirmed since"
        )
        now = Action.FETCH.command(integration.name)
        step = f"The next sync confirms them; `{now}` starts one now"
        yield Finding("hub_was_down", "error", message, step, Action.FETCH)
    if receiver is None:
        yield from _event_findings(integration, last, missed)
    if not status.heals:
        message = "Healing is turned off by ULTRAVIOLET_HEAL, so stale objects are not read again"
        step = "Remove the setting and restart the hub"
        yield Finding("healing_off", "error", message, step)


def _stored_findings(
    stored: Sequence[finding_store.StoredFinding],
    receiver: finding_store.StoredFinding | None,
    missed: str,
) -> Iterator[Finding]:
    """Yield the stored findings; an open problem of the receiver tells the missed changes too."""
    for one in sorted(stored, key=lambda one: one.kind == invalid_values.KIND):
        told = one
        if one is receiver and missed:
            message = f"{one.message.rstrip('.')}; {missed[0].lower()}{missed[1:]}"
            told = msgspec.structs.replace(one, severity="error", message=message)
        if one.kind != "unreadable":  # the resource reports it, and sooner
            yield msgspec.convert(told, Finding, from_attributes=True)


def _processing_findings(
    connection: Connection, integration: Integration, status: ProcessStatus
) -> Iterator[Finding]:
    """Yield a finding if nobody maintains the integration or writes or applies its events."""
    if status.unmaintained_since and not status.no_hub:
        idle = span(age_seconds(status.unmaintained_since, status.moment))
        message = f"No hub process has maintained this integration for {idle}"
        step = "Check that a hub with role all or worker is running; read its log and restart it"
        yield Finding("unmaintained", "error", message, step)
    since = controller_status.oldest_waiting_since(connection, integration.id)
    if since and age_seconds(since, status.moment) > controller_status.EVENTS_WAIT_SECONDS:
        waiting = span(age_seconds(since, status.moment))
        message = f"Received events are not applied yet, the oldest for {waiting}"
        step = "Wait if many arrived at once; otherwise read the hub's log and restart it"
        yield Finding("events_wait", "error", message, step)
    if status.trouble:
        step = "Free disk space and check that the hub may write to its database"
        yield Finding("database", "error", status.trouble, step)
    if status.spooled:
        message = f"{counted(status.spooled, 'delivery waits', 'deliveries wait')} in the spool"
        step = "No action needed: the hub writes them to the database in order"
        yield Finding("spool", "warning", message, step)


def _connection_findings(
    integration: Integration, stored: Sequence[Finding], status: ProcessStatus
) -> Iterator[Finding]:
    """Yield the latest ION error that no finding reports, or else the errors of the last test."""
    reported = any(one.kind in _REPORTED_BY_WATCHDOG for one in stored)
    if status.problem and not status.trouble and not reported:
        step = known_step(status.problem)
        if step and step == NEXT_STEPS["ion-unauthorized"]:
            yield Finding("credentials", "error", status.problem, step, Action.FIX_CREDENTIALS)
            return
        step = step or Action.TEST.command(integration.name)
        yield Finding("ion_fails", "error", status.problem, step, Action.TEST)
    elif integration.test_result:
        for found in integration.test_result.findings:
            again = reported and found.kind in (*_REPORTED_BY_WATCHDOG, "ion_fails")
            if found.severity == "error" and not again:
                yield found


def _unread(
    connection: Connection, integration: Integration, proven_at: str | None
) -> Finding | None:
    """Return a finding if no fetch has finished, not even the one that runs now.

    During the first fetch, `proven_at` is None, or later than its start.
    """
    here = fetches.c.integration_id == integration.id
    if connection.execute(
        select(fetches.c.id).where(here, fetches.c.state == "done").limit(1)
    ).scalar():
        return None
    running = select(fetches.c.id, fetches.c.started_at).where(here, fetches.c.state == "running")
    first = connection.execute(running.order_by(fetches.c.id).limit(1)).one_or_none()
    if proven_at and not (first and proven_at >= first.started_at):
        return None  # the fetches before are no longer recorded
    if first:
        steps = select(
            func.count().label("all"),
            func.count(case((fetch_steps.c.state.in_(("done", "skipped")), 1))).label("read"),
        ).where(fetch_steps.c.fetch_id == first.id)
        progress = connection.execute(steps).one()
        message = f"First sync: {progress.read} of {counted(progress.all, 'resource')}"
        return Finding(
            "unsynced", "warning", message, "No action needed: the sync continues by itself"
        )
    message = "Nothing has been read from ION yet"
    return Finding(
        "unsynced", "warning", message, Action.FETCH.command(integration.name), Action.FETCH
    )


def _open_gap(connection: Connection, integration: Integration) -> Finding | None:
    """Return a finding if no sync has read the changes before deliveries began to arrive (again)."""
    given = {"integration": integration.id, "unchecked": UNCHECKED_RECEIVER}
    since = connection.execute(_COMPLETE_SINCE, given).scalar()
    if since is None:
        return None
    later = select(fetches.c.id).where(
        fetches.c.integration_id == integration.id,
        fetches.c.state == "done",
        fetches.c.started_at >= since,
    )
    if connection.execute(later.limit(1)).scalar():
        return None
    message = (
        f"The hub is reading changes in ION from before {readable(since)}, when deliveries began"
        " to arrive"
    )
    step = "No action needed: a sync starts and ends by itself"
    return Finding("catching_up", "info", message, step, Action.SHOW_FETCHES)


def _last_event_at(connection: Connection, integration: Integration) -> str | None:
    # `+ 0` makes SQLite scan back from the newest row instead of sorting all rows.
    newest = select(events.c.received_at).where(events.c.integration_id + 0 == integration.id)
    return connection.execute(newest.order_by(events.c.seq.desc()).limit(1)).scalar()


def _missed_changes(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    last: str | None,
    status: ProcessStatus,
) -> str:
    """Return a sentence about changes without an event since the last event; empty if few.

    Changes of resources for which ION never sends events do not count.
    """
    since = max(last or "", format_rfc3339(status.moment - timedelta(days=1)))
    query = select(func.count()).where(
        drift.c.integration_id == integration.id,
        drift.c.cause == "no_event_sent",
        drift.c.resource.not_in([r.name for r in catalog.silent]),
        drift.c.wrong_since > since,
        drift.c.healed_at > since,
    )
    missed = connection.execute(query).scalar_one()
    if missed < _DEAD_WEBHOOK_CHANGES:
        return ""
    arrived = f"the last event arrived {age(last, status.moment)}"
    return (
        f"A sync found {counted(missed, 'change')} without a webhook event;"
        f" {arrived if last else 'no event has arrived yet'}"
    )


def _event_findings(integration: Integration, last: str | None, missed: str) -> Iterator[Finding]:
    """Yield a finding if events do not arrive, although no problem of the receiver is open."""
    if missed:
        plan = command("setup plan", integration.name)
        step = f"Check the receiver and its subscriptions; `{plan}` lists them"
        message = f"{missed}{_sandbox_remark(integration)}"
        yield Finding("silent", "error", message, step, Action.REPAIR_WEBHOOKS)
    elif last is None:
        message = (
            "No webhook event has arrived yet, so changes appear only after the next sync"
            f"{_sandbox_remark(integration)}"
        )
        step = Action.SET_UP_WEBHOOKS.command(integration.name)
        yield Finding("no_event_yet", "warning", message, step, Action.SET_UP_WEBHOOKS)


def _sandbox_remark(integration: Integration) -> str:
    if not is_sandbox(integration.api_url):
        return ""
    return (
        ". A sandbox of ION delivers webhooks to a sink by default: ask First Resonance to switch"
        " its deliveries on"
    )
