"""The audit log: triggers record every change of a row; webhook deliveries follow from it."""

import json
import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from ultraviolet.local_ion.store.columns import Storage

TABLES = """
CREATE TABLE IF NOT EXISTS logged_actions (
  action_id INTEGER PRIMARY KEY AUTOINCREMENT,
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  action TEXT NOT NULL,
  transaction_id INTEGER NOT NULL,
  actor_id INTEGER,
  action_tstamp TEXT NOT NULL,
  old_row TEXT,
  new_row TEXT
);
CREATE INDEX IF NOT EXISTS logged_actions_row ON logged_actions (table_name, row_id);
CREATE INDEX IF NOT EXISTS logged_actions_transaction ON logged_actions (transaction_id);
CREATE TABLE IF NOT EXISTS _session (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  transaction_id INTEGER NOT NULL,
  actor_id INTEGER,
  at TEXT NOT NULL
);
INSERT OR IGNORE INTO _session VALUES (1, 0, NULL, '');
"""

UNLOGGED_TABLES = frozenset({"webhook_events", "logged_actions"})
"""Tables without a trigger: the record of a delivery must not cause a delivery."""
SECRET_COLUMNS = frozenset({"client_secret"})
"""Columns that the log omits."""


class LoggedAction(msgspec.Struct, frozen=True):
    """One change of one row, with the whole row before and after."""

    action_id: int
    table_name: str
    row_id: str
    action: str
    transaction_id: int
    actor_id: int | None
    action_tstamp: str
    old_row: dict[str, object] | None
    new_row: dict[str, object] | None

    def changes(self) -> dict[str, tuple[object, object]]:
        """Return the changed columns, each with its old and new value."""
        old, new = self.old_row or {}, self.new_row or {}
        names = dict.fromkeys((*new, *old))
        return {n: (old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)}


def triggers(
    table: str, columns: Sequence[tuple[str, Storage]], key: Sequence[str]
) -> Iterator[str]:
    """Return the CREATE statements of a table's three triggers."""
    logged = [c for c in columns if c[0] not in SECRET_COLUMNS]
    for action, rows in (("INSERT", ("NEW",)), ("UPDATE", ("OLD", "NEW")), ("DELETE", ("OLD",))):
        last = rows[-1]
        row_id = " || ':' || ".join(f'{last}."{k}"' for k in key)
        old = _row_json("OLD", logged) if "OLD" in rows else "NULL"
        new = _row_json("NEW", logged) if "NEW" in rows else "NULL"
        name = "CREATE" if action == "INSERT" else action
        yield (
            f'CREATE TRIGGER IF NOT EXISTS "{table}_{action.lower()}_logged"'
            f' AFTER {action} ON "{table}" BEGIN\n'
            "INSERT INTO logged_actions (table_name, row_id, action, transaction_id, actor_id,"
            " action_tstamp, old_row, new_row)\n"
            f"SELECT '{table}', {row_id}, '{name}', transaction_id, actor_id, at, {old}, {new}"
            " FROM _session;\nEND"
        )


def _row_json(row: str, columns: Sequence[tuple[str, Storage]]) -> str:
    """Return SQL for a row as JSON; SQLite's functions take too few arguments for wide rows."""
    text: list[str] = []
    for name, kind in columns:
        column = f'{row}."{name}"'
        if kind == "boolean":
            value = f"CASE {column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END"
        elif kind == "json":
            value = f"coalesce({column}, 'null')"
        else:
            value = f"json_quote({column})"
        text.append(f"'{',' if text else '{'}\"{name}\":' || {value}")
    return f"{' || '.join(text)} || '}}'"


_SELECT = (
    "SELECT action_id, table_name, row_id, action, transaction_id, actor_id, action_tstamp,"
    " old_row, new_row FROM logged_actions"
)


def actions_after(
    connection: sqlite3.Connection, action_id: int, limit: int = 1000
) -> list[LoggedAction]:
    """Return the actions after an id, oldest first."""
    sql = f"{_SELECT} WHERE action_id > ? ORDER BY action_id LIMIT ?"
    rows = connection.execute(sql, (action_id, limit))
    return [_action(row) for row in rows]


def actions_of_row(connection: sqlite3.Connection, table: str, row_id: str) -> list[LoggedAction]:
    """Return the actions of one row, newest first."""
    sql = f"{_SELECT} WHERE table_name = ? AND row_id = ? ORDER BY action_id DESC"
    rows = connection.execute(sql, (table, row_id))
    return [_action(row) for row in rows]


def last_action_id(connection: sqlite3.Connection) -> int:
    """Return the id of the last action, or 0."""
    sql = "SELECT coalesce(max(action_id), 0) FROM logged_actions"
    return connection.execute(sql).fetchone()[0]


def _action(row: Sequence[object]) -> LoggedAction:
    old, new = row[7], row[8]
    return LoggedAction(
        *row[:7],  # pyright: ignore[reportArgumentType]
        old_row=json.loads(old) if isinstance(old, str) else None,
        new_row=json.loads(new) if isinstance(new, str) else None,
    )
