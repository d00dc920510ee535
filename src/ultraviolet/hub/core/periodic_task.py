"""Work that repeats in the background until it is stopped."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from ultraviolet.errors import UltravioletError

log = structlog.get_logger()


class PeriodicTask:
    """Repeats work after an interval or a wake; it logs errors and continues."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        interval_seconds: float,
        *,
        first_delay_seconds: float = 0.0,
    ) -> None:
        self._name = name
        self._work = work
        self._interval_seconds = interval_seconds
        self._first_delay_seconds = first_delay_seconds
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_started(self) -> bool:
        """Whether the task runs or has run."""
        return self._task is not None

    @property
    def has_ended(self) -> bool:
        """Whether the task was started and has ended."""
        return self._task is not None and self._task.done()

    def start(self) -> None:
        """Start the task, in a new context so that log lines have no request id."""
        self._task = asyncio.create_task(
            self._repeat(), name=self._name, context=contextvars.Context()
        )

    async def stop(self) -> None:
        """Cancel the task, also during its work, and wait for its end."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Do the work now, or again after the current run."""
        self._woken.set()

    async def _repeat(self) -> None:
        await asyncio.sleep(self._first_delay_seconds)
        while True:
            self._woken.clear()
            try:
                await self._work()
            except Exception as error:
                unexpected = not isinstance(error, UltravioletError)
                log.warning("task.failed", task=self._name, error=str(error), exc_info=unexpected)
            with suppress(TimeoutError):
                # wait_for of Python 3.11 loses a cancellation at the moment of the wake
                async with asyncio.timeout(self._interval_seconds):
                    await self._woken.wait()
