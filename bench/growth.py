"""`growth`: processor time per object, event, page and fetched object, by size of the mirror.

The sizes are 10,000 and 100,000 objects, and 1,000,000 with `--size 10`. The benchmark fills a mirror
of each size directly and measures them in turn, with the smallest as baseline. Processor time includes
PostgreSQL's.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path

import aiohttp
import msgspec
import structlog
from sqlalchemy import text, update

from bench.apply import RESOURCE, document, read_now
from bench.deliveries import body
from bench.fetch import RATE
from bench.filled import INTEGRATION, SHARES, fill
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import SECRET, set_up
from bench.pages import Browser, open_session
from bench.processes import process_tree_seconds
from bench.stores import NewDatabase, connect_directly, query_row, server_pid, stores
from ultraviolet import clock
from ultraviolet.db.tables.sync import watermarks
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations.models import Credentials
from ultraviolet.hub.integrations.service import make_client
from ultraviolet.hub.sync import fetch
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.fetch import Fetcher
from ultraviolet.hub.sync.ion_reader import IonReader
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.ion.signatures import SIGNATURE_HEADER, sign
from ultraviolet.process import freeze_startup_objects
from ultraviolet.testing import LocalIonProcess, running_local_ion
from ultraviolet.web.app import create_app

LEAST, MOST = 10_000, 100_000
OPERATIONS = 1000
"""Objects or events per measurement, if the size is 1 or more."""
BATCH = 500
CONCURRENT_DELIVERIES = 64
PAGES = 20
LIMIT = 2.0
OLD_WATERMARK = "2000-01-01T00:00:00.000000+00:00"
"""The watermark before each incremental fetch, so that it reads the whole small plant."""
MAINTENANCE = {
    "sqlite": ["PRAGMA wal_checkpoint(TRUNCATE)", "ANALYZE"],
    "postgresql": ["VACUUM (ANALYZE)", "CHECKPOINT"],
}
"""Maintenance that each database would do later."""
EVENTS = "SELECT count(*), count(DISTINCT dedupe_key) FROM events"
READ = """SELECT f.state, (SELECT sum(read) FROM fetch_steps WHERE fetch_id = f.id)
  FROM fetches AS f WHERE f.id = :id"""


class Mirror(msgspec.Struct):
    """A filled mirror with its counters."""

    size: int
    address: str
    hub: Hub
    token: str
    site: SyncContext
    browser: Browser
    numbers: "count[int]"
    operations: int
    read: int = 0


Work = Callable[[Mirror, "Meter"], Awaitable[int]]
"""Executes an operation several times within the meter; returns the number."""


def measure(scale: Scale) -> list[Figure]:
    """Fill mirrors of each size, and measure them in turn."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        folder = Path(directory)
        with running_local_ion(folder / "ion", ["--size", "100"]) as ion:
            return [
                made
                for store, new in found.items()
                for made in asyncio.run(_measured(ion, store, folder / store, new, scale))
            ]


async def _measured(
    ion: LocalIonProcess, store: str, folder: Path, new: NewDatabase, scale: Scale
) -> list[Figure]:
    size, most, sizes = (
        scale.amount(LEAST) if scale.size < 1 else LEAST,
        scale.amount(MOST),
        list[int](),
    )
    while size <= most:
        sizes.append(size)
        size *= 10
    costs: dict[tuple[str, int], list[float]] = {}
    operations = min(OPERATIONS, scale.amount(OPERATIONS, 100))
    signs_in = Credentials(ion.url, ion.url, ion.client_id, ion.client_secret)
    async with aiohttp.ClientSession() as session:
        mirrors: list[Mirror] = []
        for objects in sizes:
            data = folder / str(objects)
            data.mkdir(parents=True)
            address = new(data)
            settings = Settings(data=data, database_url=address, public_url="http://127.0.0.1")
            hub = Hub.open(settings)
            freeze_startup_objects()
            token = set_up(hub)
            fill(hub, objects, 3)
            _maintain(address, store)
            reader = IonReader(
                make_client(signs_in, RATE, session), hub.catalog, OfferedSchema.whole(hub.catalog)
            )
            site = SyncContext(hub.database, hub.catalog, INTEGRATION, reader, PubSub())
            await hub.ingest.refresh()
            browser = Browser(create_app(hub), hub.database.write_now(open_session))
            mirrors.append(
                Mirror(objects, address, hub, token, site, browser, count(objects + 1), operations)
            )
        server = server_pid(mirrors[0].address)
        for turn in range(scale.repeats + 1):
            for name, work in WORK.items():
                for mirror in mirrors:
                    meter = Meter(server)
                    done = await work(mirror, meter)
                    if turn:
                        costs.setdefault((name, mirror.size), []).append(meter.seconds / done * 1e6)
        for mirror in mirrors:
            await mirror.hub.ingest.close()
            mirror.hub.close()
    return [
        _figure(name, store, size, costs[name, size], costs[name, sizes[0]], sizes[0])
        for name in WORK
        for size in sizes[1:]
    ]


