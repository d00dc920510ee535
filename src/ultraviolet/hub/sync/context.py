"""One integration at work: its ION on one side, its part of the mirror on the other, and who is watching."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from msgspec import structs
from sqlalchemy import Connection

from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.db.driver_errors import first_line
from ultraviolet.hub.core import metrics
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.sync import invalid_values
from ultraviolet.hub.sync.ion_reader import IonReader
from ultraviolet.hub.sync.recently_viewed import RecentlyViewed
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Applied, Change, Mark, Observation, Ref

log = structlog.get_logger()

_MAX_NOT_KEPT = 50
"""Observations of one batch that may fail; where more do, the reason is another one."""
_TOLD = 100
"""Versions that a span names."""


def version_names(changes: Iterable[Change]) -> list[str]:
    """Name the versions that changes made, as `resource/id@version`."""
    return [f"{change.resource}/{change.id}@{change.version}" for change in changes][:_TOLD]


class SyncContext:
    """What heal, fetch, poll and verify of one integration share."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        integration_id: int,
        reader: IonReader,
        changes: PubSub,
        attention: RecentlyViewed | None = None,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.id = integration_id
        self.reader = reader
        self.changes = changes
        self.attention = attention or RecentlyViewed()
        self.polled: dict[str, str] = {}
        """How far this process has polled each resource, in ION's time."""

    async def apply(
        self,
        observations: Sequence[Observation],
        marks: Sequence[Mark] = (),
        also: Callable[[Connection, Applied], None] | None = None,
    ) -> Applied:
        """Let observations through the door; `also` is done in the same transaction."""

        def work(connection: Connection) -> Applied:
            applied = apply(connection, self.catalog, self.id, observations, marks)
            invalid_values.report(connection, self.catalog, self.id, applied.refitted)
            if also:
                also(connection, applied)
            return applied

        applied = await self.database.write(work)
        metrics.count_observations(observations, applied.outcomes)
        self.tell(applied.changes)
        return applied

    async def apply_each(
        self,
        observations: Sequence[Observation],
        also: Callable[[Connection, Applied, Mapping[Ref, str]], None],
    ) -> None:
        """Apply observations so that one that the mirror cannot keep does not keep out the others.

        `also` is done in the last transaction; it takes what that changed, and why some observations were not kept.
        """
        not_kept: dict[Ref, str] = {}
        changes: list[Change] = []

        def together(connection: Connection, applied: Applied) -> None:
            also(
                connection, structs.replace(applied, changes=[*changes, *applied.changes]), not_kept
            )

        try:
            await self.apply(observations, also=together)
        except StoreUnavailableError:
            raise
        except Exception as error:
            log.warning("observations.not_kept", integration_id=self.id, error=first_line(error))
            await self._apply_in_parts(observations, changes, not_kept)
            if len(not_kept) == len(observations) > 1:
                raise  # the observations are not the reason
            await self.apply([], also=together)

    async def _apply_in_parts(
        self, observations: Sequence[Observation], changes: list[Change], not_kept: dict[Ref, str]
    ) -> None:
        """Apply halves of halves; notes those that fail alone, and gives up where there are too many of them."""
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
                    await self._apply_in_parts(part, changes, not_kept)
                    continue
                not_kept[part[0].ref] = f"The mirror cannot keep it: {first_line(error)}"
                if len(not_kept) > _MAX_NOT_KEPT:
                    raise

    def tell(self, changes: Sequence[Change]) -> None:
        """Wake whoever watches objects: once, however many changed; which ones is in the history."""
        if changes:
            self.changes.publish("object", self.id)

    def readable(self) -> list[Resource]:
        """What is mirrored of this ION."""
        return [r for r in self.catalog.mirrored if self.reader.reads(r)]
