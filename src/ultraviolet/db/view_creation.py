"""Create the SQL views, and add the columns of new custom attributes to them.

A view only gains columns, so that a query or a view of the user that reads it keeps working.
"""

import hashlib
from contextlib import suppress

import msgspec
from sqlalchemy import Connection, delete, insert, select, tuple_, update
from sqlalchemy.exc import DBAPIError

from ultraviolet.db import attributes, dialect, locks, representation, stored_facts
from ultraviolet.db.sql_views import columns, view_name, view_query
from ultraviolet.db.tables.mirror import objects, view_columns
from ultraviolet.ion.attributes import PREFIX
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource

_BATCH_ROWS = 2_000


def create_views(connection: Connection, contract: Catalog) -> None:
    """Create the views with the known attributes, unless they exist already."""
    locks.lock(connection, "migration")
    queries = [view_query(connection, contract, resource) for resource in contract.mirrored]
    digest = hashlib.sha256("\n".join(queries).encode()).hexdigest()
    if stored_facts.read_fact(connection, stored_facts.VIEWS) == digest:
        catalog = attributes.AttributeCatalog(contract).get(connection)
        for resource in lacking_views(connection, catalog):
            with suppress(DBAPIError), connection.begin_nested():  # extended later
                extend_view(connection, catalog, resource)
        return
    cascade = " CASCADE" if dialect.is_postgresql(connection) else ""
    attributes.forget_removed(connection)
    catalog = attributes.AttributeCatalog(contract).get(connection)
    connection.execute(delete(view_columns))
    for resource in catalog.mirrored:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view_name(resource)}{cascade}")
        _create_view(connection, catalog, resource)
        _update_invalid_values(connection, resource)
    stored_facts.save_fact(connection, stored_facts.VIEWS, digest)


def lacking_views(connection: Connection, catalog: Catalog) -> list[Resource]:
    """Return the resources whose view lacks the column of a known attribute."""
    table = view_columns.c
    query = select(table.view, table.name).where(table.field.startswith(PREFIX, autoescape=True))
    there = {tuple(row) for row in connection.execute(query)}
    return [
        resource
        for resource in catalog.mirrored
        if any(
            f.attribute and (view_name(resource), f.column) not in there for f in resource.fields
        )
    ]


def extend_view(connection: Connection, catalog: Catalog, resource: Resource) -> None:
    """Add the columns of new attributes to a view.

    On PostgreSQL, this waits at most a second for running queries of the view, because other
    queries wait meanwhile. Raise DBAPIError then. On SQLite, running queries see the old view.
    """
    if dialect.is_postgresql(connection):
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
    else:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view_name(resource)}")
    connection.execute(delete(view_columns).where(view_columns.c.view == view_name(resource)))
    _create_view(connection, catalog, resource)


def _create_view(connection: Connection, catalog: Catalog, resource: Resource) -> None:
    """Create a view and describe its columns; on PostgreSQL, an existing one gains columns."""
    view, shown = view_name(resource), columns(catalog, resource)
    on_postgresql = dialect.is_postgresql(connection)
    create = "CREATE OR REPLACE VIEW" if on_postgresql else "CREATE VIEW"
    statement = f"{create} {view} AS {view_query(connection, catalog, resource)}"
    # psycopg treats % as a parameter.
    connection.exec_driver_sql(statement.replace("%", "%%") if on_postgresql else statement)
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
