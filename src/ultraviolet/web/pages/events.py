"""Pages: events as they arrive, and one of them whole."""

import json
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.hub import integrations
from ultraviolet.web.api.paging import number, part
from ultraviolet.web.gate import AnyRequest, GivenCaller, GivenHub, at_least
from ultraviolet.web.pages.render import GivenRenderer
from ultraviolet.web.reading import events
from ultraviolet.web.reading.events import EventFilter

_SHOWN = 50


@get("/events", guards=[at_least("viewer")], include_in_schema=False)
async def show_all(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """List events; the first page follows what arrives."""
    asked = dict(request.query_params)
    cursor = asked.get("cursor")
    before = number(cursor)

    def read(connection: Connection) -> dict[str, Any]:
        wanted = _wanted(asked)
        page = part(events.recent(connection, wanted, before, _SHOWN + 1), _SHOWN, lambda event: event.seq)
        choice = integrations.list_page(connection)
        return {"events": page.items, "next": page.next, "wanted": wanted, "integrations": choice}

    context = await hub.store.read(read)
    names = [resource.name for resource in hub.catalog.resources.values() if resource.subscribable]
    filtered = any(asked.values())
    return render.page(
        request, "events.html", **context, live=cursor is None, filtered=filtered, resources=sorted(names)
    )


@get("/events/{seq:int}", guards=[at_least("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, seq: FromPath[int]
) -> Response[str]:
    """Show one event with its raw body."""
    event = await hub.store.read(lambda c: events.one(c, seq))
    return render.page(request, "event.html", event=event, pretty=_pretty(event.body))


@post("/events/{seq:int}/replay", guards=[at_least("operator")], include_in_schema=False)
async def replay(hub: GivenHub, caller: GivenCaller, seq: FromPath[int]) -> Redirect:
    """Apply an event again."""
    await hub.replay(caller.name, seq)
    return Redirect(f"/events/{seq}", status_code=303)


def _wanted(asked: dict[str, str]) -> EventFilter:
    integration = asked.get("integration", "")
    return EventFilter(
        integration_id=int(integration) if integration.isdecimal() else None,
        resource=asked.get("resource") or None,
        action=asked.get("action") or None,
        outcome=asked.get("outcome") or None,
        object_id=asked.get("object") or None,
    )


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body


HANDLERS = [show_all, show, replay]
