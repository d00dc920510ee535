"""Update the search index from the mirror in small batches, with low priority.

One task indexes the integrations that this process has leased, and the paused ones, which no
process leases. Changes wake it, and it checks the mirror once a minute.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress

import structlog
from sqlalchemy import Connection, select

from ultraviolet.db.database import Database
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.sync.fetch import unfinished_fetch
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import search_index

_BATCH_SIZE = 200
_DEBOUNCE_SECONDS = 1.0
"""How long to collect changes, so that an object that changes often is indexed once."""
_CHECK_SECONDS = 60.0
_PAUSE_FACTOR = 3.0
"""Pause after a batch as a multiple of its duration; deliveries and changes have priority."""
_PAUSE_FACTOR_IN_FETCH = 30.0
"""The same during a fetch: a short fetch is indexed after its end."""

log = structlog.get_logger()


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
        self._changes = changes
        self._leased = leased
        self._behind: set[int] = set()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start indexing."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._work())]

    async def stop(self) -> None:
        """Stop after the current batch."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async for change in self._changes.subscribe():
            if change["kind"] == "object":
                self._behind.add(change["integration_id"])
                self._wake.set()

    async def _work(self) -> None:
        checked = -_CHECK_SECONDS
        while True:
            try:
                if time.monotonic() - checked > _CHECK_SECONDS:
                    checked = time.monotonic()
                    self._behind.update(
                        await self._database.read(search_index.outdated_integrations)
                    )
                while self._behind:
                    await self._index(self._behind.pop())
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _CHECK_SECONDS)
                self._wake.clear()
                await asyncio.sleep(_DEBOUNCE_SECONDS)
            except Exception as error:  # noqa: BLE001  indexing continues after any error
                log.warning("search.not_indexed", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(_CHECK_SECONDS / 10)

    async def _index(self, integration_id: int) -> None:
        indexed = _BATCH_SIZE
        while indexed == _BATCH_SIZE:
            leased = integration_id in self._leased()
            active, fetching = await self._database.read(_is_active, integration_id, leased=leased)
            if active and not leased:
                return
            began = time.monotonic()
            indexed = await self._database.write(
                search_index.index_versions, self._catalog, integration_id, _BATCH_SIZE
            )
            # The fetch of a paused integration is suspended, so it has no priority.
            factor = _PAUSE_FACTOR_IN_FETCH if active and fetching else _PAUSE_FACTOR
            await asyncio.sleep((time.monotonic() - began) * factor)


def _is_active(connection: Connection, integration_id: int, *, leased: bool) -> tuple[bool, bool]:
    """Return whether an integration is active, and whether a leased one is being fetched."""
    paused = connection.execute(
        select(integrations.c.paused).where(integrations.c.id == integration_id)
    ).scalar()
    return paused is False, leased and unfinished_fetch(connection, integration_id) is not None
