"""Transactions: rows stamped with actor, time and a new etag."""

import secrets
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any

from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.store.files import FileStore
from ultraviolet.local_ion.store.tables import StoreSchema, Table

Row = dict[str, Any]
"""A database row by column."""


class NotUniqueError(Exception):
    """A value is not unique."""


class InUseError(Exception):
    """Other rows still refer to the row."""


class Transaction:
    """One write transaction; it stamps every row that it writes."""

    def __init__(
        self,
        schema: StoreSchema,
        files: FileStore,
        connection: sqlite3.Connection,
        actor_id: int | None,
        now: str,
    ) -> None:
        self.schema = schema
        self.catalog = schema.catalog
        self.files = files
        self.connection = connection
        self.actor_id = actor_id
        self.now = now
        self.permissions: frozenset[str] | None = None
        """Permissions of the actor; None allows everything."""
        self.session_id = str(uuid.uuid4())
        """The `LastSessionId` of the rows that it writes (assumed)."""
        self.quirks = Quirks()
        self.version = "all"
        """The version of ION's API."""
        self.after_commit: list[Callable[[], None]] = []
        """Callbacks to run after the commit."""

    def insert(self, table_name: str, values: Row, *, ignore: bool = False) -> Any:
        """Insert a row and return its key; a composite key is returned as a tuple."""
        table = self.schema.tables[table_name]
        row = {**self._stamps(table, created=True), **values}
        if table.name in self.schema.entity_tables and row.get("entity_id") is None:
            row["entity_id"] = self.connection.execute(
                "INSERT INTO entities (type) VALUES (?)", (table_name,)
            ).lastrowid
        names = ", ".join(f'"{n}"' for n in row)
        marks = ", ".join("?" * len(row))
        verb = "INSERT OR IGNORE" if ignore else "INSERT"
        sql = f'{verb} INTO "{table_name}" ({names}) VALUES ({marks})'
        cursor = self._execute(sql, tuple(row.values()), table, row)
        if table.has_integer_id:
            return row["id"] if row.get("id") is not None else cursor.lastrowid
        key = [row[k] for k in table.key]
        return tuple(key) if len(key) > 1 else key[0]

    def update(
        self, table_name: str, key: Any, values: Row, *, computed: Collection[str] = ()
    ) -> None:
        """Update a row; an etag is the row's own, and without a change its stamps stay as well.

        Columns that ION computes from other rows (`computed`) leave the etag. (Both seen in
        scripts that use an etag again after such changes.)
        """
        if not values:
            return
        table = self.schema.tables[table_name]
        stamps = self._stamps(table, created=False)
        if table.etag and computed and not set(values) - set(computed):
            del stamps[table.etag]
        row = {**stamps, **values}
        sets = ", ".join(f'"{n}" = ?' for n in row)
        where, params = _key_condition(table, key)
        changed = " OR ".join(f'"{n}" IS NOT ?' for n in values)
        sql = f'UPDATE "{table_name}" SET {sets} WHERE {where} AND ({changed})'
        self._execute(sql, (*row.values(), *params, *values.values()), table, values)

    def touch(self, table_name: str, key: Any) -> None:
        """Update only the time of a row because something that belongs to it changed (assumed).

        Its etag stays: files, labels and comments leave the etag of their owner (seen).
        """
        table = self.schema.tables[table_name]
        row = self._stamps(table, created=False)
        row.pop(table.etag or "", None)
        if row:
            sets = ", ".join(f'"{n}" = ?' for n in row)
            where, params = _key_condition(table, key)
            self._execute(
                f'UPDATE "{table_name}" SET {sets} WHERE {where}', (*row.values(), *params), table
            )

    def delete(self, table_name: str, key: Any) -> None:
        """Delete a row."""
        table = self.schema.tables[table_name]
        where, params = _key_condition(table, key)
        self._execute(f'DELETE FROM "{table_name}" WHERE {where}', params, table)

    def delete_where(self, table_name: str, **columns: Any) -> int:
        """Delete the rows with these values and return their number."""
        where = " AND ".join(f'"{c}" = ?' for c in columns)
        sql = f'DELETE FROM "{table_name}" WHERE {where}'
        return self._execute(sql, tuple(columns.values()), self.schema.tables[table_name]).rowcount

    def get(self, table_name: str, key: Any) -> Row | None:
        """Return a row, or None."""
        where, params = _key_condition(self.schema.tables[table_name], key)
        return next(self._select(f'SELECT * FROM "{table_name}" WHERE {where}', params), None)

    def find(self, table_name: str, order: str = "rowid", /, **columns: Any) -> list[Row]:
        """Return the rows with these values."""
        where = " AND ".join(f'"{c}" IS ?' for c in columns) or "1"
        sql = f'SELECT * FROM "{table_name}" WHERE {where} ORDER BY {order}'
        return list(self._select(sql, tuple(columns.values())))

    def scalar(self, sql: str, *params: Any) -> Any:
        """Return the first value of a query, or None."""
        row = self.connection.execute(sql, params).fetchone()
        return None if row is None else row[0]

    def _select(self, sql: str, params: tuple[Any, ...]) -> Iterator[Row]:
        cursor = self.connection.execute(sql, params)
        names = [d[0] for d in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def _stamps(self, table: Table, *, created: bool) -> Row:
        stamps: Row = {}
        if table.resource is None:
            return stamps
        if created and table.created:
            stamps[table.created] = self.now
        if created and "created_by_id" in table.columns:
            stamps["created_by_id"] = self.actor_id
        if table.updated:
            stamps[table.updated] = self.now
        if "updated_by_id" in table.columns:
            stamps["updated_by_id"] = self.actor_id
        if "last_session_id" in table.columns:
            stamps["last_session_id"] = self.session_id
        if table.etag:
            stamps[table.etag] = secrets.token_hex(16)
        return stamps

    def _execute(
        self, sql: str, params: tuple[Any, ...], table: Table, row: Row | None = None
    ) -> sqlite3.Cursor:
        """Execute a statement that writes a row, or deletes one."""
        try:
            return self.connection.execute(sql, params)
        except sqlite3.IntegrityError as error:
            message = str(error)
            if message.startswith("UNIQUE"):
                columns = [c.split(".")[-1] for c in message.split(": ", 1)[-1].split(", ")]
                names = " and ".join(_field_name(table, column) for column in columns)
                verb = "is" if len(columns) == 1 else "are"
                text = f"{_type_name(table)}: {names} {verb} not unique."
                raise NotUniqueError(text) from error
            reason = self._missing_target(table, row) if row else self._user_of(table, params[0])
            raise InUseError(reason or f"{_type_name(table)}: {message}.") from error

    def _missing_target(self, table: Table, row: Row) -> str | None:
        """Return which object a row refers to that does not exist."""
        for column, target in self.schema.references(table).items():
            value = row.get(column)
            if value is not None and self.get(target, value) is None:
                missing = _type_name(self.schema.tables[target])
                return f"{missing} {value} does not exist ({_field_name(table, column)})."
        return None

    def _user_of(self, table: Table, key: Any) -> str | None:
        """Return which object still refers to a row."""
        for other in self.schema.tables.values():
            for column, target in self.schema.references(other).items():
                sql = f'SELECT "{other.key[0]}" FROM "{other.name}" WHERE "{column}" = ?'
                found = self.scalar(sql, key) if target == table.name else None
                if found is not None:
                    user = f"{_type_name(other)} {found}"
                    place = f"change its {_field_name(other, column)}"
                    return f"{_type_name(table)} {key} is still used: delete {user}, or {place}."
        return None


def _type_name(table: Table) -> str:
    return (table.resource.type if table.resource else "") or table.name


def _field_name(table: Table, column: str) -> str:
    return table.fields[column].name if column in table.fields else column


def _key_condition(table: Table, key: Any) -> tuple[str, tuple[Any, ...]]:
    values: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)  # pyright: ignore[reportUnknownVariableType]
    return " AND ".join(f'"{k}" = ?' for k in table.key), values
