"""From the audit log to webhook events: which delivery each commit owes to whom, and how each went."""

import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ultraviolet.ion.deliveries import encode
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.audit_log import LoggedAction
from ultraviolet.local_ion.store.store import Store, Transaction
from ultraviolet.local_ion.webhooks.quirks import Changes, Quirks
from ultraviolet.local_ion.webhooks.sender import Attempt, Delivery

CURSOR = "CREATE TABLE IF NOT EXISTS _announced (one INTEGER PRIMARY KEY CHECK (one = 1), action_id INTEGER NOT NULL)"
BATCH = 500

# who wants what: one row per active subscription of an active receiver
WANTED = """
SELECT s.id, s.resource, s.action, r.id, r.webhook_uri, r.shared_secret, coalesce(r.expected_response_code, 200)
  FROM webhook_subscriptions s JOIN webhook_receivers r ON r.id = s.receiver_id
 WHERE s.active AND coalesce(r.active, 1)"""
# the custom headers of every receiver
HEADERS = """
SELECT j.webhook_receiver_id, h.key, h.value
  FROM webhook_receiver_headers j JOIN webhook_headers h ON h.id = j.webhook_header_id ORDER BY h.id"""
# the last number a webhook event had, whether it is still there or not
LAST_EVENT = "SELECT seq FROM sqlite_sequence WHERE name = 'webhook_events'"
# deliveries without a final answer
UNFINISHED = """
SELECT id, subscription_id, request_data, coalesce(number_of_retries, 0)
  FROM webhook_events WHERE status IN ('sending', 'retrying')"""
# the next change of a subscription, a receiver or a header
FIRST_OF_WEBHOOKS = """
SELECT min(action_id) FROM logged_actions
 WHERE table_name IN ('webhook_receivers', 'webhook_subscriptions', 'webhook_headers', 'webhook_receiver_headers')
   AND action_id > ?"""
# what one attempt leaves on its webhook event
RECORD = """
UPDATE webhook_events SET status = ?, number_of_retries = ?, response_status_code = ?, response_data = ?,
       response_received_at = ?, _updated = ? WHERE id = ?"""


class Receiver(msgspec.Struct, frozen=True):
    """Where a subscription's deliveries go."""

    subscription_id: int
    url: str
    secret: str
    expected: int
    headers: tuple[tuple[str, str], ...]


Subscribed = dict[tuple[str, str], list[Receiver]]


class WebhookLedger:
    """The deliveries of one local ION, kept in its own `webhook_events`."""

    def __init__(self, store: Store, quirks: Quirks) -> None:
        self._store = store
        self._quirks = quirks
        self._subscribed: Subscribed | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._announced = self._begin()

    def _begin(self) -> int:
        with self._store.writing(None) as transaction:
            transaction.connection.execute(CURSOR)
            transaction.connection.execute("INSERT OR IGNORE INTO _announced VALUES (1, 0)")
            return transaction.scalar("SELECT action_id FROM _announced")

    def announce(self) -> list[Delivery]:
        """Write the webhook events the commits since the last call owe, and give them as deliveries."""
        with self._lock:
            return [] if self._closed else self._announce_next()

    def close(self) -> None:
        """Announce no more; returns when nothing is being announced."""
        with self._lock:
            self._closed = True

    def _announce_next(self) -> list[Delivery]:
        with self._store.reading() as connection:
            begin = self._begin_of_interest(connection)
            actions = whole_transactions(connection, begin)
            last = actions[-1].action_id if actions else begin
            if last == self._announced:
                return []
            subscribed = self._subscriptions(connection, actions)
            owed = list(self._owed(connection, actions, subscribed))
        with self._store.writing(None) as transaction:
            ids = itertools.count((transaction.scalar(LAST_EVENT) or 0) + 1)
            deliveries = [_announce(transaction, next(ids), *each) for each in owed]
            transaction.connection.execute("UPDATE _announced SET action_id = ?", (last,))
        self._announced = last
        return deliveries

    def _begin_of_interest(self, connection: sqlite3.Connection) -> int:
        """Pass over what was changed while nobody subscribed to anything, however much it is."""
        if self._subscribed:
            return self._announced
        if not subscriptions(connection):
            return audit_log.latest(connection)
        (first,) = connection.execute(FIRST_OF_WEBHOOKS, (self._announced,)).fetchone()
        return self._announced if first is None or self._subscribed is None else first - 1

    def _subscriptions(self, connection: sqlite3.Connection, actions: Iterable[LoggedAction]) -> Subscribed:
        if self._subscribed is None or any(a.table_name.startswith("webhook_") for a in actions):
            self._subscribed = subscriptions(connection)
        return self._subscribed

    def _owed(
        self, connection: sqlite3.Connection, actions: Sequence[LoggedAction], subscribed: Subscribed
    ) -> Iterator[tuple[Receiver, LoggedAction, Changes]]:
        if not subscribed:
            return
        for action in announced(actions, self._quirks, self._store):
            receivers = subscribed.get((action.table_name, action.action.lower()), ())
            if not receivers or self._quirks.silences(action.table_name, action.action):
                continue
            changes = self._quirks.shape(
                action.action, changes_of(action, partial=self._quirks.partial_creates)
            )
            if not self._quirks.links_as_keys:
                changes |= linked(connection, self._store, action.table_name, changes)
            for receiver in receivers:
                yield receiver, action, changes

    def unfinished(self) -> list[Delivery]:
        """Give the deliveries a former process left without a final answer."""
        with self._store.reading() as connection:
            rows = connection.execute(f"{UNFINISHED} ORDER BY id").fetchall()
            return _resumed(rows, subscriptions(connection))

    def again(self, event_id: int) -> Delivery | None:
        """Give a delivery with its receiver as it is now; None when nobody wants it any more."""
        with self._store.reading() as connection:
            rows = connection.execute(f"{UNFINISHED} AND id = ?", (event_id,)).fetchall()
            return next(iter(_resumed(rows, subscriptions(connection))), None)

    def record(self, attempts: list[Attempt]) -> None:
        """Write attempts to their webhook events, in one transaction."""
        with self._lock:
            if not self._closed:
                self._record(attempts)

    def _record(self, attempts: list[Attempt]) -> None:
        with self._store.writing(None) as transaction:
            transaction.connection.executemany(
                RECORD,
                [
                    (a.status, a.retries, a.code, a.answer, a.received_at, transaction.now, a.event_id)
                    for a in attempts
                ],
            )


