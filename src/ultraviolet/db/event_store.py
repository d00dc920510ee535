"""Record each event once, regardless of how often and by how many processes it is delivered.

A transaction first inserts the key of an event into `event_keys`, and writes the event only if the
key was new. An event with a known key but another body is recorded as a separate event, marked as
`conflicting`.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text, tuple_

from ultraviolet.db import bulk, sql
from ultraviolet.db.tables.events import event_keys, events

Key = tuple[int, bytes]
"""Integration and dedupe key."""
_Body = tuple[int, bytes, bytes]
"""Integration, dedupe key and digest of the body."""
_KEYS_PER_STATEMENT = 5000
"""Limit of the drivers on parameters of a statement."""

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
"""The number of deliveries of an event, as a column for queries of `events`."""

_COLUMNS = ("integration_id", "dedupe_key", "deliveries", "body_digest")
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
    "change_key",
    "body",
    "headers",
    "signature",
    "conflicting",
)
_VALUES = itemgetter(*_EVENT[:-1])
_AGAIN = text(
    """UPDATE event_keys SET deliveries = deliveries + :deliveries
    WHERE integration_id = :integration_id AND dedupe_key = :dedupe_key"""
)
_DIGESTS = select(
    event_keys.c.integration_id, event_keys.c.dedupe_key, event_keys.c.body_digest
).where(
    tuple_(event_keys.c.integration_id, event_keys.c.dedupe_key).in_(
        bindparam("keys", expanding=True)
    )
)


def insert_events(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    *,
    deliveries: int = 1,
    again: int = 1,
) -> int:
    """Record events as returned by `ingest.event_row`; return how many were new.

    A new event counts `deliveries` deliveries, unless its row has its own number; a known event
    counts `again` more.
    """
    claims = {
        (row["integration_id"], row["dedupe_key"]): (
            hashlib.sha256(row["body"]).digest(),
            row.get("deliveries", deliveries),
        )
        for row in rows
    }
    claimed = None
    if len(claims) == len(rows):
        claimed = _claim(connection, claims)
        if len(claimed) == len(rows):  # the usual case
            values = [(*_VALUES(row), row.get("conflicting", False)) for row in rows]
            bulk.insert(connection, events, _EVENT, values)
            return len(rows)
    return _insert_repeated(connection, rows, claimed, deliveries, again)


def _insert_repeated(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    claimed: set[Key] | None,
    deliveries: int,
    again: int,
) -> int:
    """Record events some of which are known or have the same key; some may be `claimed`."""
    rows_of: dict[_Body, Mapping[str, Any]] = {}
    times: Counter[_Body] = Counter()
    first: dict[Key, _Body] = {}
    for row in rows:
        key = row["integration_id"], row["dedupe_key"]
        body = (*key, hashlib.sha256(row["body"]).digest())
        if body in rows_of:
            times[body] += again
        else:
            rows_of[body] = row
            times[body] = row.get("deliveries", deliveries)
            first.setdefault(key, body)
    new = claimed
    if new is None:
        new = _claim(connection, {key: (body[2], times[body]) for key, body in first.items()})
    written = [
        (*_VALUES(rows_of[body]), rows_of[body].get("conflicting", False))
        for key, body in first.items()
        if key in new
    ]
    digests = {key: first[key][2] for key in new}
    digests |= _digests(connection, first.keys() - new)
    written_now = {first[key] for key in new}
    known = [
        body for body in rows_of if digests.get(body[:2]) == body[2] and body not in written_now
    ]
    variants = {  # the key of a conflicting event depends on its body
        (body[0], hashlib.sha256(body[1] + body[2]).digest()): body
        for body in rows_of
        if digests.get(body[:2]) != body[2]
    }
    new_variants = _claim(
        connection, {key: (body[2], times[body]) for key, body in variants.items()}
    )
    written += [
        (*_VALUES({**rows_of[body], "dedupe_key": key[1]}), True)
        for key, body in variants.items()
        if key in new_variants
    ]
    bulk.insert(connection, events, _EVENT, written)
    if again:
        counted = [(body[:2], times[body]) for body in known]
        counted += [(key, times[body]) for key, body in variants.items() if key not in new_variants]
        again_rows = [
            {"integration_id": integration_id, "dedupe_key": key, "deliveries": count}
            for (integration_id, key), count in sorted(counted)
        ]
        bulk.execute_many(connection, _AGAIN, again_rows)
    return len(new) + len(new_variants)


def _claim(connection: Connection, wanted: Mapping[Key, tuple[bytes, int]]) -> set[Key]:
    """Insert the keys that are new and return them.

    They are inserted in sorted order, so that two processes with the same events do not deadlock.
    """
    keys = sorted(wanted)
    claimed: set[Key] = set()
    for start in range(0, len(keys), _KEYS_PER_STATEMENT):
        rows = [
            (*key, wanted[key][1], wanted[key][0])
            for key in keys[start : start + _KEYS_PER_STATEMENT]
        ]
        made = sql.insert_new(connection, "event_keys", _COLUMNS, _COLUMNS[:2], rows)
        claimed.update((integration_id, bytes(key)) for integration_id, key in made)
    return claimed


def _digests(connection: Connection, keys: Iterable[Key]) -> dict[Key, bytes]:
    """Return the digest of the recorded body of each known key."""
    found: dict[Key, bytes] = {}
    wanted = sorted(keys)
    for start in range(0, len(wanted), _KEYS_PER_STATEMENT):
        rows = connection.execute(_DIGESTS, {"keys": wanted[start : start + _KEYS_PER_STATEMENT]})
        found |= {
            (row.integration_id, bytes(row.dedupe_key)): bytes(row.body_digest) for row in rows
        }
    return found
