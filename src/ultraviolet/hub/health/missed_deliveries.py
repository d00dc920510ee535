"""Compare ION's record of its deliveries with the received events, and add the missing ones.

ION numbers its webhook events, and a payload contains that number (assumed, see
docs/ion-compatibility.md). An event is known by that number, its envelope, or its body. If none of
many delivered events is known although events arrived at that time, the record is not comparable.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, bindparam, select, text

from ultraviolet import clock
from ultraviolet.codecs import DECODE_ERRORS
from ultraviolet.db.event_store import insert_events
from ultraviolet.db.tables.events import event_keys
from ultraviolet.hub.health import heartbeat
from ultraviolet.hub.ingest.event_row import event_row
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.deliveries import decode_envelope, is_id
from ultraviolet.ion.errors import IonUnreadableError

PAGE_SIZE = 500
_MIN_COMPARABLE = 20
"""This many delivered events without a known one show that the numbers are not comparable."""
_MAX_PENDING_AGE = timedelta(hours=1)
"""How long to wait for an event that ION is still delivering; a late delivery is deduplicated."""

_EVENTS = (
    "query Sent($filters: WebhookEventsInputFilters, $first: Int)"
    " { webhookEvents(filters: $filters, sort: [ID_ASC], first: $first)"
    " { edges { node { id status subscriptionId requestData _created } } } }"
)
_KNOWN = text(
    "SELECT event_id FROM events WHERE integration_id = :integration AND event_id IN :ids"
).bindparams(bindparam("ids", expanding=True))
_BODIES = text(
    """SELECT body FROM events
    WHERE integration_id = :integration AND resource = :resource AND object_id = :object
    ORDER BY seq DESC LIMIT 50"""
)
_RECEIVED = text(
    """SELECT 1 FROM events
    WHERE integration_id = :integration AND received_at >= :first AND received_at <= :last
      AND signature <> 'recovered' LIMIT 1"""
)
_LAST_FULL = text(
    "SELECT max(started_at) FROM fetches WHERE integration_id = :integration AND mode = 'full'"
)
_CURSOR = text("SELECT compared_to FROM integrations WHERE id = :integration")
_MOVE = text("UPDATE integrations SET compared_to = :value WHERE id = :integration")


class MissedDeliveries(msgspec.Struct, frozen=True):
    """The result of a comparison."""

    given_up: int = 0
    """Number of events that ION failed to deliver."""
    lost: int = 0
    """Number of events that ION reports as delivered but that did not arrive."""
    recovered: int = 0
    """Number of events added from ION's record."""
    comparable: bool = True
    restored: bool = False
    """Whether some were delivered while, by this database, no hub ran: it is a restored backup."""

    @property
    def missing(self) -> int:
        """The number of events that did not arrive."""
        return self.given_up + self.lost


class SentDelivery(msgspec.Struct, frozen=True):
    """One webhook event in ION's record."""

    id: int
    status: str
    subscription: str
    body: str | None
    created_at: str
    """By ION's clock; empty if unknown."""


class Record(msgspec.Struct, frozen=True):
    """A page of ION's record of its deliveries."""

    sent: list[SentDelivery]
    more: bool
    unreadable: int = 0
    """Number of rows without an event id."""


async def read_sent_deliveries(client: IonClient, after: int) -> Record:
    """Read ION's deliveries after a number; raise IonRefusedError without permission."""
    given = {"filters": {"id": {"gt": after}}, "first": PAGE_SIZE}
    page = (await client.execute(_EVENTS, given)).must().get("webhookEvents")
    edges: Any = cast("dict[str, Any]", page).get("edges") if isinstance(page, dict) else None
    if not isinstance(edges, list):
        raise IonUnreadableError("ION's record of its deliveries is not a list")
    rows = [_sent(edge) for edge in cast("list[Any]", edges)]
    sent = sorted((row for row in rows if row and row.id > after), key=lambda row: row.id)
    return Record(sent, len(rows) >= PAGE_SIZE, rows.count(None))


def _sent(edge: Any) -> SentDelivery | None:
    node: Any = cast("dict[str, Any]", edge).get("node") if isinstance(edge, dict) else None
    if not isinstance(node, dict):
        return None
    shown = cast("dict[str, Any]", node)
    id_, body = shown.get("id"), shown.get("requestData")
    if not isinstance(id_, int | str) or not is_id(id_):
        return None
    return SentDelivery(
        int(id_),
        str(shown.get("status")),
        str(shown.get("subscriptionId")),
        body if isinstance(body, str) else None,
        clock.valid_time(shown.get("_created")) or "",
    )


