"""Faults of deliveries, at the receiver and in webhookEvents."""

from typing import Any

import pytest

from ultraviolet.local_ion.faults.deliveries import FORGED_ID
from ultraviolet.testing import LocalIonProcess

SUPPLIERS = "{ suppliers(first: 9) { edges { node { id _etag } } } }"
UPDATE = (
    "mutation($input: UpdateSupplierInput!) { updateSupplier(input: $input) { supplier { id } } }"
)
EVENTS = "{ webhookEvents { edges { node { status numberOfRetries responseStatusCode responseData } } } }"
RECEIVERS = '{ webhookReceivers(filters: {name: {eq: "test"}}) { edges { node { id active } } } }'


def change(ion: LocalIonProcess, number: int = 1) -> list[int]:
    """Update some suppliers and return their ids."""
    nodes = [edge["node"] for edge in ion.execute(SUPPLIERS)["suppliers"]["edges"][:number]]
    inputs = [{"id": node["id"], "etag": node["_etag"], "description": "changed"} for node in nodes]
    answers = ion.post([{"query": UPDATE, "variables": {"input": each}} for each in inputs])
    assert not any("errors" in answer for answer in answers)
    return [node["id"] for node in nodes]


def events(ion: LocalIonProcess, wait: Any) -> list[dict[str, Any]]:
    """Return the webhook events after all of them are finished."""

    def settled() -> Any:
        found = [edge["node"] for edge in ion.execute(EVENTS)["webhookEvents"]["edges"]]
        return (
            found if found and all(e["status"] in {"SUCCEEDED", "FAILED"} for e in found) else None
        )

    return wait(settled, 20, "webhook events with a final status")


def ids(received: list[Any]) -> list[object]:
    return [each.decoded()["id"] for each in received]


def test_each_change_is_delivered_once_without_faults(
    ion: LocalIonProcess, receiver: Any, wait: Any
) -> None:
    receiver.subscribe(ion)
    changed = change(ion, 3)
    assert sorted(ids(receiver.wait(3))) == sorted(changed)
    assert [e["status"] for e in events(ion, wait)] == ["SUCCEEDED"] * 3


def test_dropped_delivery_never_arrives(ion: LocalIonProcess, receiver: Any, wait: Any) -> None:
    receiver.subscribe(ion)
    ion.faults.set("dropped", count=1)
    lost, kept = change(ion, 2)
    assert ids(receiver.wait(1)) == [kept]
    failed, sent = events(ion, wait)
    assert (failed["status"], failed["responseData"]) == (
        "FAILED",
        "Never sent: dropped (a fault).",
    )
    assert sent["status"] == "SUCCEEDED"
    assert lost not in ids(receiver.received)


def test_duplicated_delivery_is_one_event(ion: LocalIonProcess, receiver: Any, wait: Any) -> None:
    receiver.subscribe(ion)
    ion.faults.set("duplicated", number=2)
    change(ion)
    received = receiver.wait(3)
    assert len({each.body for each in received}) == 1
    assert len(events(ion, wait)) == 1


def test_delayed_delivery_is_overtaken(ion: LocalIonProcess, receiver: Any) -> None:
    receiver.subscribe(ion)
    ion.faults.set("delayed", seconds=0.5, count=1)
    first, second = change(ion, 2)
    assert ids(receiver.wait(2)) == [second, first]


def test_reordered_deliveries_arrive_in_another_order(ion: LocalIonProcess, receiver: Any) -> None:
    receiver.subscribe(ion)
    ion.faults.set("reordered", seconds=1.0, seed=3)
    changed = change(ion, 5)
    received = ids(receiver.wait(5))
    assert sorted(received) == sorted(changed)
    assert received != changed


def test_truncated_delivery_fails_its_signature_and_is_retried(
    ion: LocalIonProcess, receiver: Any, wait: Any
) -> None:
    receiver.subscribe(ion)
    ion.faults.set("truncated", count=1)
    (changed,) = change(ion)
    cut, whole = receiver.wait(2)
    assert (cut.genuine, whole.genuine) == (False, True)
    assert whole.body.startswith(cut.body)
    assert whole.decoded()["id"] == changed
    (event,) = events(ion, wait)
    assert (event["status"], event["numberOfRetries"]) == ("SUCCEEDED", 1)


def test_forged_delivery_is_sent_besides_the_genuine_one(
    ion: LocalIonProcess, receiver: Any, wait: Any
) -> None:
    receiver.subscribe(ion)
    ion.faults.set("forged")
    (changed,) = change(ion)
    received = receiver.wait(2)
    assert {each.decoded()["id"]: each.genuine for each in received} == {
        changed: True,
        FORGED_ID: False,
    }
    assert [e["status"] for e in events(ion, wait)] == ["SUCCEEDED"]


def test_unknown_column_delivery_has_a_valid_signature(ion: LocalIonProcess, receiver: Any) -> None:
    receiver.subscribe(ion)
    ion.faults.set("unknown_column", value="risk_score")
    change(ion)
    (received,) = receiver.wait(1)
    assert received.genuine
    assert received.decoded()["changes"]["risk_score"] == {"old": None, "new": "not_known_yet"}


@pytest.mark.parametrize(
    ("kind", "left"),
    [("receiver_deactivated", [False]), ("receiver_deleted", [])],
    ids=["off", "gone"],
)
def test_receiver_is_deactivated_or_deleted_by_faults(
    ion: LocalIonProcess, receiver: Any, wait: Any, kind: str, left: list[bool]
) -> None:
    receiver.subscribe(ion)
    ion.faults.set(kind, count=1)
    change(ion)

    def receivers() -> list[bool]:
        return [
            edge["node"]["active"] for edge in ion.execute(RECEIVERS)["webhookReceivers"]["edges"]
        ]

    wait(lambda: receivers() == left, 20, "the receiver's end")
    change(ion, 3)
    assert receiver.received == []


def test_fault_affects_only_its_targets(ion: LocalIonProcess, receiver: Any) -> None:
    receiver.subscribe(ion)
    ion.faults.set("dropped", only="purchase_*")
    (changed,) = change(ion)
    assert ids(receiver.wait(1)) == [changed]
    assert ion.faults.triggered("dropped") == 0


def test_unavailable_receiver_gets_all_deliveries_later(
    ion: LocalIonProcess, receiver: Any, wait: Any
) -> None:
    ion.faults.scenario("lossy_webhooks", seed=5)
    receiver.subscribe(ion)
    changed = change(ion, 5)
    settled = events(ion, wait)
    delivered = [e for e in settled if e["status"] == "SUCCEEDED"]
    assert len(settled) == 5
    assert len(set(ids(receiver.received))) == len(delivered)
    assert set(ids(receiver.received)) <= set(changed)
