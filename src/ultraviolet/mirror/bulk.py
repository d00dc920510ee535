"""Many rows at once, handed to the driver as they are: SQLAlchemy's own handling of a row costs more than writing it.

SQLite runs a prepared statement, in this process. To PostgreSQL the rows of a statement go in one
piece: COPY where they are new, one JSON document where they change what is there.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Table, TextClause
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from ultraviolet.mirror.dialect import JSON, insert_rows, is_postgresql

Tuples = Sequence[tuple[Any, ...]]

_FEW = 100
"""Rows that are one statement of SQLite, so that Python's lock is given back, and waited for, once; of more than these
a statement of one row, prepared once, costs no more."""
_PARAMETER = re.compile(r"(?<!:):(\w+)")
_POSTGRESQL = postgresql.dialect()


def ask(connection: Connection, query: str, given: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    """Run a written-out query; `IN :ids` takes a list of any length."""
    values, postgresql_ = dict(given), is_postgresql(connection)
    if "ids" in values and not postgresql_:
        values["ids"] = _json(values["ids"])
    found = connection.exec_driver_sql(_query(query, postgresql_), values).all()
    return cast("Iterable[tuple[Any, ...]]", found)


def each(connection: Connection, statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run a written-out statement once for each row."""
    if rows:
        connection.exec_driver_sql(_query(statement.text, is_postgresql(connection)), list(rows))


def add(connection: Connection, table: Table, columns: tuple[str, ...], rows: Tuples) -> None:
    """Insert rows that are new; a JSON column takes JSON as text."""
    if not rows:
        return
    if is_postgresql(connection):
        _copy(connection, f"COPY {table.name} ({', '.join(columns)}) FROM STDIN", rows)
    elif len(rows) <= _FEW:
        statement = insert_rows(table.name, columns, len(rows))
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows)))
    else:
        connection.exec_driver_sql(insert_rows(table.name, columns, 1), list(rows))


def change(connection: Connection, table: Table, columns: tuple[str, ...], rows: Tuples) -> None:
    """Update rows by their key: `columns` are those to set, then the primary key's; a JSON column takes JSON as text."""
    if not rows:
        return
    if is_postgresql(connection):
        raw = [isinstance(table.c[name].type, JSON) for name in columns]
        document = [
            {
                name: msgspec.Raw(value.encode()) if json and value is not None else value
                for name, value, json in zip(columns, row, raw, strict=True)
            }
            for row in rows
        ]
        connection.exec_driver_sql(_update_from_json(table, columns), {"rows": _json(document)})
    else:
        connection.exec_driver_sql(_update(table, columns), list(rows))


@cache
def _query(query: str, postgresql_: bool) -> str:
    if not postgresql_:
        return query.replace("IN :ids", "IN (SELECT value FROM json_each(:ids))")
    return _PARAMETER.sub(r"%(\1)s", query.replace("IN :ids", "= ANY (:ids)"))


def _keys(table: Table) -> set[str]:
    return {column.name for column in table.primary_key}


@cache
def _update(table: Table, columns: tuple[str, ...]) -> str:
    keys = _keys(table)
    assert set(columns[-len(keys) :]) == keys
    sets = ", ".join(f"{name} = ?" for name in columns if name not in keys)
    where = " AND ".join(f"{name} = ?" for name in columns[-len(keys) :])
    return f"UPDATE {table.name} SET {sets} WHERE {where}"


@cache
def _update_from_json(table: Table, columns: tuple[str, ...]) -> str:
    keys = _keys(table)
    types = ", ".join(f"{name} {_type(table, name)}" for name in columns)
    sets = ", ".join(f"{name} = r.{name}" for name in columns if name not in keys)
    where = " AND ".join(f"t.{name} = r.{name}" for name in columns if name in keys)
    return f"UPDATE {table.name} AS t SET {sets} FROM json_to_recordset(%(rows)s) AS r({types}) WHERE {where}"


def _type(table: Table, name: str) -> str:
    return table.c[name].type.compile(_POSTGRESQL).partition(" COLLATE")[0]


def _copy(connection: Connection, statement: str, rows: Tuples) -> None:
    import psycopg  # noqa: PLC0415  only users of PostgreSQL pay

    if not connection.in_transaction():
        connection.begin()  # else SQLAlchemy would see nothing to commit
    driver = cast("psycopg.Connection", connection.connection.dbapi_connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise cast("DBAPIError", DBAPIError.instance(statement, (), error, psycopg.Error)) from error


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
