"""Events as the edge shows them: lists with filters, and one with its raw body."""

from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Select, select

from ultraviolet.errors import NotFoundError
from ultraviolet.mirror.tables import events
from ultraviolet.web.reading.rows import columns, shown


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


_COLUMNS = columns(events, Event)


def recent(connection: Connection, wanted: EventFilter, before: int | None, limit: int) -> list[Event]:
    """Read the newest events first; `before` is the seq to go on from."""
    query = _matching(select(*_COLUMNS), wanted).order_by(events.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(events.c.seq < before)
    return [Event(**row) for row in connection.execute(query).mappings()]


def one(connection: Connection, seq: int) -> EventDetail:
    """Read one event whole; raises NotFoundError."""
    row = connection.execute(select(events).where(events.c.seq == seq)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no event {seq}.")
    return _detail(row)


def _matching(query: Select[Any], wanted: EventFilter) -> Select[Any]:
    for name in ("integration_id", "resource", "action", "object_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(events.c[name] == value)
    if wanted.outcome == "waiting":
        query = query.where(events.c.outcome.is_(None))
    elif wanted.outcome:
        query = query.where(events.c.outcome == wanted.outcome)
    return query


def _detail(row: RowMapping) -> EventDetail:
    return EventDetail(
        **shown(row, Event), headers=dict(row["headers"]), body=bytes(row["body"]).decode("utf-8", "replace")
    )
