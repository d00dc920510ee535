"""Classify errors of the database drivers."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_RETRYABLE_STATES = {"40001", "40P01", "55P03"}
"""Serialization failure, deadlock and lock timeout. The transaction was rolled back."""


def is_retryable(error: DBAPIError) -> bool:
    """Return whether a transaction failed only because of another one."""
    return getattr(error.orig, "sqlstate", None) in _RETRYABLE_STATES


_UNAVAILABLE_STATES = ("25006", "25P03", "53", "58", "XX")
"""Prefixes of SQLSTATEs of server problems that psycopg does not classify as operational.

25006 is a read-only server: a standby before its promotion, or a managed server with a full disk.
"""


def is_unavailable(error: DBAPIError) -> bool:
    """Return whether the database has a problem, so that the same statement may succeed later."""
    if isinstance(error, OperationalError | InterfaceError):
        return not is_too_large(error)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        state.startswith(_UNAVAILABLE_STATES) or type(error.orig) is sqlite3.DatabaseError
    )  # a damaged file


def first_line(error: Exception) -> str:
    """Return the first line of an error; further lines may contain statements and data."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return next(iter(f"{type(cause).__name__}: {cause}".splitlines()))


def remove_statement_data(error: DBAPIError) -> None:
    """Remove all lines but the first from an error, so that no data is logged."""
    for each in (error, error.orig):
        if each and each.args:
            each.args = (str(each.args[0]).partition("\n")[0], *each.args[1:])


def is_too_large(error: DBAPIError) -> bool:
    """Return whether a value is too large for an index or a row."""
    return str(getattr(error.orig, "sqlstate", None) or "").startswith("54")
