"""Typed SQL views of the mirror, one per resource, generated from the catalog.

`ion_purchase_orders` has a row for each purchase order that is not deleted, a column for each field
under ION's column name, and ids as text. The table `view_columns` describes the columns, on
PostgreSQL also their comments. A value that does not fit the type of its column is NULL, and is
shown in `mirror_invalid_values` as ION sent it.
The last columns are the custom attributes.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    select,
    text,
)

from ultraviolet.db import dialect, engine, representation, sql
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.mirror import objects
from ultraviolet.ion.attributes import attribute_name, field_value
from ultraviolet.ion.catalog import SHOWN, Catalog
from ultraviolet.ion.labels import field_label
from ultraviolet.ion.model import Resource
from ultraviolet.ion.naming import snake
from ultraviolet.ion.queries import is_read

PREFIX = "ion_"
_OBJECTS = objects.alias("o")
_OWN_VALUES = {"integration": "i.name", "id": "o.id"}
_CASTS = {
    "integer": "CAST({} AS INTEGER)",
    "real": "CAST({} AS REAL)",
    "boolean": "{}",
    "text": "CAST({} AS TEXT)",
    "id": "CAST({} AS TEXT)",
    "json": "NULLIF({}, 'null')",
}
_POSTGRESQL_CASTS = {
    "integer": "({})::bigint",
    "real": "({})::double precision",
    "boolean": "({})::boolean",
    "text": "{}",
    "id": "{}",
    "time": "regexp_replace({}, '^(.{{10}}|.{{19}}([.][0-9]+)?)$', '\\1Z')::timestamptz",
    "json": "NULLIF(({})::text, 'null')::json",
}
_RESERVED = frozenset(
    [
        "add",
        "all",
        "alter",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "authorization",
        "autoincrement",
        "between",
        "binary",
        "both",
        "case",
        "cast",
        "check",
        "collate",
        "collation",
        "column",
        "commit",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "default",
        "deferrable",
        "delete",
        "desc",
        "distinct",
        "do",
        "drop",
        "else",
        "end",
        "escape",
        "except",
        "exists",
        "false",
        "fetch",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "grant",
        "group",
        "having",
        "ilike",
        "in",
        "index",
        "initially",
        "inner",
        "insert",
        "intersect",
        "into",
        "is",
        "isnull",
        "join",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "natural",
        "not",
        "nothing",
        "notnull",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "overlaps",
        "placing",
        "primary",
        "raise",
        "references",
        "returning",
        "right",
        "select",
        "session_user",
        "set",
        "similar",
        "some",
        "symmetric",
        "system_user",
        "table",
        "tablesample",
        "then",
        "to",
        "trailing",
        "transaction",
        "true",
        "union",
        "unique",
        "update",
        "user",
        "using",
        "values",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
    ]
)
"""Words that SQLite or PostgreSQL accepts as column names only in quotes."""


class ViewColumn(msgspec.Struct, frozen=True):
    """A column of a view: name, kind (see representation.py), field of ION and description."""

    name: str
    type: str
    field: str
    comment: str


OWN = (
    ViewColumn("integration", "text", "", "Name of the integration"),
    ViewColumn("id", "text", "id", "ION's id"),
)
PROVENANCE = (
    ViewColumn(
        "mirror_invalid_values",
        "json",
        "",
        "Values that do not fit their column, which is NULL, by ION's field; NULL if all fit",
    ),
    ViewColumn("mirror_version", "integer", "", "Number of the current version, from 1"),
    ViewColumn("mirror_changed_at", "time", "", "When the content last changed in the mirror"),
    ViewColumn("mirror_observed_at", "time", "", "Time of the last observation with this content"),
)


def view_name(resource: Resource) -> str:
    """Return the name of a resource's view."""
    return f"{PREFIX}{resource.name}"


def columns(catalog: Catalog, resource: Resource) -> tuple[ViewColumn, ...]:
    """Return the columns of a resource's view: id, fields, lists, provenance and attributes."""
    targets = {link.key: link.resource for link in reversed(resource.links)}
    fields: dict[str, ViewColumn] = {}
    for f in resource.fields:
        if f.name != "id" and not f.attribute and is_read(f.name):
            about = f"{resource.type}.{f.name}"
            if f.name in targets:
                about = f"{about}, id in {PREFIX}{targets[f.name]}"
            elif f.type == "String" and field_label(f.name).format == "boolean":
                about = f"{about}, text “true” or “false”, as in ION's schema"
            elif note := field_label(f.name).note:
                about = f"{about}, {note}"
            name = column_name(f.column)
            fields[f.column] = ViewColumn(name, resource.kinds[f.name], f.name, about)
    lists = {r.field: r for r in resource.relations if r.kept or r.field in SHOWN}
    found = [*fields.values()]
    if resource.attributes:
        comment = "Custom attributes by key, each with its type and value"
        found.append(ViewColumn("attributes", "json", "attributes", comment))
    for name, relation in lists.items():
        title = (
            catalog.resources[relation.resource].title
            if relation.resource in catalog.resources
            else name
        )
        found.append(ViewColumn(column_name(snake(name)), "json", name, f"Its {title.lower()}"))
    custom = [
        ViewColumn(f.column, resource.kinds[f.name], f.place, f"Custom attribute {f.label}")
        for f in resource.fields
        if f.attribute
    ]
    return (*OWN, *found, *PROVENANCE, *custom)


def column_name(field_column: str) -> str:
    """Return the SQL name of a field's column: ION's, with a trailing underscore if reserved."""
    return f"{field_column}_" if field_column in _RESERVED else field_column


