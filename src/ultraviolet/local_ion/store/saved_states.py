"""Saved states: a restore undoes the changes since; otherwise, the whole database is copied.

A copy replaces the schema, which every connection then has to read again. To undo some changes is
ten times faster, so a state has an id. A database with this id in its content has that state in
its past, and its audit log has all changes since.
"""

import json
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from ultraviolet.local_ion.store.audit_log import UNLOGGED_TABLES, last_action_id
from ultraviolet.local_ion.store.tables import StoreSchema, Table

TABLE = "CREATE TABLE IF NOT EXISTS _saved_states (id TEXT NOT NULL)"
MAX_CHANGED_ROWS = 1_000
MAX_UNLOGGED_ROWS = 1_000
_MAX_OPEN_FILES = 8

_Version = tuple[int, int]


class _NotUndoableError(Exception):
    """The changes since a saved state are unknown or too many."""


class SavedStates:
    """Saves and restores the states of one store."""

    def __init__(self, schema: StoreSchema) -> None:
        self._schema = schema
        self._open: dict[Path, tuple[_Version, sqlite3.Connection]] = {}

    def mark(self, writer: sqlite3.Connection) -> None:
        """Mark the current state with an id, before it is copied."""
        writer.execute("INSERT INTO _saved_states VALUES (?)", (secrets.token_hex(16),))

    def restore(self, writer: sqlite3.Connection, path: Path) -> None:
        """Replace the content of a database by a saved one."""
        saved = self._connection(path)
        writer.execute("BEGIN IMMEDIATE")
        try:
            _Undo(self._schema, writer, saved).run()
        except (_NotUndoableError, sqlite3.Error):
            writer.execute("ROLLBACK")
            with closing(sqlite3.connect(path)) as source:
                source.backup(writer)
        else:
            writer.execute("COMMIT")

    def close(self) -> None:
        """Close the saved databases."""
        for _, connection in self._open.values():
            connection.close()
        self._open.clear()

    def _connection(self, path: Path) -> sqlite3.Connection:
        """Return an open connection, because it has read the schema."""
        status = path.stat()
        version = (status.st_ino, status.st_mtime_ns)
        found = self._open.pop(path, None)
        if found is None or found[0] != version:
            if found is not None:
                found[1].close()
            uri = f"{path.absolute().as_uri()}?mode=ro"
            found = (version, sqlite3.connect(uri, uri=True, check_same_thread=False))
        self._open[path] = found
        while len(self._open) > _MAX_OPEN_FILES:
            self._open.pop(next(iter(self._open)))[1].close()
        return found[1]


class _Undo:
    """One restore in a transaction of the writer."""

    def __init__(
        self, schema: StoreSchema, writer: sqlite3.Connection, saved: sqlite3.Connection
    ) -> None:
        self._tables = schema.tables
        self._writer = writer
        self._saved = saved

    def run(self) -> None:
        """Undo the changes; raise _NotUndoableError before or after some of them."""
        names = _tables(self._writer)
        if names != _tables(self._saved) or not self._is_descendant():
            raise _NotUndoableError
        last = last_action_id(self._saved)
        changed = self._changed_rows(last)
        self._writer.execute("PRAGMA defer_foreign_keys = ON")
        for name, keys in changed.items():
            condition = _condition(self._tables[name])
            self._writer.execute(f'DELETE FROM "{name}" WHERE {condition}', (json.dumps(keys),))
        for name, keys in changed.items():
            self._copy(name, f"WHERE {_condition(self._tables[name])}", (json.dumps(keys),))
        for name in names - (self._tables.keys() - UNLOGGED_TABLES) - {"logged_actions"}:
            self._replace(name)
        self._writer.execute("DELETE FROM logged_actions WHERE action_id > ?", (last,))
        self._replace("sqlite_sequence")

    def _is_descendant(self) -> bool:
        sql = "SELECT id FROM _saved_states ORDER BY rowid DESC LIMIT 1"
        id_ = self._saved.execute(sql).fetchone()
        found = "SELECT 1 FROM _saved_states WHERE id = ?"
        return id_ is not None and self._writer.execute(found, id_).fetchone() is not None

    def _changed_rows(self, last: int) -> dict[str, list[str]]:
        """Return the keys of the rows that changed after an action, by table."""
        count, newest = self._writer.execute(
            "SELECT count(*), (SELECT seq FROM sqlite_sequence WHERE name = 'logged_actions')"
            " FROM logged_actions WHERE action_id > ?",
            (last,),
        ).fetchone()
        if count != newest - last or count > MAX_CHANGED_ROWS:  # some are not in the log
            raise _NotUndoableError
        changed: dict[str, set[str]] = defaultdict(set)
        sql = "SELECT table_name, row_id, old_row FROM logged_actions WHERE action_id > ?"
        for name, key, old in self._writer.execute(sql, (last,)):
            changed[name].add(key)
            table = self._tables[name]
            if old is not None and not table.has_integer_id:  # the log has only the new key
                row = json.loads(old)
                changed[name].add(":".join(str(row[column]) for column in table.key))
        return {name: [*keys] for name, keys in changed.items()}

    def _replace(self, name: str) -> None:
        """Replace all rows of a table without a log."""
        if any(
            each.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] > MAX_UNLOGGED_ROWS
            for each in (self._writer, self._saved)
        ):
            raise _NotUndoableError
        self._writer.execute(f'DELETE FROM "{name}"')
        self._copy(name)

    def _copy(self, name: str, where: str = "", parameters: Sequence[str] = ()) -> None:
        rows = self._saved.execute(f'SELECT * FROM "{name}" {where}', parameters)
        columns = [column for column, *_ in rows.description]
        marks = ", ".join("?" * len(columns))
        names = ", ".join(f'"{column}"' for column in columns)
        self._writer.executemany(f'INSERT INTO "{name}" ({names}) VALUES ({marks})', rows)


def _tables(connection: sqlite3.Connection) -> frozenset[str]:
    found: Iterable[tuple[str]] = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return frozenset(name for (name,) in found)


def _condition(table: Table) -> str:
    """Return the condition of rows by their keys as the audit log writes them."""
    if table.has_integer_id:
        return "id IN (SELECT CAST(value AS INTEGER) FROM json_each(?))"
    key = " || ':' || ".join(f'"{column}"' for column in table.key)
    return f"{key} IN (SELECT value FROM json_each(?))"
