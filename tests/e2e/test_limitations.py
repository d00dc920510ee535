"""The hub handles each of the four documented limitations, with all quirks of the local ION."""

import time
from typing import Any

import pytest

CREATE_LINE = """mutation ($input: CreatePurchaseOrderLineInput!) {
  createPurchaseOrderLine(input: $input) { purchaseOrderLine { id _etag } }
}"""
CREATE_ORDER = """mutation ($input: CreatePurchaseOrderInput!) {
  createPurchaseOrder(input: $input) { purchaseOrder { id _etag } }
}"""
UPDATE_ORDER = """mutation ($input: UpdatePurchaseOrderInput!) {
  updatePurchaseOrder(input: $input) { purchaseOrder { id _etag } }
}"""
CREATE_INVENTORY = """mutation ($input: CreatePartInventoryInput!) {
  createPartInventory(input: $input) { partInventory { id } }
}"""
NAMES = "{ parts(first: 1) { edges { node { id } } } locations(first: 3) { edges { node { id name } } } }"


@pytest.fixture(scope="module")
def integration(hub: Any, local_ion: Any) -> dict[str, Any]:
    """An integration without scheduled fetches, so that only webhooks and healing update it."""
    made = hub.connect(local_ion)
    never = "0 0 1 1 *"
    hub.api(
        "PATCH",
        f"/integrations/{made['id']}",
        {"incremental_schedule": never, "full_schedule": never},
    )
    assert hub.fetch(made)["state"] == "done"
    return made


@pytest.fixture
def order(local_ion: Any) -> dict[str, Any]:
    """A new, empty purchase order in ION."""
    made = local_ion.execute(CREATE_ORDER, input={"description": f"Order {time.time()}"})
    return made["createPurchaseOrder"]["purchaseOrder"]


def test_1_new_line_appears_without_fetch(
    hub: Any, local_ion: Any, integration: dict[str, Any], order: dict[str, Any], wait: Any
) -> None:
    fetches = hub.api("GET", f"/integrations/{integration['id']}/fetches")["items"]
    part = local_ion.execute(NAMES)["parts"]["edges"][0]["node"]["id"]
    line = {"purchaseOrderId": order["id"], "partId": part, "quantity": 4.0, "cost": 2.5}
    made = local_ion.execute(CREATE_LINE, input=line)["createPurchaseOrderLine"][
        "purchaseOrderLine"
    ]

    found = wait(lambda: hub.find(f"/objects/purchase_order_lines/{made['id']}"), 3, "the new line")

    assert found["fields"]["quantity"] == 4.0
    assert found["fields"]["purchaseOrderId"] == order["id"]
    assert fetches == hub.api("GET", f"/integrations/{integration['id']}/fetches")["items"]
    events = hub.api(
        "GET", f"/events?resource=purchase_order_lines&object={made['id']}&action=CREATE"
    )
    assert events["items"] == []


def test_2_populated_property_is_correct_immediately(
    hub: Any, local_ion: Any, integration: dict[str, Any], order: dict[str, Any], wait: Any
) -> None:
    path = f"/objects/purchase_orders/{order['id']}"
    wait(lambda: (o := hub.find(path)) and o["state"] == "fresh" and o, 3, "the new order")
    assert hub.api("GET", path)["fields"]["orderedAt"] is None

    local_ion.execute(
        "mutation ($i: UpdatePurchaseOrderInput!) { updatePurchaseOrder(input: $i) { purchaseOrder { id } } }",
        i={"id": order["id"], "etag": order["_etag"], "orderedAt": "2026-05-01T12:00:00"},
    )

    wait(lambda: hub.api("GET", path)["fields"]["orderedAt"], 1, "the populated property")
    assert hub.api("GET", path)["fields"]["orderedAt"].startswith("2026-05-01T12:00:00")


def test_3_address_shows_its_linked_location(
    hub: Any, local_ion: Any, integration: dict[str, Any], order: dict[str, Any], wait: Any
) -> None:
    location = local_ion.execute(NAMES)["locations"]["edges"][1]["node"]
    update = {"id": order["id"], "etag": order["_etag"], "shipToLocationId": location["id"]}
    local_ion.execute(UPDATE_ORDER, input=update)

    def linked() -> Any:
        found = hub.find(f"/objects/purchase_orders/{order['id']}")
        return found and found["links"].get("shipToLocation")

    link = wait(linked, 1, "the link")
    assert link["resource"] == "locations"
    assert link["id"] == str(location["id"])
    assert link["title"] == location["name"]
    assert link["found"]


def test_4_new_object_is_complete_within_three_seconds(
    hub: Any, local_ion: Any, integration: dict[str, Any], wait: Any
) -> None:
    part = local_ion.execute(NAMES)["parts"]["edges"][0]["node"]["id"]
    made = local_ion.execute(
        CREATE_INVENTORY, input={"partId": part, "quantity": 3.0, "autogenerateLotNumber": True}
    )["createPartInventory"]["partInventory"]

    def complete() -> Any:
        found = hub.find(f"/objects/parts_inventory/{made['id']}")
        return found if found and found["state"] == "fresh" else None

    found = wait(complete, 3, "the complete object")

    truth = local_ion.execute(
        "query ($i: ID!) { partInventory(id: $i) { _etag entityId lotNumber status quantityAvailable"
        " unitOfMeasureId identity createdById attributes { key value } } }",
        i=made["id"],
    )["partInventory"]
    attributes = {row["key"]: row["value"] for row in truth.pop("attributes")}
    assert truth["lotNumber"]
    assert truth["status"] == "AVAILABLE"
    for name, value in truth.items():
        assert found["fields"][name] == value, name
    assert {key: row["value"] for key, row in found["fields"]["attributes"].items()} == attributes
