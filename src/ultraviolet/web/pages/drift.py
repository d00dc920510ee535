"""Page: corrections by cause and resource, over time, and the latest; what events told."""

import math
from datetime import datetime, timedelta
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
from ultraviolet.web.pages.list_filters import TimeRange, parse_range, resource_choices
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import drift
from ultraviolet.web.queries.drift import DriftCause, DriftFilter, DriftInterval
from ultraviolet.web.queries.objects import resource_name

_PAGE_SIZE = 25
_SPANS = {2: "Last 48 hours", 14: "Last 14 days", 90: "Last 90 days"}
"""Periods of a report in days; the shortest is charted by hour, the others by day."""
_PERIODS = {str(span): label for span, label in _SPANS.items()}
_SHORTEST_DAYS = 2
_LONGEST = timedelta(days=366)


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
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show a digest of some days and each correction of them, newest first."""
    before = number(cursor)
    chosen = parse_choice("days", days, _PERIODS, _PERIODS.__getitem__, "period")
    asked = TimeRange(None, None) if chosen else parse_range(since, until)
    own = asked.moments(_LONGEST, timedelta(days=_SHORTEST_DAYS))
    span = 0 if own else int(chosen or _SHORTEST_DAYS)
    by: drift.By = "hour" if _is_short(own, span) else "day"
    moments, step = _moments(own, span, by)
    places = [  # every hour or day, as the report names them
        clock.format_rfc3339(moment)[: 13 if by == "hour" else 10] for moment in moments
    ]
    wanted = DriftFilter(
        resource_name(hub.catalog, resource),
        parse_choice("cause", cause, CAUSES, cause_label),
        since=clock.format_rfc3339(moments[0]) if own else places[0],
        until=clock.format_rfc3339(moments[-1] + step) if own else None,
    )
    kept = {"since": since, "until": until} if own else {"days": days}
    listed = {"cause": cause, "resource": resource}

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
        asked=asked,
        resources=resource_choices(hub.catalog.mirrored),
        live=before is None,
        days=span,
        spans=_SPANS,
        period=_SPANS.get(span, "Custom range"),
        kept=[one for one in kept.items() if one[1]],
        filter=[("integration", context["chosen"]), *((n, v) for n, v in listed.items() if v)],
        starts=[clock.format_rfc3339(moment) for moment in moments],
        by=by,
        chart=_chart(context["report"].over_time, places, by),
    )


def _is_short(own: tuple[datetime, datetime] | None, days: int) -> bool:
    """Return whether a period is charted by hour."""
    return own[1] - own[0] <= timedelta(days=_SHORTEST_DAYS) if own else days == _SHORTEST_DAYS


def _moments(
    own: tuple[datetime, datetime] | None, days: int, by: drift.By
) -> tuple[list[datetime], timedelta]:
    """Return the start of each hour or day of a period, and the length of one."""
    step = timedelta(hours=1) if by == "hour" else timedelta(days=1)
    end = own[1] if own else clock.utc_now()
    begin = own[0] if own else end - timedelta(days=days) + step
    begin = begin.replace(minute=0, second=0, microsecond=0)
    if by == "day":
        begin = begin.replace(hour=0)
    return [begin + step * n for n in range(math.ceil((end - begin) / step))], step


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
