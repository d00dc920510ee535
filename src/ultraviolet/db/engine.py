"""Create engines for SQLite and PostgreSQL."""

from importlib.util import find_spec
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from ultraviolet.db import dialect
from ultraviolet.db.sqlite import connect_sqlite
from ultraviolet.errors import InvalidError

WRITER_THREADS = 8
"""Threads of a process that write concurrently on PostgreSQL, without the one for deliveries."""


def parse_url(url: str) -> URL:
    """Parse the URL of a database. Raise InvalidError if it is not supported."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidError(f"ULTRAVIOLET_DATABASE_URL is not a database URL: {error}") from error
    match parsed.drivername.partition("+")[0]:
        case "sqlite":  # all that follows is the path, which may contain a question mark
            return URL.create("sqlite", database=url.partition(":///")[2])
        case "postgresql" | "postgres":
            if find_spec("psycopg") is None:
                raise InvalidError(
                    "PostgreSQL needs its driver: pip install 'ultraviolet[postgresql]'"
                )
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            shown = parsed.render_as_string()
            raise InvalidError(
                f"{shown} is not supported: use sqlite:///path/to/hub.db"
                " or postgresql://user@host/database"
            )


def make_engine(url: str) -> Engine:
    """Create an engine whose commits are on disk when they return."""
    parsed = parse_url(url)
    if parsed.drivername.startswith("sqlite"):
        return connect_sqlite(parsed)
    from psycopg.types.string import TextLoader  # noqa: PLC0415  loaded only for PostgreSQL

    given = _CONNECTION | {"application_name": "ultraviolet"}
    engine = create_engine(
        parsed,
        pool_size=WRITER_THREADS,
        max_overflow=WRITER_THREADS,
        pool_timeout=5,
        hide_parameters=True,
        connect_args=_without_overridden(parsed, given),
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.adapters.register_loader("json", TextLoader)  # decoded by the column type JSON
        if "options" not in parsed.query:
            connection.autocommit = True
            connection.execute(_SESSION)
            connection.autocommit = False

    return engine


def libpq_url(url: URL) -> str:
    """Return the URL of a PostgreSQL database for libpq, with password and timeouts."""
    url = url.set(drivername="postgresql")
    return url.update_query_dict(_without_overridden(url, _CONNECTION)).render_as_string(
        hide_password=False
    )


def whole_seconds(written: str) -> str:
    """Return the SQL of a valid time without its fraction, for the time functions of SQLite."""
    rest = f"substr({written},20)"
    minutes = f"iif(substr({rest},-3) GLOB '[+-][0-9][0-9]',':00','')"
    return f"substr({written},1,19)||ltrim({rest},'.0123456789')||{minutes}"


_CONNECTION = {
    "client_encoding": "utf8",
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""Parameters by which a lost server is detected within seconds. The URL may override them."""
_SESSION = (
    "SET synchronous_commit = on; SET timezone = 'UTC';"
    " SET idle_in_transaction_session_timeout = 60000"
)
"""Set after connecting, because poolers reject or ignore `options` at connection time."""


def _without_overridden(url: URL, given: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name not in url.query}


_MIN_FREE_BYTES = 500_000_000


def min_free_bytes(bind: Engine | Connection) -> int:
    """Return the minimum free disk space: 0 on PostgreSQL, whose disk is not checked."""
    return 0 if dialect.is_postgresql(bind) else _MIN_FREE_BYTES
