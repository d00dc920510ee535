"""Wakes whoever watches: pages, controllers, commands that wait; in this process, and through a messenger in others.

A message says only that something of a kind happened; what is true now is in the tables.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

Message = dict[str, Any]
_LONGEST = 1000


class PubSub:
    """Many listeners, none of which can hold up the one who speaks."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Message | None]] = set()
        self.carry: Callable[[str, int], None] | None = None
        """Takes the kind and the integration of what is published to other processes."""

    def publish(self, kind: str, integration_id: int, **values: Any) -> None:
        """Tell every listener; one that lags far behind loses messages, never the truth in the tables."""
        self.hear(kind, integration_id, **values)
        if self.carry:
            self.carry(kind, integration_id)

    def hear(self, kind: str, integration_id: int, **values: Any) -> None:
        """Tell the listeners in this process."""
        if not self._queues:
            return
        message = {"kind": kind, "integration_id": integration_id, **values}
        for queue in self._queues:
            if queue.qsize() < _LONGEST:
                queue.put_nowait(message)

    def subscribe(self) -> AsyncIterator[Message]:
        """Listen from now on, until closed or no longer iterated."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._queues.add(queue)
        return self._listen(queue)

    def close(self) -> None:
        """End every subscription."""
        for queue in self._queues:
            queue.put_nowait(None)

    async def _listen(self, queue: asyncio.Queue[Message | None]) -> AsyncIterator[Message]:
        try:
            while (message := await queue.get()) is not None:
                yield message
        finally:
            self._queues.discard(queue)
