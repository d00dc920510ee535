"""Faults of deliveries: lost, duplicate, late, reordered, truncated, forged; or no receiver."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ultraviolet.local_ion.faults.kinds import Fault, FaultKindName
from ultraviolet.local_ion.faults.registry import FaultRegistry
from ultraviolet.local_ion.mutations.crud import delete
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID, Store
from ultraviolet.local_ion.webhooks.delivery import Delivery, Transmission

FORGED_ID = 999_999_999
"""The object id in a forged delivery."""
SELECT_RECEIVER = "SELECT receiver_id FROM webhook_subscriptions WHERE id = ?"

Effect = Callable[[Transmission, Fault, "DeliveryFaults"], list[Transmission]]
EFFECTS: dict[FaultKindName, Effect] = {}
"""The effect of each kind of fault on a transmission."""


def _effect(kind: FaultKindName) -> Callable[[Effect], Effect]:
    def register(effect: Effect) -> Effect:
        EFFECTS[kind] = effect
        return effect

    return register


class DeliveryFaults:
    """Applies the active faults to deliveries."""

    def __init__(self, faults: FaultRegistry, store: Store) -> None:
        self.faults = faults
        self.store = store

    def plan(self, deliveries: Sequence[Delivery]) -> list[Transmission]:
        """Return the transmissions of deliveries; may block."""
        planned: list[Transmission] = []
        for delivery in deliveries:
            sent = [Transmission(delivery)]
            if self.faults.active("delivery"):
                resource = str(_decode_body(delivery)["resource"])
                for fault in self.faults.trigger("delivery", resource):
                    sent = [new for old in sent for new in EFFECTS[fault.kind](old, fault, self)]
            planned += sent
        return planned

    def find_receiver(self, delivery: Delivery) -> int | None:
        """Return the id of a delivery's receiver; None if it was deleted."""
        subscription_id = _decode_body(delivery)["subscription_id"]
        with self.store.read() as connection:
            row = connection.execute(SELECT_RECEIVER, (subscription_id,)).fetchone()
        return row and row[0]


def _decode_body(delivery: Delivery) -> dict[str, Any]:
    return msgspec.json.decode(delivery.body)


def _replace_delivery(sent: Transmission, **changes: Any) -> Transmission:
    delivery = msgspec.structs.replace(sent.delivery, **changes)
    return msgspec.structs.replace(sent, delivery=delivery)


@_effect("dropped")
def _drop(sent: Transmission, fault: Fault, _: DeliveryFaults) -> list[Transmission]:
    return [msgspec.structs.replace(sent, lost_reason=f"Never sent: {fault.kind} (a fault).")]


@_effect("duplicated")
def _duplicate(sent: Transmission, fault: Fault, _: DeliveryFaults) -> list[Transmission]:
    copy = msgspec.structs.replace(sent, recorded=False)
    return [sent, *[copy] * fault.setting("number")]


@_effect("delayed")
def _delay(sent: Transmission, fault: Fault, _: DeliveryFaults) -> list[Transmission]:
    pause = sent.pause_seconds + fault.setting("seconds")
    return [msgspec.structs.replace(sent, pause_seconds=pause)]


@_effect("reordered")
def _reorder(sent: Transmission, fault: Fault, context: DeliveryFaults) -> list[Transmission]:
    share = context.faults.random_fraction(fault)
    pause = sent.pause_seconds + fault.setting("seconds") * share
    return [msgspec.structs.replace(sent, pause_seconds=pause)]


@_effect("truncated")
def _truncate(sent: Transmission, fault: Fault, context: DeliveryFaults) -> list[Transmission]:
    del fault, context
    body = sent.delivery.body
    return [_replace_delivery(sent, body=body[: len(body) // 2], signed_body=body)]


@_effect("forged")
def _forge(sent: Transmission, fault: Fault, context: DeliveryFaults) -> list[Transmission]:
    del fault, context
    claim = _decode_body(sent.delivery) | {"event_id": FORGED_ID, "id": FORGED_ID}
    forged = _replace_delivery(
        sent,
        body=msgspec.json.encode(claim),
        secret="not the shared secret",  # noqa: S106
    )
    return [sent, msgspec.structs.replace(forged, recorded=False)]


@_effect("unknown_column")
def _add_unknown_column(sent: Transmission, fault: Fault, _: DeliveryFaults) -> list[Transmission]:
    body = _decode_body(sent.delivery)
    change = {fault.setting("value"): {"old": None, "new": "not_known_yet"}}
    body |= {"changes": body["changes"] | change, "schema_version": 2}
    return [_replace_delivery(sent, body=msgspec.json.encode(body))]


@_effect("receiver_deactivated")
def _deactivate_receiver(
    sent: Transmission, fault: Fault, context: DeliveryFaults
) -> list[Transmission]:
    receiver = context.find_receiver(sent.delivery)
    if receiver is not None:
        with context.store.write(ADMINISTRATOR_ID) as tx:
            tx.update("webhook_receivers", receiver, {"active": 0})
    return _drop(sent, fault, context)


@_effect("receiver_deleted")
def _delete_receiver(
    sent: Transmission, fault: Fault, context: DeliveryFaults
) -> list[Transmission]:
    receiver = context.find_receiver(sent.delivery)
    if receiver is not None:
        with context.store.write(ADMINISTRATOR_ID) as tx:
            tx.delete_where("webhook_receiver_headers", webhook_receiver_id=receiver)
            row = tx.get("webhook_receivers", receiver)
            assert row is not None
            delete(tx, tx.catalog.resources["webhook_receivers"], receiver, row)
    return _drop(sent, fault, context)
