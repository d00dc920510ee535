"""`fetch`: a full fetch of everything from the local ION, beside downloading and decoding the same pages, keeping nothing.

10,000 objects unless `--size` says otherwise; the memory of the hub is set beside that of a hub that fetches a fifth.
"""

import asyncio
import sqlite3
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import aiohttp
import msgspec
from tests.conftest import make_start_hub

from bench.frame import Budget, Figure, Scale, expect, figure
from bench.processes import most_resident
from ultraviolet.hub.integrations import Credentials, make_client
from ultraviolet.hub.reader import PAGE
from ultraviolet.ion import documents
from ultraviolet.ion.catalog import Resource, load
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.documents import Offered
from ultraviolet.testing import LocalIonProcess, running_local_ion

OBJECTS = 10_000
AT_ONCE = 6
RATE = 500
KEPT = "SELECT count(*) FROM objects WHERE deleted_at IS NULL"


class Run(msgspec.Struct):
    """One pass over everything."""

    seconds: float
    objects: int
    memory: float = 0.0

    @property
    def rate(self) -> float:
        """Objects a second."""
        return self.objects / self.seconds


def measure(scale: Scale) -> list[Figure]:
    """Fetch into new hubs, and download, in turn."""
    repeats = min(scale.repeats, 3)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        with running_local_ion(folder / "small", ["--size", str(scale.of(OBJECTS // 5, 50))]) as ion:
            small = _hub(ion, folder / "hub-small")
        with running_local_ion(folder / "ion", ["--size", str(scale.of(OBJECTS, 100))], seconds=600) as ion:
            runs = [
                (_hub(ion, folder / f"hub-{number}"), asyncio.run(_download(ion)))
                for number in range(repeats)
            ]
    for hub, bare in runs:
        expect("objects", bare.objects, hub.objects)
    return [
        figure(
            "fetch: time",
            "sqlite",
            "s",
            [hub.seconds for hub, _ in runs],
            baseline=[bare.seconds for _, bare in runs],
            budget=Budget("at most", 1.5),
            note=f"{runs[0][0].objects:,} objects, {runs[0][0].rate:,.0f}/s; what the hub adds is the ratio less one",
        ),
        figure(
            "fetch: memory",
            "sqlite",
            "MB",
            [hub.memory for hub, _ in runs],
            baseline=[small.memory] * repeats,
            budget=Budget("at most", 1.3),
            note=f"the most there was, beside a fetch of {small.objects:,}",
        ),
    ]


def _hub(ion: LocalIonProcess, data: Path) -> Run:
    """Fetch everything into a new hub."""
    with ExitStack() as stack:
        hub = make_start_hub(stack, lambda _: data)(data=data / "data")
        integration = hub.connect(ion, requests_per_second=RATE)
        began = time.perf_counter()
        fetched = hub.fetch(integration)
        seconds = time.perf_counter() - began
        expect("state of the fetch", "done", fetched["state"])
        memory = most_resident(hub.child.process.pid)
    with closing(sqlite3.connect(data / "data" / "hub.db")) as database:
        return Run(seconds, database.execute(KEPT).fetchone()[0], memory)


async def _download(ion: LocalIonProcess) -> Run:
    """Read every page as the hub asks for it."""
    catalog, at_once = load(), asyncio.Semaphore(AT_ONCE)
    offered = Offered.whole(catalog)
    signs_in = Credentials(ion.url, ion.url, ion.client_id, ion.client_secret)
    async with aiohttp.ClientSession() as session:
        client = make_client(signs_in, RATE, session)

        async def one(resource: Resource) -> int:
            async with at_once:
                return await _pages(client, resource, documents.page(resource, offered))

        began = time.perf_counter()
        counts = await asyncio.gather(*(one(resource) for resource in catalog.mirrored))
        return Run(time.perf_counter() - began, sum(counts))


async def _pages(client: IonClient, resource: Resource, document: str) -> int:
    seen, filters = 0, None
    while True:
        page = (await client.execute(document, {"filters": filters, "first": PAGE})).must()["page"]
        seen += len(page["edges"])
        if not page["pageInfo"]["hasNextPage"]:
            return seen
        filters = {"id": {"gt": page["edges"][-1]["node"][resource.key[0]]}}
