"""`visible`: deliveries about 2,000 objects, sustained until all are in the mirror with history, by a whole hub.

Beside it the handler that verifies and decodes and stores nothing, as for `ingest`; both for each second of processor time.
"""

import sqlite3
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from tests.conftest import HubProcess, make_start_hub

from bench.deliveries import requests
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up
from bench.ingest import CONNECTIONS, turn_of
from bench.processes import Announced, announced, processor_seconds
from bench.wire import flood
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.settings import Settings

OBJECTS = 2000
WAITING = "SELECT count(*) FROM events WHERE applied_at IS NULL"
MIRRORED = "SELECT count(*), sum(version) FROM objects WHERE resource = 'purchase_orders'"
KEPT = "SELECT count(*) FROM versions WHERE resource = 'purchase_orders'"


def measure(scale: Scale) -> list[Figure]:
    """Send a hub and the bare handler the same deliveries, in turn."""
    number = scale.of(6000, CONNECTIONS * 2)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        data = Path(directory) / "hub" / "data"
        address = f"sqlite:///{data / 'hub.db'}"
        made = Hub.open(Settings(data=data, database_url=address, public_url="http://127.0.0.1"))
        token = set_up(made)
        made.close()
        bare_arguments = ["bare", str(Path(directory) / "bare"), f"sqlite:///{directory}/bare.db"]
        bare = stack.enter_context(announced("bench.hooks_server", bare_arguments))
        hub = make_start_hub(stack, lambda _: data)(data=data)
        hooks = Announced(f"{hub.url}/hooks/{token}", hub.child.process.pid)
        figures: list[tuple[float, float, float]] = []
        for turn in range(scale.repeats + 1):
            first = 1 + turn * number
            core, clock = _until_visible(hub, hooks, first, number)
            figures.append((core, clock, turn_of(bare, first, number).of_a_core))
        _check(hub, number * len(figures))
    clocks = sorted(clock for _, clock, _ in figures[1:])
    return [
        figure(
            "visible",
            "sqlite",
            "deliveries/s of a core",
            [core for core, _, _ in figures[1:]],
            baseline=[bare for _, _, bare in figures[1:]],
            budget=Budget("at least", 0.2),
            note=f"{OBJECTS:,} objects; by the clock {clocks[len(clocks) // 2]:,.0f}/s",
        )
    ]


def _until_visible(hub: HubProcess, hooks: Announced, first: int, number: int) -> tuple[float, float]:
    sent = requests(hooks.address, first, number, OBJECTS)
    before, began = processor_seconds(hooks.pid), time.perf_counter()
    found = flood(hooks.address, sent, CONNECTIONS)
    expect("statuses and answers", ({200}, number), (found.statuses, len(found.delays)))
    with closing(sqlite3.connect(hub.data / "hub.db")) as database:
        while database.execute(WAITING).fetchone()[0]:
            time.sleep(0.02)
    return number / (processor_seconds(hooks.pid) - before), number / (time.perf_counter() - began)


def _check(hub: HubProcess, sent: int) -> None:
    """Every object is there, and its history whole."""
    with closing(sqlite3.connect(hub.data / "hub.db")) as database:
        objects, versions = database.execute(MIRRORED).fetchone()
        expect("objects", min(OBJECTS, sent), objects)
        expect("versions", versions, database.execute(KEPT).fetchone()[0])
