"""The database of the hub: connections, transactions, and which thread does what.

SQLite has one writer, so all writes go through one thread, in order; reads run beside it on a small pool
(WAL lets them). The rules of truth stay plain synchronous functions over a connection.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from ultraviolet.errors import InvalidError, UltravioletError

T = TypeVar("T")


class StoreUnavailableError(UltravioletError):
    """The database does not answer or cannot be written; see the log of the hub, and check disk and permissions."""

    kind = "store-unavailable"
    status = 503
    exit_code = 6


class Store:
    """One hub database; `write` and `read` are the only ways in."""

    def __init__(self, engine: Engine, *, readers: int = 4) -> None:
        self.engine = engine
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect to `sqlite:///path` and bring its tables up to date.

        Raises InvalidError for an address of a database that is not supported, StoreUnavailableError when
        it cannot be opened.
        """
        from ultraviolet.mirror.migrations import upgrade  # noqa: PLC0415  Alembic costs 100 ms; only openers pay

        if make_url(url).get_backend_name() != "sqlite":
            msg = f"{make_url(url).render_as_string()} is not supported yet: use sqlite:///path/to/hub.db"
            raise InvalidError(msg)
        engine = sqlite_engine(url)
        try:
            upgrade(engine)
        except OperationalError as error:
            msg = f"The database {make_url(url).database} could not be opened: {error.orig}"
            raise StoreUnavailableError(msg) from error
        return cls(engine)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one durable transaction on the writer thread and wait for it."""
        return self._writer.submit(self._transaction, work).result()

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a consistent snapshot."""
        return self._snapshot(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one durable transaction; returns after the commit is on disk."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._transaction, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a consistent snapshot, beside other reads and the writer."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._snapshot, work)

    def close(self) -> None:
        """Finish what was begun and let go of the database."""
        self._writer.shutdown()
        self._readers.shutdown()
        self.engine.dispose()

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                result = work(connection)
                connection.commit()
                return result
        except OperationalError as error:
            raise StoreUnavailableError(f"The database could not be written: {error.orig}") from error

    def _snapshot(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                return work(connection)
        except OperationalError as error:
            raise StoreUnavailableError(f"The database could not be read: {error.orig}") from error


def sqlite_engine(url: str) -> Engine:
    """Make an engine whose commits are on disk when they return (WAL, synchronous=FULL)."""
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=8, max_overflow=8)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # transactions are begun by Store, not guessed by the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=10000",
            "cache_size=-32000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine
