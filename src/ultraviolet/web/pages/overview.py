"""Page: status and key figures of each integration."""

from collections.abc import Collection
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import FromQuery, QueryParameter
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.hub.accounts import saved_views
from ultraviolet.hub.core.finding import CONSEQUENCES, Finding, Kind
from ultraviolet.hub.health.freshness import NO_CONNECTION, Freshness
from ultraviolet.hub.health.resource_freshness import ResourceFreshness, State, age, age_seconds
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.ion.labels import resource_label
from ultraviolet.web.http.params import integrations_page, parse_choice
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.charts import Chart, Series, columns, curves, seconds
from ultraviolet.web.pages.list_filters import parse_range
from ultraviolet.web.pages.objects.table import group_rank
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.pages.webhook_urls import DayCount, count_day
from ultraviolet.web.queries import activity, drift, fetches, objects
from ultraviolet.web.queries import summary as queries_summary
from ultraviolet.web.queries.activity import Activity, Period, Range, last
from ultraviolet.web.queries.fetches import Fetch
from ultraviolet.web.queries.objects import ResourceCount
from ultraviolet.web.queries.summary import Summary

RANGES: dict[Range, str] = {"hour": "1 h", "day": "24 h", "week": "7 d"}
"""Labels of the time ranges that charts and lists offer."""
_MAX_CHARTED = timedelta(days=31)
_HOURS_OF_DAY = 24
_MAX_FINDINGS = 3
_PAGE_SIZE = 100
_RECENT_SECONDS = 120
"""The greatest age of a delivery that shows that deliveries still arrive."""
_TEXTS: dict[State, tuple[str, str]] = {
    State.DELETING: (
        "warn",
        "This integration is being deleted. It no longer receives or reads data.",
    ),
    State.PAUSED: (
        "warn",
        "Syncing is paused. Deliveries are stored and applied, but not confirmed.",
    ),
    State.FAILING: ("bad", "{}"),
    State.UNSYNCED: ("warn", "{}"),
    State.STALE: ("bad", "{}"),
    State.UNCONFIRMED: ("warn", "{}"),
    State.AGEING: ("warn", "{}"),
    State.CATCHING_UP: ("warn", "{}"),
    State.FRESH: ("good", "The mirror is fresh."),
}
"""Color and sentence of each state; {} is the leading finding."""
_REASONS: dict[Kind, str] = {
    "credentials": "ION rejects the credentials",
    "permission": "The API key lacks a permission in ION",
    "unreachable": "ION does not respond",
    "ion_fails": "ION responds with an error",
    "rate_limit": "ION limits the requests",
    "receiver": "Deliveries do not arrive",
    "silent": "Deliveries do not arrive",
    "unmaintained": "No hub process maintains it",
    "events_wait": "Received events are not applied",
    "database": "The hub cannot write to its database",
    "restored": "The database was restored from a backup",
    "unsynced": "Nothing has been read yet",
}
"""Short reasons for findings that the page states in full above, for several integrations."""
_URGENCY = (
    State.FAILING,
    State.STALE,
    State.UNSYNCED,
    State.UNCONFIRMED,
    State.PAUSED,
    State.AGEING,
    State.CATCHING_UP,
    State.DELETING,
    State.FRESH,
)
"""States in the order of the integrations on the page."""


class Row(msgspec.Struct, frozen=True):
    """Counts and last confirmation of one resource."""

    counted: ResourceCount
    proof: ResourceFreshness | None


class Group(msgspec.Struct, frozen=True):
    """The resources of one domain, with their totals."""

    name: str
    rows: list[Row]

    @property
    def objects(self) -> int:
        """Number of current objects."""
        return sum(row.counted.objects for row in self.rows)

    @property
    def stale(self) -> int:
        """Number of objects that wait for a re-read."""
        return sum(row.counted.stale for row in self.rows)


