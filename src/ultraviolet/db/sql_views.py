"""Typed SQL views of the mirror, one per resource, generated from the catalog.

`ion_purchase_orders` has a row for each purchase order that is not deleted, a column for each field
under ION's column name, and ids as text. The table `view_columns` describes the columns, on
PostgreSQL also their comments. A value that does not fit the type of its column is NULL, and is
shown in `mirror_invalid_values` as ION sent it.
"""

import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, text, tuple_, update

from ultraviolet.db import dialect, engine, locks, representation, sql
from ultraviolet.db.tables.integrations import integrations, settings
from ultraviolet.db.tables.mirror import objects, view_columns
from ultraviolet.ion.catalog import SHOWN, Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.ion.naming import snake
from ultraviolet.ion.queries import is_read

PREFIX = "ion_"
_DIGEST = "views"
_BATCH_ROWS = 2_000
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
    """Return the columns of a resource's view: id, fields, attributes, lists and provenance."""
    targets = {link.key: link.resource for link in reversed(resource.links)}
    fields: dict[str, ViewColumn] = {}
    for f in resource.fields:
        if f.name != "id" and is_read(f.name):
            about = f"{resource.type}.{f.name}"
            if f.name in targets:
                about = f"{about}, id in {PREFIX}{targets[f.name]}"
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
    return (*OWN, *found, *PROVENANCE)


def column_name(field_column: str) -> str:
    """Return the SQL name of a field's column: ION's, with a trailing underscore if reserved."""
    return f"{field_column}_" if field_column in _RESERVED else field_column


def view_sql(catalog: Catalog, resource: Resource, on_postgresql: bool) -> str:
    """Return the CREATE VIEW of a resource. Values that do not fit are NULL, never converted."""
    shown = ["i.name AS integration", "o.id AS id"]
    for column in columns(catalog, resource)[len(OWN) : -len(PROVENANCE)]:
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
    for column in PROVENANCE:
        stored = f"o.{column.name.removeprefix('mirror_')}"
        as_it_is = column.type == "json" or not on_postgresql
        value = stored if as_it_is else _value(stored, column.type, on_postgresql)
        shown.append(f"{value} AS {column.name}")
    return (
        f"CREATE VIEW {view_name(resource)} AS SELECT {', '.join(shown)} FROM integrations i"
        f" JOIN objects o ON o.integration_id = i.id AND o.resource = '{resource.name}'"
        " AND o.deleted_at IS NULL"
    )


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


def create_views(connection: Connection, catalog: Catalog) -> None:
    """Create the views of the catalog, unless they exist already."""
    locks.lock(connection, "migration")
    on_postgresql = dialect.is_postgresql(connection)
    wanted = {r.name: view_sql(catalog, r, on_postgresql) for r in catalog.mirrored}
    digest = hashlib.sha256("\n".join(wanted.values()).encode()).hexdigest()
    known = connection.execute(select(settings.c.value).where(settings.c.name == _DIGEST)).scalar()
    if known == digest:
        return
    cascade = " CASCADE" if on_postgresql else ""
    connection.execute(delete(view_columns))
    for resource in catalog.mirrored:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view_name(resource)}{cascade}")
        statement = wanted[resource.name]
        # psycopg treats % as a parameter.
        connection.exec_driver_sql(statement.replace("%", "%%") if on_postgresql else statement)
        view, shown = view_name(resource), columns(catalog, resource)
        rows = [
            {"view": view, "position": n, **msgspec.structs.asdict(column)}
            for n, column in enumerate(shown, start=1)
        ]
        connection.execute(insert(view_columns), rows)
        if on_postgresql:
            comments = ""
            for column in shown:
                comment = column.comment.replace("'", "''").replace("%", "%%")
                comments += f"COMMENT ON COLUMN {view}.{column.name} IS '{comment}';"
            connection.exec_driver_sql(comments)
        _update_invalid_values(connection, resource)
    connection.execute(delete(settings).where(settings.c.name == _DIGEST))
    connection.execute(insert(settings).values(name=_DIGEST, value=digest))


def _update_invalid_values(connection: Connection, resource: Resource) -> None:
    """Update the invalid values of a resource, whose column types may have changed."""
    table = objects.c
    after: tuple[int, str] = (0, "")
    while True:
        query = select(table.integration_id, table.id, table.doc, table.invalid_values).where(
            table.resource == resource.name, tuple_(table.integration_id, table.id) > tuple_(*after)
        )
        rows = connection.execute(
            query.order_by(table.integration_id, table.id).limit(_BATCH_ROWS)
        ).all()
        for row in rows:
            invalid = representation.invalid_values(resource.kinds, row.doc) or None
            if invalid != row.invalid_values:
                here = (
                    table.integration_id == row.integration_id,
                    table.resource == resource.name,
                    table.id == row.id,
                )
                connection.execute(update(objects).where(*here).values(invalid_values=invalid))
        if len(rows) < _BATCH_ROWS:
            return
        after = rows[-1].integration_id, rows[-1].id


_UNCONVERTED_KINDS = frozenset(("integer", "real", "text"))
"""Kinds whose valid values are displayed as the drivers return them."""
_TOLERANCE = 1e-15
"""Relative rounding error of SQLite's conversion of decimal numbers."""


class Comparison:
    """Compares the rows of a resource's view with the documents."""

    def __init__(self, catalog: Catalog, resource: Resource) -> None:
        """Prepare the query of the view."""
        self._columns = [
            (column.name, column.type, column.field)
            for column in columns(catalog, resource)
            if column.field not in ("", "id")
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
            value = doc.get(field)
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
