"""Create indexes of fields by which big tables are sorted or filtered, in the background, on request."""

import asyncio
from collections.abc import Sequence

import structlog

from ultraviolet.db import dialect, sql
from ultraviolet.db.database import Database
from ultraviolet.mirror import field_indexes
from ultraviolet.mirror.field_indexes import FieldIndex

log = structlog.get_logger()


class FieldIndexer:
    """Makes one at a time, each once in the life of a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: set[str] = set()
        self._making: asyncio.Task[None] | None = None
        self._wanted: list[FieldIndex] = []

    def want(self, found: Sequence[FieldIndex]) -> None:
        """Create indexes in the background."""
        new = [one for one in found if one.name not in self._asked]
        self._asked.update(one.name for one in new)
        self._wanted += new
        if self._wanted and (self._making is None or self._making.done()):
            self._making = asyncio.create_task(self._make())

    async def settled(self) -> None:
        """Wait until what was asked for is there."""
        if self._making:
            await self._making

    async def _make(self) -> None:
        while self._wanted:
            one = self._wanted.pop()
            try:
                if dialect.is_postgresql(self._database.engine):
                    await asyncio.to_thread(
                        sql.create_index, self._database.engine, one.name, one.definition
                    )
                else:
                    await self._database.write(field_indexes.create_indexes, [one])
                log.info("index.made", index=one.name, of=one.definition)
            except Exception as error:  # noqa: BLE001  a table is only slower without
                log.warning("index.not_made", index=one.name, error=str(error))
