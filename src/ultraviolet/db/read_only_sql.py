"""Run SQL of a user on the database of a hub, read-only.

SQLite: the file is opened read-only, and an authorizer rejects all other actions when SQLite
compiles a statement. PostgreSQL: one statement is sent through the extended protocol in a READ ONLY
transaction, which is always rolled back. A query is the query of a cursor, which cannot change
data; only SHOW and EXPLAIN are allowed besides. Functions with effects outside the transaction are
rejected by name. A role with only SELECT is the best protection; see docs/how-to/sql-and-exports.md.
"""

import re
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ultraviolet.db import engine
from ultraviolet.db.driver_errors import explain_errors
from ultraviolet.db.representation import from_driver
from ultraviolet.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import URL

Row = Sequence[Any]

_BATCH_ROWS = 500
_MAX_BATCH_CHARACTERS = 4_000_000
_MAX_VALUE_BYTES = 100_000_000
_MAX_SQLITE_MEMORY_BYTES = 500_000_000
_STEPS_BETWEEN_CHECKS = 20_000
"""Instructions of SQLite's virtual machine, a few milliseconds."""

ONLY_READ = "The database can only be read here. Nothing was changed."


class SqlError(InvalidError):
    """The database rejected the statement."""


class Column(NamedTuple):
    """A column of a result; its kind is None if unknown."""

    name: str
    kind: str | None


class Result(NamedTuple):
    """The columns of a result and its rows, in batches that fit into memory."""

    columns: list[Column]
    batches: Iterator[list[Row]]


class ReadOnlyDatabase(Protocol):
    """A read-only connection for statements of a user."""

    address: str

    def query(self, statement: str) -> AbstractContextManager[Result]:
        """Run one statement. Raise SqlError if the database rejects it."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def open_read_only(url: str, timeout_seconds: float) -> ReadOnlyDatabase:
    """Open a database read-only; a statement is stopped after `timeout_seconds`.

    Raise NotFoundError for a missing file, and the errors of `explained` for a server.
    """
    parsed = engine.parse_url(url)
    if parsed.drivername.startswith("sqlite"):
        return _Sqlite(Path(parsed.database or ""), timeout_seconds)
    return _Postgresql(parsed, timeout_seconds)


def _timed_out(seconds: float) -> SqlError:
    return SqlError(
        f"The statement was stopped after {seconds:g} s. Select less, or increase --timeout."
    )


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Convert rows to cells and group them by number and size."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        shown = tuple(map(from_driver, row))
        batch.append(shown)
        size += sum(len(value) for value in shown if isinstance(value, str))
        if len(batch) >= _BATCH_ROWS or size > _MAX_BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# --- SQLite ---

_SQLITE_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_SQLITE_PRAGMAS = {
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "data_version",  # which full-text search asks for
}
"""Pragmas that only read, with and without an argument."""
_SQLITE_EFFECTS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"}
_SHADOW_TYPES = {"boolean": "boolean", "json": "json"}


def _authorize(
    action: int, first: str | None, second: str | None, _database: str | None, _source: str | None
) -> int:
    allowed = (
        action in _SQLITE_READS
        or (action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _SQLITE_PRAGMAS)
        or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _SQLITE_EFFECTS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


class _Sqlite:
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        if not path.exists():
            raise NotFoundError(
                f"There is no database at {path}; give the directory of the hub with --data."
            )
        self.address = f"sqlite:///{path}"
        self._timeout_seconds = timeout_seconds
        self._deadline = 0.0
        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            with explain_errors(self.address):
                self._connection = sqlite3.connect(uri, uri=True, isolation_level=None)
                self._connection.execute(
                    f"PRAGMA hard_heap_limit={_MAX_SQLITE_MEMORY_BYTES}"
                ).fetchall()
                self._connection.execute("PRAGMA query_only=ON")
                self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                self._shadow = self._make_shadow()
        except BaseException:
            with suppress(AttributeError):
                self._connection.close()
            raise
        # Invalid UTF-8 must not hide the rest.
        self._connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        self._connection.set_authorizer(_authorize)
        self._connection.set_progress_handler(
            lambda: time.monotonic() > self._deadline, _STEPS_BETWEEN_CHECKS
        )

    @contextmanager
    def query(self, statement: str) -> Generator[Result]:
        with closing(self._connection.cursor()) as cursor:
            self._deadline = time.monotonic() + self._timeout_seconds
            with self._failures():
                cursor.execute(statement)
            if cursor.description is None:
                raise SqlError(
                    "The statement returns no rows. Start it with SELECT, WITH or VALUES."
                )
            names = [column[0] for column in cursor.description]
            kinds = self._kinds(statement, len(names))
            columns = [Column(name, kind) for name, kind in zip(names, kinds, strict=True)]
            yield Result(columns, self._read(cursor, kinds))

    def close(self) -> None:
        self._shadow.close()
        self._connection.close()

    def _read(self, cursor: sqlite3.Cursor, kinds: Sequence[str | None]) -> Iterator[list[Row]]:
        booleans = [n for n, kind in enumerate(kinds) if kind == "boolean"]
        with self._failures():
            for batch in _batches(cursor):
                shown: list[Row] = batch
                if booleans:
                    copies = [list[Any](row) for row in batch]
                    for row in copies:
                        for n in booleans:
                            row[n] = bool(row[n]) if row[n] in (0, 1) else row[n]
                    shown = list(copies)
                yield shown
                self._deadline = time.monotonic() + self._timeout_seconds

    @contextmanager
    def _failures(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            stopped = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
            if stopped and time.monotonic() <= self._deadline:
                # SQLite suppresses a KeyboardInterrupt in the progress handler.
                raise KeyboardInterrupt from error
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> SqlError:
        code = getattr(error, "sqlite_errorcode", None)
        if code in {sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY} or "cannot modify" in str(error):
            return SqlError(ONLY_READ)
        if code == sqlite3.SQLITE_INTERRUPT:
            return _timed_out(self._timeout_seconds)
        return SqlError(f"The database reports: {error}")

    def _make_shadow(self) -> sqlite3.Connection:
        """Return an empty database with typed tables for the views and tables of this one.

        SQLite derives the types of a result from declared column types, which views do not have.
        """
        shadow = sqlite3.connect(":memory:", isolation_level=None)
        tables: dict[str, list[tuple[str, str]]] = {}
        known = self._connection.execute(
            "SELECT m.name, p.name, lower(p.type) FROM sqlite_master m JOIN pragma_table_info(m.name) p"
            " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"
        ).fetchall()
        if any(table == "view_columns" for table, _, _ in known):
            known += self._connection.execute(
                "SELECT view, name, type FROM view_columns ORDER BY view, position"
            ).fetchall()
        for table, name, kind in known:
            tables.setdefault(table, []).append((name, kind))
        for table, columns in tables.items():
            listed = ", ".join(
                f"{_quoted(name)} {_SHADOW_TYPES.get(kind, '')}" for name, kind in columns
            )
            shadow.execute(f"CREATE TABLE {_quoted(table)} ({listed})")
        return shadow

    def _kinds(self, statement: str, number: int) -> list[str | None]:
        unknown: list[str | None] = [None] * number
        try:
            self._shadow.execute(f"CREATE TEMP VIEW ultraviolet_result AS {statement}")
            found = self._shadow.execute("PRAGMA temp.table_info(ultraviolet_result)").fetchall()
        except (sqlite3.Error, sqlite3.Warning):  # such as EXPLAIN
            return unknown
        finally:
            self._shadow.execute("DROP VIEW IF EXISTS temp.ultraviolet_result")
        kinds = [_SHADOW_TYPES.get(row[2].lower()) for row in found]
        return kinds if len(kinds) == number else unknown


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# --- PostgreSQL ---

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
  ('idle_in_transaction_session_timeout', '0'), ('statement_timeout', %s)) AS s (name, value)"""
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


