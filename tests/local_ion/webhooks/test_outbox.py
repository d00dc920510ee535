"""The outbox: from commits to deliveries."""

import json
from typing import Any

import pytest
from tests.local_ion.webhooks.inbox import (
    ATTRIBUTES,
    LINES,
    ORDERS,
    create_in_two_steps,
    insert,
    new_bodies,
    subscribe,
    update,
)

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.deliveries import decode
from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.store.store import Store


def test_body_has_the_assumed_format(store: Store) -> None:
    bodies = new_bodies(store, Quirks(), *ORDERS)
    order = insert(store, "purchase_orders", status="draft", description="Valves")
    assert [b["action"] for b in bodies()] == ["CREATE"]
    update(store, "purchase_orders", order, status="ordered")
    (body,) = bodies()
    assert set(body) == {
        "event_id", "subscription_id", "resource", "action", "id", "transaction_id", "timestamp", "actor_id", "changes",
    }  # fmt: skip
    assert (body["resource"], body["action"], body["id"]) == ("purchase_orders", "UPDATE", order)
    assert body["changes"]["status"] == {"old": "draft", "new": "ordered"}


def test_delete_carries_the_whole_row(store: Store) -> None:
    bodies = new_bodies(store, Quirks(), *ORDERS)
    order = insert(store, "purchase_orders", status="draft", description="Valves")
    with store.write(None) as transaction:
        transaction.delete("purchase_orders", order)
    created, deleted = bodies()
    assert created["id"] == deleted["id"] == order
    assert deleted["changes"]["description"] == {"old": "Valves"}


def test_new_order_lines_have_no_event_with_the_quirk(store: Store) -> None:
    order = insert(store, "purchase_orders", status="draft")
    quiet = new_bodies(store, Quirks(), *LINES)
    line = insert(
        store, "purchase_order_lines", purchase_order_id=order, status="draft", quantity=1.0
    )
    assert quiet() == []
    update(store, "purchase_order_lines", line, quantity=2.0)
    assert [b["action"] for b in quiet()] == ["UPDATE"]


def test_new_order_lines_have_an_event_without_the_quirk(store: Store) -> None:
    order = insert(store, "purchase_orders", status="draft")
    loud = new_bodies(store, Quirks.without(["no_event_for_new_po_lines"]), *LINES)
    insert(store, "purchase_order_lines", purchase_order_id=order, status="draft", quantity=1.0)
    assert [b["action"] for b in loud()] == ["CREATE"]


@pytest.mark.parametrize(
    ("off", "change"),
    [([], {"new": "hose"}), (["empty_to_populated_without_old"], {"old": None, "new": "hose"})],
)
def test_change_from_empty_omits_the_old_value(
    store: Store, off: list[str], change: dict[str, Any]
) -> None:
    bodies = new_bodies(store, Quirks.without(off), *ORDERS)
    order = insert(store, "purchase_orders", status="draft")
    update(store, "purchase_orders", order, description="hose")
    assert bodies()[-1]["changes"]["description"] == change


def test_links_are_keys_with_the_quirk(store: Store) -> None:
    dock = insert(store, "locations", name="Dock 4", type="warehouse", available=1, archived=0)
    order = insert(store, "purchase_orders", status="draft")
    keys = new_bodies(store, Quirks(), *ORDERS)
    update(store, "purchase_orders", order, ship_to_location_id=dock)
    changes = keys()[0]["changes"]
    assert changes["ship_to_location_id"]["new"] == dock
    assert "ship_to_location" not in changes


def test_links_are_objects_without_the_quirk(store: Store) -> None:
    dock = insert(store, "locations", name="Dock 4", type="warehouse", available=1, archived=0)
    order = insert(store, "purchase_orders", status="draft")
    objects = new_bodies(store, Quirks.without(["links_as_foreign_keys"]), *ORDERS)
    update(store, "purchase_orders", order, ship_to_location_id=dock)
    assert objects()[0]["changes"]["ship_to_location"]["new"]["name"] == "Dock 4"


def test_later_values_of_a_creation_have_no_event_with_the_quirk(store: Store) -> None:
    bodies = new_bodies(store, Quirks(), *ORDERS, ATTRIBUTES)
    create_in_two_steps(store)
    (created,) = bodies()
    assert "description" not in created["changes"]


