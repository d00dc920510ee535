"""Stop the queries of a read after a time; the read continues without their results."""

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from ultraviolet.db import dialect
from ultraviolet.db.driver_errors import sqlstate

_INSTRUCTIONS_BETWEEN_CHECKS = 1000
_QUERY_CANCELED = "57014"
"""The SQLSTATE of a statement that ran longer than its limit."""
_SET_TIMEOUT = text("SELECT set_config('statement_timeout', :milliseconds, true)")


@contextmanager
def time_limit(connection: Connection, seconds: float) -> Generator[None]:
    """Leave the context when a query has run for this time."""
    if dialect.is_postgresql(connection):
        savepoint = connection.begin_nested()
        try:
            connection.execute(_SET_TIMEOUT, {"milliseconds": str(max(1, round(seconds * 1000)))})
            yield
        except OperationalError as error:
            if sqlstate(error.orig) != _QUERY_CANCELED:
                raise
        finally:
            savepoint.rollback()  # restores the setting
        return
    end = time.monotonic() + seconds
    driver: Any = connection.connection.driver_connection

    def is_late() -> bool:
        return time.monotonic() > end

    driver.set_progress_handler(is_late, _INSTRUCTIONS_BETWEEN_CHECKS)
    try:
        yield
    except OperationalError as error:
        code = getattr(cast("Any", error.orig), "sqlite_errorcode", None)
        if code != sqlite3.SQLITE_INTERRUPT:
            raise
    finally:
        driver.set_progress_handler(None, 0)
