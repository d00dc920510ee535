"""Purchasing: orders, lines, fees, approvals and receipts."""

from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()


def order(ion: Ion, *quantities: float, **values: Any) -> tuple[int, list[int]]:
    """Create an order with lines of one part; return its id and theirs."""
    part = ion.create("Part", partNumber=f"bolt {len(ion.list_all('parts'))}")["id"]
    made = ion.create("PurchaseOrder", **values)["id"]
    given = {"purchaseOrderId": made, "partId": part, "cost": 2}
    return made, [ion.create("PurchaseOrderLine", **given, quantity=q)["id"] for q in quantities]


def status(ion: Ion, order_id: int) -> str:
    return ion.get("purchaseOrder", order_id, "status")["status"]


def receive(ion: Ion, receipt: int, line: int, quantity: float, **values: Any) -> Any:
    """Receive a quantity of a line; return its inventory."""
    item = {"receiptId": receipt, "etag": ion.etag("receipt", receipt), "purchaseOrderLineId": line}
    shown = "receipt { receiptItems { id partInventoryId } }"
    made = ion.mutate("addItemsToReceipt", shown, input=[{**item, "quantity": quantity, **values}])
    return made["receipt"]["receiptItems"][-1]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["DRAFT", "ORDERED"], "DRAFT"),
        (["REQUESTED", "APPROVED"], "REQUESTED"),
        (["APPROVED", "ORDERED"], "APPROVED"),
        (["ORDERED", "RECEIVED"], "ORDERED"),
        (["RECEIVED", "CANCELED"], "RECEIVED"),
        (["CANCELED", "CANCELED"], "CANCELED"),
    ],
)
def test_order_status_follows_from_its_lines(ion: Ion, lines: list[str], expected: str) -> None:
    made, ids = order(ion, 1, 1)
    for line, wanted in zip(ids, lines, strict=True):
        ion.update("purchaseOrderLine", line, status=wanted)
    assert expected == status(ion, made)


def test_order_status_is_applied_to_open_lines(ion: Ion) -> None:
    made, (open_, closed) = order(ion, 1, 1)
    ion.update("purchaseOrderLine", closed, status="CANCELED")
    ion.update("purchaseOrder", made, status="ORDERED")
    seen = ion.get(
        "purchaseOrder", made, "status isOpen orderedAt purchaseOrderLines { id status }"
    )
    assert ("ORDERED", True) == (seen["status"], seen["isOpen"])
    assert seen["orderedAt"] is not None
    assert {open_: "ORDERED", closed: "CANCELED"} == {
        x["id"]: x["status"] for x in seen["purchaseOrderLines"]
    }


def test_added_or_deleted_line_updates_the_order(ion: Ion) -> None:
    made, (first, second) = order(ion, 1, 1)
    ion.update("purchaseOrderLine", second, status="ORDERED")
    ion.mutate("deletePurchaseOrderLine", id=first, etag=ion.etag("purchaseOrderLine", first))
    assert "ORDERED" == status(ion, made)
    ion.create("PurchaseOrderLine", purchaseOrderId=made, quantity=1)
    assert "DRAFT" == status(ion, made)


def test_lines_change_only_while_they_are_drafts(ion: Ion) -> None:
    ion.update_settings("updateOrganizationPurchaseOrderLineAttributes", key="color", type="STRING")
    made, (line,) = order(ion, 3)
    ion.update("purchaseOrderLine", line, quantity=4, cost=5, description="drafted")
    ion.update("purchaseOrder", made, status="ORDERED")
    assert ("false", "false") == (
        ion.get("purchaseOrder", made, "editable")["editable"],
        ion.get("purchaseOrderLine", line, "editable")["editable"],
    )
    refusal = "cost, quantity of a line can change only while it is a draft."
    assert refusal == ion.update_error("purchaseOrderLine", line, cost=1, quantity=1)
    assert "only while it is a draft" in ion.mutation_error(
        "deletePurchaseOrderLine", id=line, etag=ion.etag("purchaseOrderLine", line)
    )
    etag = ion.get("purchaseOrderLine", line, "attributes { Etag }")["attributes"][0]["Etag"]
    ion.update(
        "purchaseOrderLine",
        line,
        paid=True,
        estimatedArrivalDate="2026-12-24T00:00:00+00:00",
        attributes=[{"key": "color", "value": "red", "etag": etag}],
    )
    seen = ion.get("purchaseOrderLine", line, "quantity cost paid attributes { value }")
    assert {"quantity": 4, "cost": 5, "paid": True, "attributes": [{"value": "red"}]} == seen


