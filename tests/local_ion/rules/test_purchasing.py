"""Purchasing: orders and their lines, fees and approvals, and what is received and taken back."""

from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared

ion = shared()


def order(ion: Ion, *quantities: float, **values: Any) -> tuple[int, list[int]]:
    """Have an order of lines of one part; gives its id and theirs."""
    part = ion.make("Part", partNumber=f"bolt {len(ion.all('parts'))}")["id"]
    made = ion.make("PurchaseOrder", **values)["id"]
    given = {"purchaseOrderId": made, "partId": part, "cost": 2}
    return made, [ion.make("PurchaseOrderLine", **given, quantity=q)["id"] for q in quantities]


def status(ion: Ion, order_id: int) -> str:
    return ion.see("purchaseOrder", order_id, "status")["status"]


def receive(ion: Ion, receipt: int, line: int, quantity: float, **values: Any) -> Any:
    """Receive some of a line; gives the inventory that it became."""
    item = {"receiptId": receipt, "etag": ion.etag("receipt", receipt), "purchaseOrderLineId": line}
    shown = "receipt { receiptItems { id partInventoryId } }"
    made = ion.do("addItemsToReceipt", shown, input=[{**item, "quantity": quantity, **values}])
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
def test_an_orders_status_follows_from_its_lines(ion: Ion, lines: list[str], expected: str) -> None:
    made, ids = order(ion, 1, 1)
    for line, wanted in zip(ids, lines, strict=True):
        ion.edit("purchaseOrderLine", line, status=wanted)
    assert expected == status(ion, made)


def test_a_status_given_to_an_order_is_given_to_its_open_lines(ion: Ion) -> None:
    made, (open_, closed) = order(ion, 1, 1)
    ion.edit("purchaseOrderLine", closed, status="CANCELED")
    ion.edit("purchaseOrder", made, status="ORDERED")
    seen = ion.see(
        "purchaseOrder", made, "status isOpen orderedAt purchaseOrderLines { id status }"
    )
    assert ("ORDERED", True) == (seen["status"], seen["isOpen"])
    assert seen["orderedAt"] is not None
    assert {open_: "ORDERED", closed: "CANCELED"} == {
        x["id"]: x["status"] for x in seen["purchaseOrderLines"]
    }


def test_a_line_taken_away_or_added_counts_at_once(ion: Ion) -> None:
    made, (first, second) = order(ion, 1, 1)
    ion.edit("purchaseOrderLine", second, status="ORDERED")
    ion.do("deletePurchaseOrderLine", id=first, etag=ion.etag("purchaseOrderLine", first))
    assert "ORDERED" == status(ion, made)
    ion.make("PurchaseOrderLine", purchaseOrderId=made, quantity=1)
    assert "DRAFT" == status(ion, made)


def test_lines_change_only_while_they_are_drafts(ion: Ion) -> None:
    ion.organize("updateOrganizationPurchaseOrderLineAttributes", key="colour", type="STRING")
    made, (line,) = order(ion, 3)
    ion.edit("purchaseOrderLine", line, quantity=4, cost=5, description="drafted")
    ion.edit("purchaseOrder", made, status="ORDERED")
    assert ("false", "false") == (
        ion.see("purchaseOrder", made, "editable")["editable"],
        ion.see("purchaseOrderLine", line, "editable")["editable"],
    )
    refusal = "cost, quantity of a line can change only while it is a draft."
    assert refusal == ion.edit_refused("purchaseOrderLine", line, cost=1, quantity=1)
    assert "only while it is a draft" in ion.refused(
        "deletePurchaseOrderLine", id=line, etag=ion.etag("purchaseOrderLine", line)
    )
    etag = ion.see("purchaseOrderLine", line, "attributes { Etag }")["attributes"][0]["Etag"]
    ion.edit(
        "purchaseOrderLine",
        line,
        paid=True,
        estimatedArrivalDate="2026-12-24T00:00:00+00:00",
        attributes=[{"key": "colour", "value": "red", "etag": etag}],
    )
    seen = ion.see("purchaseOrderLine", line, "quantity cost paid attributes { value }")
    assert {"quantity": 4, "cost": 5, "paid": True, "attributes": [{"value": "red"}]} == seen


@pytest.mark.parametrize("quantity", [0, -1])
def test_nothing_is_not_ordered(ion: Ion, quantity: float) -> None:
    made, _ = order(ion)
    assert "must be more than 0" in ion.refused(
        "createPurchaseOrderLine", purchaseOrderId=made, quantity=quantity
    )


