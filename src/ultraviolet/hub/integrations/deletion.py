"""Delete the data of removed integrations in batches, so that ingest is not blocked.

The remaining work is in the tables: integrations marked as removed, and their remaining rows.
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

_CHECK_SECONDS = 60.0
_MAX_WAIT_SECONDS = 2.0
"""How long a request to remove an integration waits for its deletion."""

log = structlog.get_logger()


class IntegrationDeleter:
    """Deletes removed integrations; processes take turns by a lock."""

    def __init__(self, database: Database, changes: PubSub) -> None:
        self._database = database
        self._changes = changes
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Delete in the background, including deletions that another process left unfinished."""
        self._start(self._loop())

    async def begin(self) -> None:
        """Start a deletion; return when it is done, or after two seconds."""
        await asyncio.wait([self._start(self._delete_removed())], timeout=_MAX_WAIT_SECONDS)

    async def stop(self) -> None:
        """Stop after the current transaction."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="deletion", context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _loop(self) -> None:
        while True:
            await self._delete_removed()
            await asyncio.sleep(_CHECK_SECONDS)

    async def _delete_removed(self) -> None:
        async with self._lock:
            try:
                for integration_id in await self._database.read(_list_removed):
                    await self._delete(integration_id)
            except Exception as error:
                log.warning(
                    "integration.not_removed", error=str(error), exc_info=not hasattr(error, "kind")
                )

    async def _delete(self, integration_id: int) -> None:
        while await self._database.write(_delete_batch, integration_id):
            failpoint("integration.emptied")
            await asyncio.sleep(purge.PAUSE_SECONDS)
        log.info("integration.removed", integration_id=integration_id)
        self._changes.publish("integration", integration_id)


def _list_removed(connection: Connection) -> list[int]:
    return [*connection.execute(select(integrations.c.id).where(integrations.c.removed)).scalars()]


def _delete_batch(connection: Connection, integration_id: int) -> bool:
    """Delete a batch of rows and return True, or delete the integration if there are none left."""
    locks.lock(connection, "mirror", integration_id)
    if purge.delete_integration_batch(connection, integration_id):
        return True
    connection.execute(delete(integrations).where(integrations.c.id == integration_id))
    return False
