"""API: all changes of the mirror in order, as pages and as a stream of server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Annotated

import msgspec
from litestar import get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage
from sqlalchemy import Connection

from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.hub.hub import Hub
from ultraviolet.web.http.pagination import Limit, decode, encode
from ultraviolet.web.http.params import IntegrationName, required_integration
from ultraviolet.web.http.problem_details import MEDIA_TYPE, Problem
from ultraviolet.web.middleware.auth import VIEWER, GivenHub
from ultraviolet.web.queries import changes, objects
from ultraviolet.web.queries.changes import NOW, ChangeCursor, Changes, ObjectChange

TAGS = ["changes"]
POLL_INTERVAL_SECONDS = 2.0
"""A stream polls for changes at least this often, in case a notification was lost."""
HEARTBEAT_SECONDS = 15.0
"""A comment keeps a connection open that has been idle for this long."""
MAX_STREAM_SECONDS = 600.0
"""A stream ends after this time. The client reconnects, and the API key is checked again."""
_BATCH_SIZE = 500

Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        required=False,
        description="The `next` of the previous page, or the `cursor` of a change; `now` for future"
        " changes only. Default: the first change that is kept.",
    ),
]
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        required=False,
        description="The id of the last event received; the stream resumes after it.",
    ),
]
Resources = Annotated[
    list[str] | None,
    QueryParameter(
        name="resource", required=False, description="Only these resources; may be repeated."
    ),
]
_GONE = {
    410: ResponseSpec(
        Problem,
        description="The changes after this cursor are no longer kept; read the objects again.",
        media_type=MEDIA_TYPE,
        generate_examples=False,
    )
}


class ChangeList(msgspec.Struct):
    """Changes in order. `next` is never null: pass it as `cursor`, at once if `more` is true."""

    items: list[ObjectChange]
    next: str
    more: bool


@get("/changes", guards=VIEWER, responses=_GONE)
async def list_changes(
    hub: GivenHub,
    integration: IntegrationName = None,
    resource: Resources = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> ChangeList:
    """List changes.

    Returns every change of the mirror in order, exactly once.
    """
    names = _resource_names(hub, resource)

    def read(connection: Connection) -> Changes:
        chosen = required_integration(connection, integration)
        start = changes.resolve_cursor(connection, chosen, _decode_cursor(cursor))
        return changes.changes_after(connection, start, names, limit, encode)

    found = await hub.database.read(read)
    return ChangeList(found.items, encode(str(found.next)), found.more)


@get("/changes/stream", guards=VIEWER, media_type="text/event-stream", responses=_GONE)
async def stream_changes(
    hub: GivenHub,
    integration: IntegrationName = None,
    resource: Resources = None,
    cursor: Cursor = None,
    last_event_id: LastEventId = None,
) -> ServerSentEvent:
    """Stream changes.

    Returns server-sent events.
    The id of each event is a cursor. A stream ends after ten minutes. A client that reconnects with
    `Last-Event-ID`, as browsers do, misses nothing.
    """
    names = _resource_names(hub, resource)

    def read(connection: Connection) -> ChangeCursor:
        chosen = required_integration(connection, integration)
        return changes.resolve_cursor(connection, chosen, _decode_cursor(last_event_id or cursor))

    start = await hub.database.read(read)
    return ServerSentEvent(_messages(hub, start, names), headers={"Cache-Control": "no-store"})


async def _messages(
    hub: Hub, position: ChangeCursor, resources: Sequence[str]
) -> AsyncIterator[ServerSentEventMessage]:
    notified = asyncio.Event()

    async def listen() -> None:
        async for change in hub.changes.subscribe():
            if change["integration_id"] == position.integration_id:
                notified.set()

    listener = asyncio.create_task(listen())
    last_sent_at = time.monotonic()
    ends_at = last_sent_at + MAX_STREAM_SECONDS
    try:
        yield ServerSentEventMessage(comment="listening", retry=1000)
        while not listener.done() and time.monotonic() < ends_at:
            notified.clear()
            found = await hub.database.read(
                changes.changes_after, position, resources, _BATCH_SIZE, encode
            )
            for change in found.items:
                data = msgspec.json.encode(change).decode()
                yield ServerSentEventMessage(id=change.cursor, event="change", data=data)
            if found.items:
                last_sent_at = time.monotonic()
            elif time.monotonic() - last_sent_at > HEARTBEAT_SECONDS:
                yield ServerSentEventMessage(comment="heartbeat")
                last_sent_at = time.monotonic()
            position = found.next
            if not found.more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_INTERVAL_SECONDS):
                        await notified.wait()
    except StoreUnavailableError:
        return  # the client reconnects and resumes when the database is available
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener


def _resource_names(hub: Hub, resources: list[str] | None) -> list[str]:
    return [objects.find_resource(hub.catalog, name).name for name in resources or ()]


def _decode_cursor(cursor: str | None) -> str | None:
    return NOW if cursor == NOW else decode(cursor)
