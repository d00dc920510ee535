"""Work that repeats in the background soon after the mirror changed."""

import asyncio
from collections.abc import Awaitable, Callable

from ultraviolet.hub.core.periodic_task import PeriodicTask
from ultraviolet.hub.core.pubsub import PubSub

_DEBOUNCE_SECONDS = 1.0
"""How long to collect changes, so that many of them are one piece of work."""


class ChangeTask(PeriodicTask):
    """Repeats work after changes of objects, and after an interval without any."""

    def __init__(
        self,
        name: str,
        work: Callable[[set[int]], Awaitable[object]],
        changes: PubSub,
        interval_seconds: float,
    ) -> None:
        """`work` is called with the integrations whose objects changed since the last call."""
        changed: set[int] = set()

        async def listen() -> None:
            async for change in changes.subscribe():
                if change["kind"] == "object":
                    changed.add(change["integration_id"])
                    self.wake()

        async def work_on_changed() -> None:
            if changed:
                await asyncio.sleep(_DEBOUNCE_SECONDS)
            collected = set(changed)
            changed.clear()
            await work(collected)

        super().__init__(name, work_on_changed, interval_seconds)
        self._listener = PeriodicTask(f"{name} listener", listen, interval_seconds)

    def start(self) -> None:
        """Start listening and working."""
        self._listener.start()
        super().start()

    async def stop(self) -> None:
        """Cancel the work, and wait for its end."""
        await asyncio.gather(self._listener.stop(), super().stop())