@pytest.mark.parametrize("quantity", [0, -1])
def test_line_without_quantity_is_rejected(ion: Ion, quantity: float) -> None:
    made, _ = order(ion)
    assert "must be more than 0" in ion.mutation_error(
        "createPurchaseOrderLine", purchaseOrderId=made, quantity=quantity
    )


def test_lines_have_positions_and_can_be_reordered(ion: Ion) -> None:
    made, (a, b, c) = order(ion, 1, 1, 1)
    ion.mutate("reorderPurchaseOrderLine", id=c, position=1, etag=ion.etag("purchaseOrderLine", c))
    seen = ion.get("purchaseOrder", made, "purchaseOrderLines { id position }")[
        "purchaseOrderLines"
    ]
    assert {c: 1, a: 2, b: 3} == {line["id"]: line["position"] for line in seen}
    assert "etag does not match" in ion.mutation_error(
        "reorderPurchaseOrderLine", id=c, position=2, etag="old"
    )


def test_order_cost_includes_lines_and_fees(ion: Ion) -> None:
    made, _ = order(ion, 10, 40)
    ion.create("PurchaseOrderFee", purchaseOrderId=made, name="freight", value=7)
    ion.create("PurchaseOrderFee", purchaseOrderId=made, name="tax", value=10, type="PERCENTAGE")
    seen = ion.get(
        "purchaseOrder",
        made,
        "estimatedCost estimatedTotalCost purchaseOrderLines { estimatedCost }",
    )
    assert (100, 117) == (seen["estimatedCost"], seen["estimatedTotalCost"])
    assert [20, 80] == [line["estimatedCost"] for line in seen["purchaseOrderLines"]]


def test_order_dates_follow_from_its_lines(ion: Ion) -> None:
    made, (first, second) = order(ion, 1, 1)
    early, late = "2026-12-01T00:00:00.000000+00:00", "2026-12-31T00:00:00.000000+00:00"
    ion.update("purchaseOrderLine", first, needDate=late, estimatedArrivalDate=early)
    ion.update("purchaseOrderLine", second, needDate=early, estimatedArrivalDate=late)
    seen = ion.get("purchaseOrder", made, "needDate estimatedArrivalDate")
    assert {"needDate": early, "estimatedArrivalDate": late} == seen


def test_approval_resolves_the_request_to_its_reviewer(ion: Ion) -> None:
    rita, tom = ion.create_user("Rita"), ion.create_user("Tom")
    made, _ = order(ion, 1)
    for reviewer in (rita, tom):
        ion.mutate(
            "createPurchaseOrderApprovalRequest", purchaseOrderId=made, reviewerId=reviewer.user_id
        )
    ion.mutate("createPurchaseOrderApproval", None, rita, purchaseOrderId=made, status="APPROVED")
    ion.mutate(
        "createPurchaseOrderApproval",
        None,
        tom,
        purchaseOrderId=made,
        status="REJECTED",
        comment="dear",
    )
    seen = ion.get(
        "purchaseOrder", made, "approved approvals { reviewerId } approvalRequests { status }"
    )
    assert [{"status": "APPROVED"}, {"status": "REJECTED"}] == seen["approvalRequests"]
    assert [rita.user_id, tom.user_id] == [a["reviewerId"] for a in seen["approvals"]]
    assert seen["approved"]


def test_order_requires_the_configured_number_of_approvers(ion: Ion) -> None:
    made, _ = order(ion, 1)
    ion.update_settings(
        "updateOrganization", settings={"purchaseOrders": {"numApproversRequired": 2}}
    )
    first = ion.mutate("createPurchaseOrderApproval", purchaseOrderId=made, status="APPROVED")[
        "approval"
    ]
    ion.mutate("createPurchaseOrderApproval", purchaseOrderId=made, status="APPROVED")
    assert {"approved": False} == ion.get("purchaseOrder", made, "approved")  # one person, twice
    ion.mutate(
        "createPurchaseOrderApproval",
        None,
        ion.create_user("Uta"),
        purchaseOrderId=made,
        status="APPROVED",
    )
    assert {"approved": True} == ion.get("purchaseOrder", made, "approved")
    ion.update_settings(
        "updateOrganization", settings={"purchaseOrders": {"numApproversRequired": 1}}
    )
    reply = ion.mutate(
        "createPurchaseOrderApproval",
        "approval { depth }",
        purchaseOrderId=made,
        parentId=first["id"],
    )
    assert {"approval": {"depth": 1}} == reply


