"""Run a user's statement on SQLite: a read-only file, and an authorizer that rejects the rest."""

import re
import sqlite3
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ultraviolet.db.driver_errors import explain_errors
from ultraviolet.db.user_sql.readable import NOT_READABLE, TABLES, VIEWS
from ultraviolet.db.user_sql.results import (
    ONLY_READ,
    Column,
    Result,
    Row,
    SqlError,
    group_rows,
    timed_out,
)
from ultraviolet.errors import NotFoundError

_Readable = Mapping[str, frozenset[str] | None]
"""Names in lower case with their readable columns; None means all columns."""

_MAX_VALUE_BYTES = 100_000_000
_MAX_MEMORY_BYTES = 500_000_000
_STEPS_BETWEEN_CHECKS = 20_000
"""Instructions of SQLite's virtual machine, a few milliseconds."""
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_PRAGMAS = {
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
_EFFECTS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"}
_NOTHING: frozenset[str] = frozenset()
_ONLY_COUNTED = frozenset(("",))
_TABLE_FUNCTIONS = ("json_each", "json_tree")
_JOINED_BY_NAME = re.compile(r"\b(?:using|natural)\b", re.IGNORECASE | re.ASCII)
_EXPLAIN = re.compile(r"\s*explain\b", re.IGNORECASE | re.ASCII)
"""The first word itself: after a comment, it could be inside of a statement that runs."""
_OPENS = {"OpenRead", "ReopenIdx", "OpenWrite"}
"""Operations of SQLite's virtual machine that open a table or an index, by its root page."""
_SHADOW_TYPES = {"boolean": "boolean", "json": "json"}


def _authorize(
    readable: _Readable | None,
    action: int,
    first: str | None,
    second: str | None,
    _database: str | None,
    _source: str | None,
) -> int:
    """Allow reading of all tables, or of these names and columns.

    The last argument, the view that causes a read, proves nothing: a WITH query may have its name.
    """
    if action == sqlite3.SQLITE_READ and readable is not None:
        table = (first or "").lower()
        # Rows are counted without a column, also those of a WITH query, whose name is unknown.
        columns = readable.get(table, _ONLY_COUNTED)
        allowed = columns is None or (second or "").lower() in columns
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
    allowed = (
        action in _READS
        or (action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS)
        or (action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _EFFECTS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


class SqliteReader:
    """A connection that can only read; a statement is stopped after `timeout_seconds`."""

    def __init__(self, path: Path, timeout_seconds: float, *, readable_only: bool) -> None:
        """Open the file; with `readable_only`, statements read the tables of `readable.py`.

        Raise NotFoundError for a missing file.
        """
        if not path.exists():
            raise NotFoundError(
                f"There is no database at {path}; give the directory of the hub with --data."
            )
        self.address = f"sqlite:///{path}"
        self._timeout_seconds = timeout_seconds
        self._readable_only = readable_only
        self._readable_pages = set[int]()
        self._deadline = 0.0
        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            with explain_errors(self.address):
                self._connection = sqlite3.connect(uri, uri=True, isolation_level=None)
                self._connection.execute(f"PRAGMA hard_heap_limit={_MAX_MEMORY_BYTES}").fetchall()
                self._connection.execute("PRAGMA query_only=ON")
                if readable_only:  # within the limit of memory, instead of files of any size
                    self._connection.execute("PRAGMA temp_store=MEMORY")
                # The authorizer would reject the first use of a function that is a table.
                for function in _TABLE_FUNCTIONS:
                    self._connection.execute(f"SELECT * FROM {function}('[]')").fetchone()
                self._shadow = self._make_shadow()
        except BaseException:
            with suppress(AttributeError):
                self._connection.close()
            raise
        # Invalid UTF-8 must not hide the rest.
        self._connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        readable = self._read_readable() if readable_only else None
        self._connection.set_authorizer(partial(_authorize, readable))
        self._connection.set_progress_handler(
            lambda: time.monotonic() > self._deadline, _STEPS_BETWEEN_CHECKS
        )

    @contextmanager
    def query(self, statement: str) -> Generator[Result]:
        """Run one statement. Raise SqlError if SQLite rejects it."""
        with closing(self._connection.cursor()) as cursor:
            self._deadline = time.monotonic() + self._timeout_seconds
            with self._failures():
                if self._readable_only:
                    self._check_tables(cursor, statement)
                cursor.execute(statement)
            if cursor.description is None:
                raise SqlError(
                    "The statement returns no rows. Start it with SELECT, WITH or VALUES."
                )
            names = [column[0] for column in cursor.description]
            kinds = self._kinds(statement, len(names))
            columns = [Column(name, kind) for name, kind in zip(names, kinds, strict=True)]
            yield Result(columns, self._read(cursor, kinds))

    def _read_readable(self) -> _Readable:
        """Return the readable names now, because an authorizer must not run statements."""
        schema = self._connection.execute(
            "SELECT lower(name), lower(tbl_name), rootpage FROM sqlite_master"
        ).fetchall()
        views = [row[0] for row in self._connection.execute(VIEWS)]
        self._readable_pages = {1, *(page for _, table, page in schema if table in TABLES)}
        hidden = dict.fromkeys((name for name, _, _ in schema), _NOTHING)
        return {**hidden, **TABLES, **dict.fromkeys([*views, *_TABLE_FUNCTIONS, "sqlite_master"])}

    def _check_tables(self, cursor: sqlite3.Cursor, statement: str) -> None:
        """Raise SqlError if a statement would open other tables than the readable ones.

        SQLite does not ask the authorizer about columns that USING and NATURAL join, so these words
        are rejected. The compiled program shows the tables themselves, independent of any name.
        """
        if found := _JOINED_BY_NAME.search(statement):
            raise SqlError(f"{found[0].upper()} is not accepted here. Write JOIN … ON instead.")
        if _EXPLAIN.match(statement):  # only compiled, and cannot be explained again
            return
        program = cursor.execute(f"EXPLAIN {statement}").fetchall()
        for _, operation, _, page, database, *_ in program:
            is_opened = operation in _OPENS and database == 0
            if is_opened and page not in self._readable_pages:
                raise SqlError(NOT_READABLE)

    def close(self) -> None:
        """Close the connection."""
        self._shadow.close()
        self._connection.close()

    def _read(self, cursor: sqlite3.Cursor, kinds: Sequence[str | None]) -> Iterator[list[Row]]:
        booleans = [n for n, kind in enumerate(kinds) if kind == "boolean"]
        with self._failures():
            for batch in group_rows(cursor):
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
        except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
            stopped = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
            if stopped and time.monotonic() <= self._deadline:
                # SQLite suppresses a KeyboardInterrupt in the progress handler.
                raise KeyboardInterrupt from error
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> SqlError:
        code = getattr(error, "sqlite_errorcode", None)
        if self._readable_only and "is prohibited" in str(error):
            return SqlError(f"The database reports: {error}. {NOT_READABLE}")
        if code in {sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY} or "cannot modify" in str(error):
            if self._readable_only:
                return SqlError(f"{ONLY_READ} {NOT_READABLE}")
            return SqlError(ONLY_READ)
        if code == sqlite3.SQLITE_INTERRUPT:
            return timed_out(self._timeout_seconds)
        if code == sqlite3.SQLITE_NOMEM or isinstance(error, MemoryError):
            return SqlError(
                f"The statement needs more than {_MAX_MEMORY_BYTES // 1_000_000} MB of memory. Select or sort less."
            )
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
