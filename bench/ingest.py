"""`ingest`: deliveries acknowledged a second, durable, beside the same handler that verifies, decodes and stores nothing.

The budget is for 64 connections. At 100 it is also told by the clock, to be set beside what others say of themselves.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from bench.deliveries import acknowledged, requests
from bench.frame import Budget, Figure, Scale, expect, figure, on_each_store
from bench.processes import Announced, announced, family_seconds, processor_seconds
from bench.stores import NewDatabase, look, server_of
from bench.wire import Flood

CONNECTIONS = 64
MORE_CONNECTIONS = 100
KNOWN = "known: 2,800 signed events/s into an open mirror on PostgreSQL, 6,000 rows/s of a loader merging into it"
COUNTS = "SELECT count(*), count(DISTINCT event_id) FROM events"


class Turn(msgspec.Struct):
    """One flood of a server, or of several processes of it."""

    flood: Flood
    processor: float
    database: float
    """Seconds of processor time of the database's own server."""

    @property
    def of_a_core(self) -> float:
        """Deliveries for each second of the server's processor time."""
        return len(self.flood.delays) / self.processor

    @property
    def shares(self) -> tuple[float, float, float]:
        """What the sender, the server and the database's server had of a core, in percent."""
        found = (self.flood.processor, self.processor, self.database)
        return tuple(100 * each / self.flood.seconds for each in found)


def measure(scale: Scale) -> list[Figure]:
    """Send both handlers the same deliveries, in turn, on either store."""
    return on_each_store(scale, _measured)


def _measured(store: str, data: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    data.mkdir()
    address = new(data)
    bare_data, bare_address = data / "bare", f"sqlite:///{data / 'bare.db'}"
    number = scale.of(6000, CONNECTIONS * 2)
    counts = (CONNECTIONS, MORE_CONNECTIONS)
    turns: dict[int, list[tuple[Turn, Turn]]] = {connections: [] for connections in counts}
    database, first = server_of(address), 1
    with (
        announced("bench.hooks_server", ["durable", str(data / "hub"), address]) as durable,
        announced("bench.hooks_server", ["bare", str(bare_data), bare_address]) as bare,
    ):
        for _ in range(scale.repeats + 1):
            for connections in counts:
                kept = turn_of(durable, first, number, connections, database)
                turns[connections].append((kept, turn_of(bare, first, number, connections)))
                first += number
    expect("events stored, and distinct ones", (first - 1, first - 1), look(address, COUNTS))
    return [
        *_budgeted(store, turns[CONNECTIONS][1:]),
        _by_the_clock(store, turns[MORE_CONNECTIONS][1:]),
    ]


def turn_of(
    server: Announced,
    first: int,
    number: int,
    connections: int = CONNECTIONS,
    database: int | None = None,
) -> Turn:
    """Send a server so many deliveries from a number on; `database` is the process of its database."""
    sent = requests(server.address, first, number)
    return turn([server.pid], database, lambda: acknowledged(server.address, sent, connections))


def turn(servers: Sequence[int], database: int | None, flooded: Callable[[], Flood]) -> Turn:
    """Flood, and tell what these processes and that of their database took for it."""

    def spent() -> tuple[float, float]:
        return sum(map(processor_seconds, servers)), family_seconds(database)

    (before, before_there), found, (after, after_there) = spent(), flooded(), spent()
    return Turn(found, after - before, after_there - before_there)


def shares(turns: Sequence[Turn]) -> str:
    """Tell what the sender, the hub and PostgreSQL had of a core."""
    sender, hub, database = (median(turn.shares[n] for turn in turns) for n in range(3))
    return f"sender had {sender:.0f} % of a core, the hub {hub:.0f} %, PostgreSQL {database:.0f} %"


def _budgeted(store: str, turns: Sequence[tuple[Turn, Turn]]) -> list[Figure]:
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


def _by_the_clock(store: str, turns: Sequence[tuple[Turn, Turn]]) -> Figure:
    of_a_core = median(kept.of_a_core for kept, _ in turns)
    p99 = median(kept.flood.percentile(99) for kept, _ in turns) * 1000
    return figure(
        f"ingest: {MORE_CONNECTIONS} connections",
        store,
        "deliveries/s",
        [kept.flood.rate for kept, _ in turns],
        baseline=[bare.flood.rate for _, bare in turns],
        note=f"by the clock, p99 {p99:.0f} ms; of a core {of_a_core:,.0f}. The {shares([kept for kept, _ in turns])}; {KNOWN}",
    )
