"""Where the pages of a fetch go into the mirror: a commit for all that wait, and deliveries go first."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection

from ultraviolet.hub.site import Site
from ultraviolet.mirror.observation import Applied, Observation

_TOGETHER = 500
"""Objects in one transaction: as many as keep deliveries waiting for less than a tenth of a second."""
_PATIENCE = 3.0
"""So many times as long as a transaction took, the next one lets deliveries go first while they keep coming."""


class Kept(msgspec.Struct, frozen=True):
    """A page on its way into the mirror, and what is written in the same transaction."""

    observations: Sequence[Observation]
    also: Callable[[Connection, int], None]
    """Takes how many objects the page changed."""
    done: asyncio.Future[None]


class Door:
    """Lets the pages of several resources into the mirror together: a commit for all that wait, not one for each."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._waiting: list[Kept] = []
        self._at_work: asyncio.Task[None] | None = None

    async def keep(
        self, observations: Sequence[Observation], also: Callable[[Connection, int], None]
    ) -> None:
        """Apply a page; returns when it is on disk."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(Kept(observations, also, done))
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.create_task(self._work())
        await done

    async def close(self) -> None:
        """Finish the transaction that has begun; what still waits is read again."""
        self._waiting.clear()
        if self._at_work:
            await self._at_work

    async def _work(self) -> None:
        loop, store = asyncio.get_running_loop(), self._site.store
        while self._waiting:
            began, kept_for = loop.time(), store.kept_for
            batch = self._batch()
            try:
                await self._apply(batch)
            except Exception as error:  # noqa: BLE001  who waits raises it
                for kept in batch:
                    if not kept.done.done():
                        kept.done.set_exception(error)
            else:
                for kept in batch:
                    if not kept.done.done():
                        kept.done.set_result(None)
            await asyncio.sleep(min(store.kept_for - kept_for, loop.time() - began) * _PATIENCE)

    def _batch(self) -> list[Kept]:
        """Take what waits, in order, as far as the transaction stays short."""
        batch = [self._waiting.pop(0)]
        count = len(batch[0].observations)
        while self._waiting and count + len(self._waiting[0].observations) <= _TOGETHER:
            count += len(self._waiting[0].observations)
            batch.append(self._waiting.pop(0))
        return batch

    async def _apply(self, batch: Sequence[Kept]) -> None:
        def also(connection: Connection, applied: Applied) -> None:
            changed = Counter(change.resource for change in applied.changes)
            for kept in batch:
                kept.also(connection, changed[kept.observations[0].resource] if kept.observations else 0)

        await self._site.apply([o for kept in batch for o in kept.observations], also=also)
