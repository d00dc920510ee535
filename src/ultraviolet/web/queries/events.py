"""Events: filtered lists, details with the raw body, and effects on the mirror.

A page of events has one row per change; the API lists each event.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    and_,
    func,
    literal,
    literal_column,
    select,
)

from ultraviolet.db import sql
from ultraviolet.db.event_store import DELIVERIES
from ultraviolet.db.tables.events import events, webhook_urls
from ultraviolet.db.tables.mirror import objects, versions
from ultraviolet.errors import NotFoundError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.web.queries.event_rows import (
    EARLIER,
    Event,
    is_first_of_change,
    read_rows,
    select_rows,
    shown_values,
)
from ultraviolet.web.queries.rows import row_values, struct_columns


class EventDetail(Event, frozen=True, kw_only=True):
    """One event with its headers and its raw body."""

    headers: dict[str, str]
    body: str


class ReceivedEvent(msgspec.Struct, frozen=True):
    """One event of a change that ION delivered to several receivers."""

    seq: int
    webhook_url: str | None
    """The name of the webhook URL; null if another hub received the event."""
    subscription_id: str | None
    received_at: str
    signature: str
    deliveries: int
    outcome: str | None


class EventFilter(msgspec.Struct, frozen=True):
    """The events to list."""

    integration_id: int | None = None
    resource: str | None = None
    action: str | None = None
    outcome: str | None = None
    object_id: str | None = None
    said: str | None = None
    """Text in the raw body."""
    since: str | None = None
    until: str | None = None
    webhook_url_id: int | None = None


class EventPage(msgspec.Struct, frozen=True):
    """A page of events, one for each change, that of its first receiver.

    `next` can be set although no event of the scanned range matches.
    """

    events: list[Event]
    next: int | None


class Effect(msgspec.Struct, frozen=True):
    """A version of an object, produced by an event or by the read after it."""

    version: int
    change: str
    changed: list[str]
    observed_at: str
    origin: dict[str, Any]


class Effects(msgspec.Struct, frozen=True):
    """The effects of an event: its version, the first version read afterwards, the last confirmation."""

    told: Effect | None
    read: Effect | None
    confirmed_at: str | None


ACTIONS = ("CREATE", "UPDATE", "DELETE")
OUTCOMES = ("waiting", "applied", "nothing_new", "not_chosen", "not_understood", "replayed")
"""Outcomes of events; `waiting` means none yet."""
_MAX_SCANNED_EVENTS = 50_000
"""One page scans at most this many events."""
_PROBE_SIZE = 50
_MAX_LATER_VERSIONS = 200
_MAX_RECEIVERS = 50
_IMPORTED_URL_ID: ColumnElement[int] = literal_column("0", Integer())
"""Webhook URL id of events from another hub; a literal, so that the partial index is used."""


def list_recent(
    connection: Connection,
    catalog: Catalog,
    event_filter: EventFilter,
    before: int | None,
    limit: int,
) -> list[Event]:
    """Return events with a number below `before`, newest first."""
    query = select_rows().where(*_matching(events, event_filter)).limit(limit)
    if before is not None:
        query = query.where(events.c.seq < before)
    return read_rows(connection, catalog, query)


def get_event(connection: Connection, catalog: Catalog, seq: int) -> EventDetail:
    """Return one event; raise NotFoundError."""
    object_of_event = and_(
        objects.c.integration_id == events.c.integration_id,
        objects.c.resource == events.c.resource,
        objects.c.id == events.c.object_id,
    )
    query = (
        select_rows(events.c.headers, events.c.body, objects.c.doc)
        .select_from(events.outerjoin(objects, object_of_event))
        .where(events.c.seq == seq)
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        newest = connection.execute(select(func.max(events.c.seq))).scalar() or 0
        purged = f"Event {seq} is no longer kept. Its changes are in the history of the object."
        raise NotFoundError(purged if 0 < seq < newest else f"Event {seq} does not exist.")
    return EventDetail(
        **row_values(row, Event) | shown_values(catalog, row, row["body"]),
        headers=dict(row["headers"]),
        body=bytes(row["body"]).decode("utf-8", "replace"),
    )


def list_page(
    connection: Connection,
    catalog: Catalog,
    event_filter: EventFilter,
    before: int | None,
    limit: int,
) -> EventPage:
    """Return a page of events, one for each change, newest first, in bounded time."""
    newest = connection.execute(select(func.max(events.c.seq))).scalar() or 0
    low = _seq_range_at(connection, event_filter.since, newest)[0] if event_filter.since else 1
    start = before or newest + 1
    if event_filter.since or event_filter.until:
        high = (
            _seq_range_at(connection, event_filter.until, newest)[1]
            if event_filter.until
            else newest + 1
        )
        start = max(min(start, high), _last_imported_before(connection, event_filter, start) + 1)
    floor = max(start - _MAX_SCANNED_EVENTS, low if start > low else 1)
    query = select_rows().where(
        events.c.seq < start,
        events.c.seq >= floor,
        *_matching(events, event_filter),
        is_first_of_change(_matching(EARLIER, event_filter)),
    )
    rows = read_rows(connection, catalog, query.limit(limit + 1))
    found = rows[:limit]
    if len(rows) > limit:
        return EventPage(found, found[-1].seq)
    more = floor > low or (floor > 1 and _last_imported_before(connection, event_filter, floor))
    return EventPage(found, floor if more else None)


def list_by_seq(connection: Connection, catalog: Catalog, seqs: Sequence[int]) -> list[Event]:
    """Return events by number, newest first."""
    return read_rows(connection, catalog, select_rows().where(events.c.seq.in_(seqs)))


def list_receivers(connection: Connection, event: Event) -> list[ReceivedEvent]:
    """Return the events that report the same change, in the order of their arrival."""
    change_key = select(events.c.change_key).where(events.c.seq == event.seq).scalar_subquery()
    query = (
        select(
            *struct_columns(events, ReceivedEvent),
            DELIVERIES,
            webhook_urls.c.name.label("webhook_url"),
        )
        .select_from(events.outerjoin(webhook_urls, webhook_urls.c.id == events.c.webhook_url_id))
        .where(
            events.c.integration_id == event.integration_id,
            events.c.source_time == event.source_time,
            events.c.change_key == change_key,
        )
        .order_by(events.c.seq)
        .limit(_MAX_RECEIVERS)
    )
    return [ReceivedEvent(**row) for row in connection.execute(query).mappings()]


def find_effects(connection: Connection, event: Event) -> Effects:
    """Return the changes made by an event and by the reads after it."""
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
    """Return lower and upper bounds of the number of the first event received at or after a time.

    Usually both are its number. This is a binary search, as numbers follow the time of reception,
    except those of imported events, which are ignored.
    """
    low, high, found = 1, newest + 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        event = _next_delivered(connection, middle, high)
        if event is not None and event["received_at"] < moment:
            low = event["seq"] + 1
        else:
            high, found = middle, found if event is None else event["seq"]
    return low, found


def _next_delivered(connection: Connection, seq: int, end: int) -> RowMapping | None:
    """Return the first delivered event from this number on; steps grow to skip imported events."""
    query = select(events.c.seq, events.c.received_at, events.c.webhook_url_id).order_by(
        events.c.seq
    )
    offset = 0
    while seq + offset < end:
        rows = (
            connection.execute(query.where(events.c.seq >= seq + offset).limit(_PROBE_SIZE))
            .mappings()
            .all()
        )
        found = next((row for row in rows if row["webhook_url_id"]), None)
        if found is not None or len(rows) < _PROBE_SIZE:
            return found
        offset = max(_PROBE_SIZE, 2 * offset)
    return None


def _last_imported_before(connection: Connection, event_filter: EventFilter, seq: int) -> int:
    """Return the number of the last imported event before `seq` in the time range, or 0."""
    query = select(func.max(events.c.seq)).where(
        events.c.webhook_url_id == _IMPORTED_URL_ID, events.c.seq < seq
    )
    query = query.where(*_received(events, event_filter))
    return connection.execute(query).scalar() or 0


def _received(table: Any, event_filter: EventFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if event_filter.since:
        conditions.append(table.c.received_at >= event_filter.since)
    if event_filter.until:
        conditions.append(table.c.received_at < event_filter.until)
    return conditions


def _matching(table: Any, event_filter: EventFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for name in ("integration_id", "webhook_url_id", "resource", "action", "object_id"):
        value = getattr(event_filter, name)
        if value is not None:
            conditions.append(table.c[name] == value)
    if event_filter.said:
        body_text = literal(event_filter.said.encode())
        conditions.append(sql.position_of(table.c.body, body_text) > 0)
    if event_filter.outcome == "waiting":
        conditions.append(table.c.outcome.is_(None))
    elif event_filter.outcome:
        conditions.append(table.c.outcome == event_filter.outcome)
    return [*conditions, *_received(table, event_filter)]
