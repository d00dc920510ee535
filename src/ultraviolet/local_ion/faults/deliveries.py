"""Faults of deliveries: lost, doubled, late, out of order, cut, forged; or the receiver itself is gone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ultraviolet.local_ion.faults.registry import Fault, Faults, Kind
from ultraviolet.local_ion.mutations.crud import delete
from ultraviolet.local_ion.rules.seed import ADMINISTRATOR
from ultraviolet.local_ion.store.store import Store
from ultraviolet.local_ion.webhooks.sender import Delivery, Sending

FORGED_ID = 999_999_999
"""What a forged delivery claims to have changed."""
RECEIVER = "SELECT receiver_id FROM webhook_subscriptions WHERE id = ?"

Effect = Callable[[Sending, Fault, "Misdelivery"], list[Sending]]


class Misdelivery:
    """What becomes of deliveries under the faults that are set."""

    def __init__(self, faults: Faults, store: Store) -> None:
        self.faults = faults
        self.store = store

    def plan(self, deliveries: Sequence[Delivery]) -> list[Sending]:
        """Turn deliveries into what is really sent; may block."""
        return [sending for delivery in deliveries for sending in self._planned(delivery)]

    def _planned(self, delivery: Delivery) -> list[Sending]:
        sendings = [Sending(delivery)]
        if not self.faults.standing("delivery"):
            return sendings
        for fault in self.faults.strike("delivery", str(told(delivery)["resource"])):
            sendings = [made for each in sendings for made in EFFECTS[fault.kind](each, fault, self)]
        return sendings

    def receiver(self, delivery: Delivery) -> int | None:
        """Tell which receiver a delivery goes to, if it is still there."""
        with self.store.reading() as connection:
            row = connection.execute(RECEIVER, (told(delivery)["subscription_id"],)).fetchone()
        return row and row[0]


def told(delivery: Delivery) -> dict[str, Any]:
    """Read the body back."""
    return msgspec.json.decode(delivery.body)


def _with(sending: Sending, **changes: Any) -> Sending:
    return msgspec.structs.replace(sending, **changes)


def _body(sending: Sending, **changes: Any) -> Sending:
    return _with(sending, delivery=msgspec.structs.replace(sending.delivery, **changes))


def _dropped(sending: Sending, fault: Fault, _: Misdelivery) -> list[Sending]:
    return [_with(sending, lost=f"Never sent: {fault.kind} (a fault).")]


def _duplicated(sending: Sending, fault: Fault, _: Misdelivery) -> list[Sending]:
    return [sending, *[_with(sending, recorded=False)] * fault.setting("number")]


def _delayed(sending: Sending, fault: Fault, _: Misdelivery) -> list[Sending]:
    return [_with(sending, pause=sending.pause + fault.setting("seconds"))]


def _reordered(sending: Sending, fault: Fault, to: Misdelivery) -> list[Sending]:
    return [_with(sending, pause=sending.pause + fault.setting("seconds") * to.faults.chance(fault))]


def _truncated(sending: Sending, _: Fault, __: Misdelivery) -> list[Sending]:
    body = sending.delivery.body
    return [_body(sending, body=body[: len(body) // 2], signed=body)]


def _forged(sending: Sending, _: Fault, __: Misdelivery) -> list[Sending]:
    claim = told(sending.delivery) | {"event_id": FORGED_ID, "id": FORGED_ID}
    false = _body(sending, body=msgspec.json.encode(claim), secret="not the shared secret")  # noqa: S106
    return [sending, _with(false, recorded=False)]


def _unfamiliar(sending: Sending, fault: Fault, _: Misdelivery) -> list[Sending]:
    body = told(sending.delivery)
    change = {fault.setting("value"): {"old": None, "new": "not_known_yet"}}
    body |= {"changes": body["changes"] | change, "schema_version": 2}
    return [_body(sending, body=msgspec.json.encode(body))]


def _receiver_deactivated(sending: Sending, fault: Fault, to: Misdelivery) -> list[Sending]:
    receiver = to.receiver(sending.delivery)
    if receiver is not None:
        with to.store.writing(ADMINISTRATOR) as transaction:
            transaction.update("webhook_receivers", receiver, {"active": 0})
    return _dropped(sending, fault, to)


def _receiver_deleted(sending: Sending, fault: Fault, to: Misdelivery) -> list[Sending]:
    receiver = to.receiver(sending.delivery)
    if receiver is not None:
        with to.store.writing(ADMINISTRATOR) as transaction:
            transaction.delete_where("webhook_receiver_headers", webhook_receiver_id=receiver)
            row = transaction.get("webhook_receivers", receiver)
            assert row is not None
            delete(transaction, transaction.catalog.resources["webhook_receivers"], receiver, row)
    return _dropped(sending, fault, to)


EFFECTS: Mapping[Kind, Effect] = {
    "dropped": _dropped,
    "duplicated": _duplicated,
    "delayed": _delayed,
    "reordered": _reordered,
    "truncated": _truncated,
    "forged": _forged,
    "unfamiliar": _unfamiliar,
    "receiver_deactivated": _receiver_deactivated,
    "receiver_deleted": _receiver_deleted,
}
"""What a fault makes of something about to be sent."""
