"""`apply`: apply full documents of about 500 bytes with history.

The baseline is a bare upsert and history insert.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text

from bench.frame import Budget, Figure, Scale, expect, figure, on_each_database
from bench.hooks_server import set_up
from bench.stores import NewDatabase
from ultraviolet import clock
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin
from ultraviolet.server.serve import freeze_startup_objects

BATCH = 500
BUDGETS = {
    ("apply: new", "sqlite"): 0.8,
    ("apply: new", "postgresql"): 1.0,
    ("apply: changed", "sqlite"): 0.7,
    ("apply: changed", "postgresql"): 0.9,
}
RESOURCE = "purchase_orders"
DESCRIPTION = "Fasteners and seals for the second engine of the qualification campaign"
PUT = text(
    """INSERT INTO objects (integration_id, resource, id, doc, version, completeness, source_time, observed_at, read_at,
      changed_at, origin)
    VALUES (:integration, :resource, :id, :doc, :version, 'full', :at, :at, :at, :at, :origin)
    ON CONFLICT (integration_id, resource, id) DO UPDATE SET doc = excluded.doc, version = excluded.version,
      source_time = excluded.source_time, observed_at = excluded.observed_at, read_at = excluded.read_at,
      changed_at = excluded.changed_at, origin = excluded.origin"""
)
ADD = text(
    """INSERT INTO versions (integration_id, resource, id, version, change, doc, changed, source_time, observed_at, origin)
    VALUES (:integration, :resource, :id, :version, :change, :doc, :changed, :at, :at, :origin)"""
)
COUNT = text(
    "SELECT (SELECT count(*) FROM objects WHERE integration_id = :i), (SELECT count(*) FROM versions WHERE integration_id = :i)"
)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def measure(scale: Scale) -> list[Figure]:
    """Apply the same documents with `apply` and with bare statements, batch by batch in turn."""
    return on_each_database(scale, _measured)


def _measured(store: str, data: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    data.mkdir()
    hub = Hub.open(Settings(data=data, database_url=new(data), public_url="http://127.0.0.1"))
    freeze_startup_objects()
    for name in ("through", "past"):
        set_up(hub, name)
    through, past = hub.database.read_now(
        lambda c: list(c.execute(select(integrations.c.id)).scalars())
    )
    batches = scale.amount(10, 1)
    rates = [_pass(hub, through, past, number, batches) for number in range(1, scale.repeats + 2)]
    for which in (through, past):
        counts = hub.database.read_now(
            lambda c, which=which: tuple(c.execute(COUNT, {"i": which}).one())
        )
        expect("objects and versions", (batches * BATCH, batches * BATCH * len(rates)), counts)
    hub.close()
    return [_figure("apply: new", store, rates[:1]), _figure("apply: changed", store, rates[1:])]


def _figure(name: str, store: str, rates: Sequence[tuple[float, float]]) -> Figure:
    return figure(
        name,
        store,
        "documents/s",
        [door for door, _ in rates],
        baseline=[bare for _, bare in rates],
        budget=Budget("at least", BUDGETS[name, store]),
        note=f"{len(msgspec.json.encode(document(1, 1)))} bytes, {BATCH} per transaction",
    )


def _pass(hub: Hub, through: int, past: int, number: int, batches: int) -> tuple[float, float]:
    spent = [0.0, 0.0]
    for batch in range(batches):
        ids = range(batch * BATCH + 1, (batch + 1) * BATCH + 1)
        documents = [document(id_, number) for id_ in ids]
        works = (_through(hub, through, documents, number), _past(past, documents, number))
        for place, work in enumerate(works):
            began = time.perf_counter()
            hub.database.write_now(work)
            spent[place] += time.perf_counter() - began
    return batches * BATCH / spent[0], batches * BATCH / spent[1]


def _through(
    hub: Hub, integration: int, documents: Sequence[dict[str, Any]], number: int
) -> Callable[[Connection], object]:
    seen = read_now(documents, first=number == 1)
    return lambda connection: apply(connection, hub.catalog, integration, seen)


def read_now(documents: Sequence[dict[str, Any]], *, first: bool) -> list[Observation]:
    """Return the observations of a fetch that reads these orders now."""
    moment = clock.now_rfc3339()
    origin = Origin("fetch", "1", first=first)
    return [
        Observation(
            RESOURCE,
            d["id"],
            "full",
            d,
            moment,
            origin,
            source_time=d["_updated"],
            read_started_at=moment,
        )
        for d in documents
    ]


def _past(
    integration: int, documents: Sequence[dict[str, Any]], number: int
) -> Callable[[Connection], object]:
    rows = [
        {
            "integration": integration,
            "resource": RESOURCE,
            "id": d["id"],
            "doc": msgspec.json.encode(d).decode(),
            "version": number,
            "at": d["_updated"],
            "change": "create" if number == 1 else "update",
            "changed": '["description"]',
            "origin": '{"kind":"fetch","ref":"1"}',
        }
        for d in documents
    ]

    def work(connection: Connection) -> None:
        connection.execute(PUT, rows)
        connection.execute(ADD, rows)

    return work


def document(id_: int, number: int) -> dict[str, Any]:
    """Return an order as in a full read."""
    moment = clock.format_rfc3339(BEGAN + timedelta(seconds=number))
    return {
        "id": str(id_),
        "_created": clock.format_rfc3339(BEGAN),
        "_updated": moment,
        "_etag": f"{number:016x}{id_:016x}",
        "description": f"{DESCRIPTION}, change {number}",
        "status": "ORDERED",
        "cost": 1234.5 + number,
        "supplierId": id_ % 50 + 1,
        "currencyId": 1,
        "assignedToId": id_ % 20 + 1,
        "shipToLocationId": id_ % 30 + 1,
        "createdById": 1,
        "updatedById": 3,
        "entityId": id_ + 100_000,
        "orderedAt": clock.format_rfc3339(BEGAN),
        "supplierInstructions": "To the north gate.",
    }
