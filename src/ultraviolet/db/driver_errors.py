"""Classify errors of the database drivers."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_TRY_AGAIN = {"40001", "40P01", "55P03"}
"""Serialization failure, deadlock and a lock that was not given in time: the transaction was undone and can simply be done again."""


def is_retryable(error: DBAPIError) -> bool:
    """Return whether a transaction only lost against another one."""
    return getattr(error.orig, "sqlstate", None) in _TRY_AGAIN


_AWAY = ("25006", "25P03", "53", "58", "XX")
"""Beginnings of what a PostgreSQL server says where it, not what is asked of it, is in trouble, and psycopg does not call
operational; 25006: it may only be read, as a standby until it is promoted, or a managed one whose disk is full."""


def is_unavailable(error: DBAPIError) -> bool:
    """Return whether the database is in trouble, so that the same may succeed later."""
    if isinstance(error, OperationalError | InterfaceError):
        return not is_too_large(error)
    said = str(getattr(error.orig, "sqlstate", None) or "")
    return said.startswith(_AWAY) or type(error.orig) is sqlite3.DatabaseError  # a damaged file


def first_line(error: Exception) -> str:
    """Say what went wrong without what a driver adds in further lines: statements, and what was to be written."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return next(iter(f"{type(said).__name__}: {said}".splitlines()))


def remove_statement_data(error: DBAPIError) -> None:
    """Take out of an error, which will be logged, all but its first line: a server tells there what was to be written."""
    for one in (error, error.orig):
        if one and one.args:
            one.args = (str(one.args[0]).partition("\n")[0], *one.args[1:])


def is_too_large(error: DBAPIError) -> bool:
    """Return whether the content, not the database, is what fails: something is too large for an index or a row."""
    return str(getattr(error.orig, "sqlstate", None) or "").startswith("54")
