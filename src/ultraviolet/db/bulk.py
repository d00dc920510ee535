"""Write many rows through the driver, because SQLAlchemy's work per row costs more than the write.

SQLite runs a prepared statement. PostgreSQL receives the rows of a statement at once: by COPY for
inserts, as one JSON document for updates and deletes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, starmap
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Table, TextClause
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from ultraviolet.db.column_types import JSON
from ultraviolet.db.dialect import is_postgresql
from ultraviolet.db.sql import insert_statement

Tuples = Sequence[tuple[Any, ...]]

_ROWS_PER_STATEMENT = 100
"""Rows that SQLite inserts with one statement, which releases Python's global lock only once."""
_LIST = re.compile(r"IN (:\w+)")
_PARAMETER = re.compile(r"(?<!:):(\w+)")
_POSTGRESQL = postgresql.dialect()


def fetch_rows(
    connection: Connection, query: str, given: Mapping[str, Any]
) -> Iterable[tuple[Any, ...]]:
    """Run an SQL query; `IN :ids` takes a list of any length."""
    values, postgresql_ = dict(given), is_postgresql(connection)
    if not postgresql_:
        values = {k: _json(v) if isinstance(v, list) else v for k, v in values.items()}
    found = connection.exec_driver_sql(_query(query, postgresql_), values).all()
    return cast("Iterable[tuple[Any, ...]]", found)


def fetch_by_resource(
    connection: Connection, query: str, integration_id: int, ids: Mapping[str, Iterable[str]]
) -> Iterable[tuple[Any, ...]]:
    """Run an SQL query for the ids of each resource, as one statement.

    A join with the pairs of resource and id would be shorter. But PostgreSQL keeps its plan, which
    reads the whole table if that was small at first.
    """
    given: dict[str, Any] = {"integration": integration_id}
    for number, (resource, listed) in enumerate(ids.items()):
        given |= {f"resource{number}": resource, f"ids{number}": list(listed)}
    return fetch_rows(connection, _repeated(query, len(ids)), given) if ids else ()


def execute_many(
    connection: Connection, statement: TextClause, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Run an SQL statement once for each row."""
    if rows:
        connection.exec_driver_sql(_query(statement.text, is_postgresql(connection)), list(rows))


def insert(connection: Connection, table: Table, columns: tuple[str, ...], rows: Tuples) -> None:
    """Insert new rows. JSON columns take JSON as text."""
    if not rows:
        return
    if is_postgresql(connection):
        import psycopg  # noqa: PLC0415  loaded only for PostgreSQL

        if not connection.in_transaction():
            connection.begin()  # so that SQLAlchemy commits
        driver = cast("psycopg.Connection", connection.connection.dbapi_connection)
        statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
        try:
            with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            raise cast(
                "DBAPIError", DBAPIError.instance(statement, (), error, psycopg.Error)
            ) from error
        return
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        some = rows[start : start + _ROWS_PER_STATEMENT]
        statement = insert_statement(table.name, columns, len(some))
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))


def upsert(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Tuples,
    otherwise: str = "ON CONFLICT DO NOTHING",
) -> None:
    """Insert rows with distinct keys; `otherwise` is the clause for existing keys."""
    marks = ", ".join("?" * len(columns))
    new = f"VALUES ({marks})"
    if is_postgresql(connection):
        new = f"SELECT * FROM {_recordset(table, columns)}"
    statement = f"INSERT INTO {table.name} ({', '.join(columns)}) {new} {otherwise}"
    _execute(connection, statement, table, columns, rows)


def update(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Tuples,
    by: tuple[str, ...] = (),
) -> None:
    """Update rows. The last `columns` are those of the WHERE clause, by default the primary key."""
    by = by or _keys(table)
    assert set(columns[-len(by) :]) == set(by)
    if is_postgresql(connection):
        sets = ", ".join(f"{name} = r.{name}" for name in columns if name not in by)
        same = " AND ".join(f"t.{name} = r.{name}" for name in by)
        new = _recordset(table, columns)
        statement = f"UPDATE {table.name} AS t SET {sets} FROM {new} WHERE {same}"
    else:
        sets = ", ".join(f"{name} = ?" for name in columns[: -len(by)])
        same = " AND ".join(f"{name} = ?" for name in columns[-len(by) :])
        statement = f"UPDATE {table.name} SET {sets} WHERE {same}"
    _execute(connection, statement, table, columns, rows)


def delete(connection: Connection, table: Table, rows: Tuples) -> None:
    """Delete rows by their primary keys."""
    keys = _keys(table)
    if is_postgresql(connection):
        same = " AND ".join(f"t.{name} = r.{name}" for name in keys)
        statement = f"DELETE FROM {table.name} AS t USING {_recordset(table, keys)} WHERE {same}"
    else:
        same = " AND ".join(f"{name} = ?" for name in keys)
        statement = f"DELETE FROM {table.name} WHERE {same}"
    _execute(connection, statement, table, keys, rows)


@cache
def _query(query: str, postgresql_: bool) -> str:
    if not postgresql_:
        return _LIST.sub(r"IN (SELECT value FROM json_each(\1))", query)
    return _PARAMETER.sub(r"%(\1)s", _LIST.sub(r"= ANY (\1)", query))


@cache
def _repeated(query: str, times: int) -> str:
    """Return the union of a query with the parameters of each resource."""
    return " UNION ALL ".join(
        query.replace(":resource", f":resource{number}").replace(":ids", f":ids{number}")
        for number in range(times)
    )


def _keys(table: Table) -> tuple[str, ...]:
    return tuple(str(column.name) for column in table.primary_key)


@cache
def _recordset(table: Table, columns: tuple[str, ...]) -> str:
    """Return the SQL of the rows `r` in one JSON document, for PostgreSQL."""
    types = {
        name: table.c[name].type.compile(_POSTGRESQL).partition(" COLLATE")[0] for name in columns
    }
    return f"json_to_recordset(%(rows)s) AS r({', '.join(f'{n} {t}' for n, t in types.items())})"


def _execute(
    connection: Connection, statement: str, table: Table, columns: tuple[str, ...], rows: Tuples
) -> None:
    """Run a statement for all rows; on PostgreSQL at once, with the rows as one JSON document."""
    if not rows:
        return
    if not is_postgresql(connection):
        connection.exec_driver_sql(statement, list(rows))
        return
    # JSON columns have text, which is embedded as JSON instead of as a string.
    documents = [
        place for place, name in enumerate(columns) if isinstance(table.c[name].type, JSON)
    ]
    values: Sequence[Sequence[Any]] = rows
    if documents:
        values = embedded = [list(row) for row in rows]
        for row in embedded:
            for place in documents:
                if row[place] is not None:
                    row[place] = msgspec.Raw(row[place].encode())
    document = _json([*starmap(_row(columns), values)])
    connection.exec_driver_sql(statement, {"rows": document})


@cache
def _row(columns: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return a struct type for a row, which is encoded faster than a dictionary."""
    return msgspec.defstruct("Row", columns, gc=False)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
