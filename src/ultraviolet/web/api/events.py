"""API: what ION told the hub."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.web.api.filters import IntegrationName, any_or_one
from ultraviolet.web.api.paging import Cursor, Limit, Page, number, part
from ultraviolet.web.gate import GivenCaller, GivenHub, at_least
from ultraviolet.web.reading import events
from ultraviolet.web.reading.events import Event, EventDetail, EventFilter

Text = Annotated[str | None, QueryParameter(required=False)]


@get("/events", guards=[at_least("viewer")], tags=["events"])
async def list_events(
    hub: GivenHub,
    integration: IntegrationName = None,
    resource: Text = None,
    action: Text = None,
    outcome: Text = None,
    object_id: Annotated[str | None, QueryParameter(name="object", required=False)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Event]:
    """List events, newest first; `outcome=waiting` are those not applied yet."""
    before = number(cursor)
    named = hub.catalog.resolve(resource) if resource else None
    wanted = named.name if named else resource

    def read(connection: Connection) -> list[Event]:
        which = EventFilter(
            any_or_one(connection, integration),
            wanted,
            action.upper() if action else None,
            outcome,
            object_id,
        )
        return events.recent(connection, which, before, limit + 1)

    return part(await hub.store.read(read), limit, lambda event: event.seq)


@get("/events/{seq:int}", guards=[at_least("viewer")], tags=["events"])
async def get_event(hub: GivenHub, seq: FromPath[int]) -> EventDetail:
    """Read one event with its headers and its body as received."""
    return await hub.store.read(lambda c: events.one(c, seq))


@post("/events/{seq:int}/replay", guards=[at_least("operator")], status_code=202, tags=["events"])
async def replay(hub: GivenHub, caller: GivenCaller, seq: FromPath[int]) -> EventDetail:
    """Apply an event again; what it is about is read from ION afresh."""
    await hub.replay(caller.name, seq)
    return await hub.store.read(lambda c: events.one(c, seq))


HANDLERS = [list_events, get_event, replay]
