"""Freshness: whether the mirror is fresh, per resource and as a whole, and the reasons if not.

A resource is fresh while its last confirmation is no older than the fetch schedule allows.
Freshness decays without new confirmations, so a dead webhook, failing credentials, a pause or a
stopped hub never look healthy. Each finding has a next step.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.clock import utc_now
from ultraviolet.db.tables.mirror import versions
from ultraviolet.hub.core.finding import Finding, Kind
from ultraviolet.hub.health.integration_findings import find_integration_findings
from ultraviolet.hub.health.resource_freshness import (
    ProcessStatus,
    ResourceFreshness,
    State,
    age,
    judge_resources,
)
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import latency

NO_CONNECTION: frozenset[Kind] = frozenset(
    {"ion_fails", "unreachable", "credentials", "permission", "rate_limit"}
)
"""Kinds of errors with which the hub cannot read ION."""


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


def judge_freshness(
    connection: Connection,
    catalog: Catalog,
    integration: Integration,
    status: ProcessStatus | None = None,
) -> Freshness:
    """Return the freshness of an integration."""
    status = status or ProcessStatus(utc_now())
    latencies = latency.load_histograms(
        connection, integration.id, status.moment - timedelta(days=1)
    )
    resources = list(judge_resources(connection, catalog, integration, status, latencies))
    mirrored = [one for one in resources if not one.skipped]
    proven = [one.proven_at for one in mirrored if one.proven_at]
    proven_at = min(proven) if proven and len(proven) == len(mirrored) else None
    newest = select(versions.c.observed_at).where(versions.c.integration_id + 0 == integration.id)
    last = connection.execute(newest.order_by(versions.c.seq.desc()).limit(1)).scalar()
    found = list(find_integration_findings(connection, catalog, integration, status, proven_at))
    if any(finding.kind == "unsynced" for finding in found):
        proven_at = None  # the resources that are not read yet are not known
    found += [one.finding for one in mirrored if one.finding]
    errors = [finding for finding in found if finding.severity == "error"]
    if integration.removed:
        state = State.DELETING
    elif integration.paused:
        state = State.PAUSED
    elif status.no_hub:
        state = State.STALE
    elif any(finding.kind in NO_CONNECTION for finding in errors):
        state = State.FAILING
    elif any(finding.kind == "unsynced" for finding in found):
        state = State.UNSYNCED
    elif errors:
        state = State.STALE
    elif any(finding.kind == "catching_up" for finding in found):
        state = State.CATCHING_UP
    else:
        states = {one.state for one in mirrored}
        state = next((one for one in State if one in states), State.UNCONFIRMED)
    total = Counter[int]()
    for counts in latencies.values():
        total.update(counts)
    return Freshness(
        integration_id=integration.id,
        state=state,
        sentence=_sentence(state, errors or found, last, proven_at, status),
        findings=found,
        last_change_at=last,
        proven_at=proven_at,
        changes=total.total(),
        p50_seconds=latency.quantile(total, 0.5),
        p99_seconds=latency.quantile(total, 0.99),
        resources=resources,
    )


def _sentence(
    state: State,
    reasons: Sequence[Finding],
    last: str | None,
    proven_at: str | None,
    status: ProcessStatus,
) -> str:
    now = status.moment
    confirmed = (
        f"everything confirmed {age(proven_at, now)}"
        if proven_at
        else "not everything confirmed yet"
    )
    if state == State.FRESH:
        return f"{state.capitalize()}: last change {age(last, now)}, {confirmed}."
    if state == State.PAUSED and not status.no_hub:
        return f"Paused: nothing is read from ION, deliveries are stored; {confirmed}."
    if state in (State.UNSYNCED, State.CATCHING_UP):
        reasons = [finding for finding in reasons if finding.kind == state.value] or reasons
    more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    message, step = (reasons[0].message, reasons[0].next_step) if reasons else (confirmed, "")
    return f"{state.words.capitalize()}: {message.rstrip('.')}{more}. Next: {step.rstrip('.')}."
