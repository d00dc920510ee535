"""Page: what webhooks alone would have left wrong, by cause, over time and case by case."""

from datetime import datetime, timedelta
from typing import Any

from litestar import Response, get
from sqlalchemy import Connection

from ultraviolet import times
from ultraviolet.hub import integrations
from ultraviolet.mirror.drift import CAUSES
from ultraviolet.web.api.paging import number, part
from ultraviolet.web.gate import AnyRequest, GivenHub, at_least
from ultraviolet.web.pages.charts import Chart, columns
from ultraviolet.web.pages.render import GivenRenderer
from ultraviolet.web.reading import drift
from ultraviolet.web.reading.drift import DriftFilter, Moment

_SHOWN = 50
_HOURS = 48


@get("/drift", guards=[at_least("viewer")], include_in_schema=False)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show the last two days summed up, and every case, newest first."""
    asked = request.query_params
    chosen, before = asked.get("integration", ""), number(asked.get("cursor"))
    cause, resource = asked.get("cause") or None, asked.get("resource") or None
    now = times.present()
    recent = DriftFilter(resource, cause, since=times.text(now - timedelta(hours=_HOURS)))

    def read(connection: Connection) -> dict[str, Any]:
        choice = integrations.list_page(connection)
        given = int(chosen) if chosen.isdecimal() else next((one.id for one in choice), 0)
        found = drift.samples(connection, given, DriftFilter(resource, cause), before, _SHOWN + 1)
        page = part(found, _SHOWN, lambda one: one.seq)
        report = drift.report(connection, given, recent, "hour")
        return {
            "integrations": choice,
            "chosen": given,
            "drift": page.items,
            "next": page.next,
            "report": report,
        }

    context = await hub.store.read(read)
    return render.page(
        request,
        "drift.html",
        **context,
        causes=sorted(CAUSES),
        cause=cause,
        resource=resource,
        live=before is None,
        chart=_chart(context["report"].over_time, now),
    )


def _chart(moments: list[Moment], now: datetime) -> Chart:
    wrong = {moment.at: sum(moment.causes.values()) for moment in moments}
    hours = [times.text(now - timedelta(hours=ago))[:13] for ago in range(_HOURS - 1, -1, -1)]
    values = [(f"{hour}:00", wrong.get(hour, 0)) for hour in hours]
    total = sum(value for _, value in values)
    return columns(values, f"Changes put right in each of the last {_HOURS} hours: {total:,} in all.")


HANDLERS = [show]
