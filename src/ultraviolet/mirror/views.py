"""Typed SQL views of the mirror, one per resource, made from the catalog: for people with SQL tools.

`ion_purchase_orders` has a row for each purchase order that is not deleted, a column for each field under ION's
column name, and ids as text, as the mirror has them. What each column is stands in the table `view_columns`, and on
PostgreSQL in the comments of the columns too.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, delete, insert, select

from ultraviolet.ion.catalog import SHOWN, Catalog, Field, Resource
from ultraviolet.ion.documents import is_read
from ultraviolet.ion.naming import snake
from ultraviolet.mirror import dialect
from ultraviolet.mirror.tables import settings, view_columns

PREFIX = "ion_"
_DIGEST = "views"
_TYPES = {"Int": "integer", "Float": "real", "Decimal": "real", "Boolean": "boolean", "DateTime": "time"}
_CASTS = {
    "integer": "CAST({} AS INTEGER)",
    "real": "CAST({} AS REAL)",
    "boolean": "{}",
    "text": "CAST({} AS TEXT)",
    "time": "{}",
    "json": "NULLIF({}, 'null')",
}
_POSTGRESQL_CASTS = {
    "integer": "({})::bigint",
    "real": "({})::double precision",
    "boolean": "({})::boolean",
    "text": "{}",
    "time": "({})::timestamptz",
    "json": "NULLIF(({})::text, 'null')::json",
}


class ViewColumn(msgspec.Struct, frozen=True):
    """A column of a view: its name, type (integer, real, boolean, text, time, json), field of ION and meaning."""

    name: str
    type: str
    field: str
    comment: str


OWN = (
    ViewColumn("integration", "text", "", "Name of the integration the object was read from"),
    ViewColumn("id", "text", "id", "ION's id"),
)
PROVENANCE = (
    ViewColumn("mirror_version", "integer", "", "Number of this content in the mirror's history, from 1"),
    ViewColumn("mirror_changed_at", "time", "", "When this content came into the mirror"),
    ViewColumn("mirror_observed_at", "time", "", "When ION was last seen to say this"),
)


def name_of(resource: Resource) -> str:
    """Give the name of a resource's view."""
    return f"{PREFIX}{resource.name}"


def columns(catalog: Catalog, resource: Resource) -> tuple[ViewColumn, ...]:
    """Give the columns of a resource's view: id, fields, links, attributes and lists, then where it all is from."""
    fields = {f.column: _column(resource, f) for f in resource.fields if f.name != "id" and is_read(f.name)}
    lists = {r.field: r for r in resource.relations if r.kept or r.field in SHOWN}
    found = [*fields.values()]
    if resource.attributes:
        comment = "Custom attributes by key, each with its type and value"
        found.append(ViewColumn("attributes", "json", "attributes", comment))
    for name, relation in lists.items():
        what = catalog.resources[relation.resource].title if relation.resource in catalog.resources else name
        found.append(ViewColumn(snake(name), "json", name, f"Its {what.lower()}"))
    return (*OWN, *found, *PROVENANCE)


def _column(resource: Resource, field: Field) -> ViewColumn:
    link = next((x for x in resource.links if x.key == field.name), None)
    kind = "json" if field.list or field.type in {"SlateContent", "ScalarValue"} else "text"
    if kind == "text" and not link:
        kind = _TYPES.get(field.type, "text")
    about = f"{resource.type}.{field.name}"
    return ViewColumn(
        field.column, kind, field.name, f"{about}, id in {PREFIX + link.resource}" if link else about
    )


def definition(catalog: Catalog, resource: Resource, on_postgresql: bool) -> str:
    """Write the CREATE VIEW of a resource."""
    casts = _POSTGRESQL_CASTS if on_postgresql else _CASTS
    shown = ["i.name AS integration", "o.id AS id"]
    for column in columns(catalog, resource)[len(OWN) : -len(PROVENANCE)]:
        read = "->" if column.type == "json" else "->>"
        place = column.field if on_postgresql else f'$."{column.field}"'
        shown.append(f"""{casts[column.type].format(f"o.doc {read} '{place}'")} AS "{column.name}\"""")
    for column in PROVENANCE:
        value = casts[column.type].format(f"o.{column.name.removeprefix('mirror_')}")
        shown.append(f"{value} AS {column.name}")
    return (
        f"CREATE VIEW {name_of(resource)} AS SELECT {', '.join(shown)} FROM integrations i"
        f" JOIN objects o ON o.integration_id = i.id AND o.resource = '{resource.name}' AND o.deleted_at IS NULL"
    )


def create(connection: Connection, catalog: Catalog) -> None:
    """Make the views anew where they are not those of this catalog; quick where they are."""
    dialect.wait_for_turn(connection, "migration")
    wanted = {r.name: definition(catalog, r, dialect.is_postgresql(connection)) for r in catalog.mirrored}
    digest = hashlib.sha256("\n".join(wanted.values()).encode()).hexdigest()
    known = connection.execute(select(settings.c.value).where(settings.c.name == _DIGEST)).scalar()
    if known == digest:
        return
    cascade = " CASCADE" if dialect.is_postgresql(connection) else ""
    connection.execute(delete(view_columns))
    for resource in catalog.mirrored:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name_of(resource)}{cascade}")
        connection.exec_driver_sql(wanted[resource.name].replace("%", "%%"))
        _describe(connection, catalog, resource)
    connection.execute(delete(settings).where(settings.c.name == _DIGEST))
    connection.execute(insert(settings).values(name=_DIGEST, value=digest))


def _describe(connection: Connection, catalog: Catalog, resource: Resource) -> None:
    view = name_of(resource)
    rows = [
        {"view": view, "position": n, **msgspec.structs.asdict(column)}
        for n, column in enumerate(columns(catalog, resource), start=1)
    ]
    connection.execute(insert(view_columns), rows)
    if dialect.is_postgresql(connection):
        connection.exec_driver_sql(";".join(_comments(view, rows)))


def _comments(view: str, rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    for row in rows:
        comment = str(row["comment"]).replace("'", "''").replace("%", "%%")
        yield f"COMMENT ON COLUMN {view}.\"{row['name']}\" IS '{comment}'"
