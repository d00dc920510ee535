"""`ingest`: deliveries acknowledged a second, durable, beside the same handler that verifies, decodes and stores nothing."""

import tempfile
from pathlib import Path
from statistics import median

import msgspec
from sqlalchemy import create_engine, text

from bench.deliveries import requests
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.processes import Announced, announced, processor_seconds
from bench.stores import NewDatabase, stores
from bench.wire import Flood, flood

CONNECTIONS = 64


def measure(scale: Scale) -> list[Figure]:
    """Send both handlers the same deliveries, in turn, on either store."""
    with tempfile.TemporaryDirectory() as directory, stores() as found:
        return [
            made
            for store, new in found.items()
            for made in _measured(store, Path(directory) / store, new, scale)
        ]


class Turn(msgspec.Struct):
    """One flood of one server."""

    flood: Flood
    processor: float

    @property
    def of_a_core(self) -> float:
        """Deliveries for each second of the server's processor time."""
        return len(self.flood.delays) / self.processor


def _measured(store: str, data: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    data.mkdir()
    address = new(data)
    bare_data, bare_address = data / "bare", f"sqlite:///{data / 'bare.db'}"
    number = scale.of(6000, CONNECTIONS * 2)
    turns: list[tuple[Turn, Turn]] = []
    with (
        announced("bench.hooks_server", ["durable", str(data / "hub"), address]) as durable,
        announced("bench.hooks_server", ["bare", str(bare_data), bare_address]) as bare,
    ):
        for turn in range(scale.repeats + 1):
            first = 1 + turn * number
            turns.append((turn_of(durable, first, number), turn_of(bare, first, number)))
        expect("events stored", number * len(turns), _count(address))
    return _figures(store, turns[1:])


def turn_of(server: Announced, first: int, number: int) -> Turn:
    """Send a server so many deliveries from a number on."""
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


def _count(address: str) -> int:
    engine = create_engine(address.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        number = connection.execute(text("SELECT count(*) FROM events")).scalar_one()
    engine.dispose()
    return number
