"""The table of known custom attributes: it learns the attributes of new documents.

The catalog with these attributes has a field for each. It is built again only after the table changed.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, func, select

from ultraviolet.db import bulk, locks
from ultraviolet.db.tables.mirror import attributes
from ultraviolet.ion.attributes import (
    MAX_ATTRIBUTES,
    Attribute,
    kind_of,
    learnable,
    new_column,
    with_attributes,
)
from ultraviolet.ion.catalog import Catalog

_LOAD = """SELECT integration_id, name, type, column_name FROM attributes
  WHERE resource = :resource ORDER BY id"""
_COLUMNS = ("integration_id", "resource", "name", "type", "column_name")


def learn(
    connection: Connection, integration_id: int, found: Mapping[str, Iterable[tuple[str, str]]]
) -> None:
    """Store the names and types of attributes, by resource, that are not known yet."""
    for resource, seen in found.items():
        named = learnable(seen)
        if not named:
            continue
        given = {"resource": resource}
        if not _unknown(bulk.fetch_rows(connection, _LOAD, given), integration_id, named)[0]:
            continue
        locks.lock(connection, "attributes")  # two integrations must not choose the same column
        missing, columns = _unknown(
            bulk.fetch_rows(connection, _LOAD, given), integration_id, named
        )
        new: list[tuple[int, str, str, str, str]] = []
        for name, type_ in missing:
            same = (name, kind_of(type_))
            if same not in columns:
                if len(columns) == MAX_ATTRIBUTES:
                    continue
                columns[same] = new_column(name, columns.values())
            new.append((integration_id, resource, name, type_, columns[same]))
        bulk.insert(connection, attributes, _COLUMNS, new)


def _unknown(
    rows: Iterable[tuple[int, str, str, str]],
    integration_id: int,
    named: Iterable[tuple[str, str]],
) -> tuple[list[tuple[str, str]], dict[tuple[str, str], str]]:
    """Return the attributes to learn, and all columns of the resource by name and kind."""
    columns = {(name, kind_of(type_)): column for _, name, type_, column in rows}
    known = {(name, type_) for id_, name, type_, _ in rows if id_ == integration_id}
    missing = [
        (name, type_)
        for name, type_ in named
        if (name, type_) not in known
        and (len(columns) < MAX_ATTRIBUTES or (name, kind_of(type_)) in columns)
    ]
    return missing, columns


def names(connection: Connection, integration_id: int, resource: str) -> list[str]:
    """Return the names of the attributes of a resource in an integration."""
    query = select(attributes.c.name).where(
        attributes.c.integration_id == integration_id, attributes.c.resource == resource
    )
    return list(connection.execute(query.distinct()).scalars())


def forget_removed(connection: Connection) -> None:
    """Delete the attributes of removed integrations."""
    connection.execute(delete(attributes).where(attributes.c.integration_id.is_(None)))


def load(connection: Connection, integration_id: int | None = None) -> list[Attribute]:
    """Return the attributes of an integration or of all, in the order in which they were learned."""
    table = attributes.c
    query = select(table.resource, table.name, table.type, table.column_name)
    if integration_id is not None:
        query = query.where(table.integration_id == integration_id)
    return [Attribute(*row) for row in connection.execute(query.order_by(table.id))]


def columns(connection: Connection, integration_id: int) -> frozenset[tuple[str, str]]:
    """Return resource and column of each attribute of an integration."""
    return frozenset((each.resource, each.column) for each in load(connection, integration_id))


class AttributeCatalog:
    """The catalog with the attributes that are known now."""

    def __init__(self, contract: Catalog) -> None:
        self._contract = contract
        self._known: tuple[tuple[int, int], Catalog] = ((0, 0), contract)

    def get(self, connection: Connection) -> Catalog:
        """Return the catalog with all known attributes."""
        query = select(func.count(), func.coalesce(func.max(attributes.c.id), 0))
        count, last = connection.execute(query).one()
        state, catalog = self._known
        if state != (count, last):
            catalog = with_attributes(self._contract, load(connection)) if count else self._contract
            self._known = ((count, last), catalog)
        return catalog
