"""Open the database of a hub for statements of users."""

from pathlib import Path

from ultraviolet.db import engine
from ultraviolet.db.user_sql.results import ReadOnlyDatabase


def open_read_only(
    url: str, timeout_seconds: float, *, readable_only: bool = False
) -> ReadOnlyDatabase:
    """Open a database read-only; a statement is stopped after `timeout_seconds`.

    With `readable_only`, statements read only the views and tables that any user of the hub may
    see. Raise NotFoundError for a missing file, and the errors of `explain_errors` for a server.
    """
    parsed = engine.parse_url(url)
    if parsed.drivername.startswith("sqlite"):
        from ultraviolet.db.user_sql.sqlite import SqliteReader  # noqa: PLC0415  only one is loaded

        path = Path(parsed.database or "")
        return SqliteReader(path, timeout_seconds, readable_only=readable_only)
    from ultraviolet.db.user_sql.postgresql import PostgresqlReader  # noqa: PLC0415

    return PostgresqlReader(parsed, timeout_seconds, readable_only=readable_only)
