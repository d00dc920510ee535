"""`ingest`: processor time per durable delivery; the baseline is a minimal durable endpoint.

The budget applies to 64 connections. The rate by the clock with 100 connections is comparable with
published figures of other programs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from bench.bare_ingest import TABLE
from bench.deliveries import acknowledged, requests
from bench.frame import Budget, Figure, Scale, expect, figure, on_each_database
from bench.processes import ServerProcess, process_tree_seconds, processor_seconds, run_server
from bench.stores import NewDatabase, query_row, server_pid
from bench.wire import Flood

CONNECTIONS = 64
MORE_CONNECTIONS = 100
PUBLISHED = (
    "published: 2,800 signed events/s of a mirror on PostgreSQL, 6,000 merged rows/s of a loader"
)
COUNTS = "SELECT count(*), count(DISTINCT event_id) FROM events"


class Turn(msgspec.Struct):
    """One flood of one or several server processes."""

    flood: Flood
    processor: float
    database: float
    """Seconds of processor time of the database server."""

    @property
    def microseconds(self) -> float:
        """The server's processor time per delivery in microseconds."""
        return 1e6 * self.processor / len(self.flood.delays)

    @property
    def per_processor_second(self) -> float:
        """Deliveries per second of the server's processor time."""
        return len(self.flood.delays) / self.processor

    @property
    def shares(self) -> tuple[float, float, float]:
        """Load of sender, server and database server in percent of a core."""
        found = (self.flood.processor, self.processor, self.database)
        return tuple(100 * each / self.flood.seconds for each in found)


def measure(scale: Scale) -> list[Figure]:
    """Send the same deliveries to both endpoints, in turn."""
    return on_each_database(scale, _measured)


def _measured(store: str, data: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    data.mkdir()
    address = new(data)
    (data / "bare").mkdir()
    bare_address = new(data / "bare")
    number = scale.amount(12_000, CONNECTIONS * 2)
    counts = (CONNECTIONS, MORE_CONNECTIONS)
    turns: dict[int, list[tuple[Turn, Turn]]] = {connections: [] for connections in counts}
    database, first = server_pid(address), 1
    with (
        run_server("bench.hooks_server", [str(data / "hub"), address]) as hub,
        run_server("bench.bare_ingest", [bare_address]) as bare,
    ):
        for _ in range(scale.repeats + 1):
            for connections in counts:
                kept = turn_of(hub, first, number, connections, database)
                turns[connections].append((kept, turn_of(bare, first, number, connections)))
                first += number
    for each, query in ((address, COUNTS), (bare_address, COUNTS.replace("events", TABLE))):
        expect(
            "number of events and of distinct events",
            (first - 1, first - 1),
            query_row(each, query),
        )
    return [
        *_budgeted(store, turns[CONNECTIONS][1:]),
        _by_the_clock(store, turns[MORE_CONNECTIONS][1:]),
    ]


def turn_of(
    server: ServerProcess,
    first: int,
    number: int,
    connections: int = CONNECTIONS,
    database: int | None = None,
) -> Turn:
    """Measure `number` deliveries to a server; `database` is the process id of its database."""
    sent = requests(server.address, first, number)
    return turn([server.pid], database, lambda: acknowledged(server.address, sent, connections))


def turn(servers: Sequence[int], database: int | None, flooded: Callable[[], Flood]) -> Turn:
    """Measure the processor time of servers and database during a flood."""

    def spent() -> tuple[float, float]:
        return sum(map(processor_seconds, servers)), process_tree_seconds(database)

    (before, before_there), found, (after, after_there) = spent(), flooded(), spent()
    return Turn(found, after - before, after_there - before_there)


def shares(turns: Sequence[Turn]) -> str:
    """Describe the load of sender, hub and PostgreSQL."""
    sender, hub, database = (median(turn.shares[n] for turn in turns) for n in range(3))
    return f"load: sender {sender:.0f} % of a core, hub {hub:.0f} %, PostgreSQL {database:.0f} %"


def _budgeted(store: str, turns: Sequence[tuple[Turn, Turn]]) -> list[Figure]:
    clock = median(kept.flood.rate for kept, _ in turns)
    return [
        figure(
            "ingest",
            store,
            "µs of processor time per delivery",
            [kept.microseconds for kept, _ in turns],
            baseline=[bare.microseconds for _, bare in turns],
            budget=Budget("at most", 1.35),
            note=f"{CONNECTIONS} connections, one process; by the clock {clock:,.0f}/s",
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
    per_processor_second = median(kept.per_processor_second for kept, _ in turns)
    p99 = median(kept.flood.percentile(99) for kept, _ in turns) * 1000
    return figure(
        f"ingest: {MORE_CONNECTIONS} connections",
        store,
        "deliveries/s",
        [kept.flood.rate for kept, _ in turns],
        baseline=[bare.flood.rate for _, bare in turns],
        note=f"by the clock, p99 {p99:.0f} ms; per processor second {per_processor_second:,.0f}. {shares([kept for kept, _ in turns])}; {PUBLISHED}",
    )
