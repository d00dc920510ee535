"""`memory`: memory of a hub: idle, during deliveries, and during fetches of 10,000 and 100,000 objects.

A hub that streams its data needs no more memory for ten times as much. PostgreSQL's memory is not
included.
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
from bench.processes import peak_resident_megabytes, resident_megabytes
from bench.stores import NewDatabase, query_row, stores
from bench.visible import WAITING
from bench.wire import flood
from ultraviolet.testing import running_local_ion

OBJECTS = 100_000
DELIVERIES = 20_000
IDLE_SECONDS = 5.0


class FloodMemory(msgspec.Struct):
    """Megabytes of one hub in the order of measurement: idle, and maxima."""

    idle: float
    tenth: float
    whole: float
    after: float


def measure(scale: Scale) -> list[Figure]:
    """Measure idle hubs, deliveries, and fetches of a tenth and of all objects."""
    repeats = max(1, scale.repeats // 2)  # these take long and vary little
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        folder = Path(directory)
        floods = {
            store: [_measure_flood(folder / f"{store}-{n}", new, scale) for n in range(repeats)]
            for store, new in found.items()
        }
        fetches: dict[str, list[list[Run]]] = {store: [] for store in found}
        for objects in (scale.amount(OBJECTS // 10, 50), scale.amount(OBJECTS, 100)):
            at = folder / str(objects)
            with running_local_ion(at / "ion", ["--size", str(objects)], seconds=7200) as ion:
                there = asyncio.run(download(ion))
                for store, new in found.items():
                    runs = [fetch_everything(ion, at / f"{store}-{n}", new) for n in range(repeats)]
                    for run in runs:
                        expect(
                            "number of objects and checksum",
                            (there.objects, there.checksum),
                            (run.objects, run.checksum),
                        )
                    fetches[store].append(runs)
    return [
        made
        for store in found
        for made in (*_of_floods(store, floods[store], scale), _of_fetches(store, *fetches[store]))
    ]


def _of_floods(store: str, runs: list[FloodMemory], scale: Scale) -> list[Figure]:
    number = scale.amount(DELIVERIES, CONNECTIONS * 10)
    return [
        figure(
            "memory: at rest",
            store,
            "MB",
            [run.idle for run in runs],
            budget=Budget("at most", 120),
            note=f"a new hub after {IDLE_SECONDS * min(1.0, scale.size):g} s",
        ),
        figure(
            "memory: flooded",
            store,
            "MB",
            [run.whole for run in runs],
            baseline=[run.tenth for run in runs],
            budget=Budget("at most", 1.3),
            note=f"maximum during {number:,} deliveries; baseline: the first tenth; {runs[0].after:,.0f} afterwards",
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
        note=f"maximum during a fetch of {large[0].objects:,} objects; baseline: {small[0].objects:,}",
    )


def _measure_flood(folder: Path, new: NewDatabase, scale: Scale) -> FloodMemory:
    """Measure a new idle hub, then a tenth of the deliveries, then the others."""
    data = folder / "data"
    data.mkdir(parents=True)
    address, number = new(data), scale.amount(DELIVERIES, CONNECTIONS * 10)
    with ExitStack() as stack:
        hub = make_start_hub(stack, lambda _: data)(data=data, store_url=address)
        pid = hub.child.process.pid
        time.sleep(IDLE_SECONDS * min(1.0, scale.size))
        idle = resident_megabytes(pid)
        url = f"{hub.url}/hooks/{set_up_beside(data, address)}"
        known = requests(url, 0, 1)
        wait_for(lambda: flood(url, known, 1).statuses == {200}, 30, "the address to be known")
        _send(url, 1, number // 10)
        tenth = peak_resident_megabytes(pid)
        _send(url, 1 + number // 10, number - number // 10)
        whole = peak_resident_megabytes(pid)
        wait_for(lambda: query_row(address, WAITING) == (0,), 600, "all deliveries in the mirror")
        expect(
            "number of events and of distinct events",
            (number + 1, number + 1),
            query_row(address, COUNTS),
        )
        return FloodMemory(
            idle, tenth, max(whole, peak_resident_megabytes(pid)), resident_megabytes(pid)
        )


def _send(url: str, first: int, number: int) -> None:
    acknowledged(url, requests(url, first, number), CONNECTIONS)
