"""`memory`: what a hub holds at rest, while it is flooded with deliveries, and while it fetches 10,000 objects and 100,000.

A hub that streams what it reads and takes is as large with ten times as much. The memory of PostgreSQL's own server
is not in it.
"""

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
from tests.conftest import make_start_hub, wait_for

from bench.deliveries import acknowledged, requests
from bench.fetch import Run, download, fetch_everything
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up_beside
from bench.ingest import CONNECTIONS, COUNTS
from bench.processes import most_resident, resident
from bench.stores import NewDatabase, look, stores
from bench.visible import WAITING
from bench.wire import flood
from ultraviolet.testing import running_local_ion

OBJECTS = 100_000
DELIVERIES = 20_000
REST = 5.0


class Flooded(msgspec.Struct):
    """Megabytes of one hub, in the order in which they were measured: at rest, and the most there had been."""

    idle: float
    tenth: float
    whole: float
    after: float


def measure(scale: Scale) -> list[Figure]:
    """Let hubs on either store rest, take deliveries, and fetch a tenth and everything."""
    repeats = max(1, scale.repeats // 2)  # these take long, and vary little
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        folder = Path(directory)
        floods = {
            store: [_flooded(folder / f"{store}-{n}", new, scale) for n in range(repeats)]
            for store, new in found.items()
        }
        fetches: dict[str, list[list[Run]]] = {store: [] for store in found}
        for objects in (scale.of(OBJECTS // 10, 50), scale.of(OBJECTS, 100)):
            at = folder / str(objects)
            with running_local_ion(at / "ion", ["--size", str(objects)], seconds=7200) as ion:
                there = asyncio.run(download(ion))
                for store, new in found.items():
                    runs = [fetch_everything(ion, at / f"{store}-{n}", new) for n in range(repeats)]
                    for run in runs:
                        expect(
                            "objects and their checksum",
                            (there.objects, there.checksum),
                            (run.objects, run.checksum),
                        )
                    fetches[store].append(runs)
    return [
        made
        for store in found
        for made in (*_of_floods(store, floods[store], scale), _of_fetches(store, *fetches[store]))
    ]


def _of_floods(store: str, runs: list[Flooded], scale: Scale) -> list[Figure]:
    number = scale.of(DELIVERIES, CONNECTIONS * 10)
    return [
        figure(
            "memory: at rest",
            store,
            "MB",
            [run.idle for run in runs],
            budget=Budget("at most", 120),
            note=f"a new hub after {REST * min(1.0, scale.size):g} s",
        ),
        figure(
            "memory: flooded",
            store,
            "MB",
            [run.whole for run in runs],
            baseline=[run.tenth for run in runs],
            budget=Budget("at most", 1.3),
            note=f"the most in {number:,} deliveries, beside the first tenth; {runs[0].after:,.0f} afterwards",
        ),
    ]


def _of_fetches(store: str, small: list[Run], large: list[Run]) -> Figure:
    return figure(
        "memory: fetching",
        store,
        "MB",
        [run.memory for run in large],
        baseline=[run.memory for run in small],
        budget=Budget("at most", 1.3),
        note=f"the most in a fetch of {large[0].objects:,} objects, beside one of {small[0].objects:,}",
    )


def _flooded(folder: Path, new: NewDatabase, scale: Scale) -> Flooded:
    """Let a new hub rest, then send it a tenth of the deliveries, then the others."""
    data = folder / "data"
    data.mkdir(parents=True)
    address, number = new(data), scale.of(DELIVERIES, CONNECTIONS * 10)
    with ExitStack() as stack:
        hub = make_start_hub(stack, lambda _: data)(data=data, store_url=address)
        pid = hub.child.process.pid
        time.sleep(REST * min(1.0, scale.size))
        idle = resident(pid)
        url = f"{hub.url}/hooks/{set_up_beside(data, address)}"
        known = requests(url, 0, 1)
        wait_for(lambda: flood(url, known, 1).statuses == {200}, 30, "the address to be known")
        _send(url, 1, number // 10)
        tenth = most_resident(pid)
        _send(url, 1 + number // 10, number - number // 10)
        whole = most_resident(pid)
        wait_for(lambda: look(address, WAITING) == (0,), 600, "all deliveries in the mirror")
        expect("events, and distinct ones", (number + 1, number + 1), look(address, COUNTS))
        return Flooded(idle, tenth, max(whole, most_resident(pid)), resident(pid))


def _send(url: str, first: int, number: int) -> None:
    acknowledged(url, requests(url, first, number), CONNECTIONS)
