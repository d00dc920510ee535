"""Page: status of each integration."""

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromQuery
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.hub.core.finding import Finding
from ultraviolet.hub.health.freshness import Freshness, ResourceFreshness, State
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenHub, require_role
from ultraviolet.web.pages.charts import Chart, Series, columns, curves, seconds
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import activity, drift, fetches, objects
from ultraviolet.web.queries import summary as queries_summary
from ultraviolet.web.queries.activity import ActivityMinute
from ultraviolet.web.queries.drift import DriftCause, DriftFilter
from ultraviolet.web.queries.fetches import Fetch
from ultraviolet.web.queries.objects import ResourceCount
from ultraviolet.web.queries.summary import Summary

_MAX_CAUSES = 12
_SHOWN_FINDINGS = 3
_SHOWN = 100
_LABELS: dict[State, tuple[str, str, str]] = {
    State.DELETING: (
        "being deleted",
        "warn",
        "This integration is being deleted. It no longer receives or reads data.",
    ),
    State.PAUSED: (
        "paused",
        "warn",
        "Syncing is paused. Deliveries are stored and applied, but not confirmed.",
    ),
    State.FAILING: ("not confirmed", "bad", "{} Deliveries are still received and stored."),
    State.UNREAD: ("not synced", "warn", "{} Test the connection if no sync finishes."),
    State.STALE: ("stale", "bad", "{}"),
    State.UNKNOWN: ("not confirmed", "warn", "{}"),
    State.AGEING: ("ageing", "warn", "{}"),
    State.FRESH: ("up to date", "good", "The mirror is up to date with ION."),
}
"""Label, colour and sentence of each state; {} is the leading finding."""


class Row(msgspec.Struct, frozen=True):
    """Counts and last confirmation of one resource."""

    counted: ResourceCount
    proof: ResourceFreshness | None


class Status(msgspec.Struct, frozen=True):
    """The status of an integration, with its most important findings."""

    label: str
    tone: str
    text: str
    findings: list[Finding]


class Card(msgspec.Struct, frozen=True):
    """One integration."""

    integration: Integration
    summary: Summary
    status: Status
    judged: Freshness
    changes: Chart
    delay: Chart
    wrong: list[DriftCause]
    """Corrections of the last 24 hours, by cause."""
    running: list[Fetch]
    rows: list[Row]


@get("/", guards=[require_role("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, cursor: FromQuery[str | None] = None
) -> Response[str]:
    """Show one card for each integration."""
    after = number(cursor) or 0

    def read(connection: Connection) -> dict[str, Any]:
        page = page_of(
            integrations.list_page(connection, after, _SHOWN + 1), _SHOWN, lambda one: one.id
        )
        return {"cards": [_card(connection, hub, one) for one in page.items], "next": page.next}

    return render.page(request, "overview.html", **await hub.database.read(read))


def _card(connection: Connection, hub: Hub, integration: Integration) -> Card:
    summary = queries_summary.get_summary(connection, integration.id)
    running = fetches.list_running(connection, integration.id)
    minutes = activity.last_hour(connection, integration.id)
    day_ago = clock.format_rfc3339(clock.utc_now() - timedelta(days=1))
    judged = hub.freshness(connection, integration)
    proofs = {proof.resource: proof for proof in judged.resources}
    counted = objects.count_by_resource(connection, hub.catalog, integration.id)
    return Card(
        integration,
        summary,
        status_of(judged),
        judged,
        _changes(minutes),
        _delay(minutes),
        drift.get_report(connection, integration.id, DriftFilter(since=day_ago), "day").causes[
            :_MAX_CAUSES
        ],
        running,
        sorted(
            (Row(one, proofs.get(one.resource)) for one in counted),
            key=lambda row: (-row.counted.stale, row.counted.title),
        ),
    )


def status_of(judged: Freshness) -> Status:
    """Return the status of an integration with this freshness."""
    label, tone, text = _LABELS[judged.state]
    if judged.state == State.DELETING:
        return Status(label, tone, text, [])
    if judged.state == State.UNREAD:
        leading = [finding for finding in judged.findings if finding.kind == "unread"]
    else:
        leading = [finding for finding in judged.findings if finding.severity == "error"]
    found = [*leading, *(finding for finding in judged.findings if finding not in leading)]
    reason = f"{found[0].message.rstrip('.')}." if found else judged.sentence
    return Status(label, tone, text.format(reason), found[:_SHOWN_FINDINGS])


def _changes(minutes: list[ActivityMinute]) -> Chart:
    values = [minute.changes for minute in minutes]
    says = (
        f"Changes per minute over the last hour: {sum(values):,} in total, "
        f"at most {max(values):,} per minute."
    )
    return columns([minute.at[11:] for minute in minutes], [Series("Changes", values)], says)


def _delay(minutes: list[ActivityMinute]) -> Chart:
    last = next((minute for minute in reversed(minutes) if minute.p50 is not None), None)
    says = "Sync latency over the last hour: no changes."
    if last and last.p50 is not None and last.p99 is not None:
        says = f"Sync latency at {last.at[11:]}: p50 {seconds(last.p50)}, p99 {seconds(last.p99)}."
    p50 = Series("p50", [minute.p50 for minute in minutes])
    p99 = Series("p99", [minute.p99 for minute in minutes])
    return curves([minute.at[11:] for minute in minutes], [p50, p99], says)


HANDLERS = [show]
