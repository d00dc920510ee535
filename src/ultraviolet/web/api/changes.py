"""API: every change of the mirror in order, page by page for those who ask now and then, and as a stream."""

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
from ultraviolet.web.middleware.auth import GivenHub, require_role
from ultraviolet.web.queries import changes, objects
from ultraviolet.web.queries.changes import NOW, ChangeCursor, Changes, ObjectChange

TAGS = ["changes"]
LOOK_AGAIN = 2.0
"""Seconds after which a stream looks for changes of which nobody told it."""
HEARTBEAT = 15.0
"""Seconds of silence after which a comment keeps the connection open."""
LIFETIME = 600.0
"""Seconds after which a stream ends, to be opened again from where it was: then the key is looked at again."""
_AT_ONCE = 500

Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        required=False,
        description="The `next` of the page before, or the `cursor` of a change; `now` for what comes from now on;"
        " left out: from the first change that is kept.",
    ),
]
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        required=False,
        description="The id of the last event you had; goes on behind it.",
    ),
]
Resources = Annotated[
    list[str] | None,
    QueryParameter(
        name="resource", required=False, description="Only of these resources; may be repeated."
    ),
]
_GONE = {
    410: ResponseSpec(
        Problem,
        description="What followed this cursor is no longer kept; read the objects anew.",
        media_type=MEDIA_TYPE,
        generate_examples=False,
    )
}


class ChangeList(msgspec.Struct):
    """Changes in order; `next` is never null: ask again with it, at once where there are `more`, else when you like."""

    items: list[ObjectChange]
    next: str
    more: bool


@get("/changes", guards=[require_role("viewer")], tags=TAGS, responses=_GONE)
async def list_changes(
    hub: GivenHub,
    integration: IntegrationName = None,
    resource: Resources = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> ChangeList:
    """List every change of an integration's mirror in the order it came about, each once."""
    named = _named(hub, resource)

    def read(connection: Connection) -> Changes:
        begin = changes.place(
            connection, required_integration(connection, integration), _place(cursor)
        )
        return changes.after(connection, begin, named, limit, encode)

    found = await hub.database.read(read)
    return ChangeList(found.items, encode(str(found.next)), found.more)


@get(
    "/changes/stream",
    guards=[require_role("viewer")],
    tags=TAGS,
    media_type="text/event-stream",
    responses=_GONE,
)
async def stream_changes(
    hub: GivenHub,
    integration: IntegrationName = None,
    resource: Resources = None,
    cursor: Cursor = None,
    last_event_id: LastEventId = None,
) -> ServerSentEvent:
    """Stream every change as it comes about, as server-sent events whose ids are cursors.

    A stream ends after ten minutes; whoever opens it again with `Last-Event-ID`, as browsers do, misses nothing.
    """
    named = _named(hub, resource)

    def begin(connection: Connection) -> ChangeCursor:
        return changes.place(
            connection,
            required_integration(connection, integration),
            _place(last_event_id or cursor),
        )

    start = await hub.database.read(begin)
    return ServerSentEvent(_messages(hub, start, named), headers={"Cache-Control": "no-store"})


async def _messages(
    hub: Hub, begin: ChangeCursor, resources: Sequence[str]
) -> AsyncIterator[ServerSentEventMessage]:
    woken = asyncio.Event()

    async def listen() -> None:
        async for change in hub.changes.subscribe():
            if change["integration_id"] == begin.integration_id:
                woken.set()

    listener = asyncio.create_task(listen())
    ends, spoken = time.monotonic() + LIFETIME, time.monotonic()
    try:
        yield ServerSentEventMessage(comment="listening", retry=1000)
        while not listener.done() and time.monotonic() < ends:
            woken.clear()
            found = await hub.database.read(changes.after, begin, resources, _AT_ONCE, encode)
            for change in found.items:
                data = msgspec.json.encode(change).decode()
                yield ServerSentEventMessage(id=change.cursor, event="change", data=data)
            if found.items:
                spoken = time.monotonic()
            elif time.monotonic() - spoken > HEARTBEAT:
                yield ServerSentEventMessage(comment="still here")
                spoken = time.monotonic()
            begin = found.next
            if not found.more:
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), LOOK_AGAIN)
    except StoreUnavailableError:
        return  # the client opens it again, and goes on when the database is back
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener


def _named(hub: Hub, resources: list[str] | None) -> list[str]:
    return [objects.resource_of(hub.catalog, name).name for name in resources or ()]


def _place(cursor: str | None) -> str | None:
    return NOW if cursor == NOW else decode(cursor)


HANDLERS = [list_changes, stream_changes]
