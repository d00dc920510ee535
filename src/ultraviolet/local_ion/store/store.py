"""The local ION's store: one SQLite file with one writer and snapshot readers."""

import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

from ultraviolet.files import create_private
from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.store import ddl, sqlite_functions
from ultraviolet.local_ion.store.files import FileStore
from ultraviolet.local_ion.store.saved_states import SavedStates
from ultraviolet.local_ion.store.tables import StoreSchema
from ultraviolet.local_ion.store.transaction import Transaction

ADMINISTRATOR_ID = 1
"""The user id of the organization's first administrator."""
WRITER_CACHE_KIB = 65_536
READER_CACHE_KIB = 8_192
"""The system caches the file as well; a small cache per thread limits memory."""


class Store:
    """A SQLite file with one writer at a time; readers see snapshots."""

    def __init__(self, path: Path, catalog: Catalog, clock: Callable[[], str]) -> None:
        self.path = path
        self.clock = clock
        self.schema = StoreSchema(catalog)
        self.files = FileStore(path.parent / "files")
        self._lock = threading.RLock()
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._saved_states = SavedStates(self.schema)
        create_private(path)
        self._writer = self._connect(WRITER_CACHE_KIB)
        self._writer.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        ddl.create_tables(self._writer, self.schema)

    def _connect(self, cache_kib: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=1000,
            timeout=30,
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA case_sensitive_like = ON")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
        sqlite_functions.register(connection, self.files.download_url)
        self._connections.append(connection)
        return connection

    @property
    def connection(self) -> sqlite3.Connection:
        """The read connection of this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(READER_CACHE_KIB)
        return connection

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        """Read from one snapshot."""
        connection = self.connection
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    @contextmanager
    def write(self, actor_id: int | None) -> Generator[Transaction]:
        """Run a write transaction on behalf of a user."""
        with self._lock:
            connection, now = self._writer, self.clock()
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(
                    "UPDATE _session SET transaction_id = transaction_id + 1, actor_id = ?, at = ?",
                    (actor_id, now),
                )
                transaction = Transaction(self.schema, self.files, connection, actor_id, now)
                yield transaction
                connection.execute("COMMIT")
            except BaseException:
                # After a disk error, SQLite may have ended the transaction itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        for callback in transaction.after_commit:
            callback()

    def file_description(self, file_id: int) -> tuple[str | None, str | None] | None:
        """Return the name and content type of a file, or None."""
        sql = "SELECT filename, content_type FROM file_attachments WHERE id = ?"
        return self.connection.execute(sql, (file_id,)).fetchone()

    def save(self, path: Path) -> None:
        """Write the current state to another database file; does not block readers."""
        create_private(path)
        connection = self.connection
        with self._lock:
            self._saved_states.mark(self._writer)
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM _saved_states").fetchone()  # now the snapshot begins
        try:
            with closing(sqlite3.connect(path)) as target:
                connection.backup(target)
        finally:
            connection.execute("COMMIT")

    def load(self, path: Path) -> None:
        """Replace the whole content with another database file in one step."""
        with self._lock:
            self._saved_states.restore(self._writer, path)

    def close(self) -> None:
        """Close every connection."""
        self._saved_states.close()
        for connection in self._connections:
            connection.close()
