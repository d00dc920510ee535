"""Moves a whole hub from one database to another: for backups, for restoring them, and from SQLite to PostgreSQL.

What is read is one moment of the source, which may be in use meanwhile; what arrived is read back and compared.
Deliveries that the source still takes afterwards are moved by doing it again: events are what ION will not say twice,
all else is read from ION afresh.
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

_CHUNK = 500
_MOVED_FROM = "moved from"
_OF_ONE_DATABASE = {"views", "identity", _MOVED_FROM}
"""Settings that describe the database they are in, not the hub."""


class TransferError(UltravioletError):
    """What arrived is not what was sent; the target was left as it was. Check its disk and try again."""

    kind = "transfer-failed"


class TransferResult(msgspec.Struct, frozen=True):
    """What was moved: rows by table; in a second run only events that came since."""

    rows: dict[str, int]
    whole: bool


def transfer(source: Engine, target: Engine, *, go_on: bool = False) -> TransferResult:
    """Copy everything into an empty target; to go on, bring what came since into one copied from this source before.

    Both have the tables of this release. Raises ConflictError where the target has something else in it.
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
            moved = TransferResult({events.name: _catch_up(reading, writing)}, whole=False)
        elif writing.execute(select(func.count()).select_from(integrations)).scalar_one():
            raise ConflictError(
                "There is a hub in that database already; give the address of an empty one."
            )
        else:
            moved = TransferResult(_everything(reading, writing), whole=True)
            writing.execute(insert(settings).values(name=_MOVED_FROM, value=name))
        writing.commit()
    return moved


def _everything(reading: Connection, writing: Connection) -> dict[str, int]:
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
                f"{table.name}: what arrived is not what was sent; nothing was kept."
            )
        counts[table.name] = rows
        _go_on_counting(writing, table)
    return counts


def _months(reading: Connection, table: Table) -> list[str]:
    month = func.substr(partitions.PARTITIONED_TABLES[table], 1, 7)
    return list(reading.execute(select(month).distinct()).scalars())


def _copy(reading: Connection, writing: Connection, table: Table) -> tuple[int, str]:
    count, seen = 0, hashlib.sha256()
    for rows in _rows(reading, table).partitions(_CHUNK):
        kept = [row for row in map(dict, rows) if not _stays(table, row)]
        for row in kept:
            seen.update(_line(row))
        if kept:
            writing.execute(insert(table), kept)
        count += len(kept)
    return count, seen.hexdigest()


def _digest(connection: Connection, table: Table) -> str:
    seen = hashlib.sha256()
    for rows in _rows(connection, table).partitions(_CHUNK):
        for row in rows:
            if not _stays(table, row):
                seen.update(_line(dict(row)))
    return seen.hexdigest()


def _rows(connection: Connection, table: Table) -> Any:
    query = select(table).order_by(*table.primary_key.columns)
    return connection.execute(query, execution_options={"yield_per": _CHUNK}).mappings()


def _stays(table: Table, row: Any) -> bool:
    return table is settings and row["name"] in _OF_ONE_DATABASE


def _line(row: dict[str, Any]) -> bytes:
    return msgspec.json.encode(list(row.values()))


def _go_on_counting(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that came with their numbers."""
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


def _catch_up(reading: Connection, writing: Connection) -> int:
    """Add the events the target does not have, to be applied there."""
    query = select(events, DELIVERIES).order_by(events.c.seq)
    found = reading.execute(query, execution_options={"yield_per": _CHUNK}).mappings()
    return sum(
        insert_events(writing, [{**row, "headers": _json(row["headers"])} for row in rows], again=0)
        for rows in found.partitions(_CHUNK)
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
