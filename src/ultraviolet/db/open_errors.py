"""Why a database cannot be opened, in one sentence with the next step."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from ultraviolet.errors import InvalidError, UltravioletError


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
    state = str(getattr(cause, "sqlstate", None) or "")
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
