"""`ingest-during-fetch`: deliveries acknowledged per second during a full fetch.

The baseline is the same hub without a fetch. One integration receives deliveries, and another one is
fetched.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.conftest import HubProcess, make_start_hub, wait_for

from bench.deliveries import acknowledged, requests
from bench.fetch import connect
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up_beside
from bench.ingest import CONNECTIONS, COUNTS
from bench.stores import NewDatabase, connect_directly, query_row, stores
from bench.wire import Flood
from ultraviolet.mirror import search_index
from ultraviolet.testing import LocalIonProcess, running_local_ion

OBJECTS = 60_000


def measure(scale: Scale) -> list[Figure]:
    """Flood a hub without and with a fetch, in turn."""
    with (
        tempfile.TemporaryDirectory() as directory,
        stores(scale.store) as found,
        ExitStack() as stack,
    ):
        folder = Path(directory)
        size = ["--size", str(scale.amount(OBJECTS, 300))]
        ion = stack.enter_context(running_local_ion(folder / "ion", size, seconds=600))
        return [
            made
            for store, new in found.items()
            for made in _measured(ion, store, folder, new, scale)
        ]


def _measured(
    ion: LocalIonProcess, store: str, folder: Path, new: NewDatabase, scale: Scale
) -> list[Figure]:
    data = folder / store / "data"
    data.mkdir(parents=True)
    address, number = new(data), scale.amount(5000, CONNECTIONS * 2)
    token = set_up_beside(data, address)
    runs: list[tuple[Flood, Flood]] = []
    with ExitStack() as stack:
        hub = make_start_hub(stack, lambda _: data)(data=data, store_url=address)
        url = f"{hub.url}/hooks/{token}"
        fetched = f"/integrations/{connect(hub, ion)}/fetches"
        for turn in range(scale.repeats + 1):
            wait_for(lambda: not _running(hub, fetched), 600, "no fetch")
            wait_for(lambda: not _unindexed(address), 600, "the search index")
            alone = _flood(url, 1 + 2 * turn * number, number)
            hub.api("POST", fetched, {"mode": "full"})
            runs.append((_flood(url, 1 + (2 * turn + 1) * number, number), alone))
        wait_for(lambda: not _running(hub, fetched), 600, "the last fetch")
        expect("fetches", {"done"}, {one["state"] for one in hub.api("GET", fetched)["items"]})
    expect(
        "number of events and of distinct events",
        (2 * number * len(runs),) * 2,
        query_row(address, COUNTS),
    )
    return _figures(store, runs[1:])


def _figures(store: str, runs: list[tuple[Flood, Flood]]) -> list[Figure]:
    return [
        figure(
            "ingest-during-fetch",
            store,
            "deliveries/s",
            [during.rate for during, _ in runs],
            baseline=[alone.rate for _, alone in runs],
            budget=Budget("at least", 0.7),
            note="by the clock; baseline: the same hub without a fetch",
        ),
        figure(
            "ingest-during-fetch: p99",
            store,
            "ms",
            [during.percentile(99) * 1000 for during, _ in runs],
            baseline=[alone.percentile(99) * 1000 for _, alone in runs],
            budget=Budget("at most", 250, of="figure"),
        ),
    ]


def _flood(url: str, first: int, number: int) -> Flood:
    return acknowledged(url, requests(url, first, number), CONNECTIONS)


def _unindexed(address: str) -> list[int]:
    with connect_directly(address) as connection:
        return search_index.outdated_integrations(connection)


def _running(hub: HubProcess, fetches: str) -> bool:
    items: list[dict[str, Any]] = hub.api("GET", fetches)["items"]
    return not items or any(one["state"] == "running" for one in items)
