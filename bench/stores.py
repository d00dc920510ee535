"""The databases a hub runs on: an empty one of each kind for a benchmark."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

NewDatabase = Callable[[Path], str]
"""Gives the address of an empty database; on SQLite it lies in the folder."""


@contextmanager
def stores() -> Generator[Mapping[str, NewDatabase]]:
    """Give SQLite, and PostgreSQL where it is installed."""
    found: dict[str, NewDatabase] = {"sqlite": lambda folder: f"sqlite:///{folder / 'hub.db'}"}
    try:
        from tests.postgresql import made  # noqa: PLC0415  the benchmarks run without it, on SQLite
    except ImportError:
        yield found
        return
    server = made()
    try:
        yield found | {"postgresql": lambda _: server.new_database()}
    finally:
        server.remove()
