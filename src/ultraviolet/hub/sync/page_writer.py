"""Write fetched pages into the mirror: waiting pages share a transaction; deliveries go first."""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial

import msgspec

from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.fetch_progress import PageCommit, PageResult, save_pages

_MAX_BUSY_BATCH_OBJECTS = 500
"""Objects in one transaction while deliveries arrive, which it delays by less than 0.1 seconds."""
_MAX_IDLE_BATCH_OBJECTS = 1000
"""Objects in one transaction while no deliveries arrive; a commit costs as much as 100 objects."""
_MAX_QUEUED_OBJECTS = 2000
"""Objects of queued pages; the readers wait above that, to limit memory."""
_YIELD_FACTOR = 4.0
"""Pause after a transaction during which deliveries arrived, as a multiple of its duration."""


class _QueuedPage(msgspec.Struct, frozen=True):
    """A page that waits for its transaction."""

    page: PageCommit
    done: asyncio.Future[PageResult]


class PageWriter:
    """Commits the pages of several resources together, in order of arrival.

    After a failed page, no other page of its resource is written, because a cursor would skip it.
    """

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._queue: deque[_QueuedPage] = deque()
        self._queued_objects = 0
        self._has_space = asyncio.Event()
        self._failed: dict[str, Exception] = {}
        self._task: asyncio.Task[None] | None = None

    async def add(self, page: PageCommit) -> asyncio.Future[PageResult]:
        """Queue a page when there is space; the returned future is done when it is on disk."""
        while self._queued_objects >= _MAX_QUEUED_OBJECTS and page.resource not in self._failed:
            self._has_space.clear()
            await self._has_space.wait()
        if page.resource in self._failed:
            raise self._failed[page.resource]
        queued = _QueuedPage(page, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        self._queued_objects += len(page.observations)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_queue())
        return queued.done

    async def close(self) -> None:
        """Finish the current transaction; drop queued pages, which the next run reads again."""
        self._queue.clear()
        if self._task:
            await self._task

    async def _write_queue(self) -> None:
        loop, database = asyncio.get_running_loop(), self._context.database
        max_objects = _MAX_IDLE_BATCH_OBJECTS
        while self._queue:
            began, delivery_seconds = loop.time(), database.kept_for
            batch = [self._queue.popleft()]
            count = len(batch[0].page.observations)
            while self._queue:
                count += len(self._queue[0].page.observations)
                if count > max_objects:
                    break
                batch.append(self._queue.popleft())
            await self._write_batch(batch)
            delivery_seconds = database.kept_for - delivery_seconds
            max_objects = _MAX_BUSY_BATCH_OBJECTS if delivery_seconds else _MAX_IDLE_BATCH_OBJECTS
            await asyncio.sleep(min(delivery_seconds, loop.time() - began) * _YIELD_FACTOR)

    async def _write_batch(self, batch: Sequence[_QueuedPage]) -> None:
        """Write pages together, or one by one if that fails, so that only the bad page fails."""
        for queued in batch:
            if error := self._failed.get(queued.page.resource):
                self._finish(queued, error)
        batch = [queued for queued in batch if queued.page.resource not in self._failed]
        if not batch:
            return
        try:
            pages = [queued.page for queued in batch]
            results = await self._context.apply_each(
                [observation for page in pages for observation in page.observations],
                partial(save_pages, self._context.id, pages),
            )
        except Exception as error:  # noqa: BLE001  the reader of the page raises it
            if len(batch) > 1 and not isinstance(error, StoreUnavailableError):
                for queued in batch:
                    await self._write_batch([queued])
                return
            for queued in batch:
                self._failed[queued.page.resource] = error
                self._finish(queued, error)
            return
        failpoint("fetch.page_applied")
        self._context.changes.publish("fetch", self._context.id)
        for queued, result in zip(batch, results, strict=True):
            self._finish(queued, result)

    def _finish(self, queued: _QueuedPage, result: PageResult | Exception) -> None:
        self._queued_objects -= len(queued.page.observations)
        self._has_space.set()
        if queued.done.done():
            return
        if isinstance(result, Exception):
            queued.done.set_exception(result)
            queued.done.exception()  # the reader may not await each page
        else:
            queued.done.set_result(result)
