"""The transactional outbox: it turns the audit log into webhook events and deliveries."""

import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import encode
from ultraviolet.local_ion.quirks import Changes, Quirks
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.audit_log import LoggedAction
from ultraviolet.local_ion.store.store import Store
from ultraviolet.local_ion.webhooks.delivered_rows import (
    DELETED_MARK,
    row_changes,
    row_key,
    soft_deletion,
)
from ultraviolet.local_ion.webhooks.delivery import Attempt, Delivery

CREATE_CURSOR = (
    "CREATE TABLE IF NOT EXISTS _outbox_cursor"
    " (one INTEGER PRIMARY KEY CHECK (one = 1), action_id INTEGER NOT NULL)"
)
MAX_ACTIONS = 500
"""Audit log entries read in one step."""

# one row per active subscription of an active receiver
SELECT_SUBSCRIPTIONS = """
SELECT s.id, s.resource, s.action, r.id, r.webhook_uri, r.shared_secret,
       coalesce(r.expected_response_code, 200)
  FROM webhook_subscriptions s JOIN webhook_receivers r ON r.id = s.receiver_id
 WHERE s.active AND coalesce(r.active, 1)"""
# the custom headers of every receiver
SELECT_HEADERS = """
SELECT j.webhook_receiver_id, h.key, h.value
  FROM webhook_receiver_headers j JOIN webhook_headers h ON h.id = j.webhook_header_id ORDER BY h.id"""
# the highest id that a webhook event ever had
SELECT_LAST_EVENT_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'webhook_events'"
# the resources of the subscriptions that have deliveries
SELECT_DELIVERED_RESOURCES = """
SELECT DISTINCT lower(resource) FROM webhook_subscriptions s
 WHERE EXISTS (SELECT 1 FROM webhook_events e WHERE e.subscription_id = s.id)"""
# deliveries without a final response
SELECT_UNFINISHED = """
SELECT id, subscription_id, request_data, coalesce(number_of_retries, 0)
  FROM webhook_events WHERE status IN ('sending', 'retrying')"""
# the next change of a subscription, a receiver or a header
SELECT_NEXT_WEBHOOK_CHANGE = """
SELECT min(action_id) FROM logged_actions
 WHERE table_name IN ('webhook_receivers', 'webhook_subscriptions', 'webhook_headers', 'webhook_receiver_headers')
   AND action_id > ?"""
# the result of one attempt
UPDATE_EVENT = """
UPDATE webhook_events SET status = ?, number_of_retries = ?, response_status_code = ?,
       response_data = ?, response_received_at = ?, _updated = ? WHERE id = ?"""


class Subscription(msgspec.Struct, frozen=True):
    """A subscription with the address of its receiver."""

    id: int
    url: str
    secret: str
    expected_status: int
    headers: tuple[tuple[str, str], ...]


Subscriptions = dict[tuple[str, str], list[Subscription]]
"""Subscriptions by resource and action, both in lower case."""


