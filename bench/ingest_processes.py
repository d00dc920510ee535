"""`ingest-processes`: deliveries acknowledged by 1, 2, 4 and 8 hub processes over one PostgreSQL, beside by one of them.

All eight run throughout, and as many of them are flooded, in turn, over 64 connections to each. What matters is what
each second of their processor time does: by the clock a machine shows no more than it has cores for. Every twentieth
delivery comes twice at once, mostly to two processes, and has to be recorded once.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import msgspec
from tests.conftest import HubProcess, make_start_hub

from bench.deliveries import requests
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up
from bench.ingest import CONNECTIONS, COUNTS
from bench.processes import family_seconds, processor_seconds
from bench.stores import NewDatabase, look, server_of, stores
from bench.wire import Flood, flood
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.settings import Settings

PROCESSES = (1, 2, 4, 8)
TWICE = 20
KEY = "the key that all processes of a hub have"


class Turn(msgspec.Struct):
    """One flood of some processes."""

    flood: Flood
    processor: float
    database: float

    @property
    def of_a_core(self) -> float:
        """Deliveries for each second of the processes' own processor time."""
        return len(self.flood.delays) / self.processor


def measure(scale: Scale) -> list[Figure]:
    """Flood ever more processes of a hub; SQLite has only one."""
    if scale.store == "sqlite":
        return []
    with tempfile.TemporaryDirectory() as directory, stores("postgresql") as found:
        return _measured(Path(directory), found["postgresql"], scale)


def _measured(folder: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    address, number = new(folder), scale.of(1500, 100)
    settings = Settings(data=folder, database_url=address, public_url="http://127.0.0.1", secret_key=KEY)
    made = Hub.open(settings)
    token = set_up(made)
    made.close()
    counts = [count for count in PROCESSES if count <= max(2, max(PROCESSES) * scale.size)]
    turns: dict[int, list[Turn]] = {count: [] for count in counts}
    first = 1
    with ExitStack() as stack:
        start = make_start_hub(stack, lambda _: folder)
        hubs = [
            start(
                "--role", "web", data=folder / str(n) / "hub", store_url=address, ULTRAVIOLET_SECRET_KEY=KEY
            )
            for n in range(max(counts))
        ]
        database = server_of(address)
        for _ in range(scale.repeats + 1):
            for count in counts:
                turns[count].append(_turn(hubs[:count], token, first, count * number, database))
                first += count * number
    expect("events stored, and distinct ones", (first - 1, first - 1), look(address, COUNTS))
    return [_figure(count, of_count[1:], turns[1][1:]) for count, of_count in turns.items()]


def _turn(hubs: Sequence[HubProcess], token: str, first: int, number: int, database: int | None) -> Turn:
    urls = [f"{hub.url}/hooks/{token}" for hub in hubs]
    sent = [
        each
        for place, request in enumerate(requests(urls[0], first, number))
        for each in [request] * (2 if place % TWICE == 0 else 1)
    ]
    before, before_there = _spent(hubs), family_seconds(database)
    found = flood(urls[0], sent, CONNECTIONS * len(hubs), urls[1:])
    spent, spent_there = _spent(hubs) - before, family_seconds(database) - before_there
    expect("statuses and answers", ({200}, len(sent)), (found.statuses, len(found.delays)))
    return Turn(found, spent, spent_there)


def _spent(hubs: Sequence[HubProcess]) -> float:
    return sum(processor_seconds(hub.child.process.pid) for hub in hubs)


def _figure(count: int, turns: Sequence[Turn], of_one: Sequence[Turn]) -> Figure:
    clock, p99 = median(t.flood.rate for t in turns), median(t.flood.percentile(99) for t in turns) * 1000
    sender, hubs, database = (
        median(100 * spent(t) / t.flood.seconds for t in turns)
        for spent in (lambda t: t.flood.processor, lambda t: t.processor, lambda t: t.database)
    )
    return figure(
        f"ingest-processes: {count}",
        "postgresql",
        "deliveries/s of a core",
        [turn.of_a_core for turn in turns],
        baseline=[turn.of_a_core for turn in of_one] if count > 1 else (),
        budget=Budget("at least", 0.7) if count > 1 else None,
        note=f"by the clock {clock:,.0f}/s, p99 {p99:.0f} ms; the sender had {sender:.0f} % of a core, "
        f"the hub {hubs:.0f} %, PostgreSQL {database:.0f} %",
    )
