"""Fill a hub's database directly with objects, versions, links and events."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, insert, select

from ultraviolet import clock
from ultraviolet.db import bulk
from ultraviolet.db.tables.events import event_keys, events
from ultraviolet.db.tables.mirror import link_kinds, links, objects, versions
from ultraviolet.db.tables.stats import activity, arrivals
from ultraviolet.db.tables.sync import (
    drift,
    fetch_steps,
    fetches,
    verification_steps,
    verifications,
    watermarks,
)
from ultraviolet.hub.hub import Hub
from ultraviolet.ion.catalog import Catalog

SHARES = {
    "parts_inventory": 67,
    "purchase_order_lines": 20,
    "purchase_orders": 10,
    "parts": 2,
    "suppliers": 1,
}
"""Percent of objects per resource."""
INTEGRATION = 1
_CHUNK = 20_000
_WORDS = [
    "injector",
    "nozzle",
    "seal",
    "bracket",
    "harness",
    "valve",
    "turbine",
    "flange",
    "gasket",
    "bearing",
    "sensor",
    "manifold",
]
_FETCHES = 60
_ORIGIN = '{"kind":"fetch","ref":"1"}'
_BODY = b'{"resource": "%s", "action": "UPDATE", "id": %d, "etag": "%s"}'
_CONTENT = (
    "integration_id",
    "resource",
    "id",
    "version",
    "doc",
    "source_time",
    "observed_at",
    "origin",
)
_COLUMNS: dict[Table, tuple[str, ...]] = {
    objects: (*_CONTENT, "completeness", "read_at", "changed_at"),
    versions: (*_CONTENT, "change", "changed"),
    links: ("integration_id", "kind", "target_id", "id"),
    events: (
        *(
            "integration_id",
            "resource",
            "object_id",
            "dedupe_key",
            "source_time",
            "change_key",
            "received_at",
            "applied_at",
            "body",
        ),
        *("webhook_url_id", "action", "headers", "signature", "outcome"),
    ),
    event_keys: ("integration_id", "dedupe_key", "deliveries", "body_digest"),
}
_EVENT_COLUMNS = (1, "UPDATE", '{"content-type":"application/json"}', "verified", "applied")
"""Columns that are equal in all events."""


def fill(hub: Hub, count: int, days: int) -> dict[str, int]:
    """Add objects with versions, links, events and counts to the first integration.

    Return the number of objects per resource.
    """
    counts = {name: max(2, count * share // 100) for name, share in SHARES.items()}
    began = clock.utc_now() - timedelta(hours=1)
    for resource, number in counts.items():
        ids = iter(range(1, number + 1))
        while chunk := list(islice(ids, _CHUNK)):
            hub.database.write_now(_rows(hub.catalog, resource, chunk, counts, began))
    hub.database.write_now(_work(hub.catalog, counts, began, min(days, 90)))
    return counts


def _rows(
    catalog: Catalog, resource: str, ids: Sequence[int], counts: dict[str, int], began: datetime
) -> Callable[[Connection], object]:
    kind = catalog.resources[resource]
    empty = {field.name: None for field in kind.fields if field.stored}
    keys = {link.key: link.resource for link in kind.links if link.resource in counts}

    def work(connection: Connection) -> None:
        known = _kinds(connection, resource, keys)
        rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in _COLUMNS}
        for id_ in ids:
            at = clock.format_rfc3339(began + timedelta(milliseconds=id_ % 3_500_000))
            doc = (
                empty | _values(resource, id_, counts) | {"_created": at, "_updated": at, "id": id_}
            )
            name, written = str(id_), _json(doc)
            here = (INTEGRATION, resource, name, 1, written, at, at, _ORIGIN)
            rows[objects].append((*here, "full", at, at))
            said = [field for field, value in doc.items() if value is not None]
            rows[versions].append((*here, "create", _json(said)))
            rows[links].extend(
                (INTEGRATION, known[key], str(doc[key]), name)
                for key in keys
                if doc[key] is not None
            )
            body = _BODY % (resource.encode(), id_, doc["_etag"].encode())
            dedupe = hashlib.sha256(body).digest()
            change, changed_at = _change_of_two_receivers(resource, id_, began)
            event = (INTEGRATION, resource, name, dedupe, changed_at, change, at, at, body)
            rows[events].append((*event, *_EVENT_COLUMNS))
            rows[event_keys].append((INTEGRATION, dedupe, 1, dedupe))
        for table, columns in _COLUMNS.items():
            bulk.insert(
                connection, table, columns, sorted(rows[table]) if table is links else rows[table]
            )

    return work


def _change_of_two_receivers(resource: str, id_: int, began: datetime) -> tuple[bytes, str]:
    """Return the key and the time of a change that two consecutive events report."""
    pair = id_ // 2
    moment = began + timedelta(milliseconds=2 * pair % 3_500_000)
    key = hashlib.sha256(f"{resource} {pair}".encode()).digest()[:16]
    return key, clock.format_rfc3339(moment)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _kinds(connection: Connection, resource: str, keys: dict[str, str]) -> dict[str, int]:
    """Return the ids of the resource's kinds of links, which exist after its first objects."""
    query = select(link_kinds.c.field, link_kinds.c.id).where(link_kinds.c.resource == resource)
    if connection.execute(query).first() is None:
        rows = [
            {"resource": resource, "field": key, "target_resource": to} for key, to in keys.items()
        ]
        put(connection, link_kinds, rows)
    return {row.field: row.id for row in connection.execute(query)}


