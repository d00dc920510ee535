"""Page: corrections by cause, over time and one by one."""

from datetime import datetime, timedelta
from typing import Any

from litestar import Response, get
from litestar.params import FromQuery
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.mirror.drift import CAUSES
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenHub, require_role
from ultraviolet.web.pages.charts import Chart, Series, columns
from ultraviolet.web.pages.templating import GivenRenderer, cause_label
from ultraviolet.web.queries import drift
from ultraviolet.web.queries.drift import DriftFilter, DriftInterval

_SHOWN = 50
_SPANS = {2: "Last 48 hours", 14: "Last 14 days", 90: "Last 90 days"}
"""Periods of a report in days; the shortest is charted by hour, the others by day."""
_SHORTEST_DAYS = 2


@get("/drift", guards=[require_role("viewer")], include_in_schema=False)
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
    """Show some days summed up, by cause over time, and every case, newest first."""
    before = number(cursor)
    span = next((span for span in _SPANS if str(span) == days), _SHORTEST_DAYS)
    by: drift.By = "hour" if span == _SHORTEST_DAYS else "day"
    places = _places(clock.utc_now(), span, by)
    recent = DriftFilter(resource, cause, since=places[0])

    def read(connection: Connection) -> dict[str, Any]:
        choice = integrations.list_page(connection)
        given = int(integration) if integration.isdecimal() else next((one.id for one in choice), 0)
        found = drift.list_samples(
            connection, given, DriftFilter(resource, cause), before, _SHOWN + 1
        )
        page = page_of(found, _SHOWN, lambda one: one.seq)
        report = drift.get_report(connection, given, recent, by)
        return {
            "integrations": choice,
            "chosen": given,
            "drift": page.items,
            "next": page.next,
            "report": report,
        }

    context = await hub.database.read(read)
    return render.page(
        request,
        "drift.html",
        **context,
        causes=dict(sorted(CAUSES.items(), key=lambda each: cause_label(each[0]))),
        cause=cause,
        resource=resource,
        live=before is None,
        days=span,
        spans=_SPANS,
        by=by,
        chart=_chart(context["report"].over_time, places, by),
    )


def _places(now: datetime, days: int, by: drift.By) -> list[str]:
    """Name every hour or day of that time as the report does, the one that runs included."""
    if by == "hour":
        return [
            clock.format_rfc3339(now - timedelta(hours=ago))[:13]
            for ago in range(days * 24 - 1, -1, -1)
        ]
    return [clock.format_rfc3339(now - timedelta(days=ago))[:10] for ago in range(days - 1, -1, -1)]


def _chart(moments: list[DriftInterval], places: list[str], by: drift.By) -> Chart:
    wrong = {moment.at: moment.causes for moment in moments}
    found = sorted({cause for causes in wrong.values() for cause in causes})
    series = [
        Series(cause_label(cause), [wrong.get(place, {}).get(cause, 0) for place in places])
        for cause in found
    ]
    total = sum(sum(causes.values()) for causes in wrong.values())
    named = [f"{place[11:]}:00" if by == "hour" else place[5:] for place in places]
    return columns(named, series, f"Corrections per {by}, by cause: {total:,} in total.")


HANDLERS = [show]