def cursor(connection: Connection, integration_id: int) -> int:
    """Return the number up to which the record was compared."""
    return connection.execute(_CURSOR, {"integration": integration_id}).scalar() or 0


def insert_missed(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    url_id: int,
    sent: Sequence[SentDelivery],
    subscriptions: Collection[str],
    ahead: float = 0.0,
) -> MissedDeliveries:
    """Compare a page of the record with the received events, add missing ones, advance the cursor.

    Stop before an event that ION is still delivering, unless it is old. `ahead` is the number of
    seconds by which ION's clock is ahead.
    """
    settled: list[SentDelivery] = []
    recently = clock.format_rfc3339(clock.utc_now() - _MAX_PENDING_AGE)
    for each in sent:
        ended = each.status in ("SUCCEEDED", "FAILED") or "" < each.created_at <= recently
        if each.subscription in subscriptions and not ended:
            break
        settled.append(each)
    if not settled:
        return MissedDeliveries()
    ours = [each for each in settled if each.subscription in subscriptions]
    known = _known(connection, catalog, integration_id, ours)
    delivered = [each for each in ours if each.status == "SUCCEEDED"]
    comparable = bool(known) or len(delivered) < _MIN_COMPARABLE
    dated = [each.created_at for each in delivered if each.created_at]
    if not comparable and dated:  # comparable if no event was received in the same period
        period = {"integration": integration_id, "first": min(dated), "last": max(dated)}
        comparable = connection.execute(_RECEIVED, period).first() is None
    missing = [each for each in ours if each.id not in known] if comparable else []
    rows = [_row(catalog, integration_id, url_id, each) for each in missing if each.body]
    if rows:
        insert_events(connection, rows, deliveries=0, again=0)
    connection.execute(_MOVE, {"integration": integration_id, "value": settled[-1].id})
    lost = [each for each in missing if each.status == "SUCCEEDED"]
    # ION delivered some of these while, by this database, no hub ran: it was restored. Periods
    # before the last full fetch do not count.
    last_full = connection.execute(_LAST_FULL, {"integration": integration_id}).scalar() or ""
    spans = [span for span in heartbeat.without_hub(connection) if span.until > last_full]
    moments = [
        clock.format_rfc3339(datetime.fromisoformat(each.created_at) - timedelta(seconds=ahead))
        for each in lost
        if each.created_at
    ]
    restored = any(span.since < moment < span.until for span in spans for moment in moments)
    return MissedDeliveries(len(missing) - len(lost), len(lost), len(rows), comparable, restored)


def _known(
    connection: Connection, catalog: Catalog, integration_id: int, sent: Sequence[SentDelivery]
) -> set[int]:
    """Return the numbers of the received events: matched by number, envelope or body."""
    if not sent:
        return set()
    rows = {each.id: _row(catalog, integration_id, 0, each) for each in sent if each.body}
    # A body with another number shows that this ION numbers events differently from deliveries.
    numbered = {number for number, row in rows.items() if row["event_id"] in {None, str(number)}}
    numbered |= {each.id for each in sent if not each.body}
    given = {"integration": integration_id, "ids": [str(number) for number in numbered]}
    numbers = set(connection.execute(_KNOWN, given).scalars()) if numbered else set[str]()
    known = {number for number in numbered if str(number) in numbers}
    rows = {number: row for number, row in rows.items() if number not in known}
    if rows:
        keys = [row["dedupe_key"] for row in rows.values()]
        query = select(event_keys.c.dedupe_key).where(
            event_keys.c.integration_id == integration_id, event_keys.c.dedupe_key.in_(keys)
        )
        found = {bytes(key) for key in connection.execute(query).scalars()}
        known |= {number for number, row in rows.items() if row["dedupe_key"] in found}
    for number, row in rows.items():
        if number not in known and row["event_id"] is None and row["object_id"]:
            given = {
                "integration": integration_id,
                "resource": row["resource"],
                "object": row["object_id"],
            }
            bodies = connection.execute(_BODIES, given).scalars()
            content = _content(row["body"])
            if content is not None and any(_content(bytes(body)) == content for body in bodies):
                known.add(number)
    return known


def _content(body: bytes) -> Any:
    """Decode a body so that white space does not matter; return None if it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except DECODE_ERRORS:
        return None


def _row(catalog: Catalog, integration_id: int, url_id: int, sent: SentDelivery) -> dict[str, Any]:
    body = (sent.body or "").encode()
    return event_row(
        integration_id,
        url_id,
        body,
        decode_envelope(catalog, body),
        received_at=clock.now_rfc3339(),
        signature="recovered",
    )
