"""Where the pages of a fetch go into the mirror: a commit for all that wait, and deliveries go first."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.mirror.observation import Applied, Observation, Ref

_TOGETHER = 500
"""Objects in one transaction while deliveries come: as many as keep them waiting for less than a tenth of a second."""
_QUIET = 1000
"""The same while none come: a commit costs as much as a hundred objects."""
_IN_HAND = 2000
"""Objects that may be at the door, at work or waiting: what is read meanwhile waits outside, so that memory stays flat."""
_PATIENCE = 4.0
"""So many times as long as a transaction took, the next one lets deliveries go first while they keep coming."""


class PendingPage(msgspec.Struct, frozen=True):
    """A page on its way into the mirror, and what is written in the same transaction."""

    resource: str
    observations: Sequence[Observation]
    also: Callable[[Connection, int, Mapping[str, str]], None]
    """Takes how many objects were changed, and why some could not be kept, by id."""
    done: asyncio.Future[None]


class PageWriter:
    """Lets the pages of several resources into the mirror together, in the order in which they came.

    After a page that failed no other of that resource is let in, because a cursor would move past it.
    """

    def __init__(self, site: SyncContext) -> None:
        self._site = site
        self._waiting: deque[PendingPage] = deque()
        self._in_hand = 0
        self._moved = asyncio.Event()
        self._failed: dict[str, Exception] = {}
        self._at_work: asyncio.Task[None] | None = None

    async def take(
        self,
        resource: str,
        observations: Sequence[Observation],
        also: Callable[[Connection, int, Mapping[str, str]], None],
    ) -> asyncio.Future[None]:
        """Take a page in hand as soon as there is room; what this gives is done when the page is on disk."""
        while self._in_hand >= _IN_HAND and resource not in self._failed:
            self._moved.clear()
            await self._moved.wait()
        if resource in self._failed:
            raise self._failed[resource]
        kept = PendingPage(resource, observations, also, asyncio.get_running_loop().create_future())
        self._waiting.append(kept)
        self._in_hand += len(observations)
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.create_task(self._work())
        return kept.done

    async def close(self) -> None:
        """Finish the transaction that has begun; what still waits is read again."""
        self._waiting.clear()
        if self._at_work:
            await self._at_work

    async def _work(self) -> None:
        loop, database = asyncio.get_running_loop(), self._site.database
        most = _QUIET
        while self._waiting:
            began, kept_for = loop.time(), database.kept_for
            await self._let_in(self._batch(most))
            took_deliveries = database.kept_for - kept_for
            most = _TOGETHER if took_deliveries else _QUIET
            await asyncio.sleep(min(took_deliveries, loop.time() - began) * _PATIENCE)

    async def _let_in(self, batch: Sequence[PendingPage]) -> None:
        """Write pages together; where that fails one by one, so that none keeps those of other resources out."""
        for kept in batch:
            if kept.resource in self._failed:
                self._end(kept, self._failed[kept.resource])
        batch = [kept for kept in batch if kept.resource not in self._failed]
        if not batch:
            return
        try:
            await self._apply(batch)
        except Exception as error:  # noqa: BLE001  who waits raises it
            if len(batch) > 1 and not isinstance(error, StoreUnavailableError):
                for kept in batch:
                    await self._let_in([kept])
                return
            for kept in batch:
                self._failed[kept.resource] = error
                self._end(kept, error)
            return
        failpoint("fetch.page_applied")
        self._site.changes.publish("fetch", self._site.id)
        for kept in batch:
            self._end(kept)

    def _end(self, kept: PendingPage, error: Exception | None = None) -> None:
        self._in_hand -= len(kept.observations)
        self._moved.set()
        if kept.done.done():
            return
        if error:
            kept.done.set_exception(error)
            kept.done.exception()  # a step waits for its last page only
        else:
            kept.done.set_result(None)

    def _batch(self, most: int) -> list[PendingPage]:
        """Take what waits, in order, as far as the transaction stays short."""
        batch = [self._waiting.popleft()]
        count = len(batch[0].observations)
        while self._waiting and count + len(self._waiting[0].observations) <= most:
            count += len(self._waiting[0].observations)
            batch.append(self._waiting.popleft())
        return batch

    async def _apply(self, batch: Sequence[PendingPage]) -> None:
        def also(connection: Connection, applied: Applied, not_kept: Mapping[Ref, str]) -> None:
            changed = Counter(change.resource for change in applied.changes)
            for kept in batch:  # the first page of a resource tells for all that are here
                failed = {o.id: not_kept[o.ref] for o in kept.observations if o.ref in not_kept}
                kept.also(connection, changed.pop(kept.resource, 0), failed)

        await self._site.apply_each([o for kept in batch for o in kept.observations], also)