def test_received_items_become_inventory_and_complete_line_and_order(ion: Ion) -> None:
    supplier, place = (
        ion.create("Supplier", name="Bolts & Co")["id"],
        ion.create("Location", name="Dock")["id"],
    )
    made, (line, other) = order(ion, 10, 1, supplierId=supplier)
    ion.update("purchaseOrder", made, status="ORDERED")
    receipt = ion.create("Receipt")["id"]
    item = receive(ion, receipt, line, 4, lotNumber="L1", locationId=place)
    shown = "quantity lotNumber locationId supplierId cost received purchaseOrderLines { id } receipts { id }"
    assert {
        "quantity": 4,
        "lotNumber": "L1",
        "locationId": place,
        "supplierId": supplier,
        "cost": 2,
        "received": True,
        "purchaseOrderLines": [{"id": line}],
        "receipts": [{"id": receipt}],
    } == ion.get("partInventory", item["partInventoryId"], shown)
    shown = "status receivedQuantity inventoryQuantity"
    assert {"status": "ORDERED", "receivedQuantity": 4, "inventoryQuantity": 10} == ion.get(
        "purchaseOrderLine", line, shown
    )
    receive(ion, receipt, line, 6)
    assert {"status": "RECEIVED", "receivedQuantity": 10, "inventoryQuantity": 10} == ion.get(
        "purchaseOrderLine", line, shown
    )
    assert "ORDERED" == status(ion, made)
    receive(ion, receipt, other, 1)
    assert "RECEIVED" == status(ion, made)
    assert {"isOpen": False} == ion.get("purchaseOrder", made, "isOpen")


def test_removed_receipt_item_reopens_line_and_order(ion: Ion) -> None:
    made, (line,) = order(ion, 5)
    ion.update("purchaseOrder", made, status="ORDERED")
    receipt = ion.create("Receipt")["id"]
    item = receive(ion, receipt, line, 5)
    ion.mutate(
        "removeItemFromReceipt", receiptId=receipt, id=item["id"], etag=ion.etag("receipt", receipt)
    )
    assert ("ORDERED", []) == (
        status(ion, made),
        ion.get("receipt", receipt, "receiptItems { id }")["receiptItems"],
    )
    assert {"receivedQuantity": 0} == ion.get("purchaseOrderLine", line, "receivedQuantity")
    assert "ReceiptItem" in ion.mutation_error(
        "removeItemFromReceipt", receiptId=receipt, id=item["id"], etag=ion.etag("receipt", receipt)
    )


def test_corrected_receipt_item_completes_its_line(ion: Ion) -> None:
    made, (line,) = order(ion, 5)
    ion.update("purchaseOrder", made, status="ORDERED")
    item = receive(ion, ion.create("Receipt")["id"], line, 4)
    ion.update("receiptItem", item["id"], quantity=5)
    assert "RECEIVED" == status(ion, made)
    assert "more than 0" in ion.update_error("receiptItem", item["id"], quantity=0)


@pytest.mark.parametrize("mutation", ["addInventoriesToReceipt", "addInventoryToReceipt"])
def test_existing_inventory_can_be_received(ion: Ion, mutation: str) -> None:
    made, (line,) = order(ion, 2)
    ion.update("purchaseOrder", made, status="ORDERED")
    part = ion.get("purchaseOrderLine", line, "partId")["partId"]
    stock, place = (
        ion.create("PartInventory", partId=part, quantity=2),
        ion.create("Location", name="Shelf"),
    )
    receipt = ion.create("Receipt")
    item = {
        "etag": receipt["_etag"],
        "receiptId": receipt["id"],
        "partInventoryId": stock["id"],
        "purchaseOrderLineId": line,
        "quantity": 2,
        "locationId": place["id"],
        "autogenerateLotNumber": True,
    }
    ion.mutate(mutation, input=[item] if mutation == "addInventoriesToReceipt" else item)
    seen = ion.get("partInventory", stock["id"], "received locationId lotNumber")
    assert (True, place["id"]) == (seen["received"], seen["locationId"])
    assert seen["lotNumber"].startswith("LOT-")
    assert "RECEIVED" == status(ion, made)

    given = {"receiptId": receipt["id"], "partInventoryId": stock["id"]}
    ion.mutate("removeInventoryFromReceipt", **given, etag=ion.etag("receipt", receipt["id"]))
    assert "ORDERED" == status(ion, made)
    assert {"received": False} == ion.get("partInventory", stock["id"], "received")


