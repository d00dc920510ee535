"""Gaps: ION's own record of its deliveries compared with what arrived; what is missing is taken from that record.

ION numbers its webhook events, and a body names that number (assumed, see docs/ion-compatibility.md). Where not one
of many delivered numbers is known here, they cannot be compared, and nothing is concluded.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, bindparam, text

from ultraviolet import times
from ultraviolet.hub.ingest import event_row
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.deliveries import decode_envelope, is_id
from ultraviolet.ion.documents import valid_time
from ultraviolet.ion.problems import IonUnreadableError
from ultraviolet.mirror.recording import record

PAGE = 500
_ENOUGH = 20
"""So many delivered events without one that is known here say that the numbers are of another kind."""
_PATIENCE = timedelta(hours=1)
"""So long an event that ION still delivers is waited for. A delivery takes seconds; how long ION tries again is unknown.
What comes after it was taken from the record is known again, so that waiting longer gains nothing."""

_EVENTS = (
    "query Sent($filters: WebhookEventsInputFilters, $first: Int) { webhookEvents(filters: $filters,"
    " sort: [ID_ASC], first: $first) { edges { node { id status subscriptionId requestData _created } } } }"
)
_KNOWN = text(
    "SELECT event_id FROM events WHERE integration_id = :integration AND event_id IN :ids"
).bindparams(bindparam("ids", expanding=True))
_CURSOR = text("SELECT compared_to FROM integrations WHERE id = :integration")
_MOVE = text("UPDATE integrations SET compared_to = :value WHERE id = :integration")


class Gaps(msgspec.Struct, frozen=True):
    """What a comparison brought to light."""

    given_up: int = 0
    """Events ION failed to deliver."""
    lost: int = 0
    """Events ION holds to be delivered that never arrived here."""
    recovered: int = 0
    """Events taken from ION's record."""
    comparable: bool = True

    @property
    def missing(self) -> int:
        """How many events did not arrive."""
        return self.given_up + self.lost


class Sent(msgspec.Struct, frozen=True):
    """One event as ION recorded it."""

    id: int
    status: str
    subscription: str
    body: str | None
    created_at: str
    """By ION's clock; empty where it does not say."""


class Record(msgspec.Struct, frozen=True):
    """A page of ION's record of its deliveries."""

    sent: list[Sent]
    more: bool
    unreadable: int = 0
    """Rows that do not say which event they are about."""


async def read_sent(client: IonClient, after: int) -> Record:
    """Read ION's record of its deliveries behind a number; raises IonRefusedError where the key may not."""
    given = {"filters": {"id": {"gt": after}}, "first": PAGE}
    page = (await client.execute(_EVENTS, given)).must().get("webhookEvents")
    edges: Any = cast("dict[str, Any]", page).get("edges") if isinstance(page, dict) else None
    if not isinstance(edges, list):
        raise IonUnreadableError("ION's record of its deliveries is not a list")
    rows = [_sent(edge) for edge in cast("list[Any]", edges)]
    sent = sorted((row for row in rows if row and row.id > after), key=lambda row: row.id)
    return Record(sent, len(rows) >= PAGE, rows.count(None))


def _sent(edge: Any) -> Sent | None:
    node: Any = cast("dict[str, Any]", edge).get("node") if isinstance(edge, dict) else None
    if not isinstance(node, dict):
        return None
    shown = cast("dict[str, Any]", node)
    id_, body = shown.get("id"), shown.get("requestData")
    if not isinstance(id_, int | str) or not is_id(id_):
        return None
    return Sent(
        int(id_),
        str(shown.get("status")),
        str(shown.get("subscriptionId")),
        body if isinstance(body, str) else None,
        valid_time(shown.get("_created")) or "",
    )


def cursor(connection: Connection, integration_id: int) -> int:
    """Tell up to which number the record was compared."""
    return connection.execute(_CURSOR, {"integration": integration_id}).scalar() or 0


def close(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    url_id: int,
    sent: Sequence[Sent],
    subscriptions: Collection[str],
) -> Gaps:
    """Compare a page of the record with what arrived, keep what is missing as events, and move on.

    Stops before an event of ours that ION is still trying to deliver, but not for long.
    """
    settled = _settled(sent, subscriptions)
    if not settled:
        return Gaps()
    ours = [each for each in settled if each.subscription in subscriptions]
    ids = [str(each.id) for each in ours]
    known: set[str] = set()
    if ids:
        known.update(connection.execute(_KNOWN, {"integration": integration_id, "ids": ids}).scalars())
    delivered = [each for each in ours if each.status == "SUCCEEDED"]
    comparable = bool(known) or len(delivered) < _ENOUGH
    missing = [each for each in ours if str(each.id) not in known] if comparable else []
    rows = [_row(catalog, integration_id, url_id, each) for each in missing if each.body]
    if rows:
        record(connection, rows, deliveries=0, again=0)
    connection.execute(_MOVE, {"integration": integration_id, "value": settled[-1].id})
    lost = sum(each.status == "SUCCEEDED" for each in missing)
    return Gaps(len(missing) - lost, lost, len(rows), comparable)


def _settled(sent: Sequence[Sent], subscriptions: Collection[str]) -> list[Sent]:
    settled: list[Sent] = []
    recently = times.text(times.present() - _PATIENCE)
    for each in sent:
        under_way = each.status not in ("SUCCEEDED", "FAILED") and not "" < each.created_at <= recently
        if under_way and each.subscription in subscriptions:
            break
        settled.append(each)
    return settled


def _row(catalog: Catalog, integration_id: int, url_id: int, sent: Sent) -> dict[str, Any]:
    body = (sent.body or "").encode()
    return event_row(
        integration_id,
        url_id,
        body,
        decode_envelope(catalog, body),
        received_at=times.now(),
        signature="recovered",
    )
