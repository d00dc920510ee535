"""API: what ION told the hub."""

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.sync.replay import Range, Replayed
from ultraviolet.web.http.pagination import Cursor, Limit, Page, number, page_of
from ultraviolet.web.http.params import IntegrationName, optional_integration, parse_time
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role
from ultraviolet.web.queries import events
from ultraviolet.web.queries.events import Event, EventDetail, EventFilter

Text = Annotated[str | None, QueryParameter(required=False)]


class ReplayOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Which events to replay; what is left out does not narrow. Times are RFC 3339."""

    integration: str | None = None
    from_seq: int | None = None
    to_seq: int | None = None
    since: str | None = None
    until: str | None = None
    resource: str | None = None
    action: str | None = None
    outcome: str | None = None
    object: str | None = None
    dry_run: bool = False


@get("/events", guards=[require_role("viewer")], tags=["events"])
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
            optional_integration(connection, integration),
            wanted,
            action.upper() if action else None,
            outcome,
            object_id,
        )
        return events.list_recent(connection, which, before, limit + 1)

    return page_of(await hub.database.read(read), limit, lambda event: event.seq)


@get("/events/{seq:int}", guards=[require_role("viewer")], tags=["events"])
async def get_event(hub: GivenHub, seq: FromPath[int]) -> EventDetail:
    """Read one event with its headers and its body as received."""
    return await hub.database.read(events.get_event, seq)


@post(
    "/events/{seq:int}/replay", guards=[require_role("operator")], status_code=202, tags=["events"]
)
async def replay_event(hub: GivenHub, caller: GivenCaller, seq: FromPath[int]) -> EventDetail:
    """Apply an event again; what it is about is read from ION afresh."""
    await hub.database.read(events.get_event, seq)
    await hub.requests.replay(caller.name, Range(from_seq=seq, to_seq=seq))
    return await hub.database.read(events.get_event, seq)


@post("/events/replay", guards=[require_role("operator")], status_code=200, tags=["events"])
async def replay_events(
    hub: GivenHub, caller: GivenCaller, data: JSONBody[ReplayOrder]
) -> Replayed:
    """Let a range of events go through the live path again; `dry_run` shows what would change, field by field."""
    resource = hub.catalog.resolve(data.resource) if data.resource else None
    which = Range(
        integration_id=await hub.database.read(optional_integration, data.integration),
        from_seq=data.from_seq,
        to_seq=data.to_seq,
        since=parse_time(data.since),
        until=parse_time(data.until),
        resource=resource.name if resource else data.resource,
        action=data.action.upper() if data.action else None,
        outcome=data.outcome,
        object_id=data.object,
    )
    return await hub.requests.replay(caller.name, which, dry_run=data.dry_run)


HANDLERS = [list_events, get_event, replay_event, replay_events]
