"""SQLite connections, the write-ahead log and free pages."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
)
from sqlalchemy.pool import ConnectionPoolEntry

from ultraviolet.db.dialect import is_postgresql
from ultraviolet.files import create_private

_BUSY_TIMEOUT_MILLISECONDS = 10_000
"""Time that SQLite waits for a lock of another process."""


def connect_writer(engine: Engine) -> Engine:
    """Return an engine with the one connection for writes, with a large cache.

    A connection must reload its cache after another one writes, so only one connection writes.
    """
    return connect_sqlite(engine.url, connections=1, cache_kilobytes=16_000)


def connect_sqlite(url: URL, *, connections: int = 8, cache_kilobytes: int = 4_000) -> Engine:
    """Create an engine."""
    if url.database:
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(OSError):  # SQLite reports the error better
            create_private(path)
    engine = create_engine(
        url, pool_size=connections, max_overflow=connections, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # Database begins transactions
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MILLISECONDS}")
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # Only before the first table, because this waits for writers. It allows freed pages to
            # be returned in small steps.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{cache_kilobytes}",
            *_LOG_PRAGMAS,
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


_LOG_PRAGMAS = ("wal_autocheckpoint=32768", "journal_size_limit=67108864")
"""Log size in pages at which a commit runs a checkpoint if `checkpoints.py` did not, and the size
in bytes to which the log file is truncated."""


def checkpoint(connection: Connection) -> int:
    """Copy the write-ahead log into the database file without blocking; return the log's pages."""
    return connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()[1]


def restart_wal(connection: Connection, max_wait: float) -> bool:
    """Copy the rest of the log, so that the next commit restarts it; return the success."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout={round(max_wait * 1000)}")
    try:
        return not connection.exec_driver_sql("PRAGMA wal_checkpoint(RESTART)").one()[0]
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MILLISECONDS}")


def release_pages(connection: Connection, pages: int) -> bool:
    """Return freed pages to the disk; return whether there may be more (SQLite only)."""
    if is_postgresql(connection):
        return False
    free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    if free <= _SPARE_PAGES:
        return False
    connection.exec_driver_sql(
        f"PRAGMA incremental_vacuum({min(pages, free - _SPARE_PAGES)})"
    ).fetchall()
    return True


_SPARE_PAGES = 256
"""Free pages that are kept for the next writes."""
