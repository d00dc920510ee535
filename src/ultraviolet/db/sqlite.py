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

_BUSY_TIMEOUT = 10_000
"""Milliseconds that SQLite waits for a lock of another process."""


def connect_writer(engine: Engine) -> Engine:
    """Return SQLite's connection for all that is written.

    A connection that did not write last has to read anew what it holds of the database. So one writes, and holds more.
    """
    return connect_sqlite(engine.url, connections=1, cache=16_000)


def connect_sqlite(url: URL, *, connections: int = 8, cache: int = 4_000) -> Engine:
    """Connect; each connection holds up to `cache` kB of pages."""
    if url.database:
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(OSError):  # SQLite says better what is wrong
            create_private(path)
    engine = create_engine(
        url, pool_size=connections, max_overflow=connections, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = (
            None  # transactions are begun by Store, not guessed by the driver
        )
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # Before the first table, so that what is removed can be given back in small steps; and only then, because
            # this waits for whoever is writing.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{cache}",
            *_LOG,
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


_LOG = ("wal_autocheckpoint=32768", "journal_size_limit=67108864")
"""Pages after which a commit brings in the log itself, where nobody does beside it (checkpoints.py), and the bytes to
which its file is cut when a reader let it grow beyond."""


def checkpoint(connection: Connection) -> int:
    """Bring what may be of SQLite's log into the database file, beside readers and the writer; returns the pages of the log."""
    return connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()[1]


def restart_wal(connection: Connection, patience: float) -> bool:
    """Bring in the rest of SQLite's log and let the next commit begin it anew; False where readers are longer in the way."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout={round(patience * 1000)}")
    try:
        return not connection.exec_driver_sql("PRAGMA wal_checkpoint(RESTART)").one()[0]
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")


def release_pages(connection: Connection, pages: int) -> bool:
    """Return some room that was freed back to the disk; tells whether there is more. PostgreSQL does it by itself."""
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
"""Room that is kept for what comes next."""
