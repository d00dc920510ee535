"""The local ION's store: one SQLite table per table of ION, one writer, snapshots for readers."""

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from graphql import GraphQLEnumType

from ultraviolet.ion.catalog import Catalog, Field, Resource
from ultraviolet.local_ion.graphql import sql_compiler
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.columns import Storage, affinity, encode, storage
from ultraviolet.local_ion.store.files import FileStore

Row = dict[str, Any]
"""A row as the database holds it, by column."""

STAMPS = {"created": ("_created", "Created"), "updated": ("_updated", "Updated"), "etag": ("_etag", "Etag")}
UNIQUE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "parts": (("part_number", "revision"),),
    "parts_inventory": (("part_id", "serial_number"),),
    "labels": (("value",),),
    "currencies": (("type",),),
    "units_of_measurements": (("type",),),
    "roles": (("name",),),
    "teams": (("name",),),
    "api_keys": (("client_id",),),
    "webhook_subscriptions": (("receiver_id", "resource", "action"),),
}
"""What must not occur twice (assumed, besides parts)."""
EXTRA_COLUMNS: Mapping[str, tuple[tuple[str, Storage], ...]] = {
    "part_kit_inventories": (("quantity", "real"),),
    "plan_plan_items": (("plan_input_id", "integer"),),
    "organizations": (("settings", "json"),),
    "steps": (("datagrid", "json"),),
    "run_steps": (("datagrid", "json"),),
    "session_events": (("event_type", "enum"),),
    "api_keys": (("permissions", "json"),),
}
"""Columns that no field of the API shows."""


class Table:
    """A table: its columns and key, and where the usual stamps lie."""

    def __init__(
        self, name: str, columns: Mapping[str, Storage], key: tuple[str, ...], resource: Resource | None
    ) -> None:
        self.name = name
        self.columns = columns
        self.key = key
        self.resource = resource
        self.fields: Mapping[str, Field] = (
            {f.column: f for f in resource.fields if f.stored} if resource else {}
        )
        self.created = _first(self.fields.values(), STAMPS["created"])
        self.updated = _first(self.fields.values(), STAMPS["updated"])
        self.etag = _first(self.fields.values(), STAMPS["etag"])
        self.numbered = key == ("id",) and columns["id"] == "integer"


def _first(fields: Any, names: tuple[str, ...]) -> str | None:
    return next((f.column for f in fields if f.name in names), None)


def tables(catalog: Catalog) -> dict[str, Table]:
    """Give all tables: of the resources, and those that only join two of them."""
    found: dict[str, Table] = {}
    for resource in catalog.resources.values():
        if not resource.type:
            continue
        columns: dict[str, Storage] = {f.column: storage(f) for f in resource.fields if f.stored}
        columns.update(EXTRA_COLUMNS.get(resource.name, ()))
        by_name = {f.name: f.column for f in resource.fields}
        key = tuple(by_name[k] for k in resource.key)
        if resource.kind != "attribute":
            columns.update({k: "integer" for k in key if columns[k] == "real"})
        found[resource.name] = Table(resource.name, columns, key, resource)
    for resource in catalog.resources.values():
        for relation in resource.relations:
            join = relation.join
            if join is not None and join.table not in found:
                columns = {join.own_column: "integer", join.other_column: "integer"}
                columns.update(EXTRA_COLUMNS.get(join.table, ()))
                found[join.table] = Table(join.table, columns, (join.own_column, join.other_column), None)
    return found


def entity_tables(catalog: Catalog) -> frozenset[str]:
    """Give the tables whose rows each have an entity of their own."""
    kinds = catalog.schema.type_map["Entitytypeenum"]
    assert isinstance(kinds, GraphQLEnumType)
    return frozenset(v.lower() for v in kinds.values)


def _has_entity(table: Table | None) -> bool:
    return table is not None and "entity_id" in table.columns


class NotUniqueError(Exception):
    """A value is not unique."""


class InUseError(Exception):
    """The row is still referred to by others."""


