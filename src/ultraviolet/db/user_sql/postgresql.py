"""Run a user's statement on PostgreSQL.

One statement is sent through the extended protocol in a READ ONLY transaction, which is always
rolled back. A query is the query of a cursor, which cannot change data; only SHOW and EXPLAIN are
allowed besides. Functions with effects outside the transaction are rejected by name.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any

import psycopg
from sqlalchemy import URL

from ultraviolet.db import engine
from ultraviolet.db.driver_errors import explain_errors
from ultraviolet.db.postgresql_values import load_as_cells
from ultraviolet.db.user_sql.postgresql_role import ROLE, prepare_role
from ultraviolet.db.user_sql.readable import NOT_READABLE
from ultraviolet.db.user_sql.results import (
    BATCH_ROWS,
    ONLY_READ,
    Column,
    Result,
    Row,
    SqlError,
    group_rows,
    timed_out,
)

_QUERIES = {"select", "with", "values", "table", "("}
_BLANK = re.compile(r"(?:\s+|--[^\r\n]*|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)*")
"""White space and comments before a statement, except nested comments."""
_FIRST_WORD = re.compile(r"\(|\w*")
_EXPLAIN = re.compile(r"explain\s*(?:\([^()]*\)\s*|(?:analy[sz]e|verbose)\s+)*", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d][\w$]*")
_QUOTED_NAME = re.compile(r'"((?:[^"]|"")+)"')
_ESCAPED_NAME = re.compile(r'U&\s*"', re.IGNORECASE)
_HARMLESS = [
    "bernoulli",
    "clock_timestamp",
    "current_query",
    "gen_random_uuid",
    "pg_database_size",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_relation_size",
    "pg_table_size",
    "pg_total_relation_size",
    "random",
    "system",
    "timeofday",
    "uuidv4",
    "uuidv7",
]
"""Volatile functions of PostgreSQL without side effects."""
_VOLATILE = """SELECT proname FROM pg_catalog.pg_proc
  WHERE provolatile = 'v' AND proname = ANY(%s) AND NOT proname = ANY(%s) LIMIT 1"""
_BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SETTINGS = """SELECT set_config(name, value, true) FROM (VALUES
  ('timezone', 'UTC'), ('datestyle', 'ISO'), ('bytea_output', 'hex'), ('cursor_tuple_fraction', '1'),
  ('extra_float_digits', '1'), ('standard_conforming_strings', 'on'), ('lock_timeout', '10000'),
  ('idle_in_transaction_session_timeout', '0'), ('client_connection_check_interval', '1000'),
  ('statement_timeout', %s)) AS s (name, value)"""
_LIMIT_FILES = """SELECT set_config('temp_file_limit', '2GB', true)
  WHERE current_setting('is_superuser') = 'on'"""
"""Limits temporary files; other roles than a superuser may not set this."""
_INTO = re.compile(r"\binto\b", re.IGNORECASE | re.ASCII)
_NOT_MATERIALIZED = re.compile(r"\bnot\s+materialized\b", re.IGNORECASE | re.ASCII)
"""With it, a short statement can have a plan of any size, which the time limit does not stop."""
_DECLARE = "DECLARE ultraviolet NO SCROLL CURSOR FOR "
_KINDS = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "oid": "integer",
    "float4": "real",
    "float8": "real",
    "bool": "boolean",
    "timestamp": "time",
    "timestamptz": "time",
    "json": "json",
    "jsonb": "json",
}


def _first_word(statement: str) -> str:
    word = _FIRST_WORD.match(statement)
    return word[0].lower() if word else ""


class PostgresqlReader:
    """A connection that can only read; a statement is stopped after `timeout_seconds`."""

    def __init__(self, url: URL, timeout_seconds: float, *, readable_only: bool) -> None:
        """Connect; with `readable_only`, statements read the tables of `readable.py`.

        Raise the errors of `explain_errors`, and ConflictError if the role cannot be created.
        """
        self.address = url.render_as_string()
        self._timeout_seconds = timeout_seconds
        self._readable_only = readable_only
        with explain_errors(self.address):
            self._connection = psycopg.connect(
                engine.libpq_url(url),
                autocommit=True,
                prepare_threshold=None,
                application_name="ultraviolet sql",
            )
        load_as_cells(self._connection)
        if readable_only:
            prepare_role(self._connection)

    @contextmanager
    def query(self, statement: str) -> Generator[Result]:
        """Run one statement. Raise SqlError if PostgreSQL rejects it."""
        blank = _BLANK.match(statement)
        statement = statement[blank.end() if blank else 0 :]
        first = _first_word(statement)
        inner = _first_word(_EXPLAIN.sub("", statement, count=1)) if first == "explain" else first
        if "\0" in statement:
            raise SqlError(
                "The statement contains the character NUL, where PostgreSQL would end it."
            )
        if first == "explain" and _INTO.search(statement):
            raise SqlError(f"{ONLY_READ} INTO creates a table.")
        if self._readable_only and _NOT_MATERIALIZED.search(statement):
            raise SqlError("NOT MATERIALIZED is not accepted here. Omit it.")
        if inner not in _QUERIES | {"show"}:
            raise SqlError(
                f"{ONLY_READ} Start the statement with"
                " SELECT, WITH, VALUES, TABLE, EXPLAIN or SHOW."
            )
        with self._transaction(), self._connection.cursor() as cursor:
            with self._failures():
                self._check_names(statement)
                rows: Sequence[Row]
                if first in {"explain", "show"}:
                    rows = list(cursor.stream(statement.encode()))
                    more: Iterator[Sequence[Row]] = iter([])
                else:
                    # A binary result needs the extended protocol, which accepts only one statement.
                    declare = f"{_DECLARE}{statement}"
                    cursor.execute(declare.encode(), binary=True)
                    fetch = f"FETCH FORWARD {BATCH_ROWS} FROM ultraviolet".encode()
                    rows = cursor.execute(fetch).fetchall()
                    more = iter(lambda: cursor.execute(fetch).fetchall(), [])
                columns = self._columns(cursor)
            yield Result(columns, self._read(rows, more))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _read(self, rows: Sequence[Row], more: Iterator[Sequence[Row]]) -> Iterator[list[Row]]:
        with self._failures():
            yield from group_rows(row for batch in chain([rows], more) for row in batch)

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._failures():
            self._connection.execute(_BEGIN)
        try:
            with self._failures():
                # After its first query, a transaction cannot leave READ ONLY mode.
                self._connection.execute(_SETTINGS, [str(round(self._timeout_seconds * 1000))])
                if self._readable_only:
                    self._connection.execute(_LIMIT_FILES)
                    self._connection.execute(f"SET LOCAL ROLE {ROLE}".encode())
            yield
        finally:
            with suppress(psycopg.Error):
                self._connection.execute("ROLLBACK")

    def _check_names(self, statement: str) -> None:
        """Raise SqlError if any word of the statement is the name of a function with side effects.

        Words in strings and comments count too, so that parsing the statement is not necessary.
        """
        if _ESCAPED_NAME.search(statement):
            raise SqlError(f'{ONLY_READ} Names written as U&"…" are not accepted.')
        words = {word.lower() for word in _WORD.findall(statement)} | set(_WORD.findall(statement))
        words |= {name.replace('""', '"') for name in _QUOTED_NAME.findall(statement)}
        found = self._connection.execute(_VOLATILE, [sorted(words), _HARMLESS]).fetchone()
        if found:
            raise SqlError(
                f"{ONLY_READ} The function {found[0]} may have side effects and is not accepted."
            )

    def _columns(self, cursor: psycopg.Cursor[Any]) -> list[Column]:
        columns: list[Column] = []
        for column in cursor.description or ():
            info = self._connection.adapters.types.get(column.type_code)
            if info is not None and info.array_oid == column.type_code:
                columns.append(Column(column.name, "json"))
            elif info is not None and info.name == "numeric":
                columns.append(Column(column.name, None))
            else:
                columns.append(Column(column.name, _KINDS.get(info.name if info else "", "text")))
        return columns

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._explain(error) from error
        except ValueError as error:  # such as an unpaired surrogate
            raise SqlError(f"The statement cannot be sent to the database: {error}") from error

    def _explain(self, error: psycopg.Error) -> SqlError:
        if error.sqlstate == "25006" or "multiple commands" in str(error):
            return SqlError(ONLY_READ)
        if error.sqlstate == "57014":
            return timed_out(self._timeout_seconds)
        reported = str(error).strip()
        if _DECLARE in reported:  # its line has a mark below a column
            reported = error.diag.message_primary or reported
        message = f"The database reports: {reported}"
        if error.sqlstate == "42501" and self._readable_only:
            message = f"{message}. {NOT_READABLE}"
        return SqlError(message)
