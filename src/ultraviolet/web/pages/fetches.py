"""Pages: fetches and how far they are."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.hub import integrations
from ultraviolet.web.api.paging import number, part
from ultraviolet.web.gate import AnyRequest, GivenCaller, GivenHub, at_least
from ultraviolet.web.pages.render import GivenRenderer
from ultraviolet.web.reading import fetches

_SHOWN = 50


@get("/fetches", guards=[at_least("viewer")], include_in_schema=False)
async def show_all(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """List fetches, newest first."""
    chosen = request.query_params.get("integration", "")
    integration_id = int(chosen) if chosen.isdecimal() else None
    before = number(request.query_params.get("cursor"))

    def read(connection: Connection) -> dict[str, Any]:
        found = fetches.recent(connection, integration_id, before, _SHOWN + 1)
        page = part(found, _SHOWN, lambda fetch: fetch.id)
        choice = integrations.list_page(connection)
        names = {one.id: one.name for one in choice}
        return {"fetches": page.items, "next": page.next, "integrations": choice, "names": names}

    return render.page(request, "fetches.html", **await hub.store.read(read))


@get("/fetches/{fetch_id:int}", guards=[at_least("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, fetch_id: FromPath[int]
) -> Response[str]:
    """Show one fetch, resource by resource."""

    def read(connection: Connection) -> dict[str, Any]:
        fetch = fetches.one(connection, fetch_id)
        return {"fetch": fetch, "integration": integrations.get(connection, fetch.integration_id)}

    return render.page(request, "fetch.html", **await hub.store.read(read))


@post("/fetches", guards=[at_least("operator")], include_in_schema=False)
async def start(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Begin a fetch and show it."""
    sent = await request.form()
    mode = sent.get("mode")
    if mode not in ("incremental", "full"):
        raise InvalidError("Choose a mode: incremental or full.")
    fetch_id = await hub.start_fetch(int(str(sent.get("integration", "0"))), mode, caller.name)
    return Redirect(f"/fetches/{fetch_id}", status_code=303)


HANDLERS = [show_all, show, start]