def test_invalid_receipt_is_rejected_completely(ion: Ion) -> None:
    made, (good, canceled) = order(ion, 1, 1)
    ion.update("purchaseOrder", made, status="ORDERED")
    ion.update("purchaseOrderLine", canceled, status="CANCELED")
    receipt = ion.create("Receipt")
    item = {"receiptId": receipt["id"], "etag": receipt["_etag"], "quantity": 1}
    both = [{**item, "purchaseOrderLineId": good}, {**item, "purchaseOrderLineId": canceled}]
    assert "Only an ordered line can be received, and this line is canceled." == ion.mutation_error(
        "addItemsToReceipt", input=both
    )
    assert {"receivedQuantity": 0} == ion.get("purchaseOrderLine", good, "receivedQuantity")
    nothing = [{**item, "purchaseOrderLineId": good, "quantity": 0}]
    assert "A received quantity must be more than 0." == ion.mutation_error(
        "addItemsToReceipt", input=nothing
    )
    assert "There is nothing to receive." == ion.mutation_error("addItemsToReceipt", input=[])
    stale = [{**item, "purchaseOrderLineId": good, "etag": "old"}]
    assert "etag does not match" in ion.mutation_error("addItemsToReceipt", input=stale)


def test_inventory_of_a_line_is_on_order(ion: Ion) -> None:
    _, (line,) = order(ion, 3)
    shown = "partInventories { id status quantity cost }"
    (ordered,) = ion.get("purchaseOrderLine", line, shown)["partInventories"]
    assert ("ON_ORDER", 3, 2) == (ordered["status"], ordered["quantity"], ordered["cost"])
    part = ion.get("purchaseOrderLine", line, "partId")["partId"]
    stock = ion.create("PartInventory", partId=part, quantity=3)["id"]
    tie = {"purchaseOrderLineId": line, "partInventoryId": stock}
    ion.mutate("addInventoryToPurchaseOrderLine", **tie, etag=ion.etag("purchaseOrderLine", line))
    assert {"status": "ON_ORDER"} == ion.get("partInventory", stock, "status")
    assert {"inventoryQuantity": 6, "receivedQuantity": 0} == ion.get(
        "purchaseOrderLine", line, "inventoryQuantity receivedQuantity"
    )
    ion.mutate(
        "removeInventoryFromPurchaseOrderLine", **tie, etag=ion.etag("purchaseOrderLine", line)
    )
    assert {"status": "AVAILABLE"} == ion.get("partInventory", stock, "status")
    assert [ordered] == ion.get("purchaseOrderLine", line, shown)["partInventories"]
    ion.update("purchaseOrderLine", line, quantity=5)
    assert {"quantity": 5} == ion.get("partInventory", ordered["id"], "quantity")
    ion.update("purchaseOrderLine", line, status="CANCELED")
    assert {"status": "UNAVAILABLE"} == ion.get("partInventory", ordered["id"], "status")


def test_order_is_deleted_with_fees_and_approvals_but_not_with_lines(ion: Ion) -> None:
    made, (line,) = order(ion, 1)
    fee = ion.create("PurchaseOrderFee", purchaseOrderId=made, name="freight", value=7)["id"]
    approval = ion.mutate("createPurchaseOrderApproval", purchaseOrderId=made)["approval"]["id"]
    assert "still used" in ion.mutation_error(
        "deletePurchaseOrder", id=made, etag=ion.etag("purchaseOrder", made)
    )
    ion.mutate("deletePurchaseOrderLine", id=line, etag=ion.etag("purchaseOrderLine", line))
    ion.mutate("deletePurchaseOrder", id=made, etag=ion.etag("purchaseOrder", made))
    assert [] == ion.list_all("purchaseOrderFees", id={"eq": fee})
    assert [] == ion.list_all("purchaseOrderApprovals", id={"eq": approval})


