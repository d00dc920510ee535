"""Observations, and a mirror to apply them to, for the tests of the mirror."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, text

from ultraviolet.db.tables.metadata import metadata
from ultraviolet.db.tables.mirror import link_kinds, links, objects
from ultraviolet.db.tables.sync import stale
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Applied, Mark, Observation, Origin, OriginKind

ORDER = "purchase_orders"
LINE = "purchase_order_lines"


def at(second: float) -> str:
    return f"2026-01-01T00:{int(second) // 60:02}:{second % 60:09.6f}+00:00"


def event(second: float, *, id_: str = "1", resource: str = ORDER, **fields: Any) -> Observation:
    source_time = fields.get("_updated", at(second))
    return Observation(
        resource, id_, "partial", fields, at(second), Origin("event", "7"), source_time
    )


def read(
    began: float,
    kind: OriginKind = "heal",
    *,
    id_: str = "1",
    resource: str = ORDER,
    first: bool = False,
    **fields: Any,
) -> Observation:
    return Observation(
        resource,
        id_,
        "full",
        fields,
        at(began + 0.5),
        Origin(kind, None, first),
        fields.get("_updated"),
        at(began),
    )


def absence(
    began: float, kind: OriginKind = "heal", *, id_: str = "1", resource: str = ORDER
) -> Observation:
    return Observation(
        resource, id_, "absent", {}, at(began + 0.5), Origin(kind), read_started_at=at(began)
    )


def fresh(second: float = 10, **fields: Any) -> ObjectState:
    """Return an object that was read in full at this time."""
    return ObjectState(
        ORDER,
        "1",
        doc={"_updated": at(second - 1), **fields},
        version=1,
        completeness="full",
        source_time=at(second - 1),
        observed_at=at(second),
        read_at=at(second),
        was_full=True,
    )


class Mirror:
    """The mirror of one integration, with its rows."""

    def __init__(self, connection: Connection, catalog: Catalog, integration_id: int = 1) -> None:
        self.connection = connection
        self.catalog = catalog
        self.integration_id = integration_id

    def __call__(self, *observations: Observation, marks: Sequence[Mark] = ()) -> Applied:
        return apply(self.connection, self.catalog, self.integration_id, observations, marks)

    def row(self, id_: str = "1", resource: str = ORDER) -> Any:
        query = select(objects).where(objects.c.resource == resource, objects.c.id == id_)
        here = objects.c.integration_id == self.integration_id
        return self.connection.execute(query.where(here)).one_or_none()

    def doc(self, id_: str = "1", resource: str = ORDER) -> Any:
        row = self.row(id_, resource)
        return row.doc if row and not row.deleted_at else None

    def stale(self) -> set[tuple[str, str]]:
        here = stale.c.integration_id == self.integration_id
        return {(r.resource, r.id) for r in self.connection.execute(select(stale).where(here))}

    def rows(self, table: str) -> list[Any]:
        """Return the rows of a table in the order of its primary key."""
        columns = metadata.tables[table]
        ordered = select(columns).order_by(*columns.primary_key)
        return list(self.connection.execute(ordered))

    def used_link_kinds(self) -> list[Any]:
        used = select(link_kinds).where(link_kinds.c.id.in_(select(links.c.kind)))
        return list(self.connection.execute(used))

    def links(self) -> set[tuple[str, str, str, str]]:
        """Return the links as resource, id, field and target id."""
        query = text(
            """SELECT k.resource, l.id, k.field, l.target_id FROM links l
            JOIN link_kinds k ON k.id = l.kind WHERE l.integration_id = :integration"""
        )
        found = self.connection.execute(query, {"integration": self.integration_id})
        return {(r[0], r[1], r[2], r[3]) for r in found}

    def settle(self) -> None:
        """Remove all stale marks, as reads would."""
        self.connection.execute(stale.delete())
