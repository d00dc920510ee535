"""Page: retention of each integration."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

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
from ultraviolet.web.http.params import EXTRA_PARAMETERS, integrations_page
from ultraviolet.web.middleware.auth import ADMIN, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.forms.form_values import confirm
from ultraviolet.web.pages.templating import GivenRenderer

_PAGE_SIZE = 50
_LABELS = {
    "events": "Events, with their raw bodies",
    "versions": "History of objects",
    "verifications": "Verifications",
    "fetches": "Syncs",
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


@get("/settings/retention", guards=ADMIN)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, cursor: FromQuery[str | None] = None
) -> Response[str]:
    """Show integrations in the order they were added."""

    def read(connection: Connection) -> dict[str, Any]:
        page = integrations_page(connection, cursor, _PAGE_SIZE)
        settings = [
            IntegrationRetention(one, retention.get_retention(connection, one.id))
            for one in page.items
        ]
        return {"settings": settings, "next": page.next}

    return render.page(request, "retention.html", **await hub.database.read(read), labels=_LABELS)


@post("/settings/retention/{integration_id:int}", guards=ADMIN)
async def change(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Change the retention; a change that deletes more data needs confirmation by name."""
    sent = await request.form()
    changes = _changes(sent)
    found, _, more = await hub.database.read(_compare, integration_id, changes)
    if more and "confirm" not in sent:
        query = urlencode({kind: str(sent.get(kind) or "") for kind in KINDS})
        address = f"/settings/retention/{integration_id}/confirm?{query}"
        return Redirect(address, status_code=303)
    if more:
        confirm(sent, found.name, "Retention is unchanged.")
    await hub.database.write(
        retention.update_retention, caller.name, integration_id, found.name, changes
    )
    return Redirect("/settings/retention", status_code=303)


@get(
    "/settings/retention/{integration_id:int}/confirm", guards=ADMIN, opt={EXTRA_PARAMETERS: KINDS}
)
async def show_confirmation(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show the data that a shorter retention deletes, and ask for the name."""
    changes = _changes(request.query_params)
    found, kept, more = await hub.database.read(_compare, integration_id, changes)
    return render.page(
        request, "retention_confirm.html", integration=found, kept=kept, more=more, labels=_LABELS
    )


def _compare(
    connection: Connection, integration_id: int, changes: RetentionChanges
) -> tuple[Integration, Retention, Sequence[str]]:
    """Return the retention after changes, and the kinds of which it deletes more."""
    before = retention.get_retention(connection, integration_id)
    after = retention.get_retention(connection, integration_id, changes)
    return integrations.get(connection, integration_id), after, after.removes_more_than(before)


def _changes(given: Any) -> RetentionChanges:
    """Read the days of each kind; nothing means for ever."""
    days: dict[str, int | None] = {}
    for kind in KINDS:
        written = str(given.get(kind) or "").strip()
        if written and not (written.isascii() and written.isdecimal()):
            raise InvalidError(
                "Enter a number of days, or leave the field empty to keep data forever.", field=kind
            )
        days[kind] = int(written) if written else None
    return RetentionChanges(**days)
