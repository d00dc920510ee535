"""What wakes the pages: one stream of server-sent events that says which kind of thing changed.

It carries no content. A page that hears of a change asks for the fragment again, so that there is one way
to render a thing; a burst of changes is one message.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from litestar import get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.web.middleware.auth import GivenHub, require_role

MIN_INTERVAL_SECONDS = 0.3
"""Seconds between two messages at least."""
HEARTBEAT_SECONDS = 15.0
"""Seconds of silence after which a comment keeps the connection open."""


@get("/live", guards=[require_role("viewer")], include_in_schema=False)
async def live(hub: GivenHub) -> ServerSentEvent:
    """Stream the kinds of things that change."""
    return ServerSentEvent(messages(hub.changes), headers={"Cache-Control": "no-store"})


async def messages(changes: PubSub) -> AsyncIterator[ServerSentEventMessage]:
    """Turn single changes into few messages, each named after a kind."""
    kinds: set[str] = set()
    woken = asyncio.Event()

    async def listen() -> None:
        async for change in changes.subscribe():
            kinds.add(str(change["kind"]))
            woken.set()

    listener = asyncio.create_task(listen())
    try:
        yield ServerSentEventMessage(comment="listening")
        while not listener.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), HEARTBEAT_SECONDS)
            woken.clear()
            batch = sorted(kinds)
            kinds.clear()
            for kind in batch:
                yield ServerSentEventMessage(event=kind, data=kind)
            if not batch:
                yield ServerSentEventMessage(comment="still here")
            await asyncio.sleep(MIN_INTERVAL_SECONDS)
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener
