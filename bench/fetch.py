"""`fetch`: a full fetch of 100,000 objects from the local ION (`--size 10`: a million).

One baseline downloads and decodes the same pages. The other, the lower bound, also stores each page
with a bare upsert and history insert in one transaction, without rules and links.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import msgspec
from sqlalchemy import Connection, text
from tests.conftest import HubProcess, make_start_hub

from bench.apply import ADD, PUT
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up
from bench.processes import peak_resident_megabytes, processor_seconds
from bench.stores import NewDatabase, stores
from ultraviolet.clock import now_rfc3339
from ultraviolet.db import engine as db_engine
from ultraviolet.db.database import Database
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations.models import Credentials
from ultraviolet.hub.integrations.service import make_client
from ultraviolet.hub.sync.ion_reader import MAX_PAGE_SIZE, PAGE_SIZE, IonReader
from ultraviolet.ion import queries
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.testing import LocalIonProcess, running_local_ion

OBJECTS = 100_000
CONCURRENT_RESOURCES = 6
RATE = 500
POLL_INTERVAL_SECONDS = 0.25
"""Interval of the status requests, each of which takes the hub some milliseconds."""
TIMEOUT_SECONDS = 3600.0
KEPT = text("SELECT resource, id FROM objects WHERE deleted_at IS NULL")

Nodes = Sequence[dict[str, Any]]
Keep = Callable[[Resource, Nodes], Awaitable[None]]
"""Stores a page."""


class Run(msgspec.Struct):
    """One fetch or download of all objects."""

    seconds: float
    objects: int
    checksum: str
    processor: float = 0.0
    memory: float = 0.0

    @property
    def rate(self) -> float:
        """Objects per second."""
        return self.objects / self.seconds


def measure(scale: Scale) -> list[Figure]:
    """Fetch into new hubs, and download, in turn."""
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        folder = Path(directory)
        with running_local_ion(
            folder / "ion", ["--size", str(scale.amount(OBJECTS, 100))], seconds=7200
        ) as ion:
            # Warm up ION for the first measurement.
            asyncio.run(download(ion))
            return [
                made
                for store, new in found.items()
                for made in _measured(ion, store, folder, new, min(scale.repeats, 3))
            ]


def _measured(
    ion: LocalIonProcess, store: str, folder: Path, new: NewDatabase, repeats: int
) -> list[Figure]:
    runs = [
        (
            fetch_everything(ion, folder / f"{store}-{number}", new),
            asyncio.run(download(ion)),
            _lower_bound(ion, folder / f"{store}-floor-{number}", new),
        )
        for number in range(repeats)
    ]
    for run in runs:
        found = {(one.objects, one.checksum) for one in run}
        expect("different contents, by number and checksum", 1, len(found))
    objects = runs[0][0].objects
    spent = median(hub.processor / hub.objects for hub, *_ in runs) * 1e6
    return [
        figure(
            "fetch: time",
            store,
            "s",
            [hub.seconds for hub, *_ in runs],
            baseline=[bare.seconds for _, bare, _ in runs],
            note=f"{objects:,} objects, {median(hub.rate for hub, *_ in runs):,.0f}/s; {spent:,.0f} µs of the hub's processor time per object",
        ),
        figure(
            "fetch: time with the lower bound as baseline",
            store,
            "s",
            [hub.seconds for hub, *_ in runs],
            baseline=[floor.seconds for *_, floor in runs],
            budget=Budget("at most", 1.3),
            note="lower bound: bare upsert and history insert, one transaction per page",
        ),
    ]


def fetch_everything(ion: LocalIonProcess, data: Path, new: NewDatabase) -> Run:
    """Connect a new hub, and wait for its first fetch."""
    (data / "data").mkdir(parents=True)
    address = new(data / "data")
    with ExitStack() as stack:
        hub = make_start_hub(stack, lambda _: data)(data=data / "data", store_url=address)
        integration = connect(hub, ion)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (fetched := over(hub, integration)) is None:
            expect("fetch completed in time", True, time.monotonic() < deadline)
            time.sleep(POLL_INTERVAL_SECONDS)
        expect("state of the fetch", "done", fetched["state"])
        took = datetime.fromisoformat(fetched["finished_at"]) - datetime.fromisoformat(
            fetched["started_at"]
        )
        processor, memory = (
            processor_seconds(hub.child.process.pid),
            peak_resident_megabytes(hub.child.process.pid),
        )
    return Run(took.total_seconds(), *_kept(address), processor, memory)


def connect(hub: HubProcess, ion: LocalIonProcess) -> int:
    """Add an integration and return its id; the hub starts the first fetch."""
    given = {
        "name": "bench: fetched",
        "api_url": ion.url,
        "auth_url": ion.url,
        "requests_per_second": RATE,
    }
    given |= {"client_id": ion.client_id, "client_secret": ion.client_secret}
    return hub.api("POST", "/integrations", given)["id"]


def over(hub: HubProcess, integration_id: int) -> dict[str, Any] | None:
    """Return the first fetch of an integration if it has ended."""
    items = hub.api("GET", f"/integrations/{integration_id}/fetches")["items"]
    return next((item for item in items if item["state"] in ("done", "failed")), None)


def _kept(address: str) -> tuple[int, str]:
    """Return the number of objects in the mirror and a checksum of their ids."""
    engine = db_engine.make_engine(address)
    with engine.connect() as connection:
        found = sorted((row.resource, row.id) for row in connection.execute(KEPT))
    engine.dispose()
    return len(found), _checksum(found)


def _checksum(found: Iterable[tuple[str, str]]) -> str:
    return sha256(msgspec.json.encode(sorted(found))).hexdigest()


async def download(ion: LocalIonProcess, keep: Keep | None = None) -> Run:
    """Read all pages with the requests of the hub."""
    catalog, at_once = load_catalog(), asyncio.Semaphore(CONCURRENT_RESOURCES)
    offered = OfferedSchema.whole(catalog)
    signs_in = Credentials(ion.url, ion.url, ion.client_id, ion.client_secret)
    async with aiohttp.ClientSession() as session:
        reader = IonReader(make_client(signs_in, RATE, session), catalog, offered)

        async def one(resource: Resource) -> list[tuple[str, str]]:
            async with at_once:
                return await _pages(reader, resource, keep)

        began = time.perf_counter()
        found = await asyncio.gather(*(one(resource) for resource in catalog.mirrored))
        seconds = time.perf_counter() - began
    ids = [ref for refs in found for ref in refs]
    return Run(seconds, len(ids), _checksum(ids))


async def _pages(reader: IonReader, resource: Resource, keep: Keep | None) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    document, size = queries.page_query(resource, reader.offered), PAGE_SIZE
    after: dict[str, Any] = {}
    while True:
        result = await reader.client.execute(document, {"first": size, **after})
        page = result.must()["page"]
        nodes = [edge["node"] for edge in page["edges"]]
        seen += [(resource.name, queries.object_id(resource, node)) for node in nodes]
        if keep and nodes:
            await keep(resource, nodes)
        if not page["pageInfo"]["hasNextPage"]:
            return seen
        if reader.is_keyed(resource):
            after = {"filters": {"id": {"gt": nodes[-1]["id"]}}}
        else:
            after = {"after": page["pageInfo"]["endCursor"]}
        size = MAX_PAGE_SIZE


def _lower_bound(ion: LocalIonProcess, data: Path, new: NewDatabase) -> Run:
    """Download, and store every page in a new database with bare statements."""
    data.mkdir()
    address = new(data)
    hub = Hub.open(Settings(data=data, database_url=address, public_url="http://127.0.0.1"))
    set_up(hub)
    run = asyncio.run(download(ion, _bare(hub.database)))
    hub.close()
    return Run(run.seconds, *_kept(address))


def _bare(store: Database) -> Keep:
    async def keep(resource: Resource, nodes: Nodes) -> None:
        rows = [_row(resource, node) for node in nodes]

        def work(connection: Connection) -> None:
            connection.execute(PUT, rows)
            connection.execute(ADD, rows)

        await store.write(work)

    return keep


def _row(resource: Resource, node: dict[str, Any]) -> dict[str, Any]:
    return {
        "integration": 1,
        "resource": resource.name,
        "id": queries.object_id(resource, node),
        "doc": msgspec.json.encode(node).decode(),
        "version": 1,
        "at": node.get("_updated") or now_rfc3339(),
        "change": "create",
        "changed": '["description"]',
        "origin": '{"kind":"fetch","ref":"1"}',
    }
