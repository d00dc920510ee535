"""Page: can the data be trusted now; what is wrong with an integration never looks healthy."""

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from litestar import Response, get
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.hub.health.freshness import Freshness, ResourceFreshness
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

_CAUSES = 12
_SHOWN = 100
Trust = Literal[
    "paused", "failing", "reading", "unread", "stale", "silent", "catching_up", "ageing", "fresh"
]
_CATCHING_UP = 10.0
"""Seconds something may be stale before the sentence says so: an ordinary change takes less."""


class Row(msgspec.Struct, frozen=True):
    """One resource: how much there is, and since when it is known to be right."""

    counted: ResourceCount
    proof: ResourceFreshness | None


class Card(msgspec.Struct, frozen=True):
    """One integration."""

    integration: Integration
    summary: Summary
    trust: Trust
    judged: Freshness
    changes: Chart
    delay: Chart
    wrong: list[DriftCause]
    """What webhooks alone would have left wrong in the last 24 hours."""
    running: list[Fetch]
    rows: list[Row]


@get("/", guards=[require_role("viewer")], include_in_schema=False)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show one card for each integration."""
    after = number(request.query_params.get("cursor")) or 0

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
        _trust(integration, summary, judged, running),
        judged,
        _changes(minutes),
        _delay(minutes),
        drift.get_report(connection, integration.id, DriftFilter(since=day_ago), "day").causes[
            :_CAUSES
        ],
        running,
        sorted((Row(one, proofs.get(one.resource)) for one in counted), key=_worst_first),
    )


def trust(connection: Connection, hub: Hub, integration: Integration) -> Trust:
    """Say in a word whether an integration's copy can be trusted now."""
    summary = queries_summary.get_summary(connection, integration.id)
    running = fetches.list_running(connection, integration.id)
    return _trust(integration, summary, hub.freshness(connection, integration), running)


def _trust(
    integration: Integration, summary: Summary, judged: Freshness, running: list[Fetch]
) -> Trust:
    """Choose the word: the worst of what is true now."""
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
    says = f"Changes a minute over the last hour: {sum(values):,} in all, at most {max(values):,} in a minute."
    return columns([minute.at[11:] for minute in minutes], [Series("Changes", values)], says)


def _delay(minutes: list[ActivityMinute]) -> Chart:
    last = next((minute for minute in reversed(minutes) if minute.p50 is not None), None)
    says = "Delay from ION to the mirror over the last hour: nothing changed."
    if last and last.p50 is not None and last.p99 is not None:
        says = f"Delay from ION to the mirror; at {last.at[11:]}: half within {seconds(last.p50)}, 99 % within {seconds(last.p99)}."
    half = Series("half within", [minute.p50 for minute in minutes])
    most = Series("99 % within", [minute.p99 for minute in minutes])
    return curves([minute.at[11:] for minute in minutes], [half, most], says)


def _age(moment: str) -> float:
    return (clock.utc_now() - datetime.fromisoformat(moment)).total_seconds()


HANDLERS = [show]
