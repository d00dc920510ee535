"""The databases a hub runs on: an empty one of each kind for a benchmark, and what is looked up in them past the hub."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, text

from ultraviolet.db import engine as db_engine

NewDatabase = Callable[[Path], str]
"""Gives the address of an empty database; on SQLite it lies in the folder."""
Name = Literal["sqlite", "postgresql"]

SETTINGS = """
max_connections = 300
shared_buffers = 512MB
max_wal_size = 4GB
"""
"""What is committed is on disk, unlike in the tests: deliveries are acknowledged for good."""


@contextmanager
def stores(only: Name | None = None) -> Generator[Mapping[str, NewDatabase]]:
    """Give SQLite, and PostgreSQL where it is installed; or one of them."""
    found: dict[str, NewDatabase] = {"sqlite": lambda folder: f"sqlite:///{folder / 'hub.db'}"}
    if only == "sqlite":
        yield found
        return
    try:
        from tests.postgresql import made  # noqa: PLC0415  the benchmarks run without it, on SQLite
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
def looking(address: str) -> Generator[Connection]:
    """Connect to a hub's database past the hub; each statement sees it as it is then."""
    engine = db_engine.make_engine(address)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    finally:
        engine.dispose()


def look(address: str, query: str, **given: Any) -> tuple[Any, ...]:
    """Give the one row of a query."""
    with looking(address) as connection:
        return tuple(connection.execute(text(query), given).one())


def server_of(address: str) -> int | None:
    """Give the process of the PostgreSQL server on this machine; on SQLite there is none."""
    if address.startswith("sqlite"):
        return None
    (folder,) = look(address, "SHOW data_directory")
    return int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
