"""Order objects by a field of an object that they link to.

The table of links has the foreign keys of all current objects, except those of authors. So the order of a whole resource
needs only the documents of the linked objects. Objects without a value come first, as in the order
of an own field.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    except_,
    func,
    literal,
    select,
    tuple_,
)

from ultraviolet.db import sql
from ultraviolet.db.tables.mirror import BY_CHANGE, link_kinds, links, objects
from ultraviolet.ion.model import AUTHOR_KEYS, Link
from ultraviolet.mirror import field_indexes

_FIRST_TARGETS = 200
"""Number of linked objects to try first; the objects that link to them usually fill a page."""
_NO_KIND = -1


class LinkedField(msgspec.Struct, frozen=True):
    """A field of the object at the end of links, with its column type."""

    resource: str
    """The resource whose objects are ordered."""
    links: tuple[Link, ...]
    field: str
    kind: str

    @property
    def is_listed(self) -> bool:
        """Whether the table of links has these links; it has none to authors."""
        return AUTHOR_KEYS.isdisjoint(link.key for link in self.links)


class Position(msgspec.Struct, frozen=True):
    """Sort key and id of the last object of a page."""

    key: Any
    id: str


def sort_key(connection: Connection, by: LinkedField) -> ColumnElement[Any]:
    """Return the expression by which objects are sorted. It reads a linked object for each."""
    at = objects
    conditions: list[ColumnElement[bool]] = []
    for link in by.links:
        target = objects.alias()
        conditions += [
            target.c.integration_id == at.c.integration_id,
            target.c.resource == sql.sql_literal(link.resource),
            target.c.id == sql.text_of(connection, at, link.key, "id"),
            target.c.deleted_at.is_(None),
        ]
        at = target
    key = select(field_indexes.sort_key(connection, by.field, by.kind, at)).where(*conditions)
    return func.coalesce(key.correlate(objects).scalar_subquery(), field_indexes.first_key(by.kind))


def first_ids(
    connection: Connection,
    integration_id: int,
    by: LinkedField,
    last: Position | None,
    limit: int,
    *,
    down: bool,
) -> list[str]:
    """Return the ids of the first objects after a position, without deleted objects.

    The links must be listed.
    """
    order = _LinkedOrder(connection, integration_id, by, down=down)
    first_key = connection.execute(select(field_indexes.first_key(by.kind))).scalar_one()
    linked = order.linked_objects(last, limit)
    filled = [row.id for row in linked if row.key != first_key]
    if (down and len(filled) == limit) or not (down or last is None or last.key == first_key):
        return filled
    empty = [row.id for row in linked if row.key == first_key]
    after = last.id if last and last.key == first_key else None
    empty += order.other_ids(after, limit)
    empty.sort(key=lambda id_: (len(id_), id_), reverse=down)
    return (filled + empty if down else empty + filled)[:limit]


def select_link_kind(resource: str, field: str | None, target: str) -> Select[Any]:
    """Return the query of the id of a kind of links."""
    return select(link_kinds.c.id).where(
        link_kinds.c.resource == resource,
        link_kinds.c.field == field,
        link_kinds.c.target_resource == target,
    )


class _LinkedOrder:
    """Queries of one order."""

    def __init__(
        self, connection: Connection, integration_id: int, by: LinkedField, *, down: bool
    ) -> None:
        self._connection = connection
        self._integration_id = integration_id
        self._by = by
        self._down = down
        self._kinds: list[int] = []
        resource = by.resource
        for link in by.links:
            query = select_link_kind(resource, link.key, link.resource)
            self._kinds.append(connection.execute(query).scalar() or _NO_KIND)
            resource = link.resource

    def linked_objects(
        self, last: Position | None, limit: int
    ) -> Sequence[Row[Any, Any, int, Any]]:
        """Return id and key of the first objects after a position that have a linked object."""
        key = field_indexes.sort_key(self._connection, self._by.field, self._by.kind)
        targets = select(objects.c.id, key.label("key")).where(*self._targets())
        if last:
            there = literal(last.key, key.type)
            targets = targets.where(key <= there if self._down else key >= there)
        nearest = targets.order_by(*self._directed(key)).limit(_FIRST_TARGETS)
        rows = self._connection.execute(self._join_links(nearest, last, limit)).all()
        if rows and rows[0].targets < _FIRST_TARGETS:
            return rows
        if len(rows) == limit and rows[-1].key != rows[-1].last_key:
            return rows  # other targets can have the last key
        return self._connection.execute(self._join_links(targets, last, limit)).all()

    def other_ids(self, after: str | None, limit: int) -> Sequence[str]:
        """Return the first ids after an id of objects that have no linked object."""
        of_resource = (
            objects.c.integration_id == self._integration_id,
            objects.c.resource == sql.sql_literal(self._by.resource),
        )
        deleted = select(objects.c.id).where(*of_resource, objects.c.deleted_at.is_not(None))
        linked: Select[Any] = select(objects.c.id).where(*self._targets())
        for kind in reversed(self._kinds):
            linked = select(links.c.id).where(*self._links(kind), links.c.target_id.in_(linked))
        every = select(func.count()).select_from(objects).where(*of_resource, BY_CHANGE)
        others = every.scalar_subquery()
        for query in (deleted, linked):
            count = select(func.count()).select_from(query.subquery())
            others = others - count.scalar_subquery()
        if self._connection.execute(select(others)).scalar_one() == 0:
            return []
        every_id = select(objects.c.id).where(*of_resource)
        found = except_(every_id, deleted, linked).subquery().c
        tie_breaker = (func.length(found.id), found.id)
        query = select(found.id).order_by(*self._directed(*tie_breaker)).limit(limit)
        if after is not None:
            query = query.where(self._is_after(tie_breaker, (len(after), after)))
        return self._connection.execute(query).scalars().all()

    def _join_links(
        self, targets: Select[Any, Any], last: Position | None, limit: int
    ) -> Select[Any, Any, int, Any]:
        """Return a query for the objects that link to targets, through all links."""
        first = at = targets.cte().prefix_with("MATERIALIZED")
        for kind in reversed(self._kinds[1:]):  # materialized, or SQLite starts with all links
            joined = select(links.c.id, at.c.key).where(
                *self._links(kind), links.c.target_id == at.c.id
            )
            at = joined.cte().prefix_with("MATERIALIZED")
        end = func.min(first.c.key) if self._down else func.max(first.c.key)
        order = (at.c.key, func.length(links.c.id), links.c.id)
        query = select(
            links.c.id,
            at.c.key,
            select(func.count()).select_from(first).scalar_subquery().label("targets"),
            select(end).scalar_subquery().label("last_key"),
        ).where(*self._links(self._kinds[0]), links.c.target_id == at.c.id)
        if last:
            there = literal(last.key, at.c.key.type)
            query = query.where(self._is_after(order, (there, len(last.id), last.id)))
        return query.order_by(*self._directed(*order)).limit(limit)

    def _targets(self) -> tuple[ColumnElement[bool], ...]:
        return (
            objects.c.integration_id == self._integration_id,
            objects.c.resource == sql.sql_literal(self._by.links[-1].resource),
            objects.c.deleted_at.is_(None),
        )

    def _links(self, kind: int) -> tuple[ColumnElement[bool], ...]:
        return links.c.integration_id == self._integration_id, links.c.kind == kind

    def _directed(self, *order: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        return [each.desc() if self._down else each for each in order]

    def _is_after(
        self, order: Sequence[ColumnElement[Any]], position: Sequence[Any]
    ) -> ColumnElement[bool]:
        here, there = tuple_(*order), tuple_(*position)
        return here < there if self._down else here > there
