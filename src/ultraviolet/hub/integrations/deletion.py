"""Delete the data of removed integrations in batches, so that ingest is not blocked.

The remaining work is in the tables: integrations marked as removed, and their remaining rows.
"""

import asyncio
import contextvars

import structlog
from sqlalchemy import Connection, delete, select

from ultraviolet.db import locks
from ultraviolet.db.database import Database
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.errors import UltravioletError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core.periodic_task import PeriodicTask
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
        self.task = PeriodicTask("deletion", self.delete_removed, _CHECK_SECONDS)

    async def begin(self) -> None:
        """Start a deletion; return when it is done, or after two seconds."""
        # A new context, so that log lines do not have the id of the request.
        context = contextvars.Context()
        task = asyncio.create_task(self.delete_removed(), name="deletion", context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task], timeout=_MAX_WAIT_SECONDS)

    async def stop(self) -> None:
        """Stop the started deletions after the current transaction."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def delete_removed(self) -> None:
        """Delete the removed integrations, including those that another process left unfinished."""

        def list_removed(connection: Connection) -> list[int]:
            query = select(integrations.c.id).where(integrations.c.removed)
            return [*connection.execute(query).scalars()]

        def delete_batch(connection: Connection, integration_id: int) -> bool:
            """Delete some rows and return True, or delete the integration if none are left."""
            locks.lock(connection, "mirror", integration_id)
            if purge.delete_integration_batch(connection, integration_id):
                return True
            connection.execute(delete(integrations).where(integrations.c.id == integration_id))
            return False

        async with self._lock:
            try:
                for integration_id in await self._database.read(list_removed):
                    while await self._database.write(delete_batch, integration_id):
                        failpoint("integration.emptied")
                        await asyncio.sleep(purge.PAUSE_SECONDS)
                    log.info("integration.removed", integration_id=integration_id)
                    self._changes.publish("integration", integration_id)
            except Exception as error:
                unexpected = not isinstance(error, UltravioletError)
                log.warning("integration.not_removed", error=str(error), exc_info=unexpected)