class Store:
    """Tables in one SQLite file; writers take turns, readers see snapshots."""

    def __init__(self, path: Path, catalog: Catalog, clock: Callable[[], str]) -> None:
        self.path = path
        self.catalog = catalog
        self.clock = clock
        self.tables = tables(catalog)
        self.entity_tables = frozenset(n for n in entity_tables(catalog) if _has_entity(self.tables.get(n)))
        self.defaults: dict[str, Row] = {}
        self.files = FileStore(path.parent / "files")
        self._lock = threading.RLock()
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._writer = self._connect()
        self._writer.execute("PRAGMA cache_size = -65536")
        self._writer.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        self._create()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=1000, timeout=30
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA case_sensitive_like = ON")
        # The system caches the file as well: a small cache for each thread keeps memory flat on a large plant.
        connection.execute("PRAGMA cache_size = -8192")
        connection.create_function("similarity", 2, _similarity, deterministic=True)
        connection.create_function("download_url", 1, self.files.download_url)
        sql_compiler.prepare(connection)
        self._open.append(connection)
        return connection

    def _create(self) -> None:
        script = [audit_log.LOG]
        for table in self.tables.values():
            script.extend(_definition(table, self.tables))
            if table.name not in audit_log.UNLOGGED:
                script.extend(audit_log.triggers(table.name, list(table.columns.items()), table.key))
        self._writer.executescript("BEGIN;" + ";\n".join(script) + ";COMMIT;")

    @property
    def connection(self) -> sqlite3.Connection:
        """The reading connection of this thread."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
        return found

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Read one snapshot."""
        connection = self.connection
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    @contextmanager
    def writing(self, actor_id: int | None) -> Generator["Transaction"]:
        """Write as somebody; all of it or nothing."""
        with self._lock:
            connection, now = self._writer, self.clock()
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(
                    "UPDATE _session SET transaction_id = transaction_id + 1, actor_id = ?, at = ?",
                    (actor_id, now),
                )
                transaction = Transaction(self, connection, actor_id, now)
                yield transaction
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # where the disk fails, SQLite may have ended it itself
                    connection.execute("ROLLBACK")
                raise
        for work in transaction.after_commit:
            work()

    def file(self, file_id: int) -> tuple[str | None, str | None] | None:
        """Give a file's name and content type, or None."""
        sql = "SELECT filename, content_type FROM file_attachments WHERE id = ?"
        return self.connection.execute(sql, (file_id,)).fetchone()

    def save(self, path: Path) -> None:
        """Write all there is now to another database file; readers and writers go on meanwhile."""
        with closing(sqlite3.connect(path)) as target:
            self.connection.backup(target)

    def load(self, path: Path) -> None:
        """Replace all there is by another database file, at once; readers see the one or the other."""
        with self._lock, closing(sqlite3.connect(path)) as source:
            source.backup(self._writer)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._open:
            connection.close()


class Transaction:
    """Rows written in one transaction, each stamped with who, when and a new etag."""

    def __init__(self, store: Store, connection: sqlite3.Connection, actor_id: int | None, now: str) -> None:
        self.store = store
        self.catalog = store.catalog
        self.connection = connection
        self.actor_id = actor_id
        self.now = now
        self.permissions: frozenset[str] | None = None
        """What who writes is allowed; None allows all."""
        self.after_commit: list[Callable[[], None]] = []
        """What to do once all of it is written."""

    def insert(self, table_name: str, values: Row, *, ignore: bool = False) -> Any:
        """Insert a row given by column; gives its id (the key values, where the key is not one number)."""
        table = self.store.tables[table_name]
        row = {**self._stamps(table, created=True), **values}
        if table.name in self.store.entity_tables and row.get("entity_id") is None:
            row["entity_id"] = self.connection.execute(
                "INSERT INTO entities (type) VALUES (?)", (table_name,)
            ).lastrowid
        names = ", ".join(f'"{n}"' for n in row)
        marks = ", ".join("?" * len(row))
        verb = "INSERT OR IGNORE" if ignore else "INSERT"
        cursor = self._run(
            f'{verb} INTO "{table_name}" ({names}) VALUES ({marks})', tuple(row.values()), table
        )
        if table.numbered:
            return row["id"] if row.get("id") is not None else cursor.lastrowid
        key = [row[k] for k in table.key]
        return tuple(key) if len(key) > 1 else key[0]

    def update(self, table_name: str, key: Any, values: Row) -> None:
        """Change a row, stamping it."""
        table = self.store.tables[table_name]
        row = {**self._stamps(table, created=False), **values}
        if not row:
            return
        sets = ", ".join(f'"{n}" = ?' for n in row)
        where, params = _where(table, key)
        self._run(f'UPDATE "{table_name}" SET {sets} WHERE {where}', (*row.values(), *params), table)

    def touch(self, table_name: str, key: Any) -> None:
        """Stamp a row because something that belongs to it changed (assumed)."""
        self.update(table_name, key, {})

    def delete(self, table_name: str, key: Any) -> None:
        """Delete a row."""
        table = self.store.tables[table_name]
        where, params = _where(table, key)
        self._run(f'DELETE FROM "{table_name}" WHERE {where}', params, table)

    def delete_where(self, table_name: str, **columns: Any) -> int:
        """Delete the rows that have these values."""
        where = " AND ".join(f'"{c}" = ?' for c in columns)
        table = self.store.tables[table_name]
        return self._run(f'DELETE FROM "{table_name}" WHERE {where}', tuple(columns.values()), table).rowcount

    def get(self, table_name: str, key: Any) -> Row | None:
        """Give a row by column, or None."""
        where, params = _where(self.store.tables[table_name], key)
        return next(self._rows(f'SELECT * FROM "{table_name}" WHERE {where}', params), None)

    def find(self, table_name: str, order: str = "rowid", /, **columns: Any) -> list[Row]:
        """Give the rows that have these values."""
        where = " AND ".join(f'"{c}" IS ?' for c in columns) or "1"
        return list(
            self._rows(
                f'SELECT * FROM "{table_name}" WHERE {where} ORDER BY {order}', tuple(columns.values())
            )
        )

    def scalar(self, sql: str, *params: Any) -> Any:
        """Give the first value of a query."""
        row = self.connection.execute(sql, params).fetchone()
        return None if row is None else row[0]

    def _rows(self, sql: str, params: tuple[Any, ...]) -> Iterator[Row]:
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
        if table.etag:
            stamps[table.etag] = secrets.token_hex(16)
        return stamps

    def _run(self, sql: str, params: tuple[Any, ...], table: Table) -> sqlite3.Cursor:
        try:
            return self.connection.execute(sql, params)
        except sqlite3.IntegrityError as error:
            message = str(error)
            if message.startswith("UNIQUE"):
                columns = ", ".join(c.split(".")[-1] for c in message.split(": ", 1)[-1].split(", "))
                raise NotUniqueError(f"{table.name}: {columns} is not unique.") from error
            verb = "still used" if sql.startswith("DELETE") else "refers to something that does not exist"
            raise InUseError(f"{table.name}: {verb}.") from error


