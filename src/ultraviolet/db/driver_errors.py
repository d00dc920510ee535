"""Classify errors of the database drivers, and explain why a database cannot be opened."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from ultraviolet.errors import InvalidError, UltravioletError

_RETRYABLE_STATES = {"40001", "40P01", "55P03"}
"""Serialization failure, deadlock and lock timeout. The transaction was rolled back."""


def sqlstate(cause: BaseException | None) -> str:
    """Return the SQLSTATE of an error of PostgreSQL's driver; empty for other errors."""
    return str(getattr(cause, "sqlstate", None) or "")


def is_retryable(error: DBAPIError) -> bool:
    """Return whether a transaction failed only because of another one."""
    return sqlstate(error.orig) in _RETRYABLE_STATES


_UNAVAILABLE_STATES = ("25006", "25P03", "53", "58", "XX")
"""Prefixes of SQLSTATEs of server problems that psycopg does not classify as operational.

25006 is a read-only server: a standby before its promotion, or a managed server with a full disk.
"""


def is_unavailable(error: DBAPIError) -> bool:
    """Return whether the database has a problem, so that the same statement may succeed later."""
    if isinstance(error, OperationalError | InterfaceError):
        return not is_too_large(error)
    return (
        sqlstate(error.orig).startswith(_UNAVAILABLE_STATES)
        or type(error.orig) is sqlite3.DatabaseError
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
    return sqlstate(error.orig).startswith("54")


class StoreUnavailableError(UltravioletError):
    """The database is unavailable. See the log of the hub; check disk and permissions."""

    kind = "database-unavailable"
    status = 503
    exit_code = 6


class DatabaseSetupError(InvalidError):
    """The database is not set up for a hub; nothing was changed."""

    kind = "database-setup"


_SETTING = "ULTRAVIOLET_DATABASE_URL"
_NEXT_STEPS = (
    ("authentication failed", f"check the user and the password in {_SETTING}"),
    ("no password supplied", f"add the password to {_SETTING}"),
    ("no pg_hba.conf entry", "allow this machine, user and database in pg_hba.conf of the server"),
    ("permission denied for database", "run GRANT CONNECT ON DATABASE … TO this role"),
    ("is not permitted to log in", "run ALTER ROLE … LOGIN"),
    ("no such user", f"add the user to auth_file of the pooler, or check {_SETTING}"),
    ("no such database", f"add it to [databases] of the pooler, or check {_SETTING}"),
    (
        "unsupported startup parameter",
        f"remove `options` from {_SETTING}, which the pooler refuses",
    ),
    (
        "statement pooling mode",
        "use session pooling (pool_mode = session in PgBouncer) or a direct connection",
    ),
    ("invalid connection option", f"correct {_SETTING}"),
    ("invalid URI query parameter", f"correct {_SETTING}"),
    ("does not exist", f"create it, with ENCODING 'UTF8' for a database, or check {_SETTING}"),
)
"""Parts of libpq's error messages, and the next step."""
_PROTOCOL_VIOLATION = "08P01"
"""The SQLSTATE of errors of PgBouncer itself."""
_NEXT_STEP_OF_STATE = {
    "25006": "the server accepts no writes: connect to the primary,"
    " and set default_transaction_read_only to off",
    "3F000": "no schema in search_path exists: run ALTER ROLE … SET search_path = public",
}
_UNREACHABLE = f"check that the server runs, and its address in {_SETTING}"


@contextmanager
def explain_errors(address: str) -> Generator[None]:
    """Convert errors of the driver into messages about the database at this URL, without password.

    Raise StoreUnavailableError if a retry may succeed, DatabaseSetupError if the database must be
    set up first, and InvalidError for a file that is not a database.
    """
    try:
        yield
    except (DBAPIError, NoConnectionError, sqlite3.Error) as error:
        raise _explain(error, address) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "psycopg":  # loaded only for PostgreSQL
            raise
        raise _explain(error, address) from error


def _explain(error: Exception, address: str) -> UltravioletError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    reason = str(cause).strip().partition("\n")[0].rstrip(".")
    if isinstance(cause, sqlite3.Error):
        if type(cause) is sqlite3.DatabaseError:
            return InvalidError(f"{address} is not a database of a hub: {reason}")
        return StoreUnavailableError(
            f"The database {address} could not be opened: {reason};"
            " check its permissions and the disk."
        )
    state = sqlstate(cause)
    message = f"The database {address} could not be opened: {reason}"
    if state == "42501":
        return DatabaseSetupError(
            f"{message}; give the role of {_SETTING} the tables, or connect as their owner."
        )
    if state in _NEXT_STEP_OF_STATE:
        return StoreUnavailableError(f"{message}; {_NEXT_STEP_OF_STATE[state]}.")
    advice = next((advice for part, advice in _NEXT_STEPS if part in str(cause)), None)
    if advice and state in {"", _PROTOCOL_VIOLATION}:
        return DatabaseSetupError(f"{message}; {advice}.")
    return StoreUnavailableError(f"{message}; {_UNREACHABLE}.")