def _figure(
    name: str, store: str, size: int, costs: Sequence[float], least: Sequence[float], smallest: int
) -> Figure:
    return figure(
        f"growth: {name}, {size:,}",
        store,
        "µs",
        costs,
        baseline=least,
        budget=Budget("at most", LIMIT),
        note=f"baseline: {smallest:,} objects",
    )


def _maintain(address: str, store: str) -> None:
    with connect_directly(address) as connection:
        for statement in MAINTENANCE[store]:
            connection.execute(text(statement))


async def _apply_new(mirror: Mirror, meter: "Meter") -> int:
    """Apply new objects."""
    return await _apply(
        mirror, meter, [next(mirror.numbers) for _ in range(mirror.operations)], first=True
    )


async def _apply_changed(mirror: Mirror, meter: "Meter") -> int:
    """Apply changes of random objects without an event."""
    held = max(2, mirror.size * SHARES[RESOURCE] // 100)
    number = min(mirror.operations, held)
    return await _apply(
        mirror, meter, [1 + place * held // number for place in range(number)], first=False
    )


async def _apply(mirror: Mirror, meter: "Meter", ids: Sequence[int], *, first: bool) -> int:
    moment = clock.now_rfc3339()
    for start in range(0, len(ids), BATCH):
        documents = [
            document(id_, id_) | {"_updated": moment, "description": f"{id_} as of {moment}"}
            for id_ in ids[start : start + BATCH]
        ]
        seen = read_now(documents, first=first)
        with meter:
            applied = await mirror.site.apply(seen)
        expect("objects that changed", len(seen), len(applied.changes))
    return len(ids)


async def _ingest(mirror: Mirror, meter: "Meter") -> int:
    """Submit deliveries concurrently."""
    bodies = [
        body(next(mirror.numbers), max(1, mirror.size // 10)) for _ in range(mirror.operations)
    ]
    sent = [({SIGNATURE_HEADER: sign(SECRET, each)}, each) for each in bodies]
    before = query_row(mirror.address, EVENTS)
    for start in range(0, mirror.operations, CONCURRENT_DELIVERIES):
        with meter:
            verdicts = await asyncio.gather(
                *(
                    mirror.hub.ingest.submit(mirror.token, *each)
                    for each in sent[start : start + CONCURRENT_DELIVERIES]
                )
            )
        expect("verdicts", {200}, set(verdicts))
    expect(
        "number of events and of distinct events",
        tuple(n + mirror.operations for n in before),
        query_row(mirror.address, EVENTS),
    )
    return mirror.operations


async def _table(mirror: Mirror, meter: "Meter") -> int:
    """Show the page of the largest resource."""
    return await _read(mirror, meter, "/objects/parts_inventory?integration=1", "SN-")


async def _object(mirror: Mirror, meter: "Meter") -> int:
    """Get one object by the API."""
    return await _read(mirror, meter, "/api/v1/objects/parts_inventory/17", "SN-0000017")


async def _read(mirror: Mirror, meter: "Meter", address: str, says: str) -> int:
    for _ in range(PAGES):
        with meter:
            _, page = await mirror.browser.get(address)
        expect(f"“{says}” at {address}", True, says in page)
    return PAGES


async def _fetch(mirror: Mirror, meter: "Meter") -> int:
    """Fetch the objects of a small plant incrementally."""
    old = update(watermarks).values(updated=OLD_WATERMARK)
    mirror.hub.database.write_now(lambda c: c.execute(old) and None)
    number = mirror.hub.database.write_now(fetch.request_fetch, INTEGRATION, "incremental", "bench")
    with meter:
        await Fetcher(mirror.site).run(number, "incremental")
    state, read = query_row(mirror.address, READ, id=number)
    expect("state and objects read", ("done", mirror.read or read), (state, read))
    mirror.read = read
    return read


class Meter:
    """Sums the processor time of this process and the database server while it is entered."""

    def __init__(self, server: int | None) -> None:
        self._server = server
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.process_time() + process_tree_seconds(self._server)

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() + process_tree_seconds(self._server) - self._began


WORK: dict[str, Work] = {
    "apply new": _apply_new,
    "apply changed": _apply_changed,
    "ingest": _ingest,
    "table page": _table,
    "object by API": _object,
    "incremental fetch": _fetch,
}