class Status(msgspec.Struct, frozen=True):
    """The status of an integration, with its most important findings."""

    label: str
    tone: str
    text: str
    leading: Finding | None
    """The finding that the text states."""
    findings: list[Finding]
    """The other findings."""
    consequences: list[Finding] = []
    """What follows from the stated finding while the hub cannot read ION."""


class Card(msgspec.Struct, frozen=True):
    """One integration."""

    integration: Integration
    summary: Summary
    status: Status
    judged: Freshness
    hour: Activity
    """The last hour as one interval."""
    events: DayCount
    corrections: int
    """In the last 24 hours."""
    changes: Chart
    delay: Chart
    running: list[Fetch]
    groups: list[Group]


class SharedFinding(msgspec.Struct, frozen=True):
    """A finding that several integrations have."""

    finding: Finding
    integrations: list[Integration]


@get("/", guards=VIEWER)
async def show(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    cursor: FromQuery[str | None] = None,
    asked: Annotated[str, QueryParameter(name="range")] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
) -> Response[str]:
    """Show the status and key figures of each integration; charts are of a range of times."""
    span = parse_choice("range", asked, RANGES, RANGES.__getitem__, "time range")
    shown = parse_range(since, until)
    given = shown.moments(_MAX_CHARTED, timedelta(days=1))
    period = Period(*given) if given and not span else last(span or "hour")
    over = "in this time range" if given and not span else f"over the last {span or 'hour'}"

    def read(connection: Connection) -> dict[str, Any]:
        page = integrations_page(connection, cursor, _PAGE_SIZE)
        cards = sorted(
            (_card(connection, hub, one, period, over) for one in page.items),
            key=lambda card: _URGENCY.index(card.judged.state),
        )
        shared, cards = _share_findings(cards)
        return {
            "cards": cards,
            "shared": shared,
            "views": saved_views.list_views(connection, caller.name),
            "next": page.next,
        }

    found = await hub.database.read(read)
    return render.page(
        request,
        "overview.html",
        span=span or ("" if given else "hour"),
        ranges=RANGES,
        asked=shown,
        by_minute=period.by_minute,
        **found,
    )


def _card(
    connection: Connection, hub: Hub, integration: Integration, period: Period, over: str
) -> Card:
    now = clock.utc_now()
    points = activity.list_activity(connection, integration.id, period)
    day_ago = clock.format_rfc3339(now - timedelta(days=1))
    judged = hub.freshness(connection, integration)
    proofs = {proof.resource: proof for proof in judged.resources}
    urls = webhook_urls.list_urls(connection, integration.id)
    days = count_day(connection, urls).values()
    groups: dict[str, list[Row]] = {}
    for counted in objects.count_by_resource(connection, hub.catalog, integration.id):
        name = resource_label(counted.resource).group
        groups.setdefault(name, []).append(Row(counted, proofs.get(counted.resource)))
    return Card(
        integration,
        queries_summary.get_summary(connection, integration.id),
        status_of(connection, judged),
        judged,
        activity.summarize(connection, integration.id, now - timedelta(hours=1)),
        DayCount(sum(day.received for day in days), sum(day.rejected for day in days)),
        drift.count_corrections(connection, integration.id, day_ago),
        *_charts(points, period, over),
        fetches.list_running(connection, integration.id),
        [Group(name, groups[name]) for name in sorted(groups, key=group_rank)],
    )


def _share_findings(cards: list[Card]) -> tuple[list[SharedFinding], list[Card]]:
    """Return the findings that several integrations have, and the cards without them."""
    having: dict[str, list[tuple[Finding, Integration]]] = {}
    for card in cards:
        stated = [card.status.leading] if card.status.leading else []
        for finding in {one.message: one for one in (*stated, *card.status.findings)}.values():
            having.setdefault(finding.message, []).append((finding, card.integration))
    shared = {message: found for message, found in having.items() if len(found) > 1}
    return (
        [SharedFinding(found[0][0], [one for _, one in found]) for found in shared.values()],
        [
            msgspec.structs.replace(card, status=_without(card.status, shared.keys()))
            for card in cards
        ],
    )


