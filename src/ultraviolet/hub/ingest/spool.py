"""The spool: a file of deliveries that were acknowledged while the database was unavailable.

Each process locks a file of its own and keeps deliveries in order. Every write is synced to disk.
A starting process takes over the files of processes that died.
"""

import asyncio
import itertools
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from ultraviolet.errors import UltravioletError
from ultraviolet.file_lock import try_lock
from ultraviolet.files import create_private, restrict_permissions
from ultraviolet.hub.core import metrics
from ultraviolet.ion.signatures import SignatureFormat

T = TypeVar("T")

log = structlog.get_logger()

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Size of the deliveries of one transaction, which delays all that arrive in the meantime."""
_MAX_REASON_CHARACTERS = 500
_MAX_SEQ = 2**63 - 1

_FIRST = "SELECT seq, delivery FROM deliveries ORDER BY seq LIMIT ?"
_MEASURE = "SELECT count(*), coalesce(sum(length(delivery)), 0) FROM deliveries WHERE seq <= ?"
_DELETE = "DELETE FROM deliveries WHERE seq <= ?"
_INSERT = "INSERT INTO deliveries (delivery) VALUES (?)"
_SET_UP = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    """CREATE TABLE IF NOT EXISTS deliveries (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, delivery BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS refused (
      seq INTEGER NOT NULL, delivery BLOB NOT NULL, why TEXT NOT NULL)""",
)


class SpoolFullError(UltravioletError):
    """The spool is full. Bring the database back, or increase ULTRAVIOLET_SPOOL_MEGABYTES."""

    kind = "spool-full"
    status = 503
    exit_code = 6


class SpooledDelivery(msgspec.Struct):
    """A delivery as an event row, with the format of its signature."""

    row: dict[str, Any]
    signature_format: SignatureFormat | None

    @property
    def url_id(self) -> int:
        """The webhook URL."""
        return self.row["webhook_url_id"]

    @property
    def integration_id(self) -> int:
        """The integration."""
        return self.row["integration_id"]


class Spool:
    """The spool file of this process."""

    refused = 0
    """Deliveries that the database rejected; the next process tries them again."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        restrict_permissions(folder, ["spool-*"])
        self._max_bytes = max_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        path, self._lock = next(
            (path, lock)
            for number in itertools.count(1)
            if (lock := _open_lock(path := folder / f"spool-{number}.db")) is not None
        )
        self._file = _open(path)
        for other_path in sorted(folder.glob("spool-*.db")):
            if other_path == path or (lock := _open_lock(other_path)) is None:
                continue
            other = _open(other_path)  # an interruption only repeats some deliveries
            for table in ("deliveries", "refused"):
                moved = other.execute(f"SELECT delivery FROM {table} ORDER BY seq").fetchall()
                self._insert(delivery for (delivery,) in moved)
                other.execute(f"DELETE FROM {table}")
            other.close()
            lock.close()
        with self._transaction():  # a later release may be able to store refused deliveries
            self._file.execute(
                "INSERT INTO deliveries (delivery) SELECT delivery FROM refused ORDER BY seq"
            )
            self._file.execute("DELETE FROM refused")
        self.waiting = self.size_bytes = 0
        self._resize(*self._file.execute(_MEASURE, [_MAX_SEQ]).fetchone())

    async def add(self, deliveries: Sequence[SpooledDelivery]) -> None:
        """Write deliveries to disk; raise SpoolFullError, or sqlite3.Error if the disk fails."""
        encoded = [msgspec.msgpack.encode(delivery) for delivery in deliveries]
        size_bytes = sum(map(len, encoded))
        if self.size_bytes + size_bytes > self._max_bytes:
            raise SpoolFullError
        await self._run(self._insert, encoded)
        self._resize(len(encoded), size_bytes)

    async def first(self, limit: int) -> list[tuple[int, SpooledDelivery]]:
        """Return the oldest deliveries, each with its number; set unreadable ones aside.

        They have up to `MAX_BATCH_BYTES` together, except for a larger first one.
        """

        def select() -> tuple[list[tuple[int, SpooledDelivery]], list[tuple[int, str]]]:
            found: list[tuple[int, SpooledDelivery]] = []
            unreadable: list[tuple[int, str]] = []
            size_bytes = 0
            for seq, encoded in self._file.execute(_FIRST, [limit]):
                size_bytes += len(encoded)
                if size_bytes > MAX_BATCH_BYTES and found:
                    break
                try:
                    found.append((seq, msgspec.msgpack.decode(encoded, type=SpooledDelivery)))
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    unreadable.append((seq, str(error)))
            return found, unreadable

        while True:
            found, unreadable = await self._run(select)
            for seq, error in unreadable:
                log.error("spool.not_readable", seq=seq, error=error)
                await self.refuse(seq, f"not readable: {error}")
            if found or not unreadable:
                return found

    async def delete_through(self, last: int) -> None:
        """Delete deliveries up to a number, after they were committed to the database."""

        def delete() -> tuple[int, int]:
            measured = self._file.execute(_MEASURE, [last]).fetchone()
            self._file.execute(_DELETE, [last])
            return measured

        count, size_bytes = await self._run(delete)
        self._resize(-count, -size_bytes)

    async def refuse(self, seq: int, why: str) -> None:
        """Set a delivery aside that the database rejects, so that it does not block the others."""
        self._resize(-1, -await self._run(self._move_to_refused, seq, why))
        self.refused += 1
        metrics.count_spool_refused()

    def close(self) -> None:
        """Close the file and release its lock."""
        self._thread.shutdown()
        self._file.close()
        self._lock.close()

    async def _run(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    def _resize(self, count: int, size_bytes: int) -> None:
        self.waiting += count
        self.size_bytes += size_bytes
        metrics.set_spooled(self.waiting, self.size_bytes)

    def _insert(self, encoded: Iterable[bytes]) -> None:
        with self._transaction():
            self._file.executemany(_INSERT, ([delivery] for delivery in encoded))

    def _move_to_refused(self, seq: int, why: str) -> int:
        """Return the size of the delivery."""
        size_query = "SELECT length(delivery) FROM deliveries WHERE seq = ?"
        [(size_bytes,)] = self._file.execute(size_query, [seq])
        with self._transaction():
            self._file.execute(
                "INSERT INTO refused SELECT seq, delivery, ? FROM deliveries WHERE seq = ?",
                [why[:_MAX_REASON_CHARACTERS], seq],
            )
            self._file.execute("DELETE FROM deliveries WHERE seq = ?", [seq])
        return size_bytes

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        finally:
            if self._file.in_transaction:  # SQLite may have rolled back by itself on a disk error
                self._file.execute("ROLLBACK")


def _open_lock(path: Path) -> Any:
    """Return the open lock of a file, or None if another process has it."""
    create_private(file := path.with_suffix(".lock"))
    lock = file.open("w")
    if try_lock(lock):
        return lock
    lock.close()
    return None


def _open(path: Path) -> sqlite3.Connection:
    create_private(path)
    file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    for statement in _SET_UP:
        file.execute(statement)
    return file
