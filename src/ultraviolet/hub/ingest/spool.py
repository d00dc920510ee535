"""The spool: deliveries that are acknowledged while the database is away, in a file of this process, fsynced.

A process locks its file, so that each has its own; what a process that died left in its file is taken over by the
next one that starts. Deliveries come out in the order they went in.
"""

import asyncio
import fcntl
import itertools
import sqlite3
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ultraviolet.errors import UltravioletError
from ultraviolet.files import create_private, restrict_permissions
from ultraviolet.hub.core import metrics
from ultraviolet.ion.signatures import SignatureFormat

T = TypeVar("T")


class SpoolFullError(UltravioletError):
    """The spool has no room for more; bring the database back, or set ULTRAVIOLET_SPOOL_MEGABYTES higher."""

    kind = "spool-full"
    status = 503
    exit_code = 6


class SpooledDelivery(msgspec.Struct):
    """A delivery as it will be recorded, and how it was signed."""

    row: dict[str, Any]
    form: SignatureFormat | None


class Spool:
    """The file of this process in the folder of a hub's spools."""

    refused = 0
    """How many deliveries the database did not take; they are in the file, and tried again by the next process."""

    def __init__(self, folder: Path, most: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        restrict_permissions(folder, ["spool-*"])
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        path, self._lock = next(
            (path, lock)
            for number in itertools.count(1)
            if (lock := _locked(path := folder / f"spool-{number}.db")) is not None
        )
        self._file = _opened(path)
        for other in sorted(folder.glob("spool-*.db")):
            if other != path and (lock := _locked(other)) is not None:
                self._take_over(other)
                lock.close()
        self._try_again()
        self.waiting, self.size = self._file.execute(
            "SELECT count(*), coalesce(sum(length(delivery)), 0) FROM deliveries"
        ).fetchone()
        metrics.set_spooled(self.waiting, self.size)

    async def keep(self, kept: Sequence[SpooledDelivery]) -> None:
        """Keep deliveries; returns when they are on disk. Raises SpoolFullError, sqlite3.Error for a disk that fails."""
        written = [msgspec.msgpack.encode(one) for one in kept]
        size = sum(map(len, written))
        if self.size + size > self._most:
            raise SpoolFullError
        await self._run(lambda: self._insert(written))
        self._changed(len(written), size)

    async def first(self, most: int) -> list[tuple[int, SpooledDelivery]]:
        """Return the oldest deliveries, each with its number."""
        query = "SELECT seq, delivery FROM deliveries ORDER BY seq LIMIT ?"
        rows = await self._run(lambda: self._file.execute(query, [most]).fetchall())
        return [
            (seq, msgspec.msgpack.decode(delivery, type=SpooledDelivery)) for seq, delivery in rows
        ]

    async def forget(self, last: int) -> None:
        """Forget what is in the database, up to a number."""

        def work() -> tuple[int, int]:
            gone = (
                "SELECT count(*), coalesce(sum(length(delivery)), 0) FROM deliveries WHERE seq <= ?"
            )
            count, size = self._file.execute(gone, [last]).fetchone()
            self._file.execute("DELETE FROM deliveries WHERE seq <= ?", [last])
            return count, size

        count, size = await self._run(work)
        self._changed(-count, -size)

    async def refuse(self, seq: int, why: str) -> None:
        """Put one that the database does not take aside, whole, so that it keeps none behind it waiting."""

        def work() -> int:
            [(size,)] = self._file.execute(
                "SELECT length(delivery) FROM deliveries WHERE seq = ?", [seq]
            )
            with self._writing():
                self._file.execute(
                    "INSERT INTO refused SELECT seq, delivery, ? FROM deliveries WHERE seq = ?",
                    [why[:500], seq],
                )
                self._file.execute("DELETE FROM deliveries WHERE seq = ?", [seq])
            return size

        self._changed(-1, -await self._run(work))
        self.refused += 1
        metrics.count_spool_refused()

    def close(self) -> None:
        """Let go of the file."""
        self._thread.shutdown()
        self._file.close()
        self._lock.close()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _changed(self, count: int, size: int) -> None:
        self.waiting += count
        self.size += size
        metrics.set_spooled(self.waiting, self.size)

    def _insert(self, written: Sequence[bytes]) -> None:
        with self._writing():
            self._file.executemany(
                "INSERT INTO deliveries (delivery) VALUES (?)", [[one] for one in written]
            )

    @contextmanager
    def _writing(self) -> Generator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        finally:
            if self._file.in_transaction:  # where the disk fails, SQLite may have ended it itself
                self._file.execute("ROLLBACK")

    def _try_again(self) -> None:
        """Let what the database refused before come again, after what waits; a later release may bring it in."""
        with self._writing():
            self._file.execute(
                "INSERT INTO deliveries (delivery) SELECT delivery FROM refused ORDER BY seq"
            )
            self._file.execute("DELETE FROM refused")

    def _take_over(self, path: Path) -> None:
        """Bring what another file has into this one, then empty it; interrupted in between, it is told twice, which counts once."""
        other = _opened(path)
        for table in ("deliveries", "refused"):
            rows = other.execute(f"SELECT delivery FROM {table} ORDER BY seq").fetchall()
            self._insert([row[0] for row in rows])
            other.execute(f"DELETE FROM {table}")
        other.close()


def _locked(path: Path) -> Any:
    """Return the open lock of a file; None where another process has it."""
    create_private(file := path.with_suffix(".lock"))
    lock = file.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _opened(path: Path) -> sqlite3.Connection:
    create_private(path)
    file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE IF NOT EXISTS deliveries (seq INTEGER PRIMARY KEY AUTOINCREMENT, delivery BLOB NOT NULL)",
        "CREATE TABLE IF NOT EXISTS refused (seq INTEGER NOT NULL, delivery BLOB NOT NULL, why TEXT NOT NULL)",
    ):
        file.execute(statement)
    return file
