"""Indexes of single fields of large resources, for sorting and filtering.

The columns of the lists of large resources have one; others are created on request. Each index
slows down changes of its resource a little, so their number is limited.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    FromClause,
    Integer,
    Text,
    func,
    literal_column,
    select,
)

from ultraviolet.db import sql
from ultraviolet.db.dialect import is_postgresql
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.ion.attributes import attribute_name
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource

MIN_OBJECTS = 5_000
"""Number of objects of a resource above which an index is useful."""
MAX_INDEXES = 24
LISTED_OBJECTS = range(20_000, 500_000)
"""Numbers of objects of a resource whose list gets indexes.

Sorting fewer objects takes little time. With more, each index would delay deliveries on SQLite for
seconds, so people decide.
"""
MAX_LIST_INDEXES = 16
_NAME_PREFIX = "objects_by_field_"
INDEXED_CHARACTERS = 200
"""Indexed prefix of a text. PostgreSQL rejects index entries of more than 2704 bytes."""
_BEFORE_ALL_VALUES = {
    "real": literal_column("-1e308", Float()),
    **dict.fromkeys(
        ("integer", "id", "time"),
        literal_column("CAST('-9223372036854775808' AS BIGINT)", BigInteger()),
    ),
    "boolean": literal_column("-1", Integer()),
}
"""A value less than any other, by type."""
_EMPTY_TEXT = literal_column("''", Text())


class FieldIndex(msgspec.Struct, frozen=True):
    """An index to create."""

    name: str
    definition: str
    """The part of CREATE INDEX after the name."""


def sort_key(
    connection: Connection, field: str, kind: str, of: FromClause = objects
) -> ColumnElement[Any]:
    """Return the expression by which a field is sorted; of a text, its first `INDEXED_CHARACTERS`.

    Objects without a valid value come first.
    """
    value = sql.value_of(connection, of, field, kind)
    if kind not in _BEFORE_ALL_VALUES:
        value = func.substr(
            func.lower(value), literal_column("1"), literal_column(str(INDEXED_CHARACTERS))
        )
    return func.coalesce(value, first_key(kind))


def first_key(kind: str) -> ColumnElement[Any]:
    """Return the sort key of objects without a valid value."""
    return _BEFORE_ALL_VALUES.get(kind, _EMPTY_TEXT)


def missing_indexes(
    connection: Connection,
    integration_id: int,
    resource: Resource,
    fields: Iterable[tuple[str, str]],
) -> list[FieldIndex]:
    """Return the useful indexes of these fields, given with their types, that do not exist.

    Ids sort by length first, so that they are in numeric order.
    """
    of_resource = (objects.c.integration_id == integration_id, objects.c.resource == resource.name)
    if (
        connection.execute(
            select(objects.c.id).where(*of_resource).offset(MIN_OBJECTS).limit(1)
        ).scalar()
        is None
    ):
        return []
    there = sql.index_names(connection, _NAME_PREFIX)
    missing: list[FieldIndex] = []
    for field, kind in fields:
        attribute = attribute_name(field)
        on_postgresql = is_postgresql(connection)
        if not (attribute is None or on_postgresql or sql.is_path_name(attribute)):
            continue  # SQLite reads these attributes with a subquery
        indexed = (
            f"{resource.name} {field}" if attribute is None else f"{resource.name} {field} {kind}"
        )
        digest = hashlib.sha256(indexed.encode()).hexdigest()
        name = f"{_NAME_PREFIX}{digest[:16]}"
        written = sort_key(connection, field, kind).compile(
            dialect=connection.dialect,
            compile_kwargs={"literal_binds": True, "include_table": False},
        )
        key = str(written).replace("%%", "%") if on_postgresql else str(written)
        first = "" if field == "id" else f"({key}), "
        columns = f"(integration_id, {first}length(id), id)"
        condition = f"resource = {sql.sql_literal(resource.name)}"
        if name not in there:
            missing.append(FieldIndex(name, f"ON objects {columns} WHERE {condition}"))
    return missing[: max(0, MAX_INDEXES - len(there))]


def missing_list_indexes(connection: Connection, catalog: Catalog) -> list[FieldIndex]:
    """Return the missing indexes of the usual columns of lists, and of the time of creation.

    Links are sorted by the names of the linked objects, which needs no index.
    """
    scope = (objects.c.integration_id, objects.c.resource)
    number = func.count().label("number")
    counted = select(*scope, number).where(BY_CHANGE).group_by(*scope).order_by(number.desc())
    missing: dict[str, FieldIndex] = {}
    for integration_id, name, count in connection.execute(counted):
        resource = catalog.resources.get(name)
        if resource is None or count not in LISTED_OBJECTS:
            continue
        links = {link.key for link in resource.links}
        shown = dict.fromkeys((*resource_label(name).columns, "_created"))
        fields = [
            (field, resource.kinds[field])
            for field in shown
            if field in resource.kinds and field not in links and field != "id"
        ]
        found = missing_indexes(connection, integration_id, resource, fields)
        missing |= {index.name: index for index in found}
    there = len(sql.index_names(connection, _NAME_PREFIX))
    return list(missing.values())[: max(0, MAX_LIST_INDEXES - there)]


def create_indexes(connection: Connection, wanted: Sequence[FieldIndex]) -> None:
    """Create indexes on SQLite; other writes wait meanwhile."""
    for index in wanted:
        connection.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS {index.name} {index.definition}")
        # SQLite would not choose the index: without statistics it looks no better than the index
        # of changes, and real statistics hide that the index contains only this resource.
        connection.exec_driver_sql("PRAGMA analysis_limit = 10")
        connection.exec_driver_sql(f"ANALYZE {index.name}")
        stated = "UPDATE sqlite_stat1 SET stat = '1000000 5 1 1 1' WHERE idx = ?"
        connection.exec_driver_sql(stated, (index.name,))
        connection.exec_driver_sql("ANALYZE sqlite_schema")
