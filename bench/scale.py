"""`scale`: start and idle load of hubs with 1 to 1,000 integrations of 1,000 objects each.

All integrations use one local ION, so that polls and watchdog checks are real requests. No schedule is
due during the measurement; everything else runs.
"""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, text, update

from bench.apply import document
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.hooks_server import set_up
from bench.processes import processor_seconds, resident_megabytes
from bench.stores import NewDatabase, query_row, stores
from ultraviolet import clock
from ultraviolet.child_process import Child, free_port, is_responding
from ultraviolet.db import bulk
from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.mirror import objects, versions
from ultraviolet.db.tables.sync import fetches, watermarks
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.testing import LocalIonProcess, running_local_ion

INTEGRATIONS = (1, 10, 100, 1000)
OBJECTS = 1000
"""Objects per integration."""
IDLE_SECONDS = 10.0
RESOURCE = "purchase_orders"
YEARLY = "0 3 1 1 *"
LATER = clock.format_rfc3339(clock.utc_now() + timedelta(hours=1))
"""The watermark: nothing in ION is newer, so a poll finds nothing."""
KEYS = ("integration_id", "resource", "id", "doc", "version")
OBJECT = (*KEYS, "completeness", "source_time", "observed_at", "read_at", "changed_at", "origin")
VERSION = (*KEYS, "change", "changed", "source_time", "observed_at", "origin")
CHUNK = 100
"""Integrations per transaction."""
INDEXED = text(
    """INSERT INTO search_progress (integration_id, seq)
    SELECT integration_id, max(seq) FROM versions WHERE integration_id IN
      (SELECT id FROM integrations EXCEPT SELECT integration_id FROM search_progress) GROUP BY integration_id"""
)
"""Marks the search index as current, so that a hub does not index during the measurement."""
HELD = f"""SELECT (SELECT count(*) FROM integrations), (SELECT count(*) FROM objects WHERE resource = '{RESOURCE}'),
  (SELECT count(*) FROM versions WHERE resource = '{RESOURCE}')"""
"""Counts the filled rows; a hub reads other resources from the local ION."""


class Run(msgspec.Struct):
    """One start with its idle load."""

    ready: float
    processor: float
    share: float
    memory: float


def measure(scale: Scale) -> list[Figure]:
    """Fill a database directly, and start a hub at each size."""
    with (
        tempfile.TemporaryDirectory() as directory,
        stores(scale.store) as found,
        ExitStack() as stack,
    ):
        folder = Path(directory)
        ion = stack.enter_context(running_local_ion(folder / "ion", ["--size", "small"]))
        return [
            made
            for store, new in found.items()
            for made in _measured(ion, store, folder / store, new, scale)
        ]


def _measured(
    ion: LocalIonProcess, store: str, data: Path, new: NewDatabase, scale: Scale
) -> list[Figure]:
    data.mkdir()
    address = new(data)
    hub = Hub.open(Settings(data=data / "hub", database_url=address, public_url="http://127.0.0.1"))
    set_up(hub, "plant 1")
    first = hub.database.read_now(lambda c: c.execute(select(integrations.c.id)).scalar_one())
    # Without a receiver that the hub would repair.
    hub.database.write_now(lambda c: c.execute(delete(webhook_urls)) and None)
    hub.database.write_now(_first, hub, ion, first)
    rest, repeats = max(1.0, IDLE_SECONDS * min(1.0, scale.size)), min(scale.repeats, 2)
    runs: dict[int, list[Run]] = {}
    held = 1
    for plants in sorted({scale.amount(number) for number in INTEGRATIONS}):
        for at in range(held, plants, CHUNK):
            numbers = range(first + at, first + min(plants, at + CHUNK))
            hub.database.write_now(_more, first, numbers)
        held = plants
        expect(
            "integrations, objects, versions",
            (plants, *[plants * OBJECTS] * 2),
            query_row(address, HELD),
        )
        runs[plants] = [_run(data, address, rest) for _ in range(repeats)]
        expect(
            "objects and versions at the end",
            (plants, *[plants * OBJECTS] * 2),
            query_row(address, HELD),
        )
    hub.close()
    return [made for plants, these in runs.items() for made in _figures(store, plants, these, runs)]


