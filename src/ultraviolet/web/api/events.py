"""API: webhook events, their replay, export and import."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from sqlalchemy import Connection

from ultraviolet.hub.ingest import event_files
from ultraviolet.hub.ingest.event_files import ImportResult
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.sync.replay import Range, Replayed
from ultraviolet.web.http.pagination import Cursor, Limit, Page, number, page_of
from ultraviolet.web.http.params import (
    IntegrationName,
    optional_integration,
    parse_choice,
    parse_time,
)
from ultraviolet.web.middleware.auth import (
    ADMIN,
    OPERATOR,
    VIEWER,
    AnyRequest,
    GivenCaller,
    GivenHub,
)
from ultraviolet.web.queries import events, objects
from ultraviolet.web.queries.event_rows import Event
from ultraviolet.web.queries.events import ACTIONS, OUTCOMES, EventDetail, EventFilter

TAGS = ["events"]
JSON_LINES = "application/jsonl"
Text = Annotated[str | None, QueryParameter(required=False)]


@dataclass
class JsonLinesOperation(Operation):
    """The OpenAPI operation of a handler that reads its JSON lines body from the request."""

    def __post_init__(self) -> None:
        """Add the request body, which is not in the signature of the handler."""
        content = {JSON_LINES: OpenAPIMediaType(Schema(type=OpenAPIType.STRING))}
        description = "One event per line, in the format of `export`."
        self.request_body = RequestBody(content, description, required=True)


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The events to replay; omitted fields do not restrict the selection. Times are RFC 3339."""

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


@get("/events", guards=VIEWER)
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
    """List events.

    Newest first.
    `outcome=waiting` selects the events that are not applied yet.
    """
    before = number(cursor)
    name = objects.resource_name(hub.catalog, resource)

    def read(connection: Connection) -> list[Event]:
        event_filter = EventFilter(
            optional_integration(connection, integration),
            name,
            parse_choice("action", action, ACTIONS),
            parse_choice("outcome", outcome, OUTCOMES),
            object_id,
        )
        return events.list_recent(connection, hub.catalog, event_filter, before, limit + 1)

    return page_of(await hub.database.read(read), limit, lambda event: event.seq)


@get("/events/{seq:int}", guards=VIEWER)
async def get_event(hub: GivenHub, seq: FromPath[int]) -> EventDetail:
    """Get event.

    Includes its headers and its raw body.
    """
    return await hub.database.read(events.get_event, hub.catalog, seq)


@post("/events/{seq:int}/replay", guards=OPERATOR, status_code=202)
async def replay_event(hub: GivenHub, caller: GivenCaller, seq: FromPath[int]) -> EventDetail:
    """Replay event.

    Processes the event again and reads its object from ION.
    """
    await hub.database.read(events.get_event, hub.catalog, seq)
    await hub.requests.replay(caller.name, Range(from_seq=seq, to_seq=seq))
    return await hub.database.read(events.get_event, hub.catalog, seq)


@post("/events/replay", guards=OPERATOR, status_code=200)
async def replay_events(
    hub: GivenHub, caller: GivenCaller, data: JSONBody[ReplayRequest]
) -> Replayed:
    """Replay events.

    Newer data is never overwritten. `dry_run` returns the changes field by field without making
    them.
    """
    selected = Range(
        integration_id=await hub.database.read(optional_integration, data.integration),
        from_seq=data.from_seq,
        to_seq=data.to_seq,
        since=parse_time(data.since, "since"),
        until=parse_time(data.until, "until"),
        resource=objects.resource_name(hub.catalog, data.resource),
        action=parse_choice("action", data.action, ACTIONS),
        outcome=parse_choice("outcome", data.outcome, OUTCOMES),
        object_id=data.object,
    )
    return await hub.requests.replay(caller.name, selected, dry_run=data.dry_run)


@get("/integrations/{integration:str}/events/export", guards=OPERATOR, media_type=JSON_LINES)
async def export_events(hub: GivenHub, integration: FromPath[str]) -> Stream:
    """Export events.

    Returns all events of an integration as JSON lines with unchanged raw bodies.
    """
    found = await hub.database.read(integrations.find, integration)

    async def read_chunks() -> AsyncIterator[bytes]:
        after = 0
        while lines := await hub.database.read(event_files.export_chunk, found.id, after):
            yield event_files.format_line(lines)
            after = lines[-1].seq

    return Stream(
        read_chunks(),
        media_type=JSON_LINES,
        headers={"content-disposition": f'attachment; filename="events-{found.id}.jsonl"'},
    )


@post(
    "/integrations/{integration:str}/events/import",
    guards=ADMIN,
    status_code=200,
    operation_class=JsonLinesOperation,
)
async def import_events(
    hub: GivenHub, caller: GivenCaller, request: AnyRequest, integration: FromPath[str]
) -> ImportResult:
    """Import events.

    Takes JSON lines in the format of `export`.
    A request body has at most 4 MB. Known events are not duplicated.
    """
    lines = event_files.parse_lines(await request.body())
    found = await hub.database.read(integrations.find, integration)
    return await hub.requests.import_events(found.id, caller.name, lines)
