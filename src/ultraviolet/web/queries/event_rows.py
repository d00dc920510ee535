"""Rows of events as shown to people: object title, changed fields, latency and receivers.

ION delivers a change once for each receiver, so several events can be one change. Their `change_key`
is equal.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select

from ultraviolet.db.event_store import DELIVERIES
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import objects
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import decode
from ultraviolet.ion.labels import resource_label
from ultraviolet.mirror.object_state import SET_BY_ION
from ultraviolet.web.queries.links import object_title
from ultraviolet.web.queries.rows import row_values, struct_columns

_IMPORTED_URL_ID = 0
_MAX_DECODED_BYTES = 65_536
"""Larger bodies are not decoded for a list."""


class Event(msgspec.Struct, frozen=True):
    """One event from ION, recorded once for all its deliveries."""

    seq: int
    integration_id: int
    webhook_url_id: int
    event_id: str | None
    subscription_id: str | None
    resource: str | None
    action: str | None
    object_id: str | None
    source_time: str | None
    received_at: str
    signature: str
    deliveries: int
    outcome: str | None
    detail: str | None
    applied_at: str | None
    conflicting: bool
    """ION sent the same event with a different body before; the values of this one were ignored."""
    object_title: str | None = None
    """The title of the object in the mirror."""
    changed: list[str] = []
    """The fields that the event changes, without those that ION sets by itself."""
    latency_seconds: float | None = None
    """Seconds from ION's time of the change, or else from reception, until the event was applied."""
    receivers: int = 1
    """The number of events that report the same change, one for each receiver in ION."""


_earlier = events.alias("earlier")
_same = events.alias("same")
_COLUMNS = struct_columns(events, Event)


def select_rows(*more: ColumnElement[Any]) -> Select[Any]:
    """Return a query of events with the columns that `read_rows` needs."""
    receivers = select(func.count()).where(*same_change(_same)).correlate(events).scalar_subquery()
    body = case((func.length(events.c.body) <= _MAX_DECODED_BYTES, events.c.body))
    return select(
        *_COLUMNS, DELIVERIES, receivers.label("receivers"), body.label("short_body"), *more
    )


def read_rows(connection: Connection, catalog: Catalog, query: Select[Any]) -> list[Event]:
    """Return the events of a query by `select_rows`, newest first, each with its object's title."""
    found = query.order_by(events.c.seq.desc()).subquery()
    joined = and_(
        objects.c.integration_id == found.c.integration_id,
        objects.c.resource == found.c.resource,
        objects.c.id == found.c.object_id,
    )
    titled = (
        select(found, objects.c.doc)
        .select_from(found.outerjoin(objects, joined))
        .order_by(found.c.seq.desc())
    )
    return [
        Event(**row_values(row, Event) | shown_values(catalog, row, row["short_body"]))
        for row in connection.execute(titled).mappings()
    ]


def shown_values(catalog: Catalog, row: Mapping[Any, Any], body: bytes | None) -> dict[str, Any]:
    """Return the values of an event that are not columns of its table."""
    latency = None
    imported = row["webhook_url_id"] == _IMPORTED_URL_ID  # received by another hub
    if row["applied_at"] and row["outcome"] != "replayed" and not imported:
        began = datetime.fromisoformat(row["source_time"] or row["received_at"])
        elapsed = datetime.fromisoformat(row["applied_at"]) - began
        latency = max(0.0, elapsed.total_seconds())
    return {
        "object_title": object_title(row["doc"]) if row["doc"] else None,
        "changed": changed_fields(catalog, bytes(body)) if body else [],
        "latency_seconds": latency,
        "receivers": max(1, row["receivers"]),
    }


def is_first_of_change(same_filter: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return a condition for the first event of each change among those that match a filter.

    A scalar subquery is always an index look-up per event; a planner may turn NOT EXISTS into a join
    that reads the whole table.
    """
    first = (
        select(func.min(_earlier.c.seq))
        .where(*same_change(_earlier), *same_filter)
        .correlate(events)
        .scalar_subquery()
    )
    return func.coalesce(first, events.c.seq) == events.c.seq


EARLIER = _earlier
"""The events that `is_first_of_change` compares with; its filter refers to them."""


def same_change(other: Any) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions under which another event reports the same change as an event."""
    return (
        other.c.integration_id == events.c.integration_id,
        other.c.source_time == events.c.source_time,
        other.c.change_key == events.c.change_key,
    )


def changed_fields(catalog: Catalog, body: bytes) -> list[str]:
    """Return the fields that a body changes, those first that lists of the resource show.

    Without old values, these are all fields with a value.
    """
    envelope = decode(catalog, body)
    found = [
        name
        for name, value in envelope.fields.items()
        if name not in SET_BY_ION
        and (value != envelope.old[name] if name in envelope.old else value is not None)
    ]
    columns = resource_label(envelope.resource or "").columns
    first = [name for name in columns if name in found]
    return [*first, *(name for name in found if name not in first)]
