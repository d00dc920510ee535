"""The CREATE statements of the store."""

import zlib
from collections.abc import Iterator, Mapping
from sqlite3 import Connection

from ultraviolet.errors import ConflictError
from ultraviolet.local_ion.store import audit_log, saved_states
from ultraviolet.local_ion.store.columns import affinity
from ultraviolet.local_ion.store.tables import StoreSchema, Table

UNIQUE_COLUMNS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "parts": (("part_number", "revision"),),
    "parts_inventory": (("part_id", "serial_number"),),
    "part_subtypes": (("name",),),
    "supplier_parts": (("supplier_id", "part_id"),),
    "mboms": (("part_id", "version"),),
    "mbom_item": (("mbom_id", "part_id"),),
    "mbom_substitute": (("mbom_item_id", "part_id"),),
    "mbom_item_reference_designators": (("mbom_item_id", "value"),),
    "labels": (("value",),),
    "currencies": (("type",),),
    "units_of_measurements": (("type",),),
    "roles": (("name",),),
    "teams": (("name",),),
    "api_keys": (("client_id",),),
    "webhook_subscriptions": (("receiver_id", "resource", "action"),),
}
"""Unique constraints: of parts (documented), of items of an mBOM (seen), the others are assumed."""


def create_tables(connection: Connection, schema: StoreSchema) -> None:
    """Create the tables, indexes and triggers that a database lacks.

    Raise ConflictError if its tables are those of another version of Ultraviolet.
    """
    script = create_script(schema)
    version = zlib.crc32(script.encode()) >> 1  # SQLite has a signed number for it
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == version:
        return
    if found:
        check_columns(connection, schema)
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in connection.execute(triggers).fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
    connection.executescript(script)
    connection.execute(f"PRAGMA user_version = {version}")


def check_columns(connection: Connection, schema: StoreSchema) -> None:
    """Raise ConflictError if an existing table has not exactly the columns of the schema."""
    sql = "SELECT name FROM pragma_table_info(?)"
    for table in schema.tables.values():
        columns = {name for (name,) in connection.execute(sql, (table.name,))}
        if columns and columns != set(table.columns):
            path = connection.execute("PRAGMA database_list").fetchone()[2]
            raise ConflictError(
                f"Another version of Ultraviolet created {path}: its table {table.name} differs."
                " Start the local ION with another folder, or delete this one, because its data"
                " cannot be converted."
            )


def create_script(schema: StoreSchema) -> str:
    """Return the script that creates all tables, indexes and triggers."""
    statements = [audit_log.TABLES, saved_states.TABLE]
    for table in schema.tables.values():
        statements.extend(_table_statements(schema, table))
        if table.name not in audit_log.UNLOGGED_TABLES:
            columns = list(table.columns.items())
            statements.extend(audit_log.triggers(table.name, columns, table.key))
    return "BEGIN;" + ";\n".join(statements) + ";COMMIT;"


def _table_statements(schema: StoreSchema, table: Table) -> Iterator[str]:
    references = schema.references(table)
    columns: list[str] = []
    for name, kind in table.columns.items():
        text = f'"{name}" {affinity(kind)}'
        if table.has_integer_id and name == "id":
            text += " PRIMARY KEY AUTOINCREMENT"
        if name in references:
            text += f' REFERENCES "{references[name]}" (id) DEFERRABLE'
        columns.append(text)
    if not table.has_integer_id:
        columns.append("PRIMARY KEY (" + ", ".join(f'"{k}"' for k in table.key) + ")")
    unique = UNIQUE_COLUMNS.get(table.name, ())
    columns.extend("UNIQUE (" + ", ".join(group) + ")" for group in unique)
    yield f'CREATE TABLE IF NOT EXISTS "{table.name}" ({", ".join(columns)})'
    indexed = [c for c in references if c != table.key[0]]
    if table.updated:
        indexed.append(table.updated)
    if table.resource is None:
        indexed.append(table.key[1])
    indexed.extend(c for c in ("family_id", "entity_id") if c in table.columns and c not in indexed)
    for name in indexed:
        index = f"{table.name}__{name}"
        yield f'CREATE INDEX IF NOT EXISTS "{index}" ON "{table.name}" ("{name}")'
