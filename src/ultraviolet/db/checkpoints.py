"""Run SQLite's checkpoints in a separate thread, so that no commit waits for one.

A commit is durable in the write-ahead log. This thread copies the log into the database file while
others read and write. Restarting the log, which keeps its file small, excludes writers and readers
of the log. The writer's thread does it when almost nothing is left to copy.
"""

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ultraviolet.db import sqlite

_DELAY_SECONDS = 0.5
"""Delay from a commit to the checkpoint, which copies a page changed several times only once."""
_RESTART_PAGES = 4096
"""Log size, in pages of 4 kB, above which the log is restarted if no reader uses it."""
_MAX_PAGES = 4 * _RESTART_PAGES
"""Log size above which a restart waits for readers; doubled after each failure."""
_MAX_WAIT_SECONDS = 0.1
"""Time that a restart waits for readers."""

log = structlog.get_logger()


class Checkpoints:
    """Keeps the write-ahead log of one SQLite database short."""

    def __init__(self, engine: Engine, writer: Executor) -> None:
        self._engine = engine
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database-checkpoints")
        self._due = False
        self._stopping = threading.Event()
        self._max_pages = _MAX_PAGES

    def written(self) -> None:
        """Schedule a checkpoint after a commit. Called by the writer's thread only."""
        if not self._due:
            self._due = True
            with suppress(RuntimeError):  # the database is being closed
                self._thread.submit(self._checkpoint_later)

    def stop(self) -> None:
        """Stop before the writer does. Closing the last connection copies the rest of the log."""
        self._stopping.set()
        self._thread.shutdown()

    def _checkpoint_later(self) -> None:
        if self._stopping.wait(_DELAY_SECONDS):
            return
        self._due = False
        try:
            with self._engine.connect() as connection:
                pages = sqlite.checkpoint(connection)
                if pages < _RESTART_PAGES:
                    return
                sqlite.checkpoint(connection)  # writes during the first checkpoint
                max_wait = _MAX_WAIT_SECONDS if pages >= self._max_pages else 0.0
                restarted = self._writer.submit(sqlite.restart_wal, connection, max_wait).result()
            if restarted:
                self._max_pages = _MAX_PAGES
            elif max_wait:
                self._max_pages = 2 * pages
        except SQLAlchemyError as error:
            # A failing disk is also reported by the next write.
            log.warning("database.checkpoint_failed", error=str(error))
