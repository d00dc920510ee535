"""The inventory of an order line, from its draft to its receipt and inspection."""

from typing import Any

from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
COUNT = iter(range(1000))


def line_of(ion: Ion, quantity: float, **part: Any) -> tuple[int, int, int]:
    part_id = ion.create("Part", partNumber=f"P{next(COUNT)}", **part)["id"]
    order = ion.create("PurchaseOrder")["id"]
    values = {"purchaseOrderId": order, "partId": part_id, "quantity": quantity, "cost": 2}
    return order, ion.create("PurchaseOrderLine", **values)["id"], part_id


def inventories(ion: Ion, line: int) -> list[dict[str, Any]]:
    select = "partInventories { id status quantity lotNumber serialNumber received }"
    return ion.get("purchaseOrderLine", line, select)["partInventories"]


def item(ion: Ion, line: int, quantity: float, **numbers: Any) -> dict[str, Any]:
    receipt = ion.create("Receipt")
    given = {"receiptId": receipt["id"], "etag": receipt["_etag"], "quantity": quantity}
    return {"input": [{**given, "purchaseOrderLineId": line, **numbers}]}


def test_part_of_a_lot_is_received_and_the_rest_stays_on_order(ion: Ion) -> None:
    order, line, _ = line_of(ion, 10, trackingType="LOT")
    (ordered,) = inventories(ion, line)
    assert ("ON_ORDER", 10, None) == tuple(ordered[n] for n in ("status", "quantity", "lotNumber"))
    message = "Only an ordered line can be received, and this line is draft."
    assert message == ion.mutation_error("addItemsToReceipt", **item(ion, line, 4, lotNumber="L"))
    ion.update("purchaseOrder", order, status="ORDERED")
    message = "A lot tracked part requires a lot number."
    assert message == ion.mutation_error("addItemsToReceipt", **item(ion, line, 4))
    ion.mutate("addItemsToReceipt", **item(ion, line, 4, lotNumber="L"))
    rest, received = inventories(ion, line)
    assert (6, "ON_ORDER", False) == (rest["quantity"], rest["status"], rest["received"])
    assert (4, "AVAILABLE", "L") == tuple(received[n] for n in ("quantity", "status", "lotNumber"))
    ion.mutate("addItemsToReceipt", **item(ion, line, 6, lotNumber="M"))
    assert ["AVAILABLE", "AVAILABLE"] == [each["status"] for each in inventories(ion, line)]
    assert {"status": "RECEIVED"} == ion.get("purchaseOrder", order, "status")
    assert "this line is received" in ion.mutation_error(
        "addItemsToReceipt", **item(ion, line, 1, lotNumber="N")
    )


def test_serial_tracked_pieces_are_received_one_by_one(ion: Ion) -> None:
    order, line, _ = line_of(ion, 2, trackingType="SERIAL")
    ion.update("purchaseOrder", order, status="ORDERED")
    assert "requires a serial number" in ion.mutation_error(
        "addItemsToReceipt", **item(ion, line, 1)
    )
    assert "0 or 1" in ion.mutation_error(
        "addItemsToReceipt", **item(ion, line, 2, serialNumber="X")
    )
    for serial in ("A", "B"):
        ion.mutate("addItemsToReceipt", **item(ion, line, 1, serialNumber=serial))
    assert {"A", "B"} == {each["serialNumber"] for each in inventories(ion, line)}


def test_tracked_inventory_requires_its_number(ion: Ion) -> None:
    lot = ion.create("Part", partNumber="lot", trackingType="LOT")["id"]
    serial = ion.create("Part", partNumber="serial", trackingType="SERIAL")["id"]
    assert "requires a lot number" in ion.mutation_error("createPartInventory", partId=lot)
    assert "requires a serial number" in ion.mutation_error("createPartInventory", partId=serial)
    made = ion.create(
        "PartInventory", "id lotNumber trackingType", partId=lot, autogenerateLotNumber=True
    )
    assert (True, "LOT") == (bool(made["lotNumber"]), made["trackingType"])
    assert "requires a lot number" in ion.update_error("partInventory", made["id"], lotNumber=None)


