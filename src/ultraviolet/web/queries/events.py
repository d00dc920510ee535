"""Events as the edge shows them: lists with filters, and one with its raw body."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    func,
    literal,
    literal_column,
    select,
)

from ultraviolet.db import sql
from ultraviolet.db.event_store import DELIVERIES
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import objects, versions
from ultraviolet.errors import NotFoundError
from ultraviolet.web.queries.rows import row_values, struct_columns


class Event(msgspec.Struct, frozen=True):
    """One thing ION told, however often it was delivered."""

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
    """ION sent the same event before with another body; its values were not used."""


class EventDetail(Event, frozen=True):
    """One event with everything that was received."""

    headers: dict[str, str]
    body: str


class EventFilter(msgspec.Struct, frozen=True):
    """What to show of all events."""

    integration_id: int | None = None
    resource: str | None = None
    action: str | None = None
    outcome: str | None = None
    object_id: str | None = None
    said: str | None = None
    """Text that the body has, as it stands there."""
    since: str | None = None
    until: str | None = None
    webhook_url_id: int | None = None


class EventPage(msgspec.Struct, frozen=True):
    """A page of a list; `next` goes on from there, also where this page found nothing in the part it looked at."""

    events: list[Event]
    next: int | None


class Effect(msgspec.Struct, frozen=True):
    """A version that an event, or the read after it, made of the object."""

    version: int
    change: str
    changed: list[str]
    observed_at: str
    origin: dict[str, Any]


class Effects(msgspec.Struct, frozen=True):
    """What came of an event: the version it made, the first one read from ION after it, and the last confirmation."""

    told: Effect | None
    read: Effect | None
    confirmed_at: str | None


_MAX_SCANNED_EVENTS = 50_000
"""So many events one page looks through at most."""
_PROBE_SIZE = 50
_MAX_LATER_VERSIONS = 200
_IMPORTED_URL_ID: ColumnElement[int] = literal_column("0", Integer())
"""The webhook URL of an event that another hub took; written out, so that the index of these is found."""
_COLUMNS = [*struct_columns(events, Event), DELIVERIES]


def list_recent(
    connection: Connection, wanted: EventFilter, before: int | None, limit: int
) -> list[Event]:
    """Read the newest events first; `before` is the seq to go on from."""
    query = _where_matching(select(*_COLUMNS), wanted).order_by(events.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(events.c.seq < before)
    return [Event(**row) for row in connection.execute(query).mappings()]


def get_event(connection: Connection, seq: int) -> EventDetail:
    """Read one event whole; raises NotFoundError."""
    row = (
        connection.execute(select(events, DELIVERIES).where(events.c.seq == seq))
        .mappings()
        .one_or_none()
    )
    if row is None:
        newest = connection.execute(select(func.max(events.c.seq))).scalar() or 0
        gone = f"Event {seq} is no longer kept; what it changed is in the history of the object."
        raise NotFoundError(gone if 0 < seq < newest else f"There is no event {seq}.")
    return _detail(row)


def list_page(
    connection: Connection, wanted: EventFilter, before: int | None, limit: int
) -> EventPage:
    """Read a page of events, newest first, in a time that does not grow with their number."""
    newest = connection.execute(select(func.max(events.c.seq))).scalar() or 0
    low = _seq_range_at(connection, wanted.since, newest)[0] if wanted.since else 1
    start = before or newest + 1
    if wanted.since or wanted.until:
        high = _seq_range_at(connection, wanted.until, newest)[1] if wanted.until else newest + 1
        start = max(min(start, high), _last_imported_before(connection, wanted, start) + 1)
    floor = max(start - _MAX_SCANNED_EVENTS, low if start > low else 1)
    query = _where_matching(select(*_COLUMNS), wanted).where(
        events.c.seq < start, events.c.seq >= floor
    )
    rows = connection.execute(query.order_by(events.c.seq.desc()).limit(limit + 1)).mappings().all()
    found = [Event(**row) for row in rows[:limit]]
    if len(rows) > limit:
        return EventPage(found, found[-1].seq)
    more = floor > low or (floor > 1 and _last_imported_before(connection, wanted, floor))
    return EventPage(found, floor if more else None)


def list_by_seq(connection: Connection, seqs: Sequence[int]) -> list[Event]:
    """Read these events, newest first."""
    query = select(*_COLUMNS).where(events.c.seq.in_(seqs)).order_by(events.c.seq.desc())
    return [Event(**row) for row in connection.execute(query).mappings()]


def find_effects(connection: Connection, event: Event) -> Effects:
    """Tell what an event changed, and what a read made of it afterwards."""
    of_object = (
        versions.c.integration_id == event.integration_id,
        versions.c.resource == event.resource,
        versions.c.id == event.object_id,
    )
    query = select(*struct_columns(versions, Effect)).where(
        *of_object, versions.c.observed_at >= event.received_at
    )
    later = [
        Effect(**row)
        for row in connection.execute(
            query.order_by(versions.c.version).limit(_MAX_LATER_VERSIONS)
        ).mappings()
    ]
    here = (
        objects.c.integration_id == event.integration_id,
        objects.c.resource == event.resource,
        objects.c.id == event.object_id,
    )
    read_at = connection.execute(select(objects.c.read_at).where(*here)).scalar_one_or_none()
    return Effects(
        told=next((e for e in later if e.origin == {"kind": "event", "ref": str(event.seq)}), None),
        read=next((e for e in later if e.origin["kind"] not in ("event", "replay")), None),
        confirmed_at=read_at if read_at and read_at >= event.received_at else None,
    )


def _seq_range_at(connection: Connection, moment: str, newest: int) -> tuple[int, int]:
    """Find two numbers between which the first event is that came at this time or after; mostly they are its own.

    By halving: events are numbered as they come. Imported ones are as old as they were elsewhere, and tell nothing.
    """
    low, high, found = 1, newest + 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        seen = _next_delivered(connection, middle, high)
        if seen is not None and seen["received_at"] < moment:
            low = seen["seq"] + 1
        else:
            high, found = middle, found if seen is None else seen["seq"]
    return low, found


def _next_delivered(connection: Connection, seq: int, end: int) -> RowMapping | None:
    """Find an event that was delivered here, with this number or one not far behind; a few looks leap over an import."""
    query = select(events.c.seq, events.c.received_at, events.c.webhook_url_id).order_by(
        events.c.seq
    )
    ahead = 0
    while seq + ahead < end:
        rows = (
            connection.execute(query.where(events.c.seq >= seq + ahead).limit(_PROBE_SIZE))
            .mappings()
            .all()
        )
        found = next((row for row in rows if row["webhook_url_id"]), None)
        if found is not None or len(rows) < _PROBE_SIZE:
            return found
        ahead = max(_PROBE_SIZE, 2 * ahead)
    return None


def _last_imported_before(connection: Connection, wanted: EventFilter, seq: int) -> int:
    """Return the last number before this one of an event that was imported and received elsewhere in that time; 0: none."""
    query = select(func.max(events.c.seq)).where(
        events.c.webhook_url_id == _IMPORTED_URL_ID, events.c.seq < seq
    )
    return connection.execute(_where_received(query, wanted)).scalar() or 0


def _where_received(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    if wanted.since:
        query = query.where(events.c.received_at >= wanted.since)
    if wanted.until:
        query = query.where(events.c.received_at < wanted.until)
    return query


def _where_matching(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    for name in ("integration_id", "webhook_url_id", "resource", "action", "object_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(events.c[name] == value)
    if wanted.said:
        query = query.where(sql.position_of(events.c.body, literal(wanted.said.encode())) > 0)
    if wanted.outcome == "waiting":
        query = query.where(events.c.outcome.is_(None))
    elif wanted.outcome:
        query = query.where(events.c.outcome == wanted.outcome)
    return _where_received(query, wanted)


def _detail(row: RowMapping) -> EventDetail:
    return EventDetail(
        **row_values(row, Event),
        headers=dict(row["headers"]),
        body=bytes(row["body"]).decode("utf-8", "replace"),
    )