def whole_transactions(connection: sqlite3.Connection, after: int, limit: int = BATCH) -> list[LoggedAction]:
    """Give the changes after one, never a transaction in part, because a part cannot be judged."""
    actions = audit_log.since(connection, after, limit)
    if len(actions) < limit:
        return actions
    last = actions[-1].transaction_id
    whole = [a for a in actions if a.transaction_id != last]
    return whole or whole_transactions(connection, after, limit * 4)


def subscriptions(connection: sqlite3.Connection) -> Subscribed:
    """Read who wants which (resource, action), both in lower case."""
    headers: dict[int, list[tuple[str, str]]] = {}
    for receiver_id, key, value in connection.execute(HEADERS):
        headers.setdefault(receiver_id, []).append((key, value))
    found: Subscribed = {}
    for subscription_id, resource, action, receiver_id, url, secret, expected in connection.execute(WANTED):
        receiver = Receiver(subscription_id, url, secret, expected, tuple(headers.get(receiver_id, ())))
        found.setdefault((resource.lower(), action.lower()), []).append(receiver)
    return found


def announced(actions: Iterable[LoggedAction], quirks: Quirks, store: Store) -> Iterator[LoggedAction]:
    """Leave out what a creation's own request filled in later, where creates are partial."""
    if not quirks.partial_creates:
        yield from actions
        return
    made: set[tuple[int, str, str]] = set()
    for action in actions:
        if action.action == "CREATE":
            made.add((action.transaction_id, action.table_name, action.row_id))
        elif (action.transaction_id, action.table_name, action.row_id) in made:
            continue
        if (action.transaction_id, *owner_of(action, store)) not in made:
            yield action


def owner_of(action: LoggedAction, store: Store) -> tuple[str, str]:
    """Give the table and row an attribute row belongs to; empty for any other row."""
    resource = store.catalog.resources.get(action.table_name)
    if resource is None or resource.owner is None or resource.owner_key is None:
        return "", ""
    field = resource.field(resource.owner_key)
    row = action.new_row or action.old_row or {}
    return resource.owner, str(row.get(field.column if field else ""))


def changes_of(action: LoggedAction, *, partial: bool) -> Changes:
    """Give what a change tells, columns to `{old, new}`; a partial CREATE leaves out what its insert left empty."""
    if action.action == "CREATE":
        row = action.new_row or {}
        return {name: {"new": value} for name, value in row.items() if not partial or value is not None}
    if action.action == "DELETE":
        return {name: {"old": value} for name, value in (action.old_row or {}).items()}
    return {name: {"old": old, "new": new} for name, (old, new) in action.changes().items()}


def linked(connection: sqlite3.Connection, store: Store, table: str, changes: Changes) -> Changes:
    """Give the objects that changed links now point to, beside their keys."""
    resource = store.catalog.resources.get(table)
    found: Changes = {}
    for link in resource.links if resource else ():
        target = changes.get(link.column, {}).get("new")
        if target is not None:
            cursor = connection.execute(f'SELECT * FROM "{link.resource}" WHERE id = ?', (target,))
            row = cursor.fetchone()
            names = [column[0] for column in cursor.description]
            hidden = audit_log.SECRET_COLUMNS
            value = row and {n: v for n, v in zip(names, row, strict=True) if n not in hidden}
            found[link.column.removesuffix("_id")] = {"new": value}
    return found


def _announce(
    transaction: Transaction, event_id: int, receiver: Receiver, action: LoggedAction, changes: Changes
) -> Delivery:
    body = encode(
        event_id=event_id,
        subscription_id=receiver.subscription_id,
        resource=action.table_name,
        action=action.action,
        object_id=int(action.row_id) if action.row_id.isdecimal() else action.row_id,
        transaction_id=action.transaction_id,
        timestamp=action.action_tstamp,
        actor_id=action.actor_id,
        changes=changes,
    )
    event = {"id": event_id, "subscription_id": receiver.subscription_id, "request_data": body.decode()}
    transaction.insert("webhook_events", {**event, "status": "sending", "number_of_retries": 0})
    return _delivery(event_id, receiver, body, 0)


def _delivery(event_id: int, receiver: Receiver, body: bytes, retries: int) -> Delivery:
    return Delivery(
        event_id, receiver.url, receiver.secret, receiver.expected, receiver.headers, body, retries
    )


def _resumed(rows: Sequence[Sequence[Any]], subscribed: Subscribed) -> list[Delivery]:
    by_id = {r.subscription_id: r for receivers in subscribed.values() for r in receivers}
    return [
        _delivery(event_id, by_id[subscription_id], body.encode(), retries)
        for event_id, subscription_id, body, retries in rows
        if subscription_id in by_id
    ]
