"""Create empty databases for benchmarks, and query them directly."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, text

from ultraviolet.db import engine as db_engine

NewDatabase = Callable[[Path], str]
"""Returns the URL of an empty database; on SQLite, the file is in the directory."""
Name = Literal["sqlite", "postgresql"]

SETTINGS = """
max_connections = 300
shared_buffers = 512MB
max_wal_size = 4GB
"""
"""Unlike in the tests, commits are flushed to disk."""


@contextmanager
def stores(only: Name | None = None) -> Generator[Mapping[str, NewDatabase]]:
    """Yield SQLite and PostgreSQL, or only one of them."""
    found: dict[str, NewDatabase] = {"sqlite": lambda folder: f"sqlite:///{folder / 'hub.db'}"}
    if only == "sqlite":
        yield found
        return
    try:
        from tests.postgresql import made  # noqa: PLC0415  not needed on SQLite
    except ImportError:
        if only:
            raise
        yield found
        return
    server = made(SETTINGS)
    try:
        there: dict[str, NewDatabase] = {"postgresql": lambda _: server.new_database()}
        yield there if only else found | there
    finally:
        server.remove()


@contextmanager
def connect_directly(address: str) -> Generator[Connection]:
    """Connect to a hub's database; each statement sees the current state."""
    engine = db_engine.make_engine(address)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    finally:
        engine.dispose()


def query_row(address: str, query: str, **given: Any) -> tuple[Any, ...]:
    """Return the only row of a query."""
    with connect_directly(address) as connection:
        return tuple(connection.execute(text(query), given).one())


def server_pid(address: str) -> int | None:
    """Return the process id of the PostgreSQL server, or None on SQLite."""
    if address.startswith("sqlite"):
        return None
    (folder,) = query_row(address, "SHOW data_directory")
    return int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