def _without(status: Status, shared: Collection[str]) -> Status:
    """Return the status without findings that the page shows above."""
    findings = [one for one in status.findings if one.message not in shared]
    if not status.leading or status.leading.message not in shared:
        return msgspec.structs.replace(status, findings=findings)
    stated = f"{status.leading.message.rstrip('.')}."
    reason = _REASONS.get(status.leading.kind, "A problem of several integrations")
    text = status.text.replace(stated, f"{reason}; see above.")
    return msgspec.structs.replace(status, text=text, leading=None, findings=findings)


def status_of(connection: Connection, judged: Freshness) -> Status:
    """Return the status of an integration with this freshness."""
    label = judged.state.words
    tone, text = _TEXTS[judged.state]
    if judged.state == State.DELETING:
        return Status(label, tone, text, None, [])
    if judged.state in (State.UNSYNCED, State.CATCHING_UP):
        leading = [one for one in judged.findings if one.kind == judged.state.value]
    elif judged.state == State.FAILING:
        leading = [finding for finding in judged.findings if finding.kind in NO_CONNECTION]
    else:
        leading = [finding for finding in judged.findings if finding.severity == "error"]
    found = [*leading, *(finding for finding in judged.findings if finding not in leading)]
    reason = f"{found[0].message.rstrip('.')}." if found else judged.sentence
    stated = found[0] if found and "{}" in text else None
    others = [finding for finding in found if finding is not stated]
    follow: list[Finding] = []
    if judged.state == State.FAILING:
        reason += _deliveries(connection, judged.integration_id)
    if stated and judged.state == State.FAILING:
        follow = [
            one
            for one in others
            if one.kind in CONSEQUENCES or stated.message.rstrip(".") in one.message
        ]
        others = [one for one in others if one not in follow]
    return Status(label, tone, text.format(reason), stated, others[:_MAX_FINDINGS], follow)


def _deliveries(connection: Connection, integration_id: int) -> str:
    """Return a sentence about the last delivery; empty if none has arrived."""
    urls = webhook_urls.list_urls(connection, integration_id)
    last = max((url.last_delivery_at for url in urls if url.last_delivery_at), default=None)
    if last is None:
        return ""
    now = clock.utc_now()
    if age_seconds(last, now) <= _RECENT_SECONDS:
        return " Deliveries are still received and stored."
    return f" The last delivery arrived {age(last, now)}."


def _charts(points: list[Activity], period: Period, over: str) -> tuple[Chart, Chart]:
    """Draw the changes and the sync latency by minute or by hour, in UTC."""
    starts = [f"{point.at}:00:00"[: len("2026-11-30T14:05:00")] + "Z" for point in points]
    places = [point.at[11:] if period.by_minute else f"{point.at[11:]}:00" for point in points]
    if len(points) > _HOURS_OF_DAY and not period.by_minute:
        places = [f"{point.at[5:10]} {place}" for point, place in zip(points, places, strict=True)]
    values = [point.changes for point in points]
    unit = "minute" if period.by_minute else "hour"
    says = (
        f"Changes per {unit} {over}: {sum(values):,} in total, at most {max(values):,} per {unit}."
    )
    changes = columns(places, [Series("Changes", values)], says, times=starts)
    latest = next((point for point in reversed(points) if point.p50 is not None), None)
    says = f"Sync latency {over}: no changes."
    if latest and latest.p50 is not None and latest.p99 is not None:
        says = (
            f"Sync latency at {latest.at[11:]} UTC: p50 {seconds(latest.p50)},"
            f" p99 {seconds(latest.p99)}."
        )
    p50 = Series("p50", [point.p50 for point in points])
    p99 = Series("p99", [point.p99 for point in points])
    return changes, curves(places, [p50, p99], says, times=starts)
