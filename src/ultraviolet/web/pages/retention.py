"""Page: how long the past of each integration is kept, what would go now, and what went last."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.hub import integrations, retention
from ultraviolet.hub.integrations import Integration
from ultraviolet.hub.retention import KeepChanges, Retention
from ultraviolet.mirror.removal import KINDS
from ultraviolet.web.api.paging import number, part
from ultraviolet.web.gate import AnyRequest, GivenCaller, GivenHub, at_least
from ultraviolet.web.pages.render import GivenRenderer, confirm

ADMIN = [at_least("admin")]
_SHOWN = 50
_WORDS = {
    "events": "Events, with their raw bodies",
    "versions": "History of objects",
    "verifications": "Verifications",
    "fetches": "Fetches",
    "drift": "Samples of drift",
}


class Shown(msgspec.Struct, frozen=True):
    """One integration with how its past is kept."""

    integration: Integration
    kept: Retention


@get("/settings/retention", guards=ADMIN, include_in_schema=False)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show integrations in the order they were added."""
    after = number(request.query_params.get("cursor")) or 0

    def read(connection: Connection) -> dict[str, Any]:
        page = part(
            integrations.list_page(connection, after, _SHOWN + 1), _SHOWN, lambda one: one.id
        )
        shown = [Shown(one, retention.of(connection, one.id)) for one in page.items]
        return {"shown": shown, "next": page.next}

    return render.page(request, "retention.html", **await hub.store.read(read), words=_WORDS)


@post("/settings/retention/{integration_id:int}", guards=ADMIN, include_in_schema=False)
async def change(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Keep the past for another time; where that removes more than before, it has to be confirmed by name."""
    sent = await request.form()
    changes = KeepChanges(**{kind: _days(sent.get(kind)) for kind in KINDS})

    def read(connection: Connection) -> tuple[Integration, Retention, Retention]:
        found = integrations.get(connection, integration_id)
        return (
            found,
            retention.of(connection, integration_id),
            retention.of(connection, integration_id, changes),
        )

    found, before, after = await hub.store.read(read)
    more = after.removes_more_than(before)
    if more and "confirm" not in sent:
        return render.page(
            request,
            "retention_confirm.html",
            integration=found,
            kept=after,
            more=more,
            words=_WORDS,
        )
    if more:
        confirm(sent, found.name, "Nothing was changed.")
    await hub.store.write(
        lambda c: retention.edit(c, caller.name, integration_id, found.name, changes)
    )
    return Redirect("/settings/retention", status_code=303)


def _days(given: Any) -> int | None:
    """Read a number of days; nothing means for ever."""
    written = str(given or "").strip()
    if not written:
        return None
    if not written.isdecimal():
        raise InvalidError(
            "Give a number of days, or leave it empty to keep for ever. Nothing was changed."
        )
    return int(written)


HANDLERS = [show, change]
