"""Page: what webhooks alone would have left wrong, by cause and case by case."""

from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Response, get
from sqlalchemy import Connection

from ultraviolet import times
from ultraviolet.hub import integrations
from ultraviolet.web.api.paging import number, part
from ultraviolet.web.gate import AnyRequest, GivenHub, at_least
from ultraviolet.web.pages.render import GivenRenderer
from ultraviolet.web.reading import activity, freshness

_SHOWN = 50


@get("/drift", guards=[at_least("viewer")], include_in_schema=False)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show drift, newest first."""
    asked = request.query_params
    chosen, cause, before = (
        asked.get("integration", ""),
        asked.get("cause") or None,
        number(asked.get("cursor")),
    )

    def read(connection: Connection) -> dict[str, Any]:
        choice = integrations.list_page(connection)
        given = int(chosen) if chosen.isdecimal() else next((one.id for one in choice), 0)
        found = freshness.drifted(connection, given, before, _SHOWN + 1, cause)
        page = part(found, _SHOWN, lambda one: one.seq)
        since = times.text(datetime.now(UTC) - timedelta(days=1))
        return {
            "integrations": choice,
            "chosen": given,
            "drift": page.items,
            "next": page.next,
            "causes": activity.healed(connection, given, since),
        }

    return render.page(request, "drift.html", **await hub.store.read(read), cause=cause, live=before is None)


HANDLERS = [show]