def test_lines_have_places_and_can_be_moved(ion: Ion) -> None:
    made, (a, b, c) = order(ion, 1, 1, 1)
    ion.do("reorderPurchaseOrderLine", id=c, position=1, etag=ion.etag("purchaseOrderLine", c))
    seen = ion.see("purchaseOrder", made, "purchaseOrderLines { id position }")[
        "purchaseOrderLines"
    ]
    assert {c: 1, a: 2, b: 3} == {line["id"]: line["position"] for line in seen}
    assert "etag does not match" in ion.refused(
        "reorderPurchaseOrderLine", id=c, position=2, etag="old"
    )


def test_an_order_costs_its_lines_and_its_fees(ion: Ion) -> None:
    made, _ = order(ion, 10, 40)
    ion.make("PurchaseOrderFee", purchaseOrderId=made, name="freight", value=7)
    ion.make("PurchaseOrderFee", purchaseOrderId=made, name="tax", value=10, type="PERCENTAGE")
    seen = ion.see(
        "purchaseOrder",
        made,
        "estimatedCost estimatedTotalCost purchaseOrderLines { estimatedCost }",
    )
    assert (100, 117) == (seen["estimatedCost"], seen["estimatedTotalCost"])
    assert [20, 80] == [line["estimatedCost"] for line in seen["purchaseOrderLines"]]


def test_an_orders_dates_are_those_of_its_lines(ion: Ion) -> None:
    made, (first, second) = order(ion, 1, 1)
    early, late = "2026-12-01T00:00:00.000000+00:00", "2026-12-31T00:00:00.000000+00:00"
    ion.edit("purchaseOrderLine", first, needDate=late, estimatedArrivalDate=early)
    ion.edit("purchaseOrderLine", second, needDate=early, estimatedArrivalDate=late)
    seen = ion.see("purchaseOrder", made, "needDate estimatedArrivalDate")
    assert {"needDate": early, "estimatedArrivalDate": late} == seen


def test_an_approval_answers_the_request_to_its_reviewer(ion: Ion) -> None:
    rita, tom = ion.person("Rita"), ion.person("Tom")
    made, _ = order(ion, 1)
    for reviewer in (rita, tom):
        ion.do(
            "createPurchaseOrderApprovalRequest", purchaseOrderId=made, reviewerId=reviewer.user_id
        )
    ion.do("createPurchaseOrderApproval", None, rita, purchaseOrderId=made, status="APPROVED")
    ion.do(
        "createPurchaseOrderApproval",
        None,
        tom,
        purchaseOrderId=made,
        status="REJECTED",
        comment="dear",
    )
    seen = ion.see(
        "purchaseOrder", made, "approved approvals { reviewerId } approvalRequests { status }"
    )
    assert [{"status": "APPROVED"}, {"status": "REJECTED"}] == seen["approvalRequests"]
    assert [rita.user_id, tom.user_id] == [a["reviewerId"] for a in seen["approvals"]]
    assert seen["approved"]


def test_an_order_needs_as_many_approvers_as_the_organization_says(ion: Ion) -> None:
    made, _ = order(ion, 1)
    ion.organize("updateOrganization", settings={"purchaseOrders": {"numApproversRequired": 2}})
    first = ion.do("createPurchaseOrderApproval", purchaseOrderId=made, status="APPROVED")[
        "approval"
    ]
    ion.do("createPurchaseOrderApproval", purchaseOrderId=made, status="APPROVED")
    assert {"approved": False} == ion.see("purchaseOrder", made, "approved")  # one person, twice
    ion.do(
        "createPurchaseOrderApproval",
        None,
        ion.person("Uta"),
        purchaseOrderId=made,
        status="APPROVED",
    )
    assert {"approved": True} == ion.see("purchaseOrder", made, "approved")
    ion.organize("updateOrganization", settings={"purchaseOrders": {"numApproversRequired": 1}})
    reply = ion.do(
        "createPurchaseOrderApproval",
        "approval { depth }",
        purchaseOrderId=made,
        parentId=first["id"],
    )
    assert {"approval": {"depth": 1}} == reply


def test_what_is_received_becomes_inventory_and_settles_line_and_order(ion: Ion) -> None:
    supplier, place = (
        ion.make("Supplier", name="Bolts & Co")["id"],
        ion.make("Location", name="Dock")["id"],
    )
    made, (line, other) = order(ion, 10, 1, supplierId=supplier)
    ion.edit("purchaseOrder", made, status="ORDERED")
    receipt = ion.make("Receipt")["id"]
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
    } == ion.see("partInventory", item["partInventoryId"], shown)
    shown = "status receivedQuantity inventoryQuantity"
    assert {"status": "ORDERED", "receivedQuantity": 4, "inventoryQuantity": 4} == ion.see(
        "purchaseOrderLine", line, shown
    )
    receive(ion, receipt, line, 6)
    assert {"status": "RECEIVED", "receivedQuantity": 10, "inventoryQuantity": 10} == ion.see(
        "purchaseOrderLine", line, shown
    )
    assert "ORDERED" == status(ion, made)
    receive(ion, receipt, other, 1)
    assert "RECEIVED" == status(ion, made)
    assert {"isOpen": False} == ion.see("purchaseOrder", made, "isOpen")