def test_later_values_of_a_creation_have_an_event_without_the_quirk(store: Store) -> None:
    bodies = new_bodies(store, Quirks.without(["creates_are_partial"]), *ORDERS, ATTRIBUTES)
    create_in_two_steps(store)
    assert [(b["resource"], b["action"]) for b in bodies()] == [
        ("purchase_orders", "CREATE"),
        ("purchase_orders_attributes", "CREATE"),
        ("purchase_orders", "UPDATE"),
    ]


def test_only_active_subscriptions_of_active_receivers_get_deliveries(store: Store) -> None:
    subscribe(store, "http://localhost/hook", *ORDERS, active=0)
    bodies = new_bodies(store, Quirks(), ("suppliers", "create"))
    insert(store, "purchase_orders", status="draft")
    assert bodies() == []


def test_one_delivery_for_each_matching_subscription(store: Store) -> None:
    subscribe(store, "http://localhost/other", *ORDERS)
    bodies = new_bodies(store, Quirks(), *ORDERS)
    insert(store, "purchase_orders", status="draft")
    assert len({b["subscription_id"] for b in bodies()}) == 2


def _attribute_bodies(store: Store, *disabled: str) -> list[dict[str, Any]]:
    """Return the deliveries of a changed attribute of a part."""
    pairs = ("part_attributes", "update"), ("part_attributes", "create")
    new = new_bodies(store, Quirks.without(disabled), *pairs)
    with store.write(1) as tx:
        part = tx.insert("parts", {"part_number": f"P{len(disabled)}", "revision": "A"})
    with store.write(1) as tx:
        row = {"id": f"{part}-Mass", "key": "Mass", "part_id": part, "type": "number", "value": "1"}
        tx.insert("part_attributes", row)
    with store.write(1) as tx:
        tx.update("part_attributes", f"{part}-Mass", {"value": "2.5"})
    return new()


def test_attribute_rows_have_a_key_and_typed_columns(store: Store) -> None:
    created, changed = _attribute_bodies(store)
    assert "id" not in changed
    assert "id" not in created["changes"]
    assert (changed["key"], changed["part_id"]) == ("Mass", created["changes"]["part_id"]["new"])
    assert created["changes"]["_number_value"] == {"new": 1}
    assert changed["changes"]["_number_value"] == {"old": 1, "new": 2.5}
    envelope = decode(load_catalog(), json.dumps(changed).encode())
    assert (envelope.object_id, envelope.fields["value"]) == (f"{changed['part_id']}-Mass", 2.5)
    assert envelope.keys["partId"] == changed["part_id"]


def test_attribute_rows_have_an_id_and_one_value_without_the_quirks(store: Store) -> None:
    _, changed = _attribute_bodies(store, "rows_without_id", "typed_value_columns")
    assert changed["id"].endswith("-Mass")
    assert changed["changes"]["value"] == {"old": 1, "new": 2.5}


def test_event_ids_are_those_of_the_audit_log_without_the_quirk(store: Store) -> None:
    subscribe(store, "http://localhost/other", ("suppliers", "create"))
    new = new_bodies(store, Quirks.without(["own_event_ids"]), ("suppliers", "create"))
    insert(store, "suppliers", name="Acme")
    first, second = new()
    assert first["event_id"] == second["event_id"]
    assert first["subscription_id"] != second["subscription_id"]


@pytest.mark.parametrize(
    ("disabled", "action"), [([], "UPDATE"), (["soft_deletes"], "DELETE")], ids=["on", "off"]
)
def test_deleted_mbom_items_are_marked_with_the_quirk(
    store: Store, disabled: list[str], action: str
) -> None:
    part = insert(store, "parts", part_number="P", revision="A")
    mbom = insert(store, "mboms", part_id=part, version=1, status="draft")
    item = insert(store, "mbom_item", mbom_id=mbom, part_id=part, quantity=1)
    pairs = ("mbom_item", "update"), ("mbom_item", "delete")
    new = new_bodies(store, Quirks.without(disabled), *pairs)
    with store.write(1) as tx:
        tx.delete("mbom_item", item)
    (body,) = new()
    assert (body["action"], body["id"]) == (action, item)
    marked = {"_deleted": {"old": False, "new": True}}
    assert (body["changes"] == marked) == (action == "UPDATE")
