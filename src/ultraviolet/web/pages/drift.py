"""Page: corrections by cause and resource, over time, and the latest; what events told."""

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromQuery
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.mirror.drift import CAUSES, WITHOUT_EVENT
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.http.params import parse_choice
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.charts import Chart, Series, columns
from ultraviolet.web.pages.formats.names import cause_label
from ultraviolet.web.pages.integration_choice import listed_integration
from ultraviolet.web.pages.list_filters import resource_choices
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import drift
from ultraviolet.web.queries.drift import DriftCause, DriftFilter, DriftInterval
from ultraviolet.web.queries.objects import resource_name

_PAGE_SIZE = 25
_SPANS = {2: "Last 48 hours", 14: "Last 14 days", 90: "Last 90 days"}
"""Periods of a report in days; the shortest is charted by hour, the others by day."""
_PERIODS = {str(span): label for span, label in _SPANS.items()}
_SHORTEST_DAYS = 2


class CauseGroup(msgspec.Struct, frozen=True):
    """The changes with one cause, by resource."""

    cause: str
    explanation: str
    resources: list[DriftCause]

    @property
    def count(self) -> int:
        """The number of changes."""
        return sum(resource.count for resource in self.resources)


@get("/drift", guards=VIEWER)
async def show(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    integration: FromQuery[str] = "",
    resource: FromQuery[str] = "",
    cause: FromQuery[str] = "",
    days: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show a digest of some days and each correction of them, newest first."""
    before = number(cursor)
    span = int(
        parse_choice("days", days, _PERIODS, _PERIODS.__getitem__, "period") or _SHORTEST_DAYS
    )
    by: drift.By = "hour" if span == _SHORTEST_DAYS else "day"
    now, step = clock.utc_now(), timedelta(hours=1) if by == "hour" else timedelta(days=1)
    places = [  # every hour or day, as the report names them
        clock.format_rfc3339(now - step * ago)[: 13 if by == "hour" else 10]
        for ago in reversed(range(span * 24 if by == "hour" else span))
    ]
    wanted = DriftFilter(
        resource_name(hub.catalog, resource),
        parse_choice("cause", cause, CAUSES, cause_label),
        since=places[0],
    )

    def read(connection: Connection) -> dict[str, Any]:
        choice = integrations.list_page(connection)
        given = listed_integration(connection, integration) if choice else 0
        found = drift.list_samples(connection, given, wanted, before, _PAGE_SIZE + 1)
        page = page_of(found, _PAGE_SIZE, lambda one: one.seq)
        report = drift.get_report(connection, given, wanted, by)
        return {
            "integrations": choice,
            "chosen": given,
            "drift": page.items,
            "next": page.next,
            "report": report,
            "missed": sum(one.count for one in report.causes if one.cause in WITHOUT_EVENT),
            "groups": _groups(report.causes),
            "understood": _groups(report.understood),
        }

    context = await hub.database.read(read)
    return render.page(
        request,
        "drift.html",
        **context,
        causes=dict(sorted(CAUSES.items(), key=lambda each: cause_label(each[0]))),
        wanted=wanted,
        resources=resource_choices(hub.catalog.mirrored),
        live=before is None,
        days=span,
        spans=_SPANS,
        by=by,
        chart=_chart(context["report"].over_time, places, by),
    )


def _groups(causes: list[DriftCause]) -> list[CauseGroup]:
    """Group counts by cause, most frequent first."""
    meanings = {one.cause: one.meaning for one in causes}
    groups = [
        CauseGroup(name, meaning, [one for one in causes if one.cause == name])
        for name, meaning in meanings.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, group.cause))


def _chart(moments: list[DriftInterval], places: list[str], by: drift.By) -> Chart:
    wrong = {moment.at: moment.causes for moment in moments}
    found = sorted({cause for causes in wrong.values() for cause in causes})
    colors: list[str] = [*CAUSES]
    series = [
        Series(
            cause_label(cause),
            [wrong.get(place, {}).get(cause, 0) for place in places],
            colors.index(cause),
        )
        for cause in found
    ]
    total = sum(sum(causes.values()) for causes in wrong.values())
    named = [f"{place[11:]}:00" if by == "hour" else place[5:] for place in places]
    times = [f"{place}:00:00Z" for place in places] if by == "hour" else []
    says = f"Corrections per {by}, by cause: {total:,} in total."
    return columns(named, series, says, times=times)