def _values(resource: str, id_: int, counts: dict[str, int]) -> dict[str, Any]:
    said = f"{_WORDS[id_ % 12]} {_WORDS[id_ // 12 % 12]} {id_ * 7919 % 99991}"
    common = {
        "_etag": hashlib.md5(said.encode(), usedforsecurity=False).hexdigest(),
        "entityId": id_ + 10_000_000,
    }
    match resource:
        case "suppliers":
            mine = {
                "name": f"Supplier {said}",
                "email": f"orders{id_}@example.test",
                "address": "1 Dock Road",
            }
        case "parts":
            mine = {
                "partNumber": f"PN-{id_:06}",
                "description": f"A {said}",
                "cost": id_ % 977 / 7,
                "revision": "A",
            }
        case "purchase_orders":
            mine = {
                "description": f"Order of {said}",
                "status": "ORDERED" if id_ % 3 else "DRAFT",
            } | {
                "cost": id_ * 31 % 100_003 / 10,
                "supplierId": id_ % counts["suppliers"] + 1,
            }
        case "purchase_order_lines":
            mine = {
                "purchaseOrderId": id_ % counts["purchase_orders"] + 1,
                "partId": id_ % counts["parts"] + 1,
            } | {
                "quantity": id_ % 500,
                "cost": id_ * 17 % 10_007 / 10,
                "status": "ORDERED",
            }
        case _:
            mine = {"serialNumber": f"SN-{id_:07}", "lotNumber": f"LOT-{id_ // 50}"} | {
                "partId": id_ % counts["parts"] + 1,
                "quantity": id_ * 13 % 1_009,
            }
    return common | mine


def _work(
    catalog: Catalog, counts: dict[str, int], began: datetime, days: int
) -> Callable[[Connection], object]:
    """Add fetches, verifications and daily counts."""
    moment = clock.format_rfc3339(began)
    hours = [clock.format_rfc3339(began - timedelta(hours=ago))[:13] for ago in range(24 * days)]
    minutes = [clock.format_rfc3339(began + timedelta(minutes=more))[:16] for more in range(60)]
    mirrored = [resource.name for resource in catalog.mirrored]
    causes = ("", "link", "late", "computed", "no_event_sent")

    def work(connection: Connection) -> None:
        here = {"integration_id": INTEGRATION}
        buckets = {f"within_{n}": n for n in range(12)}
        put(
            connection, activity, [{**here, "minute": m, "changes": 66, **buckets} for m in minutes]
        )
        put(
            connection,
            arrivals,
            [
                {
                    **here,
                    "hour": hour,
                    "resource": name,
                    "cause": cause,
                    "healed_by": "heal",
                    "bucket": 9,
                    "count": 3,
                }
                for hour in hours
                for name in counts
                for cause in causes
            ],
        )
        put(
            connection,
            drift,
            [
                {
                    **here,
                    "resource": "parts_inventory",
                    "id": str(n),
                    "cause": "link",
                    "fields": ["partId"],
                }
                | {"healed_by": {"kind": "heal"}, "seconds": 1.5, "healed_at": moment}
                for n in range(1, 2001)
            ],
        )
        marks = [{**here, "resource": n, "updated": moment, "proven_at": moment} for n in mirrored]
        put(connection, watermarks, marks)
        done = {
            "state": "done",
            "started_at": moment,
            "finished_at": moment,
            "requested_by": "schedule",
        }
        runs = range(1, _FETCHES + 1)
        put(
            connection,
            fetches,
            [{**here, **done, "mode": "full", "accept_absence": False} for _ in runs],
        )
        put(connection, verifications, [{**here, **done, "mirrored": 10} for _ in runs])
        step = {"state": "done", "read": 10, "changed": 1, "deleted": 0}
        put(
            connection,
            fetch_steps,
            [{"fetch_id": n, "resource": r, **step} for n in runs for r in mirrored],
        )
        part = {"state": "done", "compared": 10, "total": 10}
        put(
            connection,
            verification_steps,
            [{"verification_id": n, "resource": r, **part} for n in runs for r in mirrored],
        )

    return work


def put(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, many per statement."""
    for start in range(0, len(rows), _CHUNK):
        connection.execute(insert(table), rows[start : start + _CHUNK])
