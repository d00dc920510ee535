"""SQLite's checkpoints, beside the writer: else every so many pages a commit, and who waits for it, would wait for one.

What is committed is on disk in the write-ahead log. A thread brings the log into the database file soon after, while
others write and read. Only to let the log begin anew, which keeps its file small, nobody may write for a moment and no
reader be on what is in the log; so the writer's thread does that, when next to nothing is left to bring.
"""

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ultraviolet.db import sqlite

_PAUSE = 0.5
"""Seconds from a commit to the checkpoint: what changes a page again meanwhile costs nothing more."""
_LONG = 4096
"""Pages, of 4 kB, from which on the log is to begin anew, if no reader is in the way."""
_TOO_LONG = 4 * _LONG
"""Pages from which on readers are waited for; where that is in vain, again when the log is twice as long."""
_PATIENCE = 0.1
"""Seconds for which they are."""

log = structlog.get_logger()


class Checkpoints:
    """Keeps the log of one SQLite database short."""

    def __init__(self, engine: Engine, writer: Executor) -> None:
        self._engine = engine
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-checkpoints")
        self._due = False
        self._ends = threading.Event()
        self._too_long = _TOO_LONG

    def written(self) -> None:
        """Say that something was committed; only the writer's thread may."""
        if not self._due:
            self._due = True
            with suppress(RuntimeError):  # all ends
                self._thread.submit(self._soon)

    def stop(self) -> None:
        """End, while the writer still works; whoever closes the database last brings in what is left."""
        self._ends.set()
        self._thread.shutdown()

    def _soon(self) -> None:
        if self._ends.wait(_PAUSE):
            return
        self._due = False
        try:
            self._checkpoint()
        except SQLAlchemyError as error:
            # The disk fails, which whoever writes says as well.
            log.warning("store.no_checkpoint", error=str(error))

    def _checkpoint(self) -> None:
        with self._engine.connect() as connection:
            pages = sqlite.checkpoint(connection)
            if pages < _LONG:
                return
            sqlite.checkpoint(connection)  # of what was written during the first
            patience = _PATIENCE if pages >= self._too_long else 0.0
            anew = self._writer.submit(sqlite.restart_wal, connection, patience).result()
        if anew:
            self._too_long = _TOO_LONG
        elif patience:
            self._too_long = 2 * pages