def test_requirements_and_labels_are_associated_by_entity(ion: Ion) -> None:
    made, _ = order(ion, 1)
    entity = ion.get("purchaseOrder", made, "entityId")["entityId"]
    label = ion.create("Label", value="urgent")["id"]
    given = {"title": "Cert", "content": [], "requirementType": "QUALITY_CLAUSE"}
    requirement = ion.create("Requirement", **given)["id"]
    before = ion.etag("purchaseOrder", made)
    assert {"labelId": label, "entityId": entity} == ion.mutate(
        "addLabelToItem", entityId=entity, labelId=label
    )
    ion.mutate("addRequirementToItem", entityId=entity, requirementId=requirement)
    seen = ion.get("purchaseOrder", made, "_etag labels { value } requirements { title }")
    assert ([{"value": "urgent"}], [{"title": "Cert"}]) == (seen["labels"], seen["requirements"])
    assert before == seen["_etag"]
    ion.mutate("removeLabelFromItem", entityId=entity, labelId=label)
    ion.mutate("removeRequirementFromItem", entityId=entity, requirementId=requirement)
    seen = ion.get("purchaseOrder", made, "labels { value } requirements { title }")
    assert {"labels": [], "requirements": []} == seen


def test_order_reset_to_draft_resets_its_lines(ion: Ion) -> None:
    made, (line, received) = order(ion, 1, 2)
    ion.update("purchaseOrder", made, status="ORDERED")
    receive(ion, ion.create("Receipt")["id"], received, 1)
    before = ion.etag("purchaseOrderLine", line)
    ion.update("purchaseOrder", made, status="DRAFT")
    assert "etag does not match" in ion.mutation_error(
        "deletePurchaseOrderLine", id=line, etag=before
    )
    ion.mutate("deletePurchaseOrderLine", id=line, etag=ion.etag("purchaseOrderLine", line))
    etag = ion.etag("purchaseOrderLine", received)
    assert "still used" in ion.mutation_error("deletePurchaseOrderLine", id=received, etag=etag)
    assert {"purchaseOrderLines": [{"id": received}]} == ion.get(
        "purchaseOrder", made, "purchaseOrderLines { id }"
    )


def test_update_of_inventory_returns_no_split_inventory(ion: Ion) -> None:
    part = ion.create("Part", partNumber="unsplit")["id"]
    made = ion.create("PartInventory", partId=part, quantity=5)["id"]
    shown = "partInventory { quantity } splitInventory { id }"
    assert {"partInventory": {"quantity": 4}, "splitInventory": None} == ion.update(
        "partInventory", made, shown, quantity=4
    )


def test_status_of_an_order_leaves_its_etag_and_needs_no_lines(ion: Ion) -> None:
    for made in (order(ion, 1)[0], ion.create("PurchaseOrder")["id"]):
        etag = ion.etag("purchaseOrder", made)
        for wanted in ("ORDERED", "DRAFT", "DRAFT"):
            ion.mutate("updatePurchaseOrder", id=made, etag=etag, status=wanted)
            assert wanted == status(ion, made)
        ion.mutate("updatePurchaseOrder", id=made, etag=etag, description="x")
        assert "etag does not match" in ion.mutation_error(
            "updatePurchaseOrder", id=made, etag=etag, status="ORDERED"
        )


def test_order_is_paid_when_all_its_lines_are(ion: Ion) -> None:
    made, lines = order(ion, 1, 1)
    for line, paid in zip(lines, (False, True), strict=True):
        ion.update("purchaseOrderLine", line, paid=True)
        assert {"paid": paid} == ion.get("purchaseOrder", made, "paid")
    ion.update("purchaseOrder", made, paid=False)
    assert [{"paid": False}] * 2 == [ion.get("purchaseOrderLine", line, "paid") for line in lines]


def test_cost_of_a_line_has_three_decimals(ion: Ion) -> None:
    made, (line,) = order(ion, 1)
    ion.update("purchaseOrderLine", line, quantity=3, cost=0.33333)
    assert {"estimatedCost": 1.0} == ion.get("purchaseOrderLine", line, "estimatedCost")
    ion.update("purchaseOrderLine", line, cost=None)
    assert {"estimatedCost": 0} == ion.get("purchaseOrderLine", line, "estimatedCost")
    assert {"estimatedCost": 0} == ion.get("purchaseOrder", made, "estimatedCost")
