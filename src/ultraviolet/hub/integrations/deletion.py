"""What a removed integration brought goes little by little, so that deliveries of the others never wait for it.

What is left to do is in the tables: an integration that is marked as removed, and what there still is of it.
"""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

import structlog
from sqlalchemy import Connection, delete, select

from ultraviolet.db import locks
from ultraviolet.db.database import Database
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.mirror import purge

_LOOK_EVERY = 60.0
_AT_ONCE = 2.0
"""Seconds that whoever removes one waits for it to be gone."""

log = structlog.get_logger()


class IntegrationDeleter:
    """Removes what removed integrations brought; any process may, and they take turns."""

    def __init__(self, database: Database, changes: PubSub) -> None:
        self._database = database
        self._changes = changes
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Go on with what another process, or this one before, left undone."""
        self._run(self._forever())

    async def begin(self) -> None:
        """Begin with what was removed just now; returns when it is gone or the rest needs no waiting for."""
        await asyncio.wait([self._run(self._look())], timeout=_AT_ONCE)

    async def stop(self) -> None:
        """End, between two transactions."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="leaving", context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _forever(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(_LOOK_EVERY)

    async def _look(self) -> None:
        async with self._one:
            try:
                for integration_id in await self._database.read(_removed):
                    await self._empty(integration_id)
            except Exception as error:
                log.warning(
                    "integration.not_removed", error=str(error), exc_info=not hasattr(error, "kind")
                )

    async def _empty(self, integration_id: int) -> None:
        while await self._database.write(_remove_some, integration_id):
            failpoint("integration.emptied")
            await asyncio.sleep(purge.PAUSE_SECONDS)
        log.info("integration.removed", integration_id=integration_id)
        self._changes.publish("integration", integration_id)


def _removed(connection: Connection) -> list[int]:
    return [*connection.execute(select(integrations.c.id).where(integrations.c.removed)).scalars()]


def _remove_some(connection: Connection, integration_id: int) -> bool:
    """Remove a little of what there is, and the integration itself when that is all; tells whether there was something."""
    locks.lock(connection, "mirror", integration_id)
    if purge.delete_integration_batch(connection, integration_id):
        return True
    connection.execute(delete(integrations).where(integrations.c.id == integration_id))
    return False