def test_inventory_follows_the_draft_of_its_line(ion: Ion) -> None:
    order, line, _ = line_of(ion, 3)
    other = ion.create("Part", partNumber="other")["id"]
    ion.update("purchaseOrderLine", line, quantity=5, partId=other)
    (ordered,) = inventories(ion, line)
    shown = ion.get("partInventory", ordered["id"], "quantity partId cost")
    assert {"quantity": 5, "partId": other, "cost": 2} == shown
    ion.mutate("deletePurchaseOrderLine", id=line, etag=ion.etag("purchaseOrderLine", line))
    assert ion.get("partInventory", ordered["id"]) is None
    ion.mutate("deletePurchaseOrder", id=order, etag=ion.etag("purchaseOrder", order))


def test_kitted_inventory_on_order_keeps_its_line(ion: Ion) -> None:
    _, line, part = line_of(ion, 3)
    (ordered,) = inventories(ion, line)
    kit = ion.create("PartKit")["id"]
    wanted = ion.create("PartKitItem", partKitId=kit, partId=part, quantity=3)["id"]
    given = {"partInventoryId": ordered["id"], "partKitItemId": wanted, "quantity": 3}
    ion.mutate("issueItemToKit", **given, etag=ion.etag("partInventory", ordered["id"]))
    assert "still used" in ion.mutation_error(
        "deletePurchaseOrderLine", id=line, etag=ion.etag("purchaseOrderLine", line)
    )


def test_required_inspection_starts_with_the_receipt(ion: Ion) -> None:
    order, line, part = line_of(ion, 2)
    ids = [
        ion.data(
            f'mutation {{ createProcedure(title: "{t}", type: {t}) {{ procedure {{ id }} }} }}'
        )
        for t in ("INSPECTION", "BUILD")
    ]
    inspection, build = (each["procedure"]["id"] for each in ids)
    ion.create("Step", procedureId=inspection, title="Look")
    for procedure in (inspection, build):
        made = {"partId": part, "procedureId": procedure}
        etag = ion.mutate("createPartProcedure", **made, required=True)["partProcedure"]["_etag"]
        ion.mutate("updatePartProcedure", **made, etag=etag, status="APPROVED")
    ion.update("purchaseOrder", order, status="ORDERED")
    ion.mutate("addItemsToReceipt", **item(ion, line, 2))
    (received,) = inventories(ion, line)
    assert "WIP" == received["status"]
    runs = ion.get("partInventory", received["id"], "runs { id procedureId steps { id } }")["runs"]
    assert [inspection] == [run["procedureId"] for run in runs]
    (step,) = runs[0]["steps"]
    for status in ("IN_PROGRESS", "COMPLETE"):
        ion.update("runStep", step["id"], status=status)
    assert ["AVAILABLE"] == [each["status"] for each in inventories(ion, line)]


def test_inventory_of_another_line_or_part_is_not_received(ion: Ion) -> None:
    order, line, _ = line_of(ion, 2)
    other_order, other, _ = line_of(ion, 2)
    for each in (order, other_order):
        ion.update("purchaseOrder", each, status="ORDERED")
    (ordered,) = inventories(ion, other)
    given = item(ion, line, 2, partInventoryId=ordered["id"])
    message = "This inventory is on order for another line; receive it there."
    assert message == ion.mutation_error("addItemsToReceipt", **given)
    part = ion.create("Part", partNumber=f"P{next(COUNT)}")["id"]
    unordered = ion.create("PartInventory", partId=part, quantity=2)["id"]
    given = item(ion, line, 2, partInventoryId=unordered)
    message = "This inventory is of another part than the line."
    assert message == ion.mutation_error("addItemsToReceipt", **given)


def test_excess_that_is_taken_back_is_not_on_order(ion: Ion) -> None:
    order, line, _ = line_of(ion, 10)
    ion.update("purchaseOrder", order, status="ORDERED")
    ion.mutate("addItemsToReceipt", **item(ion, line, 4))
    given = item(ion, line, 7)
    ion.mutate("addItemsToReceipt", **given)
    assert {"receivedQuantity": 11, "inventoryQuantity": 11, "status": "RECEIVED"} == ion.get(
        "purchaseOrderLine", line, "receivedQuantity inventoryQuantity status"
    )
    receipt = given["input"][0]["receiptId"]
    (excess,) = ion.get("receipt", receipt, "receiptItems { id }")["receiptItems"]
    etag = ion.etag("receipt", receipt)
    ion.mutate("removeItemFromReceipt", id=excess["id"], receiptId=receipt, etag=etag)
    shown = sorted((each["status"], each["quantity"]) for each in inventories(ion, line))
    assert [("AVAILABLE", 4), ("ON_ORDER", 6)] == shown
    assert {"status": "ORDERED"} == ion.get("purchaseOrder", order, "status")
