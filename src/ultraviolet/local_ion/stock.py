"""Inventory: receiving it, splitting and merging it, issuing it to kits."""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.behaviours import recalculate_order, serial_number
from ultraviolet.local_ion.checks import checked, require, same_etag
from ultraviolet.local_ion.store import Row, Transaction
from ultraviolet.local_ion.writing import create

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]


def _add_items(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    items: list[dict[str, Any]] = args["input"] or []
    receipts: set[int] = set()
    for item in items:
        if item["receiptId"] not in receipts:
            checked(tx, "receipts", item, "receiptId")
            receipts.add(item["receiptId"])
        receive(tx, item)
    for receipt in receipts:
        tx.touch("receipts", receipt)
    if not receipts:
        raise GraphQLError("There is nothing to receive.")
    return {"receipt": items[-1]["receiptId"]}


def receive(tx: Transaction, item: Mapping[str, Any]) -> int:
    """Receive something: what was ordered becomes inventory, and a line received in full is marked so."""
    if item["quantity"] <= 0:
        raise GraphQLError("A received quantity must be more than 0.")
    line_id, inventory_id = item.get("purchaseOrderLineId"), item.get("partInventoryId")
    line = require(tx, "purchase_order_lines", line_id) if line_id is not None else None
    if inventory_id is not None:
        _place(tx, inventory_id, item)
    elif line is not None and line["part_id"] is not None:
        inventory_id = _stocked(tx, line, item)
    key = tx.insert(
        "receipt_items",
        {
            "receipt_id": item["receiptId"],
            "part_inventory_id": inventory_id,
            "purchase_order_line_id": line_id,
            "quantity": item["quantity"],
        },
    )
    if line is not None:
        _settle(tx, line)
    return key


def _place(tx: Transaction, inventory_id: int, item: Mapping[str, Any]) -> None:
    inventory = require(tx, "parts_inventory", inventory_id)
    values = {"location_id": item.get("locationId"), **_numbers(tx, inventory["part_id"], item)}
    given = {k: v for k, v in values.items() if v is not None}
    if given:
        tx.update("parts_inventory", inventory_id, given)


def _stocked(tx: Transaction, line: Row, item: Mapping[str, Any]) -> int:
    order = require(tx, "purchase_orders", line["purchase_order_id"])
    part = require(tx, "parts", line["part_id"])
    inventory_id = tx.insert(
        "parts_inventory",
        {
            "part_id": line["part_id"],
            "quantity": item["quantity"],
            "quantity_scrapped": 0.0,
            "location_id": item.get("locationId"),
            "supplier_id": order["supplier_id"],
            "unit_of_measure_id": part["unit_of_measure_id"],
            "_cost": line["cost"],
            **_numbers(tx, line["part_id"], item),
        },
    )
    tx.insert(
        "purchase_order_line_inventories",
        {"purchase_order_line_id": line["id"], "part_inventory_id": inventory_id},
    )
    return inventory_id


def _numbers(tx: Transaction, part_id: int, item: Mapping[str, Any]) -> Row:
    serial, lot = item.get("serialNumber"), item.get("lotNumber")
    if serial is None and item.get("autogenerateSerialNumber"):
        serial = serial_number(tx, part_id)
    if lot is None and item.get("autogenerateLotNumber"):
        lot = f"LOT-{tx.scalar('SELECT coalesce(max(id), 0) + 1 FROM parts_inventory'):06d}"
    return {"serial_number": serial, "lot_number": lot}


def _settle(tx: Transaction, line: Row) -> None:
    received = tx.scalar(
        "SELECT coalesce(sum(quantity), 0) FROM receipt_items WHERE purchase_order_line_id = ?", line["id"]
    )
    if received >= line["quantity"] and line["status"] != "received":
        tx.update("purchase_order_lines", line["id"], {"status": "received"})
        recalculate_order(tx, line["purchase_order_id"])


def _add_inventory(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    return _add_items(tx, {"input": [args["input"]]})


def _remove_item(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    receipt = checked(tx, "receipts", args["input"], "receiptId")
    require(tx, "receipt_items", args["input"]["id"])
    tx.delete_where("receipt_items", id=args["input"]["id"], receipt_id=receipt["id"])
    tx.touch("receipts", receipt["id"])
    return {"receipt": receipt["id"]}


def _remove_inventory(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    receipt = checked(tx, "receipts", args["input"], "receiptId")
    tx.delete_where(
        "receipt_items", receipt_id=receipt["id"], part_inventory_id=args["input"]["partInventoryId"]
    )
    tx.touch("receipts", receipt["id"])
    return {"receipt": receipt["id"]}


_SPLIT_COLUMNS = (
    "part_id", "location_id", "lot_number", "supplier_id", "unit_of_measure_id", "uri", "_cost", "last_maintained_date",
)  # fmt: skip


def split(tx: Transaction, inventory: Row, quantity: float) -> int:
    """Take a part of an inventory away into one of its own; gives the new one's id."""
    left = inventory["quantity"] - quantity
    if quantity <= 0 or left < 0:
        raise GraphQLError("The quantity to split off must be more than 0 and no more than there is.")
    tx.update("parts_inventory", inventory["id"], {"quantity": left})
    copied = {c: inventory[c] for c in _SPLIT_COLUMNS}
    origin = {"origin_part_inventory_id": inventory["id"], "quantity": quantity, "quantity_scrapped": 0.0}
    return tx.insert("parts_inventory", {**copied, **origin})


def _split(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    inventory = checked(tx, "parts_inventory", args["input"])
    return {"partInventory": split(tx, inventory, args["input"]["quantity"])}


def _split_many(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    inventory = checked(tx, "parts_inventory", args["input"])
    made: list[int] = []
    for each in args["input"].get("partInventories") or ():
        made.append(split(tx, inventory, each["quantity"]))
        inventory = require(tx, "parts_inventory", inventory["id"])
    return {"partInventories": made}


def _merge(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    first, *others = [require(tx, "parts_inventory", each["id"]) for each in args["input"]["partInventories"]]
    if any(o["part_id"] != first["part_id"] for o in others):
        raise GraphQLError("Only inventories of the same part can be merged.")
    total = first["quantity"] + sum(o["quantity"] for o in others)
    tx.update("parts_inventory", first["id"], {"quantity": total})
    for other in others:
        tx.update("parts_inventory", other["id"], {"quantity": 0.0})
    return {"partInventory": first["id"]}


def _issue(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    inventory = require(tx, "parts_inventory", int(values["partInventoryId"]))
    same_etag(tx, "parts_inventory", inventory, values["etag"])
    item = require(tx, "part_kit_items", int(values["partKitItemId"]))
    quantity = values["quantity"]
    if quantity > inventory["quantity"]:
        raise GraphQLError("There is less than that to issue.")
    rest = None
    if quantity < inventory["quantity"]:
        rest, inventory_id = inventory["id"], split(tx, inventory, quantity)
    else:
        inventory_id = inventory["id"]
        tx.touch("parts_inventory", inventory_id)
    tx.insert(
        "part_kit_inventories",
        {"part_inventory_id": inventory_id, "part_kit_item_id": item["id"], "quantity": quantity},
    )
    tx.touch("part_kit_items", item["id"])
    return {"partInventory": inventory_id, "splitInventory": rest}


def _put_back(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    inventory = require(tx, "parts_inventory", int(values["partInventoryId"]))
    same_etag(tx, "parts_inventory", inventory, values["etag"])
    item = require(tx, "part_kit_items", int(values["partKitItemId"]))
    tx.delete_where("part_kit_inventories", part_inventory_id=inventory["id"], part_kit_item_id=item["id"])
    tx.touch("parts_inventory", inventory["id"])
    tx.touch("part_kit_items", item["id"])
    return {"partInventory": inventory["id"], "splitInventory": None}


def _kit_for_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    run = require(tx, "runs", int(args["input"]["runId"]))
    kit = create(tx, tx.catalog.resources["parts_kits"], {"runId": run["id"]})
    if run["part_id"] is not None:
        _fill_kit(tx, kit, run["part_id"], run["quantity"] or 1)
    return {"partKit": kit}


def _kit_from_mbom(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    kit = checked(tx, "parts_kits", args["input"], "partKitId")
    _fill_kit(tx, kit["id"], args["input"]["partId"], args["input"]["quantity"])
    tx.touch("parts_kits", kit["id"])
    return {"partKit": kit["id"]}


def _fill_kit(tx: Transaction, kit_id: int, part_id: int, quantity: float) -> None:
    mbom = tx.scalar("SELECT id FROM mboms WHERE part_id = ? ORDER BY version DESC LIMIT 1", part_id)
    items = tx.catalog.resources["part_kit_items"]
    for item in tx.find("mbom_item", "id", mbom_id=mbom) if mbom else ():
        values = {"partKitId": kit_id, "partId": item["part_id"], "originMbomItemId": item["id"]}
        create(tx, items, {**values, "quantity": item["quantity"] * quantity})


def _move_kit(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    kit = checked(tx, "parts_kits", args["input"], "partKitId")
    location = int(args["input"]["locationId"])
    tx.update("parts_kits", kit["id"], {"location_id": location})
    for item in tx.find("part_kit_items", part_kit_id=kit["id"]):
        for tied in tx.find("part_kit_inventories", part_kit_item_id=item["id"]):
            tx.update("parts_inventory", tied["part_inventory_id"], {"location_id": location})
    return {"partKit": kit["id"]}


def _create_many(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    resource = tx.catalog.resources["parts_inventory"]
    return {"partInventories": [create(tx, resource, each) for each in args["input"]]}


MUTATIONS: Mapping[str, Handler] = {
    "addItemsToReceipt": _add_items,
    "addInventoriesToReceipt": _add_items,
    "addInventoryToReceipt": _add_inventory,
    "removeItemFromReceipt": _remove_item,
    "removeInventoryFromReceipt": _remove_inventory,
    "splitPartInventory": _split,
    "splitManyPartInventory": _split_many,
    "mergePartInventory": _merge,
    "issueItemToKit": _issue,
    "moveItemToInventory": _put_back,
    "createKitForRun": _kit_for_run,
    "addPartsToKitFromMbom": _kit_from_mbom,
    "moveKitInventoryToLocation": _move_kit,
    "createPartInventories": _create_many,
}
"""By name."""
