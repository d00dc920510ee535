"""Create indexes of fields by which large lists are sorted or filtered, in the background."""

import asyncio
from collections.abc import Sequence

import structlog

from ultraviolet.db import dialect, sql
from ultraviolet.db.database import Database
from ultraviolet.hub.core.periodic_task import PeriodicTask
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import field_indexes
from ultraviolet.mirror.field_indexes import FieldIndex

log = structlog.get_logger()

_CHECK_SECONDS = 300.0
_FIRST_CHECK_SECONDS = 30.0


class FieldIndexer:
    """Creates one index at a time, each at most once per process."""

    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog
        self._requested: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._queue: list[FieldIndex] = []
        self.list_task = PeriodicTask(
            "list indexes",
            self.index_lists,
            _CHECK_SECONDS,
            first_delay_seconds=_FIRST_CHECK_SECONDS,
        )

    async def index_lists(self) -> None:
        """Create the missing indexes of the columns of large lists in the background."""
        self.want(await self._database.read(field_indexes.missing_list_indexes, self._catalog))

    def want(self, found: Sequence[FieldIndex]) -> None:
        """Create indexes in the background."""
        new = [one for one in found if one.name not in self._requested]
        self._requested.update(one.name for one in new)
        self._queue += new
        if self._queue and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._create())

    async def settled(self) -> None:
        """Wait until all requested indexes exist."""
        if self._task:
            await self._task

    async def _create(self) -> None:
        while self._queue:
            one = self._queue.pop()
            try:
                if dialect.is_postgresql(self._database.engine):
                    await asyncio.to_thread(
                        sql.create_index, self._database.engine, one.name, one.definition
                    )
                else:
                    await self._database.write(field_indexes.create_indexes, [one])
                log.info("index.created", index=one.name, of=one.definition)
            except Exception as error:  # noqa: BLE001  queries are only slower without it
                log.warning("index.failed", index=one.name, error=str(error))
