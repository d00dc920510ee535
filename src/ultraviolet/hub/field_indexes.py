"""Create indexes of fields by which big tables are sorted or filtered, in the background, on request."""

import asyncio
from collections.abc import Sequence

import structlog

from ultraviolet.mirror import dialect, field_indexes
from ultraviolet.mirror.field_indexes import FieldIndex
from ultraviolet.mirror.store import Store

log = structlog.get_logger()


class FieldIndexes:
    """Makes one at a time, each once in the life of a process."""

    def __init__(self, store: Store) -> None:
        self._store = store
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
                if dialect.is_postgresql(self._store.engine):
                    await asyncio.to_thread(
                        dialect.make_index, self._store.engine, one.name, one.rest
                    )
                else:
                    await self._store.write(lambda c, one=one: field_indexes.make(c, [one]))
                log.info("index.made", index=one.name, of=one.rest)
            except Exception as error:  # noqa: BLE001  a table is only slower without
                log.warning("index.not_made", index=one.name, error=str(error))
