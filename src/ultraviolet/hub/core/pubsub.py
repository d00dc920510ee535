"""Publish and subscribe: wake pages, controllers and waiting commands, also in other processes.

A message contains only the kind of a change; subscribers read the state from the tables.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

Message = dict[str, Any]
_MAX_QUEUED_MESSAGES = 1000


class PubSub:
    """Send messages to any number of subscribers without waiting for them."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Message | None]] = set()
        self._published_at: dict[str, float] = {}
        self.forward: Callable[[str, int], None] | None = None
        """Send the kind and the integration of a message to other processes."""

    def publish(self, kind: str, integration_id: int, **values: Any) -> None:
        """Send a message to all subscribers; a subscriber that lags far behind misses messages."""
        self.publish_locally(kind, integration_id, **values)
        if self.forward:
            self.forward(kind, integration_id)

    def publish_locally(self, kind: str, integration_id: int, **values: Any) -> None:
        """Send a message to the subscribers in this process."""
        self._published_at[kind] = time.monotonic()
        if not self._queues:
            return
        message = {"kind": kind, "integration_id": integration_id, **values}
        for queue in self._queues:
            if queue.qsize() < _MAX_QUEUED_MESSAGES:
                queue.put_nowait(message)

    def recent_kinds(self, seconds: float) -> set[str]:
        """Return the kinds of the messages of the last seconds."""
        since = time.monotonic() - seconds
        return {kind for kind, at in self._published_at.items() if at >= since}

    def subscribe(self) -> AsyncIterator[Message]:
        """Return the messages from now on, until `close` or the end of the iteration."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._queues.add(queue)

        async def messages() -> AsyncIterator[Message]:
            try:
                while (message := await queue.get()) is not None:
                    yield message
            finally:
                self._queues.discard(queue)

        return messages()

    def close(self) -> None:
        """End every subscription."""
        for queue in self._queues:
            queue.put_nowait(None)
