"""`visible`: deliveries about 2,000 objects until all are in the mirror with history.

The baseline is the minimal durable endpoint, as in `ingest`.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from sqlalchemy import text
from tests.conftest import make_start_hub

from bench.deliveries import acknowledged, requests
from bench.frame import Budget, Figure, Scale, expect, figure, on_each_database
from bench.hooks_server import set_up_beside
from bench.ingest import CONNECTIONS, turn_of
from bench.processes import ServerProcess, processor_seconds, run_server
from bench.stores import NewDatabase, connect_directly, query_row

OBJECTS = 2000
WAITING = "SELECT count(*) FROM events WHERE applied_at IS NULL"
HELD = """SELECT (SELECT count(*) FROM events), count(*), sum(version),
    (SELECT count(*) FROM versions WHERE resource = 'purchase_orders')
  FROM objects WHERE resource = 'purchase_orders'"""


def measure(scale: Scale) -> list[Figure]:
    """Send the same deliveries to a hub and to the minimal endpoint, in turn."""
    return on_each_database(scale, _measured)


def _measured(store: str, folder: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    number = scale.amount(12_000, CONNECTIONS * 2)
    data = folder / "data"
    data.mkdir(parents=True)
    address = new(data)
    token = set_up_beside(data, address)
    figures: list[tuple[float, float, float]] = []
    with ExitStack() as stack:
        (folder / "bare").mkdir()
        bare_address = new(folder / "bare")
        bare = stack.enter_context(run_server("bench.bare_ingest", [bare_address]))
        hub = make_start_hub(stack, lambda _: data)(data=data, store_url=address)
        hooks = ServerProcess(f"{hub.url}/hooks/{token}", hub.child.process.pid)
        for turn in range(scale.repeats + 1):
            first = 1 + turn * number
            core, clock = until_visible(address, hooks, first, number)
            figures.append((1e6 / core, clock, turn_of(bare, first, number).microseconds))
        _check(address, number * len(figures))
    return [
        figure(
            "visible",
            store,
            "µs of processor time per delivery",
            [spent for spent, _, _ in figures[1:]],
            baseline=[bare for _, _, bare in figures[1:]],
            budget=Budget("at most", 2.5),
            note=f"{OBJECTS:,} objects; by the clock {median(clock for _, clock, _ in figures[1:]):,.0f}/s",
        )
    ]


def until_visible(
    address: str, hooks: ServerProcess, first: int, number: int, connections: int = CONNECTIONS
) -> tuple[float, float]:
    """Send deliveries, and wait until they are applied.

    Return the rates per second of processor time and by the clock.
    """
    sent = requests(hooks.address, first, number, OBJECTS)
    before, began = processor_seconds(hooks.pid), time.perf_counter()
    acknowledged(hooks.address, sent, connections)
    with connect_directly(address) as database:
        while database.execute(text(WAITING)).scalar_one():
            time.sleep(0.02)
    return number / (processor_seconds(hooks.pid) - before), number / (time.perf_counter() - began)


def _check(address: str, sent: int) -> None:
    """Check that all events, objects and versions are present."""
    events, objects, versions, kept = query_row(address, HELD)
    expect("events and objects", (sent, min(OBJECTS, sent)), (events, objects))
    expect("versions", versions, kept)
