"""Run the fetches and verifications that one command requests, in a process without controllers."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ultraviolet.errors import UltravioletError
from ultraviolet.hub.runtime.leases import Leases

_RETRY_SECONDS = 1.0
"""How long to wait for another process that works for the same integration."""

log = structlog.get_logger()


class OneOffRunner:
    """Run requested work in this process."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self,
        integration_id: int,
        work: Callable[[], Awaitable[None]],
        is_open: Callable[[], Awaitable[bool]],
        fail: Callable[[str], Awaitable[None]],
    ) -> None:
        """Run `work` unless another process does it first.

        `is_open` returns whether the work is not done yet. `fail` records why it failed.
        """

        async def run() -> None:
            try:
                while await is_open():
                    if integration_id in await self._leases.claim({integration_id}):
                        await work()
                        return
                    await asyncio.sleep(_RETRY_SECONDS)
            except Exception as error:
                known = isinstance(error, UltravioletError)
                log.warning("request.not_done", error=str(error), exc_info=not known)
                await fail(str(error) if known else f"{type(error).__name__}: {error}")
            finally:
                await self._leases.release(set())

        task = asyncio.create_task(run(), name="requested")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Cancel unfinished work; a hub that starts later resumes it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leases.close()
