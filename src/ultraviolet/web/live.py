"""Live updates of pages: a stream of server-sent events with the kinds of changed data.

A page that receives a kind requests the changed fragment again. A burst of changes is one message.
Without changes, a heartbeat shows that the hub still works.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from litestar import get
from litestar.params import FromQuery
from litestar.response import ServerSentEvent, ServerSentEventMessage

from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.web.middleware.auth import VIEWER, GivenHub

MIN_INTERVAL_SECONDS = 0.3
"""Minimum interval between messages."""
HEARTBEAT_SECONDS = 5.0
"""Maximum interval between messages. Pages count the hub as unreachable after three missed ones."""


MAX_AGE_MILLISECONDS = 60_000
LATENCY_SECONDS = 1.0
"""How much longer the request of a stream can be on its way than that of its page."""


@get("/live", guards=VIEWER, include_in_schema=False)
async def live(hub: GivenHub, age: FromQuery[int] = 0) -> ServerSentEvent:
    """Stream the kinds of changed data, at first of changes since the page was requested.

    `age` is the time since then in milliseconds; data can change before the page listens.
    """
    seconds = min(max(age, 0), MAX_AGE_MILLISECONDS) / 1000
    if seconds:
        seconds += LATENCY_SECONDS
    return ServerSentEvent(messages(hub.changes, seconds), headers={"Cache-Control": "no-store"})


async def messages(changes: PubSub, seconds: float) -> AsyncIterator[ServerSentEventMessage]:
    """Combine changes into messages, one per kind; begin with those of the last seconds."""
    kinds = changes.recent_kinds(seconds)
    notified = asyncio.Event()

    async def listen() -> None:
        async for change in changes.subscribe():
            kinds.add(str(change["kind"]))
            notified.set()

    listener = asyncio.create_task(listen())
    if kinds:
        notified.set()
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
                yield ServerSentEventMessage(data=kind)
            if not batch:
                yield ServerSentEventMessage(event="heartbeat", data="")
            await asyncio.sleep(MIN_INTERVAL_SECONDS)
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener
