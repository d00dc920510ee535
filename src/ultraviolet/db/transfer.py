"""Copy a hub between databases: backup, restore, and migration from SQLite to PostgreSQL.

The copy is a consistent snapshot of the source, which may be in use, and is read back and compared.
A second run adds the events that the source received since, because ION does not send them again.
All other data is read from ION again.
"""

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Integer, Table, func, insert, select, text

from ultraviolet.db import dialect, locks, partitions
from ultraviolet.db.event_store import DELIVERIES, insert_events
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.integrations import integrations, settings
from ultraviolet.db.tables.metadata import metadata
from ultraviolet.db.tables.mirror import view_columns
from ultraviolet.errors import ConflictError, UltravioletError

_ROWS_PER_STATEMENT = 500
_MOVED_FROM = "moved from"
_DATABASE_SETTINGS = {"views", "identity", _MOVED_FROM}
"""Settings of a database that are not copied."""


class TransferError(UltravioletError):
    """The copy differs from the source. The target is unchanged. Check its disk and try again."""

    kind = "transfer-failed"


class TransferResult(msgspec.Struct, frozen=True):
    """The number of copied rows by table; in a second run, only new events."""

    rows: dict[str, int]
    whole: bool


def transfer(source: Engine, target: Engine, *, go_on: bool = False) -> TransferResult:
    """Copy everything into an empty target, or with `go_on` new events into an earlier copy.

    Both databases have the tables of this release. Raise ConflictError if the target contains
    another hub.
    """
    name = source.url.render_as_string()
    with source.connect() as reading, target.connect() as writing:
        dialect.begin_read(reading)
        dialect.begin_write(writing)
        locks.lock(writing, "migration")
        before = writing.execute(
            select(settings.c.value).where(settings.c.name == _MOVED_FROM)
        ).scalar()
        if go_on and before == name:
            moved = TransferResult({events.name: _copy_new_events(reading, writing)}, whole=False)
        elif writing.execute(select(func.count()).select_from(integrations)).scalar_one():
            raise ConflictError(
                "The target database already contains a hub. Nothing was copied."
                " Use an empty database."
            )
        else:
            moved = TransferResult(_copy_all(reading, writing), whole=True)
            writing.execute(insert(settings).values(name=_MOVED_FROM, value=name))
        writing.commit()
    return moved


def _copy_all(reading: Connection, writing: Connection) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table in metadata.sorted_tables:
        if table is view_columns:
            continue
        if table in partitions.PARTITIONED_TABLES:
            partitions.ensure_partitions(writing, table, _months(reading, table))
        rows, sent = _copy(reading, writing, table)
        arrived = _digest(writing, table)
        if sent != arrived:
            raise TransferError(
                f"{table.name}: the copy differs from the source. Nothing was kept."
            )
        counts[table.name] = rows
        _set_sequence(writing, table)
    return counts


def _months(reading: Connection, table: Table) -> list[str]:
    month = func.substr(partitions.PARTITIONED_TABLES[table], 1, 7)
    return list(reading.execute(select(month).distinct()).scalars())


def _copy(reading: Connection, writing: Connection, table: Table) -> tuple[int, str]:
    count, seen = 0, hashlib.sha256()
    for rows in _rows(reading, table).partitions(_ROWS_PER_STATEMENT):
        kept = [row for row in map(dict, rows) if not _is_excluded(table, row)]
        for row in kept:
            seen.update(_line(row))
        if kept:
            writing.execute(insert(table), kept)
        count += len(kept)
    return count, seen.hexdigest()


def _digest(connection: Connection, table: Table) -> str:
    seen = hashlib.sha256()
    for rows in _rows(connection, table).partitions(_ROWS_PER_STATEMENT):
        for row in rows:
            if not _is_excluded(table, row):
                seen.update(_line(dict(row)))
    return seen.hexdigest()


def _rows(connection: Connection, table: Table) -> Any:
    query = select(table).order_by(*table.primary_key.columns)
    return connection.execute(
        query, execution_options={"yield_per": _ROWS_PER_STATEMENT}
    ).mappings()


def _is_excluded(table: Table, row: Any) -> bool:
    return table is settings and row["name"] in _DATABASE_SETTINGS


def _line(row: dict[str, Any]) -> bytes:
    return msgspec.json.encode(list(row.values()))


def _set_sequence(connection: Connection, table: Table) -> None:
    """Continue PostgreSQL's sequence of a table after the copied rows."""
    column = table.autoincrement_column
    if (
        column is None
        or not isinstance(column.type, Integer)
        or not dialect.is_postgresql(connection)
    ):
        return
    last = connection.execute(select(func.max(column))).scalar()
    if last is not None:
        sequence = {"table": table.name, "column": column.name, "last": last}
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"), sequence
        )


def _copy_new_events(reading: Connection, writing: Connection) -> int:
    """Copy the events that the target does not have; it applies them later."""
    query = select(events, DELIVERIES).order_by(events.c.seq)
    found = reading.execute(query, execution_options={"yield_per": _ROWS_PER_STATEMENT}).mappings()
    return sum(
        insert_events(writing, [{**row, "headers": _json(row["headers"])} for row in rows], again=0)
        for rows in found.partitions(_ROWS_PER_STATEMENT)
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
