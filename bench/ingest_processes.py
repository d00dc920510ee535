"""`ingest-processes`: deliveries acknowledged by 1 to 8 hub processes over one PostgreSQL.

The baseline is one process. All eight processes run all the time; 1, 2, 4 or 8 of them receive
deliveries over 64 connections each. The figure is per second of processor time, since the rate by the
clock depends on the number of cores. Every twentieth delivery is sent twice at once, mostly to two
processes, and must be recorded once.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.conftest import HubProcess, make_start_hub

from bench.deliveries import acknowledged, requests
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up_beside
from bench.ingest import CONNECTIONS, COUNTS, Turn, shares, turn
from bench.stores import NewDatabase, query_row, server_pid, stores

PROCESSES = (1, 2, 4, 8)
DUPLICATE_EVERY = 20
KEY = "the secret key of all processes of a hub"


def measure(scale: Scale) -> list[Figure]:
    """Flood a growing number of processes; only PostgreSQL supports several."""
    if scale.store == "sqlite":
        return []
    with tempfile.TemporaryDirectory() as directory, stores("postgresql") as found:
        return _measured(Path(directory), found["postgresql"], scale)


def _measured(folder: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    address, number = new(folder), scale.amount(1500, 100)
    token = set_up_beside(folder, address, KEY)
    counts = [count for count in PROCESSES if count <= max(2, max(PROCESSES) * scale.size)]
    turns: dict[int, list[Turn]] = {count: [] for count in counts}
    first = 1
    with ExitStack() as stack:
        start = make_start_hub(stack, lambda _: folder)
        hubs = [
            start(
                "--role",
                "web",
                data=folder / str(n) / "hub",
                store_url=address,
                ULTRAVIOLET_SECRET_KEY=KEY,
            )
            for n in range(max(counts))
        ]
        database = server_pid(address)
        for _ in range(scale.repeats + 1):
            for count in counts:
                turns[count].append(_turn(hubs[:count], token, first, count * number, database))
                first += count * number
    expect(
        "number of events and of distinct events",
        (first - 1, first - 1),
        query_row(address, COUNTS),
    )
    return [_figure(count, of_count[1:], turns[1][1:]) for count, of_count in turns.items()]


def _turn(
    hubs: Sequence[HubProcess], token: str, first: int, number: int, database: int | None
) -> Turn:
    urls = [f"{hub.url}/hooks/{token}" for hub in hubs]
    sent = [
        each
        for place, request in enumerate(requests(urls[0], first, number))
        for each in [request] * (2 if place % DUPLICATE_EVERY == 0 else 1)
    ]
    pids = [hub.child.process.pid for hub in hubs]
    return turn(
        pids, database, lambda: acknowledged(urls[0], sent, CONNECTIONS * len(hubs), urls[1:])
    )


def _figure(count: int, turns: Sequence[Turn], of_one: Sequence[Turn]) -> Figure:
    clock, p99 = (
        median(t.flood.rate for t in turns),
        median(t.flood.percentile(99) for t in turns) * 1000,
    )
    return figure(
        f"ingest-processes: {count}",
        "postgresql",
        "deliveries/s of a core",
        [turn.per_processor_second for turn in turns],
        baseline=[turn.per_processor_second for turn in of_one] if count > 1 else (),
        budget=Budget("at least", 0.7) if count > 1 else None,
        note=f"by the clock {clock:,.0f}/s, p99 {p99:.0f} ms; {shares(turns)}",
    )
