"""One integration at work: its ION on one side, its part of the mirror on the other, and who is watching."""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection

from ultraviolet.hub import invalid_values, metrics
from ultraviolet.hub.attention import Attention
from ultraviolet.hub.broadcast import Broadcast
from ultraviolet.hub.reader import Reader
from ultraviolet.ion.catalog import Catalog, Resource
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Applied, Change, Mark, Observation
from ultraviolet.mirror.store import Store

_TOLD = 100
"""Versions that a span names."""


def versions(changes: Iterable[Change]) -> list[str]:
    """Name the versions that changes made, as `resource/id@version`."""
    return [f"{change.resource}/{change.id}@{change.version}" for change in changes][:_TOLD]


class Site:
    """What heal, fetch, poll and verify of one integration share."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        integration_id: int,
        reader: Reader,
        changes: Broadcast,
        attention: Attention | None = None,
    ) -> None:
        self.store = store
        self.catalog = catalog
        self.id = integration_id
        self.reader = reader
        self.changes = changes
        self.attention = attention or Attention()
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

        applied = await self.store.write(work)
        metrics.observed(observations, applied.outcomes)
        self.tell(applied.changes)
        return applied

    def tell(self, changes: Sequence[Change]) -> None:
        """Wake whoever watches objects: once, however many changed; which ones is in the history."""
        if changes:
            self.changes.publish("object", self.id)

    def readable(self) -> list[Resource]:
        """What is mirrored of this ION."""
        return [r for r in self.catalog.mirrored if self.reader.reads(r)]