def test_what_is_taken_back_opens_line_and_order_again(ion: Ion) -> None:
    made, (line,) = order(ion, 5)
    ion.edit("purchaseOrder", made, status="ORDERED")
    receipt = ion.make("Receipt")["id"]
    item = receive(ion, receipt, line, 5)
    ion.do(
        "removeItemFromReceipt", receiptId=receipt, id=item["id"], etag=ion.etag("receipt", receipt)
    )
    assert ("ORDERED", []) == (
        status(ion, made),
        ion.see("receipt", receipt, "receiptItems { id }")["receiptItems"],
    )
    assert {"receivedQuantity": 0} == ion.see("purchaseOrderLine", line, "receivedQuantity")
    assert "ReceiptItem" in ion.refused(
        "removeItemFromReceipt", receiptId=receipt, id=item["id"], etag=ion.etag("receipt", receipt)
    )


def test_an_item_corrected_settles_its_line_again(ion: Ion) -> None:
    made, (line,) = order(ion, 5)
    ion.edit("purchaseOrder", made, status="ORDERED")
    item = receive(ion, ion.make("Receipt")["id"], line, 4)
    ion.edit("receiptItem", item["id"], quantity=5)
    assert "RECEIVED" == status(ion, made)
    assert "more than 0" in ion.edit_refused("receiptItem", item["id"], quantity=0)


@pytest.mark.parametrize("mutation", ["addInventoriesToReceipt", "addInventoryToReceipt"])
def test_inventory_that_there_is_can_be_received(ion: Ion, mutation: str) -> None:
    made, (line,) = order(ion, 2)
    ion.edit("purchaseOrder", made, status="ORDERED")
    part = ion.see("purchaseOrderLine", line, "partId")["partId"]
    stock, place = (
        ion.make("PartInventory", partId=part, quantity=2),
        ion.make("Location", name="Shelf"),
    )
    receipt = ion.make("Receipt")
    item = {
        "etag": receipt["_etag"],
        "receiptId": receipt["id"],
        "partInventoryId": stock["id"],
        "purchaseOrderLineId": line,
        "quantity": 2,
        "locationId": place["id"],
        "autogenerateLotNumber": True,
    }
    ion.do(mutation, input=[item] if mutation == "addInventoriesToReceipt" else item)
    seen = ion.see("partInventory", stock["id"], "received locationId lotNumber")
    assert (True, place["id"]) == (seen["received"], seen["locationId"])
    assert seen["lotNumber"].startswith("LOT-")
    assert "RECEIVED" == status(ion, made)

    given = {"receiptId": receipt["id"], "partInventoryId": stock["id"]}
    ion.do("removeInventoryFromReceipt", **given, etag=ion.etag("receipt", receipt["id"]))
    assert "ORDERED" == status(ion, made)
    assert {"received": False} == ion.see("partInventory", stock["id"], "received")


def test_what_cannot_be_received_is_refused_whole(ion: Ion) -> None:
    made, (good, canceled) = order(ion, 1, 1)
    ion.edit("purchaseOrder", made, status="ORDERED")
    ion.edit("purchaseOrderLine", canceled, status="CANCELED")
    receipt = ion.make("Receipt")
    item = {"receiptId": receipt["id"], "etag": receipt["_etag"], "quantity": 1}
    both = [{**item, "purchaseOrderLineId": good}, {**item, "purchaseOrderLineId": canceled}]
    assert "A canceled line cannot be received." == ion.refused("addItemsToReceipt", input=both)
    assert {"receivedQuantity": 0} == ion.see("purchaseOrderLine", good, "receivedQuantity")
    nothing = [{**item, "purchaseOrderLineId": good, "quantity": 0}]
    assert "A received quantity must be more than 0." == ion.refused(
        "addItemsToReceipt", input=nothing
    )
    assert "There is nothing to receive." == ion.refused("addItemsToReceipt", input=[])
    stale = [{**item, "purchaseOrderLineId": good, "etag": "old"}]
    assert "etag does not match" in ion.refused("addItemsToReceipt", input=stale)


