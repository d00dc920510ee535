"""Recording events: once each, however often, and by however many processes at the same time, they are told.

What makes an event the same is claimed in `event_keys` first, which is the one place where two processes can meet;
whoever has claimed it writes the event in the same transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text

from ultraviolet.mirror import bulk, dialect
from ultraviolet.mirror.tables import event_keys, events

Key = tuple[int, bytes]
"""Integration and dedupe key."""
_CHUNK = 5000
"""Keys in one statement: a driver takes so many parameters, not more."""

DELIVERIES = func.coalesce(
    select(event_keys.c.deliveries)
    .where(
        event_keys.c.integration_id == events.c.integration_id,
        event_keys.c.dedupe_key == events.c.dedupe_key,
    )
    .correlate(events)
    .scalar_subquery(),
    1,
).label("deliveries")
"""How often an event was delivered, as a column of a query of `events`."""

_COLUMNS = ("integration_id", "dedupe_key", "deliveries")
_EVENT = (
    "integration_id",
    "webhook_url_id",
    "dedupe_key",
    "event_id",
    "subscription_id",
    "resource",
    "action",
    "object_id",
    "source_time",
    "received_at",
    "body",
    "headers",
    "signature",
)
_AGAIN = text(
    """UPDATE event_keys SET deliveries = deliveries + :deliveries
    WHERE integration_id = :integration_id AND dedupe_key = :dedupe_key"""
)


def record(
    connection: Connection, rows: Sequence[Mapping[str, Any]], *, deliveries: int = 1, again: int = 1
) -> int:
    """Record events as `ingest.event_row` gives them; tells how many were new.

    A new one counts as delivered so many times, or as often as its row says under `deliveries`; one that is
    known `again` more times.
    """
    first: dict[Key, Mapping[str, Any]] = {}
    times: dict[Key, int] = {}
    for row in rows:
        key = row["integration_id"], row["dedupe_key"]
        if key in first:
            times[key] += again
        else:
            first[key], times[key] = row, row.get("deliveries", deliveries)
    keys = sorted(first)  # in one order, so that two processes that are told the same never wait in a circle
    new: set[Key] = set()
    for start in range(0, len(keys), _CHUNK):
        claimed = [(*key, times[key]) for key in keys[start : start + _CHUNK]]
        made = dialect.insert_new(connection, "event_keys", _COLUMNS, _COLUMNS[:2], claimed)
        new.update((integration_id, bytes(key)) for integration_id, key in made)
    written = [tuple(row[name] for name in _EVENT) for key, row in first.items() if key in new]
    bulk.add(connection, events, _EVENT, written)
    if again and len(new) < len(keys):
        bulk.each(connection, _AGAIN, [_counted(key, times[key]) for key in keys if key not in new])
    return len(new)


def _counted(key: Key, deliveries: int) -> dict[str, Any]:
    return {"integration_id": key[0], "dedupe_key": key[1], "deliveries": deliveries}
