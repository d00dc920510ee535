"""The database of the hub: connections, transactions, and which thread does what.

SQLite has one writer, so all writes go through one thread, in order; reads run beside it on a small pool
(WAL lets them), and so do checkpoints (`checkpoints.py`). On PostgreSQL several threads write, and deliveries have
one of their own, so that no amount of other work can hold them up. The rules of truth stay plain synchronous
functions over a connection.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from ultraviolet import traces
from ultraviolet.errors import UltravioletError
from ultraviolet.ion.catalog import load
from ultraviolet.mirror import dialect, partitions, views
from ultraviolet.mirror.checkpoints import Checkpoints
from ultraviolet.mirror.migrations import upgrade
from ultraviolet.mirror.open_errors import StoreUnavailableError, explained

T = TypeVar("T")

_ATTEMPTS = 5


class Store:
    """One hub database; `write` and `read` are the only ways in."""

    def __init__(self, engine: Engine, *, readers: int = 4) -> None:
        self.engine = engine
        many = dialect.is_postgresql(engine)
        self.writing = engine if many else dialect.one_writer(engine)
        self._writers = ThreadPoolExecutor(
            dialect.WRITERS if many else 1, thread_name_prefix="store-writer"
        )
        self._deliveries = (
            ThreadPoolExecutor(1, thread_name_prefix="store-deliveries") if many else self._writers
        )
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._checkpoints = None if many else Checkpoints(engine, self._writers)
        self.trouble: str | None = None
        """Why the database could not be written, in words, until something was kept in it again."""
        self.kept_for = 0.0
        """Seconds that deliveries have spent on their way to the disk; work that can wait gives way to them."""

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect to `sqlite:///path` or `postgresql://user@host/database` and bring its tables up to date.

        Raise InvalidError for an address that is not supported and for a file that is not a database,
        DatabaseSetupError for a server that is not set up for a hub, NewerTablesError if a newer release changed
        the tables, StoreUnavailableError if the database cannot be opened.
        """
        engine = dialect.make_engine(url)
        try:
            if dialect.is_postgresql(engine):
                from ultraviolet.mirror.server_check import check_server  # noqa: PLC0415  psycopg takes 10 MB

                check_server(engine.url)
            with explained(engine.url.render_as_string()):
                upgrade(engine)
                _prepare(engine)
        except UltravioletError:
            engine.dispose()
            raise
        return cls(engine)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one durable transaction and wait for it."""
        return self._writers.submit(self._transaction, work).result()

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a consistent snapshot."""
        return self._snapshot(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one durable transaction; returns after the commit is on disk.

        `work` is run again where PostgreSQL undid it for the sake of another transaction.
        """
        with traces.step("database.write"):
            return await asyncio.get_running_loop().run_in_executor(
                self._writers, self._transaction, work
            )

    async def keep(self, work: Callable[[Connection], T]) -> T:
        """Like `write`, for deliveries: other work of this process does not make it wait, where the database lets it.

        `work` has to write something, so that what was kept shows that the database can be written.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with traces.step("database.write"):
                result = await loop.run_in_executor(self._deliveries, self._transaction, work)
        finally:
            self.kept_for += loop.time() - began
        self.trouble = None
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a consistent snapshot, beside other reads and the writers."""
        with traces.step("database.read"):
            return await asyncio.get_running_loop().run_in_executor(
                self._readers, self._snapshot, work
            )

    def close(self) -> None:
        """Finish what was begun and let go of the database."""
        if self._checkpoints:
            self._checkpoints.stop()
        for pool in (self._writers, self._deliveries, self._readers):
            pool.shutdown()
        self.writing.dispose()
        self.engine.dispose()

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        for attempt in range(_ATTEMPTS):
            try:
                with self.writing.connect() as connection:
                    dialect.begin_write(connection)
                    result = work(connection)
                    connection.commit()
                    if self._checkpoints:
                        self._checkpoints.written()
                    return result
            except DBAPIError as error:
                dialect.without_data(error)
                if dialect.may_try_again(error) and attempt < _ATTEMPTS - 1:
                    continue
                if not dialect.is_away(error):
                    raise
                raise self._failed(error) from error
            except NoConnectionError as error:
                raise self._failed(error) from error
        raise AssertionError

    def _failed(self, error: Exception) -> StoreUnavailableError:
        failure = _unavailable("written", error)
        if not (isinstance(error, DBAPIError) and dialect.may_try_again(error)):
            self.trouble = str(failure)
        return failure

    def _snapshot(self, work: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect() as connection:
                dialect.begin_read(connection)
                return work(connection)
        except DBAPIError as error:
            dialect.without_data(error)
            if not dialect.is_away(error):
                raise
            raise _unavailable("read", error) from error
        except NoConnectionError as error:
            raise _unavailable("read", error) from error


def _unavailable(what: str, error: Exception) -> StoreUnavailableError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return StoreUnavailableError(f"The database could not be {what}: {cause}")


def _prepare(engine: Engine) -> None:
    with engine.connect() as connection:
        dialect.begin_write(connection)
        views.create(connection, load())
        partitions.prepare(connection)
        connection.commit()