def test_inventory_is_tied_to_a_line_and_is_on_order(ion: Ion) -> None:
    _, (line,) = order(ion, 3)
    part = ion.see("purchaseOrderLine", line, "partId")["partId"]
    stock = ion.make("PartInventory", partId=part, quantity=3)["id"]
    tie = {"purchaseOrderLineId": line, "partInventoryId": stock}
    ion.do("addInventoryToPurchaseOrderLine", **tie, etag=ion.etag("purchaseOrderLine", line))
    assert {"status": "ON_ORDER"} == ion.see("partInventory", stock, "status")
    assert {"inventoryQuantity": 3, "receivedQuantity": 0} == ion.see(
        "purchaseOrderLine", line, "inventoryQuantity receivedQuantity"
    )
    ion.do("removeInventoryFromPurchaseOrderLine", **tie, etag=ion.etag("purchaseOrderLine", line))
    assert {"status": "AVAILABLE"} == ion.see("partInventory", stock, "status")
    assert [] == ion.see("purchaseOrderLine", line, "partInventories { id }")["partInventories"]


def test_an_order_goes_with_its_fees_and_approvals_but_not_with_its_lines(ion: Ion) -> None:
    made, (line,) = order(ion, 1)
    fee = ion.make("PurchaseOrderFee", purchaseOrderId=made, name="freight", value=7)["id"]
    approval = ion.do("createPurchaseOrderApproval", purchaseOrderId=made)["approval"]["id"]
    assert "still used" in ion.refused(
        "deletePurchaseOrder", id=made, etag=ion.etag("purchaseOrder", made)
    )
    ion.do("deletePurchaseOrderLine", id=line, etag=ion.etag("purchaseOrderLine", line))
    ion.do("deletePurchaseOrder", id=made, etag=ion.etag("purchaseOrder", made))
    assert [] == ion.all("purchaseOrderFees", id={"eq": fee})
    assert [] == ion.all("purchaseOrderApprovals", id={"eq": approval})


def test_requirements_and_labels_are_tied_to_an_order_through_its_entity(ion: Ion) -> None:
    made, _ = order(ion, 1)
    entity = ion.see("purchaseOrder", made, "entityId")["entityId"]
    label = ion.make("Label", value="urgent")["id"]
    given = {"title": "Cert", "content": [], "requirementType": "QUALITY_CLAUSE"}
    requirement = ion.make("Requirement", **given)["id"]
    before = ion.etag("purchaseOrder", made)
    assert {"labelId": label, "entityId": entity} == ion.do(
        "addLabelToItem", entityId=entity, labelId=label
    )
    ion.do("addRequirementToItem", entityId=entity, requirementId=requirement)
    seen = ion.see("purchaseOrder", made, "_etag labels { value } requirements { title }")
    assert ([{"value": "urgent"}], [{"title": "Cert"}]) == (seen["labels"], seen["requirements"])
    assert before != seen["_etag"]
    ion.do("removeLabelFromItem", entityId=entity, labelId=label)
    ion.do("removeRequirementFromItem", entityId=entity, requirementId=requirement)
    seen = ion.see("purchaseOrder", made, "labels { value } requirements { title }")
    assert {"labels": [], "requirements": []} == seen


def test_an_order_taken_back_to_draft_takes_its_lines_along(ion: Ion) -> None:
    made, (line, received) = order(ion, 1, 2)
    ion.edit("purchaseOrder", made, status="ORDERED")
    receive(ion, ion.make("Receipt")["id"], received, 1)
    before = ion.etag("purchaseOrderLine", line)
    ion.edit("purchaseOrder", made, status="DRAFT")
    assert "etag does not match" in ion.refused("deletePurchaseOrderLine", id=line, etag=before)
    ion.do("deletePurchaseOrderLine", id=line, etag=ion.etag("purchaseOrderLine", line))
    etag = ion.etag("purchaseOrderLine", received)
    assert "still used" in ion.refused("deletePurchaseOrderLine", id=received, etag=etag)
    assert {"purchaseOrderLines": [{"id": received}]} == ion.see(
        "purchaseOrder", made, "purchaseOrderLines { id }"
    )


def test_a_change_of_inventory_shows_no_rest_of_it(ion: Ion) -> None:
    part = ion.make("Part", partNumber="unsplit")["id"]
    made = ion.make("PartInventory", partId=part, quantity=5)["id"]
    shown = "partInventory { quantity } splitInventory { id }"
    assert {"partInventory": {"quantity": 4}, "splitInventory": None} == ion.edit(
        "partInventory", made, shown, quantity=4
    )
