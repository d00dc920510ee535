"""Automatic setups that run in the background, so that the page can show their progress."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from ultraviolet.errors import UltravioletError
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.hub.integrations.connections import Connections


class SetupRun(msgspec.Struct):
    """The state of a setup: running, failed with an error, or done with what ION refused."""

    running: bool = True
    error: str = ""
    refused: Sequence[str] = ()


class SetupRuns:
    """The last setup of each integration in this process; another process only sees its effect."""

    def __init__(self, connections: Connections, check: Callable[[int], None]) -> None:
        """`check` makes the watchdog check an integration now."""
        self._connections, self._check = connections, check
        self._runs: dict[int, SetupRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, integration_id: int) -> SetupRun | None:
        """Return the last setup."""
        return self._runs.get(integration_id)

    def start(self, actor: str, integration_id: int) -> None:
        """Start a setup, unless one is running."""
        current = self._runs.get(integration_id)
        if current and current.running:
            return
        run = self._runs[integration_id] = SetupRun()

        async def apply() -> None:
            try:
                done = await webhook_setup.apply_setup(self._connections, actor, integration_id)
                run.refused = done.refused
            except UltravioletError as error:
                run.error = error.explanation
            finally:
                run.running = False
                self._check(integration_id)

        task = asyncio.create_task(apply())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
