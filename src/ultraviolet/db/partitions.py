"""Monthly partitions of events and versions on PostgreSQL, so that an old month is dropped whole.

Partitions are created ahead. Rows of other months go into the default partition, so that no insert
fails, and move when their partition is created. SQLite has no partitions.
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
"""The partitioned tables with their partition column."""
_MONTHS_AHEAD = 2
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
"""Times sort as text, so a month is also the lower bound of its partition."""

_LIST_PARTITIONS = text(
    """SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(:table) ORDER BY c.relname"""
)
# Each event is updated once, and the index of waiting events is searched all day. So dead rows must
# be removed before they make up the default share of a partition.
_OPTIONS = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02"


class Partition(msgspec.Struct, frozen=True):
    """A month of a partitioned table."""

    table: str
    month: str

    @property
    def name(self) -> str:
        """The name of the partition's table."""
        return f"{self.table}_{self.month.replace('-', '_')}"

    @property
    def end(self) -> str:
        """The upper bound of the month."""
        return _next_month(self.month)


def ensure_partitions(
    connection: Connection, table: Table | None = None, months: Iterable[str] = ()
) -> list[Partition]:
    """Create the partitions of the coming and the given months; return the new ones."""
    if not dialect.is_postgresql(connection):
        return []
    locks.lock(connection, "partitions")
    connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
    coming = [utc_now().isoformat()[:7]]
    for _ in range(_MONTHS_AHEAD):
        coming.append(_next_month(coming[-1]))
    created: list[Partition] = []
    for partitioned in [table] if table is not None else PARTITIONED_TABLES:
        existing = {part.month for part in list_partitions(connection, partitioned)}
        for month in sorted({*coming, *filter(_MONTH.fullmatch, months)} - existing):
            part = Partition(partitioned.name, month)
            rest, by = f"{part.table}_rest", PARTITIONED_TABLES[partitioned].name
            connection.exec_driver_sql(
                f"CREATE TABLE {part.name} (LIKE {part.table} INCLUDING ALL) WITH ({_OPTIONS})"
            )
            connection.exec_driver_sql(f"LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE")
            connection.exec_driver_sql(
                f"WITH moved AS (DELETE FROM {rest} WHERE {by} >= '{month}' AND {by} < '{part.end}'"
                f" RETURNING *) INSERT INTO {part.name} SELECT * FROM moved"
            )
            connection.exec_driver_sql(
                f"ALTER TABLE {part.table} ATTACH PARTITION {part.name}"
                f" FOR VALUES FROM ('{month}') TO ('{part.end}')"
            )
            created.append(part)
    return created


def create_default_partitions(connection: Connection) -> None:
    """Create the default partitions and those of the coming months."""
    if dialect.is_postgresql(connection):
        for table in PARTITIONED_TABLES:
            connection.exec_driver_sql(
                f"CREATE TABLE {table.name}_rest PARTITION OF {table.name} DEFAULT"
                f" WITH ({_OPTIONS})"
            )
        ensure_partitions(connection)


def list_partitions(connection: Connection, table: Table) -> list[Partition]:
    """Return the partitions of a table, oldest first; none on SQLite."""
    if not dialect.is_postgresql(connection):
        return []
    names = [
        row.name
        for row in connection.execute(_LIST_PARTITIONS, {"table": table.name})
        if row.bound != "DEFAULT"
    ]
    return [
        Partition(table.name, name.removeprefix(f"{table.name}_").replace("_", "-"))
        for name in names
    ]


def lock(connection: Connection, part: Partition) -> None:
    """Lock a table before one of its partitions is dropped; fail after two seconds."""
    connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
    connection.exec_driver_sql(
        f"LOCK TABLE ONLY {part.table}, ONLY {part.name} IN ACCESS EXCLUSIVE MODE"
    )


def drop_partition(connection: Connection, part: Partition, kept: Sequence[int]) -> None:
    """Drop a partition; move the rows with these numbers to the default partition."""
    lock(connection, part)
    connection.exec_driver_sql(f"ALTER TABLE {part.table} DETACH PARTITION {part.name}")
    if kept:
        connection.exec_driver_sql(
            f"INSERT INTO {part.table} SELECT * FROM {part.name} WHERE seq = ANY(%s)",
            (list(kept),),
        )
    connection.exec_driver_sql(f"DROP TABLE {part.name}")


def _next_month(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"
