"""Where SQLite and PostgreSQL differ, all in one module, so that no other has to know: connections, turns, statements, search.

Everything else in the hub is written once for both. SQLite has one writer, so there a turn is had by whoever
writes at all; on PostgreSQL many write at once, and what must not be done twice at the same time takes an
advisory lock that ends with its transaction.
"""

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
"""Threads of a process that write beside each other on PostgreSQL; deliveries have their own."""


def parse_url(url: str) -> URL:
    """Read the address of a database; raises InvalidError for one that is not supported."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidError(
            f"ULTRAVIOLET_DATABASE_URL is no address of a database: {error}"
        ) from error
    match parsed.drivername.partition("+")[0]:
        case "sqlite":
            return parsed
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            shown = parsed.render_as_string()
            msg = f"{shown} is not supported: use sqlite:///path/to/hub.db or postgresql://user@host/database"
            raise InvalidError(msg)


def make_engine(url: str) -> Engine:
    """Make an engine whose commits are on disk when they return."""
    parsed = parse_url(url)
    return connect_sqlite(parsed) if parsed.drivername.startswith("sqlite") else _postgresql(parsed)


def libpq_url(url: URL) -> str:
    """Return the address of a PostgreSQL database for libpq, password included.

    A connection notices a server that is gone as soon as the engine's connections do.
    """
    url = url.set(drivername="postgresql")
    return url.update_query_dict(_unless_told(url, _CONNECTION)).render_as_string(
        hide_password=False
    )


def whole_seconds(written: str) -> str:
    """Write the SQL for a time that fits, without its fraction, as SQLite's own functions read it."""
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
"""A connection has this encoding, and notices within seconds that the server is gone. An address may override it."""
_SESSION = "SET synchronous_commit = on; SET timezone = 'UTC'; SET idle_in_transaction_session_timeout = 60000"
"""Set after connecting, because poolers refuse or ignore `options` of the start of a session."""


def _unless_told(url: URL, given: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name not in url.query}


def _postgresql(url: URL) -> Engine:
    """Connect so that a server that is gone is noticed within seconds, never waited for."""
    from psycopg.types.string import TextLoader  # noqa: PLC0415  costs 40 ms; only users of PostgreSQL pay

    given = _CONNECTION | {"application_name": "ultraviolet"}
    engine = create_engine(
        url,
        pool_size=WRITER_THREADS,
        max_overflow=WRITER_THREADS,
        pool_timeout=5,
        hide_parameters=True,
        connect_args=_unless_told(url, given),
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.adapters.register_loader(
            "json", TextLoader
        )  # decoded by JSON above, as on SQLite
        if "options" not in url.query:
            connection.autocommit = True
            connection.execute(_SESSION)
            connection.autocommit = False

    return engine


_SCARCE = 500_000_000


def min_free_bytes(bind: Engine | Connection) -> int:
    """Return the bytes that must be free: some on SQLite; nothing on PostgreSQL, whose data is elsewhere."""
    return 0 if dialect.is_postgresql(bind) else _SCARCE
