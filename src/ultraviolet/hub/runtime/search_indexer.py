"""The indexer: keeps the search index up with the mirror, a little at a time, behind everything else.

One task for all integrations whose duties this process has, and for those that are paused, whose duties nobody has. It
is woken by changes and looks by itself once a minute.
"""

import asyncio
import functools
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

_BATCH = 200
_GATHER = 1.0
"""Seconds in which more changes may come before they are looked at: an object that changes often is indexed once."""
_LOOK_AGAIN = 60.0
_REST = 3.0
"""How long it rests after a batch, in times of what the batch took: deliveries and changes come first."""
_REST_IN_FETCH = 30.0
"""The same while the integration is fetched: a quick fetch is indexed when it is over, a slow one on the way."""

log = structlog.get_logger()


class SearchIndexer:
    """Follows the mirror of the integrations that are this process's or nobody's."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        changes: PubSub,
        mine: Callable[[], Collection[int]],
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._changes = changes
        self._mine = mine
        self._behind: set[int] = set()
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._work())]

    async def stop(self) -> None:
        """End, between two batches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async for change in self._changes.subscribe():
            if change["kind"] == "object":
                self._behind.add(change["integration_id"])
                self._woken.set()

    async def _work(self) -> None:
        looked = -_LOOK_AGAIN
        while True:
            try:
                if time.monotonic() - looked > _LOOK_AGAIN:
                    looked = time.monotonic()
                    self._behind.update(
                        await self._database.read(search_index.outdated_integrations)
                    )
                while self._behind:
                    await self._follow(self._behind.pop())
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), _LOOK_AGAIN)
                self._woken.clear()
                await asyncio.sleep(_GATHER)
            except Exception as error:  # noqa: BLE001  it outlives whatever goes wrong, as controllers do
                log.warning("search.not_indexed", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(_LOOK_AGAIN / 10)

    async def _follow(self, integration_id: int) -> None:
        given = {"catalog": self._catalog, "integration_id": integration_id, "limit": _BATCH}
        take = functools.partial(search_index.index_versions, **given)
        taken = _BATCH
        while taken == _BATCH:
            # A fetch of one that is paused does not go on, and is nothing to give way to.
            mine = integration_id in self._mine()
            look = functools.partial(_under_way, integration_id=integration_id, mine=mine)
            running, fetching = await self._database.read(look)
            if running and not mine:
                return
            began = time.monotonic()
            taken = await self._database.write(take)
            took = time.monotonic() - began
            await asyncio.sleep(took * (_REST_IN_FETCH if running and fetching else _REST))


def _under_way(connection: Connection, integration_id: int, *, mine: bool) -> tuple[bool, bool]:
    """Return whether an integration is followed by some process, and whether a fetch of this one's is begun and not over."""
    paused = connection.execute(
        select(integrations.c.paused).where(integrations.c.id == integration_id)
    ).scalar()
    return paused is False, mine and unfinished_fetch(connection, integration_id) is not None