class Outbox:
    """The deliveries of one local ION, stored in its `webhook_events`."""

    def __init__(self, store: Store, quirks: Quirks) -> None:
        self._store = store
        self._quirks = quirks
        self._subscriptions: Subscriptions | None = None
        self._lock = threading.Lock()
        self._closed = False
        with store.write(None) as tx:
            tx.connection.execute(CREATE_CURSOR)
            tx.connection.execute("INSERT OR IGNORE INTO _outbox_cursor VALUES (1, 0)")
            self._published_id: int = tx.scalar("SELECT action_id FROM _outbox_cursor")

    def publish(self) -> list[Delivery]:
        """Write the webhook events of new commits and return their deliveries."""
        with self._lock:
            return [] if self._closed else self._publish_batch()

    def close(self) -> None:
        """Stop publishing; return after a running call has finished."""
        with self._lock:
            self._closed = True

    def _publish_batch(self) -> list[Delivery]:
        with self._store.read() as connection:
            start = self._start_id(connection)
            actions = whole_transactions(connection, start)
            last = actions[-1].action_id if actions else start
            if last == self._published_id:
                return []
            if self._subscriptions is None or any(
                action.table_name.startswith("webhook_") for action in actions
            ):
                self._subscriptions = load_subscriptions(connection)
            events = list(self._events(connection, actions, self._subscriptions))
        with self._store.write(None) as tx:
            ids = itertools.count((tx.scalar(SELECT_LAST_EVENT_ID) or 0) + 1)
            deliveries: list[Delivery] = []
            for event_id, (subscription, action, changes) in zip(ids, events, strict=False):
                own_id = self._quirks.has("own_event_ids")
                body = encode(
                    event_id=event_id if own_id else action.action_id,
                    subscription_id=subscription.id,
                    resource=action.table_name,
                    action=action.action,
                    key=row_key(action, self._store.schema.catalog, self._quirks),
                    transaction_id=action.transaction_id,
                    timestamp=action.action_tstamp,
                    actor_id=action.actor_id,
                    changes=changes,
                )
                event = {
                    "id": event_id,
                    "subscription_id": subscription.id,
                    "request_data": body.decode(),
                    "status": "sending",
                    "number_of_retries": 0,
                }
                tx.insert("webhook_events", event)
                deliveries.append(_delivery(event_id, subscription, body, 0))
            tx.connection.execute("UPDATE _outbox_cursor SET action_id = ?", (last,))
        self._published_id = last
        return deliveries

    def _start_id(self, connection: sqlite3.Connection) -> int:
        """Skip the changes that were made without any subscription."""
        if self._subscriptions:
            return self._published_id
        if not load_subscriptions(connection):
            return audit_log.last_action_id(connection)
        sql, params = SELECT_NEXT_WEBHOOK_CHANGE, (self._published_id,)
        (first,) = connection.execute(sql, params).fetchone()
        if first is None or self._subscriptions is None:
            return self._published_id
        return first - 1

    def _events(
        self,
        connection: sqlite3.Connection,
        actions: Sequence[LoggedAction],
        subscriptions: Subscriptions,
    ) -> Iterator[tuple[Subscription, LoggedAction, Changes]]:
        if not subscriptions:
            return
        quirks, catalog = self._quirks, self._store.schema.catalog
        for logged in deliverable_actions(actions, quirks, catalog):
            is_soft = soft_deletion(logged, quirks)
            action = msgspec.structs.replace(logged, action="UPDATE") if is_soft else logged
            matching = subscriptions.get((action.table_name, action.action.lower()), ())
            if not matching or quirks.suppresses(action.table_name, action.action):
                continue
            changes = DELETED_MARK
            if not is_soft:
                found = action_changes(action, partial=quirks.partial_creates)
                changes = quirks.apply(action.action, found)
                if not quirks.links_as_keys:
                    changes |= linked_objects(connection, catalog, action.table_name, changes)
            changes = row_changes(action, changes, catalog, quirks)
            for subscription in matching:
                yield subscription, action, changes

    def unfinished(self) -> list[Delivery]:
        """Return the deliveries that an earlier process did not finish."""
        return self._load_unfinished(f"{SELECT_UNFINISHED} ORDER BY id", ())

    def reload(self, event_id: int) -> Delivery | None:
        """Return a delivery with the current receiver; None if it was removed."""
        return next(
            iter(self._load_unfinished(f"{SELECT_UNFINISHED} AND id = ?", (event_id,))), None
        )

    def _load_unfinished(self, sql: str, params: tuple[Any, ...]) -> list[Delivery]:
        with self._store.read() as connection:
            rows = connection.execute(sql, params).fetchall()
            subscriptions = load_subscriptions(connection)
        by_id = {each.id: each for group in subscriptions.values() for each in group}
        return [
            _delivery(event_id, by_id[subscription_id], body.encode(), retries)
            for event_id, subscription_id, body, retries in rows
            if subscription_id in by_id
        ]

    def record(self, attempts: list[Attempt]) -> None:
        """Record attempts on their webhook events in one transaction."""
        with self._lock:
            if self._closed:
                return
            with self._store.write(None) as tx:
                tx.connection.executemany(
                    UPDATE_EVENT,
                    [
                        (
                            each.status,
                            each.retries,
                            each.response_status,
                            each.response_text,
                            each.received_at,
                            tx.now,
                            each.event_id,
                        )
                        for each in attempts
                    ],
                )