def _where(table: Table, key: Any) -> tuple[str, tuple[Any, ...]]:
    values: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)  # pyright: ignore[reportUnknownVariableType]
    return " AND ".join(f'"{k}" = ?' for k in table.key), values


def _definition(table: Table, all_tables: Mapping[str, Table]) -> Iterator[str]:
    targets = references(table, all_tables)
    columns: list[str] = []
    for name, kind in table.columns.items():
        text = f'"{name}" {affinity(kind)}'
        if table.numbered and name == "id":
            text += " PRIMARY KEY AUTOINCREMENT"
        if name in targets:
            text += f' REFERENCES "{targets[name]}" (id) DEFERRABLE'
        columns.append(text)
    if not table.numbered:
        columns.append("PRIMARY KEY (" + ", ".join(f'"{k}"' for k in table.key) + ")")
    columns.extend("UNIQUE (" + ", ".join(group) + ")" for group in UNIQUE.get(table.name, ()))
    yield f'CREATE TABLE IF NOT EXISTS "{table.name}" ({", ".join(columns)})'
    for name in _indexed(table, targets):
        yield f'CREATE INDEX IF NOT EXISTS "{table.name}__{name}" ON "{table.name}" ("{name}")'


_UNREFERENCED = {"created_by_id", "updated_by_id"}


def references(table: Table, all_tables: Mapping[str, Table]) -> dict[str, str]:
    """Give the columns that are foreign keys, with the table each refers to."""
    if table.resource is None:
        return {}
    links = {link.column: link.resource for link in table.resource.links}
    return {
        column: target
        for column, target in links.items()
        if column in table.columns
        and column not in _UNREFERENCED
        and target in all_tables
        and all_tables[target].numbered
    }


def _indexed(table: Table, targets: Mapping[str, str]) -> list[str]:
    names = [c for c in targets if c != table.key[0]]
    if table.updated:
        names.append(table.updated)
    if table.resource is None:
        names.append(table.key[1])
    names.extend(c for c in ("family_id", "entity_id") if c in table.columns and c not in names)
    return names


def _similarity(left: str | None, right: str | None) -> float:
    return SequenceMatcher(None, (left or "").lower(), (right or "").lower()).ratio()


def encode_input(resource: Resource, values: Mapping[str, Any]) -> tuple[Row, dict[str, Any]]:
    """Split an input into columns and the members that are no columns."""
    by_name = {f.name: f for f in resource.fields if f.stored}
    row: Row = {}
    rest: dict[str, Any] = {}
    for name, value in values.items():
        field = by_name.get(name)
        if field is None:
            rest[name] = value
        else:
            row[field.column] = encode(field, value)
    return row, rest


def dump(value: Any) -> str:
    """Write JSON as the columns hold it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
