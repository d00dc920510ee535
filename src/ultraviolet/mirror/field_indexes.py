"""Indexes of single fields of big resources, created on request, so that sorting and filtering by them is quick.

Each costs every later change of that resource a little, so there are only so many.
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
    Integer,
    Text,
    func,
    literal_column,
    select,
)

from ultraviolet.db import sql
from ultraviolet.db.tables.mirror import objects
from ultraviolet.ion.model import Resource

MIN_OBJECTS = 5_000
"""Objects of a resource from which on an index is worth having."""
MAX_INDEXES = 24
_BEGINNING = "objects_by_field_"
INDEXED_CHARACTERS = 200
"""So many of a text are in its index: PostgreSQL refuses a row whose entry would be longer than 2704 bytes."""
_LEAST = {
    "real": literal_column("-1e308", Float()),
    **dict.fromkeys(
        ("integer", "id", "time"),
        literal_column("CAST('-9223372036854775808' AS BIGINT)", BigInteger()),
    ),
    "boolean": literal_column("-1", Integer()),
}
"""What is less than any value of a kind."""
_NOTHING = literal_column("''", Text())


class FieldIndex(msgspec.Struct, frozen=True):
    """An index to be made."""

    name: str
    rest: str
    """What follows its name."""


def sort_key(connection: Connection, field: str, kind: str) -> ColumnElement[Any]:
    """Return what a field is sorted and compared by, of a text its first `LETTERS`.

    What has no value, or none that fits, comes first.
    """
    value = sql.value_of(connection, objects, field, kind)
    if kind in _LEAST:
        return func.coalesce(value, _LEAST[kind])
    return func.coalesce(
        func.substr(
            func.lower(value), literal_column("1"), literal_column(str(INDEXED_CHARACTERS))
        ),
        _NOTHING,
    )


def missing_indexes(
    connection: Connection,
    integration_id: int,
    resource: Resource,
    fields: Iterable[tuple[str, str]],
) -> list[FieldIndex]:
    """Return which indexes of these fields would be worth having and are not there; a field comes with its kind.

    The id is its own order: shorter numbers first.
    """
    of_resource = (objects.c.integration_id == integration_id, objects.c.resource == resource.name)
    if (
        connection.execute(
            select(objects.c.id).where(*of_resource).offset(MIN_OBJECTS).limit(1)
        ).scalar()
        is None
    ):
        return []
    there = sql.index_names(connection, _BEGINNING)
    wanted = [_index(connection, resource, name, kind) for name, kind in fields]
    return [one for one in wanted if one.name not in there][: max(0, MAX_INDEXES - len(there))]


def create_indexes(connection: Connection, wanted: Sequence[FieldIndex]) -> None:
    """Make indexes where there is one writer, who waits meanwhile."""
    for one in wanted:
        connection.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS {one.name} {one.rest}")
        # Without figures SQLite thinks no better of it than of the index of changes, with true ones worse: of a
        # resource in one integration it has all rows, and the figures do not tell that it has no others.
        connection.exec_driver_sql("PRAGMA analysis_limit = 10")
        connection.exec_driver_sql(f"ANALYZE {one.name}")
        stated = "UPDATE sqlite_stat1 SET stat = '1000000 5 1 1 1' WHERE idx = ?"
        connection.exec_driver_sql(stated, (one.name,))
        connection.exec_driver_sql("ANALYZE sqlite_schema")


def _index(connection: Connection, resource: Resource, field: str, kind: str) -> FieldIndex:
    named = hashlib.sha256(f"{resource.name} {field}".encode()).hexdigest()[:16]
    written = sort_key(connection, field, kind).compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    )
    first = "" if field == "id" else f"({written}), ".replace("objects.", "")
    of_resource = sql.sql_literal(resource.name)
    return FieldIndex(
        f"{_BEGINNING}{named}",
        f"ON objects (integration_id, {first}length(id), id) WHERE resource = {of_resource}",
    )
