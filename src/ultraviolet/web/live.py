"""Live updates of pages: a stream of server-sent events with the kinds of changed data.

Events have no content. A page that receives one requests the changed fragment again. A burst of
changes is one message. Without changes, a heartbeat shows that the hub still works.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from litestar import get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.web.middleware.auth import VIEWER, GivenHub

MIN_INTERVAL_SECONDS = 0.3
"""Minimum interval between messages."""
HEARTBEAT_SECONDS = 5.0
"""Maximum interval between messages. Pages count the hub as unreachable after three missed ones."""


@get("/live", guards=VIEWER, include_in_schema=False)
async def live(hub: GivenHub) -> ServerSentEvent:
    """Stream the kinds of changed data."""
    return ServerSentEvent(messages(hub.changes), headers={"Cache-Control": "no-store"})


async def messages(changes: PubSub) -> AsyncIterator[ServerSentEventMessage]:
    """Combine changes into messages, one per kind."""
    kinds: set[str] = set()
    notified = asyncio.Event()

    async def listen() -> None:
        async for change in changes.subscribe():
            kinds.add(str(change["kind"]))
            notified.set()

    listener = asyncio.create_task(listen())
    try:
        yield ServerSentEventMessage(event="heartbeat", data="")
        while not listener.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await notified.wait()
            notified.clear()
            batch = sorted(kinds)
            kinds.clear()
            for kind in batch:
                yield ServerSentEventMessage(event=kind, data=kind)
            if not batch:
                yield ServerSentEventMessage(event="heartbeat", data="")
            await asyncio.sleep(MIN_INTERVAL_SECONDS)
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener
