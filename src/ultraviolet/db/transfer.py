"""Copy a hub between databases: backup, restore, and migration from SQLite to PostgreSQL.

The copy is a consistent snapshot of the source, which may be in use, and is read back and compared.
A second run adds the events that the source received since, because ION does not send them again.
All other data is read from ION again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
    Integer,
    RowMapping,
    Select,
    Table,
    func,
    insert,
    select,
    text,
)

from ultraviolet.db import dialect, locks, partitions, stored_facts
from ultraviolet.db.event_store import DELIVERIES, insert_events
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.integrations import integrations, settings
from ultraviolet.db.tables.metadata import metadata
from ultraviolet.db.tables.mirror import view_columns
from ultraviolet.errors import ConflictError, UltravioletError

_ROWS_PER_STATEMENT = 500


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
        if go_on and stored_facts.read_fact(writing, stored_facts.MOVED_FROM) == name:
            # The target applies the events that it does not have yet later.
            new = 0
            for rows in _stream(reading, select(events, DELIVERIES).order_by(events.c.seq)):
                found = [
                    {**row, "headers": msgspec.json.encode(row["headers"]).decode()} for row in rows
                ]
                new += insert_events(writing, found, again=0)
            moved = TransferResult({events.name: new}, whole=False)
        elif writing.execute(select(func.count()).select_from(integrations)).scalar_one():
            raise ConflictError(
                "The target database already contains a hub. Nothing was copied."
                " Use an empty database."
            )
        else:
            moved = TransferResult(_copy_all(reading, writing), whole=True)
            stored_facts.save_fact(writing, stored_facts.MOVED_FROM, name)
        writing.commit()
    return moved


def _copy_all(reading: Connection, writing: Connection) -> dict[str, int]:
    counts: dict[str, int] = {}
    for table in metadata.sorted_tables:
        if table is view_columns:
            continue
        if table in partitions.PARTITIONED_TABLES:
            month = func.substr(partitions.PARTITIONED_TABLES[table], 1, 7)
            months = reading.execute(select(month).distinct()).scalars()
            partitions.ensure_partitions(writing, table, months)
        rows, sent = _copy(reading, writing, table)
        if sent != _copy(writing, None, table)[1]:
            raise TransferError(
                f"{table.name}: the copy differs from the source. Nothing was kept."
            )
        counts[table.name] = rows
        column = table.autoincrement_column
        if (
            column is not None
            and isinstance(column.type, Integer)
            and dialect.is_postgresql(writing)
            and (last := writing.execute(select(func.max(column))).scalar()) is not None
        ):  # PostgreSQL's sequence continues after the copied rows
            sequence = {"table": table.name, "column": column.name, "last": last}
            writing.execute(
                text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"), sequence
            )
    return counts


def _copy(reading: Connection, writing: Connection | None, table: Table) -> tuple[int, str]:
    """Copy a table, or only read it; return the number of its rows and their digest."""
    count, seen = 0, hashlib.sha256()
    query = select(table).order_by(*table.primary_key.columns)
    for rows in _stream(reading, query):
        kept = [
            row
            for row in map(dict, rows)
            if table is not settings or row["name"] not in stored_facts.NOT_COPIED
        ]
        for row in kept:
            seen.update(msgspec.json.encode(list(row.values())))
        if kept and writing:
            writing.execute(insert(table), kept)
        count += len(kept)
    return count, seen.hexdigest()


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Sequence[RowMapping]]:
    """Yield the rows of a query in batches, without loading all of them."""
    found = connection.execute(query, execution_options={"yield_per": _ROWS_PER_STATEMENT})
    return found.mappings().partitions(_ROWS_PER_STATEMENT)