class _Postgresql:
    def __init__(self, url: "URL", timeout_seconds: float) -> None:
        import psycopg  # noqa: PLC0415  loaded only for PostgreSQL

        from ultraviolet.db.postgresql_values import load_as_cells  # noqa: PLC0415

        self.address = url.render_as_string()
        self._timeout_seconds = timeout_seconds
        self._error = psycopg.Error
        with explain_errors(self.address):
            self._connection = psycopg.connect(
                engine.libpq_url(url),
                autocommit=True,
                prepare_threshold=None,
                application_name="ultraviolet sql",
            )
        load_as_cells(self._connection)

    @contextmanager
    def query(self, statement: str) -> Generator[Result]:
        blank = _BLANK.match(statement)
        statement = statement[blank.end() if blank else 0 :]
        first = _first_word(statement)
        inner = _first_word(_EXPLAIN.sub("", statement, count=1)) if first == "explain" else first
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
                    declare = f"DECLARE ultraviolet NO SCROLL CURSOR FOR {statement}"
                    cursor.execute(declare.encode(), binary=True)
                    fetch = f"FETCH FORWARD {_BATCH_ROWS} FROM ultraviolet".encode()
                    rows = cursor.execute(fetch).fetchall()
                    more = iter(lambda: cursor.execute(fetch).fetchall(), [])
                columns = self._columns(cursor)
            yield Result(columns, self._read(rows, more))

    def close(self) -> None:
        self._connection.close()

    def _read(self, rows: Sequence[Row], more: Iterator[Sequence[Row]]) -> Iterator[list[Row]]:
        with self._failures():
            yield from _batches(row for batch in chain([rows], more) for row in batch)

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._failures():
            self._connection.execute(_BEGIN)
        try:
            with self._failures():
                # After its first query, a transaction cannot leave READ ONLY mode.
                self._connection.execute(_SETTINGS, [str(round(self._timeout_seconds * 1000))])
            yield
        finally:
            with suppress(self._error):
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

    def _columns(self, cursor: "psycopg.Cursor[Any]") -> list[Column]:
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
        except self._error as error:
            raise self._explain(error) from error
        except ValueError as error:  # such as an unpaired surrogate
            raise SqlError(f"The statement cannot be sent to the database: {error}") from error

    def _explain(self, error: "psycopg.Error") -> SqlError:
        if error.sqlstate == "25006" or "multiple commands" in str(error):
            return SqlError(ONLY_READ)
        if error.sqlstate == "57014":
            return _timed_out(self._timeout_seconds)
        return SqlError(f"The database reports: {str(error).strip()}")
