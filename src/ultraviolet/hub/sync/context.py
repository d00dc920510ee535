"""The state that heal, fetch, poll and verify of one integration share."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import structlog
from msgspec import structs
from sqlalchemy import Connection

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.db.driver_errors import first_line
from ultraviolet.hub.core import metrics
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.sync import invalid_values
from ultraviolet.hub.sync.ion_reader import IonReader
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.apply import apply, mark_stale
from ultraviolet.mirror.observation import Applied, Change, Mark, Observation, Ref
from ultraviolet.mirror.stale_reasons import NOT_READABLE

log = structlog.get_logger()

_MAX_NOT_KEPT = 50
"""Observations of one batch that may fail; more failures have a common cause."""
_MAX_VERSION_NAMES = 100
_VIEW_SECONDS = 60.0
_MAX_VIEWED = 100

T = TypeVar("T")


def version_names(changes: Iterable[Change]) -> list[str]:
    """Return the versions that changes created, as `resource/id@version`, for a trace."""
    names = [f"{change.resource}/{change.id}@{change.version}" for change in changes]
    return names[:_MAX_VERSION_NAMES]


class RecentlyViewed:
    """Objects of one integration viewed within the last minute; they are healed first."""

    def __init__(self) -> None:
        self._until: dict[Ref, float] = {}

    def add(self, resource: str, id_: str) -> None:
        """Record a view of an object."""
        self._until.pop((resource, id_), None)
        self._until[resource, id_] = time.monotonic() + _VIEW_SECONDS
        while len(self._until) > _MAX_VIEWED:
            del self._until[next(iter(self._until))]

    def refs(self) -> list[Ref]:
        """Return the recently viewed objects."""
        now = time.monotonic()
        self._until = {ref: until for ref, until in self._until.items() if until > now}
        return list(self._until)


class SyncContext:
    """The shared state of heal, fetch, poll and verify of one integration."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        integration_id: int,
        reader: IonReader,
        changes: PubSub,
        recently_viewed: RecentlyViewed | None = None,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.id = integration_id
        self.reader = reader
        self.changes = changes
        self.recently_viewed = recently_viewed or RecentlyViewed()
        self.polled: dict[str, str] = {}
        """The time up to which this process has polled each resource, by ION's clock."""
        self._turn = asyncio.Lock()
        """Held while observations are written, so that events wait for at most one other write."""

    async def apply(
        self,
        observations: Sequence[Observation],
        marks: Sequence[Mark] = (),
        write_after: Callable[[Connection, Applied], None] | None = None,
    ) -> Applied:
        """Apply observations to the mirror; `write_after` runs in the same transaction."""

        def write(connection: Connection) -> Applied:
            applied = apply(connection, self.catalog, self.id, observations, marks)
            invalid_values.report(connection, self.catalog, self.id, applied.refitted)
            if write_after:
                write_after(connection, applied)
            return applied

        async with self._turn:
            applied = await self.database.write(write)
        metrics.count_observations(observations, applied.outcomes)
        self.publish_changes(applied.changes)
        return applied

    async def apply_each(
        self,
        observations: Sequence[Observation],
        write_after: Callable[[Connection, Applied, Mapping[Ref, str]], T],
    ) -> T:
        """Apply all observations that the mirror can store, even if it cannot store some of them.

        `write_after` runs in the last transaction, with the result of all transactions and the
        reasons why observations were not kept. Return its result.
        """
        not_kept: dict[Ref, str] = {}
        changes: list[Change] = []
        written: list[T] = []
        stored = False

        def write_total(connection: Connection, applied: Applied) -> None:
            nonlocal stored
            stored = True
            total = structs.replace(applied, changes=[*changes, *applied.changes])
            written[:] = [write_after(connection, total, not_kept)]

        try:
            await self.apply(observations, write_after=write_total)
        except StoreUnavailableError:
            raise
        except Exception as error:
            if stored:
                raise  # the observations are not the cause
            log.warning("observations.not_kept", integration_id=self.id, error=first_line(error))
            await self._apply_halves(observations, changes, not_kept)
            if len(not_kept) == len(observations) > 1:
                raise  # the observations are not the cause
            await self.apply([], write_after=write_total)
        return written[0]

    async def apply_and_mark(
        self, observations: Sequence[Observation], marks: Sequence[Mark]
    ) -> int:
        """Apply observations; mark stale what the mirror cannot store, and the objects of `marks`.

        Return the number of changes.
        """

        def mark(connection: Connection, applied: Applied, not_kept: Mapping[Ref, str]) -> int:
            moment = now_rfc3339()
            failed = [Mark(*ref, NOT_READABLE, moment) for ref in not_kept]
            mark_stale(connection, self.id, [*marks, *failed])
            return len(applied.changes)

        return await self.apply_each(observations, mark)

    def publish_changes(self, changes: Sequence[Change]) -> None:
        """Publish one message for any number of changes; the history lists them."""
        if changes:
            self.changes.publish("object", self.id)

    def readable(self) -> list[Resource]:
        """Return the resources that are mirrored from this ION."""
        return [r for r in self.catalog.mirrored if self.reader.reads(r)]

    async def _apply_halves(
        self, observations: Sequence[Observation], changes: list[Change], not_kept: dict[Ref, str]
    ) -> None:
        """Apply by bisection, and collect the observations that fail; raise if too many fail."""
        half = (len(observations) + 1) // 2
        for part in (observations[:half], observations[half:]):
            if not part:
                continue
            try:
                changes += (await self.apply(part)).changes
            except StoreUnavailableError:
                raise
            except Exception as error:
                if len(part) > 1:
                    await self._apply_halves(part, changes, not_kept)
                    continue
                not_kept[part[0].ref] = f"The mirror cannot store it: {first_line(error)}"
                if len(not_kept) > _MAX_NOT_KEPT:
                    raise
