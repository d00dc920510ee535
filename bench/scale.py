"""`scale`: a hub with 1,000 integrations and 1,000,000 objects: until it is ready, and what it takes at rest.

All integrations share one local ION, so that polls and the watchdog's looks are real requests. At rest means that no
schedule comes due while it is measured; nothing else is switched off.
"""

import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from bench.apply import document
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up
from bench.processes import processor_seconds, resident
from bench.stores import NewDatabase, stores
from ultraviolet import times
from ultraviolet.cli.children import Child, answers, free_port
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.settings import Settings
from ultraviolet.mirror import bulk
from ultraviolet.mirror.tables import fetches, integrations, objects, versions, watermarks
from ultraviolet.testing import LocalIonProcess, running_local_ion

INTEGRATIONS = 1000
OBJECTS = 1_000_000
REST = 40.0
RESOURCE = "purchase_orders"
SELDOM = "0 3 1 1 *"
LATER = times.text(times.present() + timedelta(hours=1))
"""The watermark: nothing in ION is newer, so that a poll is a request that finds nothing."""
KEYS = ("integration_id", "resource", "id", "doc", "version")
OBJECT = (*KEYS, "completeness", "source_time", "observed_at", "read_at", "changed_at", "origin")
VERSION = (*KEYS, "change", "changed", "source_time", "observed_at", "origin")


class Run(msgspec.Struct):
    """One start and rest."""

    ready: float
    processor: float
    share: float
    memory: float


def measure(scale: Scale) -> list[Figure]:
    """Fill a database past the hub, on either store, and start a hub over it."""
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found, ExitStack() as stack:
        folder = Path(directory)
        ion = stack.enter_context(running_local_ion(folder / "ion", ["--size", "small"]))
        return [
            made for store, new in found.items() for made in _measured(ion, store, folder / store, new, scale)
        ]


def _measured(ion: LocalIonProcess, store: str, data: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    data.mkdir()
    address = new(data)
    plants, count = scale.of(INTEGRATIONS, 5), scale.of(OBJECTS, 500)
    _fill(ion, data, address, plants, count)
    runs = [_run(data, address, max(2.0, REST * scale.size)) for _ in range(min(scale.repeats, 3))]
    note = f"{plants:,} integrations, {count:,} objects"
    return [
        figure(
            "scale: ready",
            store,
            "s",
            [run.ready for run in runs],
            budget=Budget("at most", 5, of="figure"),
            note=f"{note}; {runs[0].processor:.2f} s of processor time",
        ),
        figure(
            "scale: at rest",
            store,
            "% of a core",
            [run.share * 100 for run in runs],
            budget=Budget("at most", 5, of="figure"),
            note=f"{runs[0].memory:,.0f} MB",
        ),
    ]


def _fill(ion: LocalIonProcess, data: Path, address: str, plants: int, count: int) -> None:
    hub = Hub.open(Settings(data=data / "hub", database_url=address, public_url="http://127.0.0.1"))
    set_up(hub, "plant 1")
    given = {"api_url": ion.url, "auth_url": ion.url, "client_id": ion.client_id}
    given |= {"incremental_schedule": SELDOM, "full_schedule": SELDOM}
    secret = hub.secrets.seal(ion.client_secret)

    def connected(connection: Connection) -> list[int]:
        first = dict(connection.execute(select(integrations)).mappings().one())
        connection.execute(integrations.update().values(**given, client_secret=secret))
        row = first | given | {"client_secret": secret}
        more = [row | {"id": int(first["id"]) + n, "name": f"plant {n + 1}"} for n in range(1, plants)]
        if more:
            connection.execute(insert(integrations), more)
        ids = [int(first["id"]) + n for n in range(plants)]
        moment = times.now()
        done = {"mode": "full", "state": "done", "requested_by": "bench", "started_at": moment}
        connection.execute(
            insert(fetches), [done | {"integration_id": id_, "finished_at": moment} for id_ in ids]
        )
        lines = {
            "resource": "purchase_order_lines",
            "updated": LATER,
            "proven_at": moment,
            "proven_by": "bench",
        }
        connection.execute(insert(watermarks), [lines | {"integration_id": id_} for id_ in ids])
        return ids

    ids = hub.store.write_now(connected)
    for start in range(0, count, 10_000):
        numbers = range(start, min(start + 10_000, count))
        hub.store.write_now(lambda c, numbers=numbers: _add(c, ids, numbers))
    held = hub.store.read_now(lambda c: c.execute(select(func.count()).select_from(objects)).scalar())
    expect("objects", count, held)
    hub.close()


def _add(connection: Connection, ids: list[int], numbers: Iterable[int]) -> None:
    rows: list[tuple[Any, ...]] = []
    history: list[tuple[Any, ...]] = []
    origin = '{"kind":"fetch","ref":"1"}'
    for number in numbers:
        fields = document(number, 1)
        doc, at = msgspec.json.encode(fields).decode(), fields["_updated"]
        key = (ids[number % len(ids)], RESOURCE, str(number), doc, 1)
        rows.append((*key, "full", at, at, at, at, origin))
        history.append((*key, "create", "[]", at, at, origin))
    bulk.add(connection, objects, OBJECT, rows)
    bulk.add(connection, versions, VERSION, history)


def _run(data: Path, address: str, rest: float) -> Run:
    port = free_port()
    arguments = ["serve", "--port", str(port), "--data", str(data / "hub")]
    began = time.perf_counter()
    with Child("The hub", arguments, data / "hub.log", {"ULTRAVIOLET_DATABASE_URL": address}) as child:
        child.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), 300)
        ready, spent = time.perf_counter() - began, processor_seconds(child.process.pid)
        time.sleep(rest / 4)
        before, at = processor_seconds(child.process.pid), time.perf_counter()
        time.sleep(rest)
        share = (processor_seconds(child.process.pid) - before) / (time.perf_counter() - at)
        return Run(ready, spent, share, resident(child.process.pid))