def published_action_id(connection: sqlite3.Connection) -> int:
    """Return the last action whose deliveries are recorded."""
    return connection.execute("SELECT action_id FROM _outbox_cursor").fetchone()[0]


def whole_transactions(
    connection: sqlite3.Connection, after: int, limit: int = MAX_ACTIONS
) -> list[LoggedAction]:
    """Return the actions after an id, without a partial transaction at the end."""
    actions = audit_log.actions_after(connection, after, limit)
    if len(actions) < limit:
        return actions
    last = actions[-1].transaction_id
    whole = [a for a in actions if a.transaction_id != last]
    return whole or whole_transactions(connection, after, limit * 4)


def delivered_resources(connection: sqlite3.Connection) -> set[str]:
    """Return the resources that have deliveries."""
    return {str(name) for (name,) in connection.execute(SELECT_DELIVERED_RESOURCES)}


def load_subscriptions(connection: sqlite3.Connection) -> Subscriptions:
    """Return the active subscriptions."""
    headers: dict[int, list[tuple[str, str]]] = {}
    for receiver_id, key, value in connection.execute(SELECT_HEADERS):
        headers.setdefault(receiver_id, []).append((key, value))
    found: Subscriptions = {}
    for id_, resource, action, receiver_id, url, secret, expected in connection.execute(
        SELECT_SUBSCRIPTIONS
    ):
        custom = tuple(headers.get(receiver_id, ()))
        subscription = Subscription(id_, url, secret, expected, custom)
        found.setdefault((resource.lower(), action.lower()), []).append(subscription)
    return found


def deliverable_actions(
    actions: Iterable[LoggedAction], quirks: Quirks, catalog: Catalog
) -> Iterator[LoggedAction]:
    """Omit later changes of an object by the request that created it, if creates are partial."""
    if not quirks.partial_creates:
        yield from actions
        return
    created: set[tuple[int, str, str]] = set()
    for action in actions:
        row = (action.transaction_id, action.table_name, action.row_id)
        if action.action == "CREATE":
            created.add(row)
        elif row in created:
            continue
        if (action.transaction_id, *_attribute_owner(action, catalog)) not in created:
            yield action


def _attribute_owner(action: LoggedAction, catalog: Catalog) -> tuple[str, str]:
    """Return the table and row id of an attribute row's owner; empty for other rows."""
    resource = catalog.resources.get(action.table_name)
    if resource is None or resource.owner is None or resource.owner_key is None:
        return "", ""
    field = resource.field(resource.owner_key)
    row = action.new_row or action.old_row or {}
    return resource.owner, str(row.get(field.column if field else ""))


def action_changes(action: LoggedAction, *, partial: bool) -> Changes:
    """Return the changes by column; a partial CREATE omits empty columns."""
    if action.action == "CREATE":
        row = action.new_row or {}
        return {n: {"new": v} for n, v in row.items() if not partial or v is not None}
    if action.action == "DELETE":
        return {name: {"old": value} for name, value in (action.old_row or {}).items()}
    return {name: {"old": old, "new": new} for name, (old, new) in action.changes().items()}


def linked_objects(
    connection: sqlite3.Connection, catalog: Catalog, table: str, changes: Changes
) -> Changes:
    """Return the objects that changed links now refer to."""
    resource = catalog.resources.get(table)
    found: Changes = {}
    for link in resource.links if resource else ():
        target = changes.get(link.column, {}).get("new")
        if target is not None:
            sql = f'SELECT * FROM "{link.resource}" WHERE id = ?'
            cursor = connection.execute(sql, (target,))
            row = cursor.fetchone()
            names = [column[0] for column in cursor.description]
            hidden = audit_log.SECRET_COLUMNS
            value = row and {n: v for n, v in zip(names, row, strict=True) if n not in hidden}
            found[link.column.removesuffix("_id")] = {"new": value}
    return found


def _delivery(event_id: int, to: Subscription, body: bytes, retries: int) -> Delivery:
    return Delivery(event_id, to.url, to.secret, to.expected_status, to.headers, body, retries)
