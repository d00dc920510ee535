"""`ingest`: deliveries acknowledged a second, durable, beside the same handler that verifies, decodes and stores nothing."""

import sqlite3
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import msgspec

from bench.deliveries import requests
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.processes import Announced, announced, processor_seconds
from bench.wire import Flood, flood

CONNECTIONS = 64
Database = Callable[[Path], tuple[str, Callable[[], int]]]
"""Gives the address of an empty database, and what counts the events in it."""


def measure(scale: Scale) -> list[Figure]:
    """Send both handlers the same deliveries, in turn, on either store."""
    with tempfile.TemporaryDirectory() as directory, _postgresql() as postgresql:
        stores: dict[str, Database] = {"sqlite": _sqlite}
        if postgresql is not None:
            stores["postgresql"] = postgresql
        return [
            made
            for store, database in stores.items()
            for made in _measured(store, Path(directory) / store, database, scale)
        ]


class Turn(msgspec.Struct):
    """One flood of one server."""

    flood: Flood
    processor: float

    @property
    def of_a_core(self) -> float:
        """Deliveries for each second of the server's processor time."""
        return len(self.flood.delays) / self.processor


def _measured(store: str, data: Path, database: Database, scale: Scale) -> list[Figure]:
    data.mkdir()
    address, count = database(data)
    bare_data, bare_address = data / "bare", f"sqlite:///{data / 'bare.db'}"
    number = scale.of(6000, CONNECTIONS * 2)
    turns: list[tuple[Turn, Turn]] = []
    with (
        announced("bench.hooks_server", ["durable", str(data / "hub"), address]) as durable,
        announced("bench.hooks_server", ["bare", str(bare_data), bare_address]) as bare,
    ):
        for turn in range(scale.repeats + 1):
            first = 1 + turn * number
            turns.append((_turn(durable, first, number), _turn(bare, first, number)))
        expect("events stored", number * len(turns), count())
    return _figures(store, turns[1:])


def _turn(server: Announced, first: int, number: int) -> Turn:
    sent = requests(server.address, first, number)
    before = processor_seconds(server.pid)
    found = flood(server.address, sent, CONNECTIONS)
    expect("statuses and answers", ({200}, number), (found.statuses, len(found.delays)))
    return Turn(found, processor_seconds(server.pid) - before)


def _figures(store: str, turns: list[tuple[Turn, Turn]]) -> list[Figure]:
    clock = median(kept.flood.rate for kept, _ in turns)
    return [
        figure(
            "ingest",
            store,
            "deliveries/s of a core",
            [kept.of_a_core for kept, _ in turns],
            baseline=[bare.of_a_core for _, bare in turns],
            budget=Budget("at least", 0.45),
            note=f"{CONNECTIONS} connections, one process; by the clock {clock:,.0f}",
        ),
        figure(
            "ingest: p99",
            store,
            "ms",
            [kept.flood.percentile(99) * 1000 for kept, _ in turns],
            baseline=[bare.flood.percentile(99) * 1000 for _, bare in turns],
            budget=Budget("at most", 100, of="figure"),
        ),
    ]


def _sqlite(data: Path) -> tuple[str, Callable[[], int]]:
    path = data / "hub.db"

    def count() -> int:
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT count(*) FROM events").fetchone()[0]

    return f"sqlite:///{path}", count


@contextmanager
def _postgresql() -> Generator[Database | None]:
    """Run a server, where one is installed."""
    try:
        import psycopg  # noqa: PLC0415  the benchmark runs without it, on SQLite
        from tests.postgresql import made  # noqa: PLC0415
    except ImportError:
        yield None
        return
    server = made()

    def database(_: Path) -> tuple[str, Callable[[], int]]:
        address = server.new_database()

        def count() -> int:
            with psycopg.connect(address) as connection:
                row = connection.execute("SELECT count(*) FROM events").fetchone()
            return row[0] if row else 0

        return address, count

    try:
        yield database
    finally:
        server.remove()
