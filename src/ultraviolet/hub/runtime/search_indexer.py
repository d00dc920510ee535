"""Update the search index from the mirror in small batches, with low priority.

One task indexes the integrations that this process has leased, and the paused ones, which no
process leases. Changes wake it, and it checks the mirror once a minute.
"""

import asyncio
import time
from collections.abc import Callable, Collection

from sqlalchemy import Connection, select

from ultraviolet.db.database import Database
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.runtime.change_task import ChangeTask
from ultraviolet.hub.sync.fetch import unfinished_fetch
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import search_index

_IDLE_BATCH_SIZE = 200
_BUSY_BATCH_SIZE = 20
"""Versions of a transaction while deliveries arrive, which wait for it on SQLite."""
_CHECK_SECONDS = 60.0
_PAUSE_FACTOR = 3.0
"""Pause after a batch as a multiple of its duration; deliveries and changes have priority."""
_PAUSE_FACTOR_IN_FETCH = 30.0
"""The same during a fetch: a short fetch is indexed after its end."""


class SearchIndexer:
    """Indexes the integrations that this process or no process has leased."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        changes: PubSub,
        leased: Callable[[], Collection[int]],
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._leased = leased
        self._behind: set[int] = set()
        self._kept_for = 0.0
        """The database's time for deliveries before the last batch."""
        self._checked_at = -_CHECK_SECONDS
        self.task = ChangeTask("search index", self._index_changed, changes, _CHECK_SECONDS / 10)

    async def _index_changed(self, changed: set[int]) -> None:
        self._behind |= changed
        if time.monotonic() - self._checked_at > _CHECK_SECONDS:
            self._checked_at = time.monotonic()
            self._behind.update(await self._database.read(search_index.outdated_integrations))
        while self._behind:
            await self._index(self._behind.pop())

    async def _index(self, integration_id: int) -> None:
        def is_active(connection: Connection, *, leased: bool) -> tuple[bool, bool]:
            """Return whether it is active, and whether it is leased and being fetched."""
            query = select(integrations.c.paused).where(integrations.c.id == integration_id)
            fetching = leased and unfinished_fetch(connection, integration_id) is not None
            return connection.execute(query).scalar() is False, fetching

        limit = indexed = 0
        while indexed == limit:
            leased = integration_id in self._leased()
            active, fetching = await self._database.read(is_active, leased=leased)
            if active and not leased:
                return
            began = time.monotonic()
            kept_before, self._kept_for = self._kept_for, self._database.kept_for
            busy = kept_before < self._kept_for
            limit = _BUSY_BATCH_SIZE if busy else _IDLE_BATCH_SIZE
            indexed = await self._database.write(
                search_index.index_versions, self._catalog, integration_id, limit
            )
            # The fetch of a paused integration is suspended, so it has no priority.
            factor = _PAUSE_FACTOR_IN_FETCH if active and fetching else _PAUSE_FACTOR
            await asyncio.sleep((time.monotonic() - began) * factor)
