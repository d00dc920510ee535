"""Mutations of receipts: receive the lines of orders, and take items back."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.mutations.crud import create, delete
from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.mutations.inventory import split
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.inventory import (
    check_quantities,
    check_tracked,
    generate_lot_number,
    generate_serial_number,
    load_tracking_type,
)
from ultraviolet.local_ion.rules.on_order import create_on_order, is_on_order, load_on_order
from ultraviolet.local_ion.rules.purchasing import update_received_status
from ultraviolet.local_ion.rules.supplier_parts import load_conversion
from ultraviolet.local_ion.rules.validation import require_current, require_row
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""

# procedures whose run a received part requires: its approved and required inspections
SELECT_INSPECTIONS = """
SELECT q.procedure_id FROM part_procedures q JOIN procedures p ON p.id = q.procedure_id
 WHERE q.part_id = ? AND q.required AND q.status = 'approved' AND p.type = 'inspection' ORDER BY 1"""


@MUTATIONS.handles("addItemsToReceipt", "addInventoriesToReceipt", "addInventoryToReceipt")
def _add_items_to_receipt(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] | list[dict[str, Any]] = args["input"] or []
    items = given if isinstance(given, list) else [given]
    receipts: set[int] = set()
    for item in items:
        if item["receiptId"] not in receipts:
            require_current(tx, "receipts", item, "receiptId")
            receipts.add(item["receiptId"])
        receive(tx, item)
    for receipt in receipts:
        tx.touch("receipts", receipt)
    if not receipts:
        raise GraphQLError("There is nothing to receive.")
    return {"receipt": items[-1]["receiptId"]}


def receive(tx: Transaction, item: Mapping[str, Any]) -> int:
    """Add an item to a receipt with its inventory, and update its order line.

    Only an ordered line can be received, and an inspection that the part requires starts as a
    run of the inventory (manual, receiving).
    """
    if item["quantity"] <= 0:
        raise GraphQLError("A received quantity must be more than 0.")
    line_id, inventory_id = item.get("purchaseOrderLineId"), item.get("partInventoryId")
    line = require_row(tx, "purchase_order_lines", line_id) if line_id is not None else None
    if line is not None:
        message = f"Only an ordered line can be received, and this line is {line['status']}."
        ensure(line["status"] == "ordered", message)
    if inventory_id is not None:
        named = require_row(tx, "parts_inventory", inventory_id)
        ordered = load_on_order(tx, line["id"]) if line is not None else []
        is_ordered = any(row["id"] == named["id"] for row in ordered)
        if line is not None and not is_ordered:
            message = "This inventory is on order for another line; receive it there."
            ensure(not is_on_order(tx, named["id"]), message)
            message = "This inventory is of another part than the line."
            ensure(line["part_id"] in {None, named["part_id"]}, message)
        inventory_id = _receive_inventory(tx, [named], item, line if is_ordered else None)
    elif line is not None and line["part_id"] is not None:
        ordered = load_on_order(tx, line["id"])
        if not ordered:
            created = create_on_order(tx, line, item["quantity"])
            ordered = [require_row(tx, "parts_inventory", created)]
        inventory_id = _receive_inventory(tx, ordered, item, line)
    key = tx.insert(
        "receipt_items",
        {
            "receipt_id": item["receiptId"],
            "part_inventory_id": inventory_id,
            "purchase_order_line_id": line_id,
            "quantity": item["quantity"],
        },
    )
    update_received_status(tx, line_id)
    if inventory_id is not None and line is not None:
        inventory = require_row(tx, "parts_inventory", inventory_id)
        part = inventory["part_id"]
        for (procedure,) in tx.connection.execute(SELECT_INSPECTIONS, (part,)).fetchall():
            values = {"procedureId": procedure, "partId": part, "partInventoryId": inventory_id}
            values["quantity"] = int(inventory["quantity"])
            create(tx, tx.catalog.resources["runs"], values)
    return key


def _receive_inventory(
    tx: Transaction, found: list[Row], item: Mapping[str, Any], line: Row | None = None
) -> int:
    """Set place and numbers of received inventory; of a line, split off the received quantity."""
    inventory = found[0]
    quantity = item["quantity"] * (load_conversion(tx, line) if line is not None else 1)
    tracking = load_tracking_type(tx, inventory["part_id"])
    given = {"location_id": item.get("locationId"), **_numbers(tx, inventory["part_id"], item)}
    row = {k: v for k, v in given.items() if v is not None}
    check_tracked({**inventory, **row}, tracking)
    if line is not None and quantity < inventory["quantity"]:
        key = split(tx, inventory, quantity)
        pair = {"purchase_order_line_id": line["id"], "part_inventory_id": key}
        tx.insert("purchase_order_line_inventories", pair)
    else:
        key = inventory["id"]
        if line is not None:
            check_quantities(tx, {**inventory, "quantity": quantity}, tracking)
            row["quantity"] = quantity
            missing = quantity - inventory["quantity"]
            for other in found[1:]:  # inventory of this line that is still on order
                taken = min(missing, other["quantity"])
                if taken > 0:
                    rest = {"quantity": other["quantity"] - taken}
                    tx.update("parts_inventory", other["id"], rest)
                    missing -= taken
    tx.update("parts_inventory", key, row)
    return key


def _numbers(tx: Transaction, part_id: int, item: Mapping[str, Any]) -> Row:
    serial, lot = (
        text if (text := item.get(name) or "").strip() else None
        for name in ("serialNumber", "lotNumber")
    )
    if serial is None and item.get("autogenerateSerialNumber"):
        serial = generate_serial_number(tx, part_id)
    if lot is None and item.get("autogenerateLotNumber"):
        lot = generate_lot_number(tx)
    return {"serial_number": serial, "lot_number": lot}


@MUTATIONS.handles("removeItemFromReceipt")
def _remove_item(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    receipt = require_current(tx, "receipts", args["input"], "receiptId")
    item = require_row(tx, "receipt_items", int(args["input"]["id"]))
    ensure(item["receipt_id"] == receipt["id"], f"Item {item['id']} is not of this receipt.")
    delete(tx, tx.catalog.resources["receipt_items"], item["id"], item)
    tx.touch("receipts", receipt["id"])
    return {"receipt": receipt["id"]}


@MUTATIONS.handles("removeInventoryFromReceipt")
def _remove_inventory(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    receipt = require_current(tx, "receipts", args["input"], "receiptId")
    inventory_id = int(args["input"]["partInventoryId"])
    for item in tx.find(
        "receipt_items", "id", receipt_id=receipt["id"], part_inventory_id=inventory_id
    ):
        delete(tx, tx.catalog.resources["receipt_items"], item["id"], item)
    tx.touch("receipts", receipt["id"])
    return {"receipt": receipt["id"]}