def view_query(connection: Connection, catalog: Catalog, resource: Resource) -> str:
    """Return the query of a resource's view. Values that do not fit are NULL, never converted."""
    on_postgresql = dialect.is_postgresql(connection)
    shown: list[str] = []
    for column in columns(catalog, resource):
        if column in OWN:
            shown.append(f"{_OWN_VALUES[column.name]} AS {column.name}")
            continue
        if column in PROVENANCE:
            stored = f"o.{column.name.removeprefix('mirror_')}"
            as_it_is = column.type == "json" or not on_postgresql
            value = stored if as_it_is else _value(stored, column.type, on_postgresql)
            shown.append(f"{value} AS {column.name}")
            continue
        if attribute_name(column.field) is not None:
            shown.append(f"{_attribute(connection, column)} AS {column.name}")
            continue
        place = f"'{column.field}'"
        value = _value(
            f"o.doc {'->' if column.type == 'json' else '->>'} {place}", column.type, on_postgresql
        )
        if column.type != "json":
            unfit = f"o.invalid_values->{place}"
            value = (
                f"CASE WHEN {unfit} IS NULL THEN {value} END"
                if on_postgresql
                else f"iif({unfit} IS NULL,{value},NULL)"
            )
        shown.append(f"{value} AS {column.name}")
    return (
        f"SELECT {', '.join(shown)} FROM integrations i"
        f" JOIN objects o ON o.integration_id = i.id AND o.resource = '{resource.name}'"
        " AND o.deleted_at IS NULL"
    )


def _attribute(connection: Connection, column: ViewColumn) -> str:
    """Return the SQL of a custom attribute, which is NULL if it has another type."""
    on_postgresql = dialect.is_postgresql(connection)

    def written(expression: ColumnElement[Any]) -> str:
        options = {"literal_binds": True}
        compiled = str(expression.compile(dialect=connection.dialect, compile_kwargs=options))
        return compiled.replace("%%", "%") if on_postgresql else compiled

    arrow = "->" if column.type == "json" else "->>"
    read = written(sql.read(_OBJECTS, arrow, column.field, on_postgresql))
    value = _value(f"({read})", column.type, on_postgresql)
    if column.type == "json":
        return value
    valid = written(sql.is_valid(_OBJECTS, column.field, column.type, on_postgresql))
    return f"CASE WHEN {valid} THEN {value} END"


def _value(read: str, kind: str, on_postgresql: bool) -> str:
    """Return the SQL that converts a valid value."""
    if on_postgresql:
        return _POSTGRESQL_CASTS[kind].format(read)
    if kind != "time":
        return _CASTS[kind].format(read)
    shown = (  # RFC 3339 in UTC with microseconds
        f"strftime('%Y-%m-%dT%H:%M:%S',{engine.whole_seconds('v')})"
        f"||printf('.%06d+00:00',{sql.fraction('v')})"
    )
    # A short name, because SQLite parses all views when it opens the database.
    return (
        f"(SELECT iif(length(v)=32 AND v GLOB '*T*+00:00',v,{shown}) FROM (SELECT ({read}) AS v))"
    )


_UNCONVERTED_KINDS = frozenset(("integer", "real", "text"))
"""Kinds whose valid values are displayed as the drivers return them."""
_TOLERANCE = 1e-15
"""Relative rounding error of SQLite's conversion of decimal numbers."""


class Comparison:
    """Compares the rows of a resource's view with the documents."""

    def __init__(self, catalog: Catalog, resource: Resource, present: AbstractSet[str]) -> None:
        """Prepare the query of those columns of the view that are `present` in it."""
        self._columns = [
            (column.name, column.type, column.field)
            for column in columns(catalog, resource)
            if column.field not in ("", "id") and column.name in present
        ]
        names = ", ".join(["id", *(name for name, _, _ in self._columns)])
        rows = f"SELECT {names} FROM {view_name(resource)} WHERE integration = :name AND id IN :ids"
        self._rows = text(rows).bindparams(bindparam("ids", expanding=True))

    def read(
        self, connection: Connection, integration_id: int, ids: Sequence[str]
    ) -> dict[str, Sequence[Any]]:
        """Read the rows of objects in the view, by id."""
        if not ids:
            return {}
        named = select(integrations.c.name).where(integrations.c.id == integration_id)
        given = {"name": connection.execute(named).scalar_one(), "ids": list(ids)}
        return {row[0]: tuple(row) for row in connection.execute(self._rows, given)}

    def differing(
        self, doc: Mapping[str, Any], shown: Sequence[Any] | None
    ) -> dict[str, tuple[Any, Any]]:
        """Return the differences as expected and actual values by field.

        `shown` is None if the view does not contain the object.
        """
        if shown is None:
            return {"id": (doc.get("id"), None)}
        found: dict[str, tuple[Any, Any]] = {}
        for (_, kind, field), cell in zip(self._columns, shown[1:], strict=True):
            value = field_value(doc, field, kind)
            if value is cell or (
                kind in _UNCONVERTED_KINDS and type(value) is type(cell) and value == cell
            ):
                continue
            expected = value if kind == "json" else representation.cell(kind, value)
            actual = cell
            if kind == "json" and cell is not None:
                actual = msgspec.json.decode(cell)
            elif cell is not None:
                actual = bool(cell) if kind == "boolean" else representation.from_driver(cell)
            if isinstance(expected, float) and isinstance(actual, float):
                same = math.isclose(
                    expected, actual, rel_tol=_TOLERANCE, abs_tol=sys.float_info.min
                )
            else:
                same = type(expected) is type(actual) and expected == actual
            if not same:
                found[field] = (expected, actual)
        return found