def _figures(
    store: str, plants: int, runs: Sequence[Run], all_runs: dict[int, list[Run]]
) -> list[Figure]:
    least = all_runs[min(all_runs)] if plants > min(all_runs) else []
    note = f"{plants * OBJECTS:,} objects; {runs[0].processor:.2f} s of processor time"
    return [
        figure(
            f"scale: ready with {plants:,}",
            store,
            "s",
            [run.ready for run in runs],
            baseline=[run.ready for run in least],
            budget=Budget("at most", 5, of="figure"),
            note=note,
        ),
        figure(
            f"scale: idle with {plants:,}",
            store,
            "% of a core",
            [run.share * 100 for run in runs],
            baseline=[run.share * 100 for run in least],
            budget=Budget("at most", 5, of="figure"),
            note=f"{runs[0].memory:,.0f} MB",
        ),
    ]


def _first(connection: Connection, hub: Hub, ion: LocalIonProcess, integration: int) -> None:
    """Add the first integration with its objects and history."""
    given = {
        "api_url": ion.url,
        "auth_url": ion.url,
        "client_secret": hub.secrets.encrypt(ion.client_secret),
    }
    given |= {"client_id": ion.client_id, "incremental_schedule": YEARLY, "full_schedule": YEARLY}
    connection.execute(update(integrations).values(**given))
    rows: list[tuple[Any, ...]] = []
    history: list[tuple[Any, ...]] = []
    origin = '{"kind":"fetch","ref":"1"}'
    for number in range(1, OBJECTS + 1):
        fields = document(number, 1)
        doc, at = msgspec.json.encode(fields).decode(), fields["_updated"]
        key = (integration, RESOURCE, str(number), doc, 1)
        rows.append((*key, "full", at, at, at, at, origin))
        history.append((*key, "create", "[]", at, at, origin))
    bulk.insert(connection, objects, OBJECT, rows)
    bulk.insert(connection, versions, VERSION, history)
    _fetched(connection, [integration])


def _more(connection: Connection, first: int, numbers: Sequence[int]) -> None:
    """Add copies of the first integration."""
    row = dict(
        connection.execute(select(integrations).where(integrations.c.id == first)).mappings().one()
    )
    connection.execute(
        insert(integrations),
        [row | {"id": number, "name": f"plant {number}"} for number in numbers],
    )
    here = {"first": first, "least": min(numbers), "most": max(numbers), "resource": RESOURCE}
    for table, columns in ((objects, OBJECT), (versions, VERSION)):
        copied = ", ".join(columns[1:])
        connection.execute(
            text(
                f"""INSERT INTO {table.name} (integration_id, {copied})
                SELECT i.id, {", ".join(f"o.{name}" for name in columns[1:])}
                FROM integrations AS i CROSS JOIN {table.name} AS o
                WHERE i.id BETWEEN :least AND :most AND o.integration_id = :first AND o.resource = :resource"""
            ),
            here,
        )
    _fetched(connection, numbers)


def _fetched(connection: Connection, numbers: Sequence[int]) -> None:
    """Record a complete fetch, so that no work is pending."""
    moment = clock.now_rfc3339()
    done = {"mode": "full", "state": "done", "requested_by": "bench", "started_at": moment}
    done |= {"finished_at": moment}
    lines = {
        "resource": "purchase_order_lines",
        "updated": LATER,
        "proven_at": moment,
        "proven_by": "bench",
    }
    connection.execute(insert(fetches), [done | {"integration_id": number} for number in numbers])
    connection.execute(
        insert(watermarks), [lines | {"integration_id": number} for number in numbers]
    )
    connection.execute(INDEXED)


def _run(data: Path, address: str, rest: float) -> Run:
    port = free_port()
    arguments = ["serve", "--port", str(port), "--data", str(data / "hub")]
    began = time.perf_counter()
    with Child(
        "The hub", arguments, data / "hub.log", {"ULTRAVIOLET_DATABASE_URL": address}
    ) as child:
        child.wait_until(lambda: is_responding(f"http://127.0.0.1:{port}/readyz"), 300)
        ready, spent = time.perf_counter() - began, processor_seconds(child.process.pid)
        time.sleep(rest / 4)
        before, at = processor_seconds(child.process.pid), time.perf_counter()
        time.sleep(rest)
        spent_at_rest = processor_seconds(child.process.pid) - before
        share = spent_at_rest / (time.perf_counter() - at)
        return Run(ready, spent, share, resident_megabytes(child.process.pid))
