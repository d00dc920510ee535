"""Gaps: ION's own record of its deliveries compared with what arrived; what is missing is taken from that record.

ION numbers its webhook events, and a body names that number (assumed, see docs/ion-compatibility.md). Where not one
of many delivered numbers is known here, they cannot be compared, and nothing is concluded.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, text

from ultraviolet import times
from ultraviolet.hub.ingest import event_row
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.deliveries import decode_envelope
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


async def read_sent(client: IonClient, after: int) -> list[Sent]:
    """Read ION's record of its deliveries behind a number; raises IonRefusedError where the key may not."""
    given = {"filters": {"id": {"gt": after}}, "first": PAGE}
    page: dict[str, Any] = (await client.execute(_EVENTS, given)).must()["webhookEvents"]
    nodes = [edge["node"] for edge in page["edges"]]
    return [
        Sent(
            int(n["id"]),
            n["status"],
            str(n["subscriptionId"]),
            n.get("requestData"),
            times.canonical(n["_created"]) if n["_created"] else "",
        )
        for n in nodes
    ]


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
