"""The database of the hub: connections, transactions and threads.

SQLite has one writer, so one thread runs all writes in order. Reads and checkpoints run
concurrently in other threads. On PostgreSQL several threads write, and deliveries have their own thread, so that
other work cannot delay them. Work on the database is a synchronous function over a connection.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from ultraviolet import tracing
from ultraviolet.db import dialect, driver_errors, partitions, sqlite, view_creation
from ultraviolet.db import engine as db_engine
from ultraviolet.db.checkpoints import Checkpoints
from ultraviolet.db.driver_errors import StoreUnavailableError, explain_errors
from ultraviolet.db.migrations import upgrade
from ultraviolet.errors import UltravioletError
from ultraviolet.ion.catalog import load_catalog

T = TypeVar("T")
P = ParamSpec("P")

_MAX_ATTEMPTS = 5
_READER_THREADS = 4


class Database:
    """The database of a hub. All access is through `read` and `write`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        concurrent = dialect.is_postgresql(engine)
        self.writing = engine if concurrent else sqlite.connect_writer(engine)
        self._writers = ThreadPoolExecutor(
            db_engine.WRITER_THREADS if concurrent else 1, thread_name_prefix="database-writer"
        )
        self._deliveries = (
            ThreadPoolExecutor(1, thread_name_prefix="database-deliveries")
            if concurrent
            else self._writers
        )
        self._readers = ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="database-reader")
        self._checkpoints = None if concurrent else Checkpoints(engine, self._writers)
        self.trouble: str | None = None
        """Why the last write failed; None after a delivery was written again."""
        self.kept_for = 0.0
        """Seconds spent on writing deliveries. Work of lower priority yields when it grows."""

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect to `sqlite:///path` or `postgresql://user@host/database` and migrate its tables.

        Raise InvalidError for an unsupported URL or a file that is not a database,
        DatabaseSetupError for a server that is not set up for a hub, NewerTablesError for tables
        of a newer release, and StoreUnavailableError if the database cannot be opened.
        """
        engine = db_engine.make_engine(url)
        try:
            if dialect.is_postgresql(engine):
                from ultraviolet.db.server_check import (  # noqa: PLC0415  psycopg takes 10 MB
                    check_server,
                )

                check_server(engine.url)
            with explain_errors(engine.url.render_as_string()):
                upgrade(engine)
                with engine.connect() as connection:
                    dialect.begin_write(connection)
                    view_creation.create_views(connection, load_catalog())
                    partitions.ensure_partitions(connection)
                    connection.commit()
        except UltravioletError:
            engine.dispose()
            raise
        return cls(engine)

    def write_now(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in one durable transaction and wait for it."""
        return self._writers.submit(self._transaction, work, *args, **kwargs).result()

    def read_now(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` on a consistent snapshot."""
        return self._snapshot(work, *args, **kwargs)

    async def write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in one durable transaction; return after the commit is on disk.

        `work` is run again if PostgreSQL rolls it back because of another transaction.
        """
        with tracing.child_span("database.write"):
            return await asyncio.get_running_loop().run_in_executor(
                self._writers, partial(self._transaction, work, *args, **kwargs)
            )

    async def write_delivery(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Write deliveries like `write`; on PostgreSQL, without waiting for other work.

        `work` must write something, because success proves that the database is writable.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with tracing.child_span("database.write"):
                transaction = partial(self._transaction, work, *args, **kwargs)
                result: T = await loop.run_in_executor(self._deliveries, transaction)
        finally:
            self.kept_for += loop.time() - began
        self.trouble = None
        return result

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` on a consistent snapshot, concurrently with other reads and with writes."""
        with tracing.child_span("database.read"):
            return await asyncio.get_running_loop().run_in_executor(
                self._readers, partial(self._snapshot, work, *args, **kwargs)
            )

    def close(self) -> None:
        """Finish running work and close the connections."""
        if self._checkpoints:
            self._checkpoints.stop()
        for pool in (self._writers, self._deliveries, self._readers):
            pool.shutdown()
        self.writing.dispose()
        self.engine.dispose()

    def _transaction(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        for attempt in range(_MAX_ATTEMPTS):
            try:
                with self.writing.connect() as connection:
                    dialect.begin_write(connection)
                    result = work(connection, *args, **kwargs)
                    connection.commit()
                    if self._checkpoints:
                        self._checkpoints.written()
                    return result
            except DBAPIError as error:
                driver_errors.remove_statement_data(error)
                if driver_errors.is_retryable(error) and attempt < _MAX_ATTEMPTS - 1:
                    continue
                if not driver_errors.is_unavailable(error):
                    raise
                raise self._failed(error) from error
            except NoConnectionError as error:
                raise self._failed(error) from error
        raise AssertionError

    def _failed(self, error: Exception) -> StoreUnavailableError:
        failure = _unavailable("written", error)
        if not (isinstance(error, DBAPIError) and driver_errors.is_retryable(error)):
            self.trouble = str(failure)
        return failure

    def _snapshot(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            with self.engine.connect() as connection:
                dialect.begin_read(connection)
                return work(connection, *args, **kwargs)
        except DBAPIError as error:
            driver_errors.remove_statement_data(error)
            if not driver_errors.is_unavailable(error):
                raise
            raise _unavailable("read", error) from error
        except NoConnectionError as error:
            raise _unavailable("read", error) from error


def _unavailable(action: str, error: Exception) -> StoreUnavailableError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return StoreUnavailableError(f"The database could not be {action}: {cause}")
