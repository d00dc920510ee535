"""Page: status of each integration."""

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from litestar import Response, get
from litestar.params import FromQuery
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.hub.health.freshness import Cause, Freshness, ResourceFreshness
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
_SHOWN_CAUSES = 3
_SHOWN = 100
Trust = Literal[
    "paused", "failing", "reading", "unread", "stale", "silent", "catching_up", "ageing", "fresh"
]
_CATCHING_UP = 10.0
"""Seconds something may be stale before the sentence says so: an ordinary change takes less."""


class Row(msgspec.Struct, frozen=True):
    """Counts and last confirmation of one resource."""

    counted: ResourceCount
    proof: ResourceFreshness | None


class Status(msgspec.Struct, frozen=True):
    """The status of an integration, with a link to the page that helps."""

    label: str
    tone: str
    text: str
    link: str = ""
    path: str = ""
    """Path of the link, below the integration's page."""
    causes: list[Cause] = []
    resumable: bool = False


class Card(msgspec.Struct, frozen=True):
    """One integration."""

    integration: Integration
    summary: Summary
    trust: Trust
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
    trust = _trust(integration, summary, judged, running)
    return Card(
        integration,
        summary,
        trust,
        _status(trust, integration, summary, judged),
        judged,
        _changes(minutes),
        _delay(minutes),
        drift.get_report(connection, integration.id, DriftFilter(since=day_ago), "day").causes[
            :_MAX_CAUSES
        ],
        running,
        sorted((Row(one, proofs.get(one.resource)) for one in counted), key=_worst_first),
    )


def integration_status(connection: Connection, hub: Hub, integration: Integration) -> Status:
    """Return the status of an integration."""
    summary = queries_summary.get_summary(connection, integration.id)
    running = fetches.list_running(connection, integration.id)
    judged = hub.freshness(connection, integration)
    return _status(_trust(integration, summary, judged, running), integration, summary, judged)


def _status(trust: Trust, integration: Integration, summary: Summary, judged: Freshness) -> Status:
    causes = judged.causes[:_SHOWN_CAUSES]
    reason = f"{causes[0].says}." if causes else judged.sentence
    unconfirmed = (reason, "View freshness", "/freshness", causes)
    statuses: dict[Trust, Status] = {
        "fresh": Status("up to date", "good", "The mirror is up to date with ION."),
        "stale": Status("stale", "bad", *unconfirmed),
        "ageing": Status("ageing", "warn", *unconfirmed),
        "catching_up": Status(
            "catching up",
            "warn",
            f"{summary.stale:,} objects changed in ION and are being re-read.",
            "View freshness",
            "/freshness",
        ),
        "silent": Status(
            "no events",
            "warn",
            "No webhook events yet. Until they arrive, changes come with the next sync.",
            "Set up webhooks",
            "/set-up",
            causes,
        ),
        "reading": Status(
            "first sync",
            "warn",
            "The first full sync is running. The mirror is incomplete until it finishes.",
        ),
        "unread": Status(
            "not synced",
            "bad",
            "No data has been read from ION yet. Test the connection, then start a sync.",
            "View connection",
        ),
        "failing": Status(
            "not confirmed",
            "bad",
            f"{reason} Deliveries are still received and stored.",
            "View connection",
            causes=causes,
        ),
        "paused": Status(
            "paused",
            "warn",
            "Syncing is paused. Deliveries are stored and applied, but not confirmed.",
            resumable=True,
        ),
    }
    if integration.removed:
        text = "This integration is being deleted. It no longer receives or reads data."
        return Status("being deleted", "warn", text)
    return statuses[trust]


def _trust(
    integration: Integration, summary: Summary, judged: Freshness, running: list[Fetch]
) -> Trust:
    """Return the worst state that applies now."""
    catching_up = summary.stale_since is not None and _age(summary.stale_since) > _CATCHING_UP
    found: list[tuple[bool, Trust]] = [
        (integration.paused, "paused"),
        (
            any(
                cause.red and cause.kind in ("ion_fails", "unreachable", "credentials")
                for cause in judged.causes
            ),
            "failing",
        ),
        (summary.last_fetch_at is None and bool(running), "reading"),
        (summary.last_fetch_at is None, "unread"),
        (any(cause.red for cause in judged.causes), "stale"),
        (summary.last_event_at is None, "silent"),
        (catching_up, "catching_up"),
        (judged.state == "ageing", "ageing"),
    ]
    for holds, word in found:
        if holds:
            return word
    return "fresh"


def _worst_first(row: Row) -> tuple[int, str]:
    return -row.counted.stale, row.counted.title


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


def _age(moment: str) -> float:
    return (clock.utc_now() - datetime.fromisoformat(moment)).total_seconds()


HANDLERS = [show]
