"""Months: on PostgreSQL events and versions are kept in a part for each, so that an old one can be dropped whole.

Parts are made ahead. What has no part of its month goes into the table's rest, so that nothing is ever refused, and
moves when the part is made. On SQLite there are no parts, and everything here does nothing.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, Table, text

from ultraviolet.clock import utc_now
from ultraviolet.db import dialect, locks
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import versions

PARTITIONED_TABLES = {events: events.c.received_at, versions: versions.c.observed_at}
"""The tables in months, with the time they are told by."""
_AHEAD = 2
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
"""How a month is written; times sort as text, so it is also the bound before everything of that month."""

_PARTS = text(
    """SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(:table) ORDER BY c.relname"""
)
# An event is written when it comes and when it is judged, and the index of waiting events is searched all day:
# its dead rows are to go long before they are the usual fifth of a month.
_OPTIONS = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02"


class Partition(msgspec.Struct, frozen=True):
    """One month of a table."""

    table: str
    month: str

    @property
    def name(self) -> str:
        """The part's own table."""
        return f"{self.table}_{self.month.replace('-', '_')}"

    @property
    def end(self) -> str:
        """The bound behind everything of that month."""
        return _after(self.month)


def ensure_partitions(
    connection: Connection, table: Table | None = None, months: Iterable[str] = ()
) -> list[Partition]:
    """Make the parts of this month and the next ones, and of others a table is to have; gives those that were missing."""
    if not dialect.is_postgresql(connection):
        return []
    locks.lock(connection, "partitions")
    connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
    made: list[Partition] = []
    for monthed in [table] if table is not None else PARTITIONED_TABLES:
        there = {part.month for part in list_partitions(connection, monthed)}
        for month in sorted({*_coming(), *filter(_MONTH.fullmatch, months)} - there):
            part = Partition(monthed.name, month)
            _make(connection, part, PARTITIONED_TABLES[monthed].name)
            made.append(part)
    return made


def create_default_partitions(connection: Connection) -> None:
    """Make what takes everything without a part, with the tables themselves."""
    if dialect.is_postgresql(connection):
        for table in PARTITIONED_TABLES:
            connection.exec_driver_sql(
                f"CREATE TABLE {table.name}_rest PARTITION OF {table.name} DEFAULT WITH ({_OPTIONS})"
            )
        ensure_partitions(connection)


def list_partitions(connection: Connection, table: Table) -> list[Partition]:
    """Return the months a table has parts of, oldest first; none on SQLite."""
    if not dialect.is_postgresql(connection):
        return []
    names = [
        row.name
        for row in connection.execute(_PARTS, {"table": table.name})
        if row.bound != "DEFAULT"
    ]
    return [
        Partition(table.name, name.removeprefix(f"{table.name}_").replace("_", "-"))
        for name in names
    ]


def lock(connection: Connection, part: Partition) -> None:
    """Let nobody else at a table of which a month is to go; gives up where it has to wait for long."""
    connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
    connection.exec_driver_sql(
        f"LOCK TABLE ONLY {part.table}, ONLY {part.name} IN ACCESS EXCLUSIVE MODE"
    )


def drop_partition(connection: Connection, part: Partition, kept: Sequence[int]) -> None:
    """Drop a month but for these rows, by number, which move to the table's rest.

    Others wait while this is done.
    """
    lock(connection, part)
    connection.exec_driver_sql(f"ALTER TABLE {part.table} DETACH PARTITION {part.name}")
    if kept:
        connection.exec_driver_sql(
            f"INSERT INTO {part.table} SELECT * FROM {part.name} WHERE seq = ANY(%s)",
            (list(kept),),
        )
    connection.exec_driver_sql(f"DROP TABLE {part.name}")


def _make(connection: Connection, part: Partition, by: str) -> None:
    """Make a part beside its table and attach it, which lets others go on; its rows so far are in the rest."""
    rest, low, high = f"{part.table}_rest", part.month, part.end
    connection.exec_driver_sql(
        f"CREATE TABLE {part.name} (LIKE {part.table} INCLUDING ALL) WITH ({_OPTIONS})"
    )
    connection.exec_driver_sql(f"LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE")
    connection.exec_driver_sql(
        f"WITH moved AS (DELETE FROM {rest} WHERE {by} >= '{low}' AND {by} < '{high}' RETURNING *)"
        f" INSERT INTO {part.name} SELECT * FROM moved"
    )
    connection.exec_driver_sql(
        f"ALTER TABLE {part.table} ATTACH PARTITION {part.name} FOR VALUES FROM ('{low}') TO ('{high}')"
    )


def _coming() -> list[str]:
    months = [utc_now().isoformat()[:7]]
    for _ in range(_AHEAD):
        months.append(_after(months[-1]))
    return months


def _after(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"
