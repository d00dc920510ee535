"""Run the fetches and verifications that one command asks for, in a process without controllers."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ultraviolet.hub.runtime.leases import Leases

_RETRY_SECONDS = 1.0
"""How long to wait for another process that works for the same integration."""

log = structlog.get_logger()


class Requested:
    """The work that commands of this process asked for."""

    def __init__(self, duties: Leases) -> None:
        self._duties = duties
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self,
        integration_id: int,
        work: Callable[[], Awaitable[None]],
        is_open: Callable[[], Awaitable[bool]],
        fail: Callable[[str], Awaitable[None]],
    ) -> None:
        """Run `work` unless another process does it first.

        `is_open` returns whether it is still to be done. `fail` records why it could not be done.
        """
        task = asyncio.create_task(self._run(integration_id, work, is_open, fail), name="requested")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Cancel what is not finished; a hub that starts later goes on with it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._duties.close()

    async def _run(
        self,
        integration_id: int,
        work: Callable[[], Awaitable[None]],
        is_open: Callable[[], Awaitable[bool]],
        fail: Callable[[str], Awaitable[None]],
    ) -> None:
        try:
            while await is_open():
                if integration_id in await self._duties.claim({integration_id}):
                    await work()
                    return
                await asyncio.sleep(_RETRY_SECONDS)
        except Exception as error:
            known = hasattr(error, "kind")
            log.warning("request.not_done", error=str(error), exc_info=not known)
            await fail(str(error) if known else f"{type(error).__name__}: {error}")
        finally:
            await self._duties.let_go(set())
