"""Page: retention of each integration."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.hub.runtime import retention
from ultraviolet.hub.runtime.retention import Retention, RetentionChanges
from ultraviolet.mirror.purge import KINDS
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role
from ultraviolet.web.pages.templating import GivenRenderer, confirm

ADMIN = [require_role("admin")]
_SHOWN = 50
_LABELS = {
    "events": "Events, with their raw bodies",
    "versions": "History of objects",
    "verifications": "Verifications",
    "fetches": "Fetches",
    "drift": "Corrections",
}


class IntegrationRetention(msgspec.Struct, frozen=True):
    """The retention of one integration."""

    integration: Integration
    kept: Retention

    @property
    def purged(self) -> str:
        """Return the result of the last purge."""
        counts = [f"{count:,} {kind}" for kind, count in self.kept.removed.items()]
        return ", ".join(counts) or "no data was old enough"


@get("/settings/retention", guards=ADMIN, include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, cursor: FromQuery[str | None] = None
) -> Response[str]:
    """Show integrations in the order they were added."""
    after = number(cursor) or 0

    def read(connection: Connection) -> dict[str, Any]:
        page = page_of(
            integrations.list_page(connection, after, _SHOWN + 1), _SHOWN, lambda one: one.id
        )
        settings = [
            IntegrationRetention(one, retention.get_retention(connection, one.id))
            for one in page.items
        ]
        return {"settings": settings, "next": page.next}

    return render.page(request, "retention.html", **await hub.database.read(read), labels=_LABELS)


@post("/settings/retention/{integration_id:int}", guards=ADMIN, include_in_schema=False)
async def change(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Change the retention; a change that deletes more data needs confirmation by name."""
    sent = await request.form()
    changes = RetentionChanges(**{kind: _days(sent.get(kind)) for kind in KINDS})

    def read(connection: Connection) -> tuple[Integration, Retention, Retention]:
        found = integrations.get(connection, integration_id)
        return (
            found,
            retention.get_retention(connection, integration_id),
            retention.get_retention(connection, integration_id, changes),
        )

    found, before, after = await hub.database.read(read)
    more = after.removes_more_than(before)
    if more and "confirm" not in sent:
        return render.page(
            request,
            "retention_confirm.html",
            integration=found,
            kept=after,
            more=more,
            labels=_LABELS,
        )
    if more:
        confirm(sent, found.name, "Retention is unchanged.")
    await hub.database.write(
        retention.update_retention, caller.name, integration_id, found.name, changes
    )
    return Redirect("/settings/retention", status_code=303)


def _days(given: Any) -> int | None:
    """Read a number of days; nothing means for ever."""
    written = str(given or "").strip()
    if not written:
        return None
    if not written.isdecimal():
        raise InvalidError(
            "Enter a number of days, or leave the field empty to keep data forever. Retention is unchanged."
        )
    return int(written)


HANDLERS = [show, change]
