"""Mutations of inventory: receive, split, merge and issue it to kits."""

from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.mutations.crud import create
from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.attributes import copy_attributes, create_attributes
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.inventory import (
    allocated_quantity,
    check_quantities,
    free_quantity,
    load_tracking_type,
)
from ultraviolet.local_ion.rules.movement import move_kit_contents, move_to_kit
from ultraviolet.local_ion.rules.validation import check_etag, require_current, require_row
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""

SELECT_ISSUED_QUANTITY = (
    "SELECT coalesce(sum(quantity), 0) FROM part_kit_inventories WHERE part_kit_item_id = ?"
)


_SPLIT_COLUMNS = (
    "part_id", "location_id", "lot_number", "supplier_id", "unit_of_measure_id", "uri", "_cost", "last_maintained_date",
)  # fmt: skip


def split(tx: Transaction, inventory: Row, quantity: float) -> int:
    """Split a quantity off an inventory and return the id of the new inventory."""
    left = inventory["quantity"] - quantity
    if quantity <= 0 or left <= 0:
        raise GraphQLError(
            "The quantity to split off must be more than 0 and less than the whole quantity."
        )
    ensure(
        quantity <= free_quantity(tx, inventory),
        "Kitted, installed or scrapped quantities cannot be split off.",
    )
    tracking = load_tracking_type(tx, inventory["part_id"])
    copied = {c: inventory[c] for c in _SPLIT_COLUMNS}
    origin = {
        "origin_part_inventory_id": inventory["id"],
        "quantity": quantity,
        "quantity_scrapped": 0.0,
    }
    check_quantities(tx, {**copied, **origin}, tracking)
    tx.update("parts_inventory", inventory["id"], {"quantity": left})
    new: int = tx.insert("parts_inventory", {**copied, **origin})
    resource = tx.catalog.resources["parts_inventory"]
    copy_attributes(tx, resource, inventory["id"], resource, new)
    return new


@MUTATIONS.handles("splitPartInventory")
def _split(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    inventory = require_current(tx, "parts_inventory", args["input"])
    return {"partInventory": split(tx, inventory, args["input"]["quantity"])}


@MUTATIONS.handles("splitManyPartInventory")
def _split_many(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    inventory = require_current(tx, "parts_inventory", args["input"])
    created: list[int] = []
    for each in args["input"].get("partInventories") or ():
        created.append(split(tx, inventory, each["quantity"]))
        inventory = require_row(tx, "parts_inventory", inventory["id"])
    return {"partInventories": created}


@MUTATIONS.handles("mergePartInventory")
def _merge(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    ids = [int(each["id"]) for each in args["input"]["partInventories"]]
    ensure(
        len(ids) > 1 and len(set(ids)) == len(ids),
        "To merge, name two or more different inventories.",
    )
    first, *others = [require_row(tx, "parts_inventory", id_) for id_ in ids]
    if any(
        (o["part_id"], o["lot_number"]) != (first["part_id"], first["lot_number"]) for o in others
    ):
        raise GraphQLError("Only inventories of the same part and lot can be merged.")
    ensure(
        not any(allocated_quantity(tx, o["id"]) for o in others),
        "Kitted or installed inventory cannot be merged.",
    )
    sums = {c: sum(row[c] for row in (first, *others)) for c in ("quantity", "quantity_scrapped")}
    check_quantities(tx, {**first, **sums}, load_tracking_type(tx, first["part_id"]))
    tx.update("parts_inventory", first["id"], sums)
    for other in others:
        tx.update("parts_inventory", other["id"], {"quantity": 0.0, "quantity_scrapped": 0.0})
    return {"partInventory": first["id"]}


@MUTATIONS.handles("issueItemToKit")
def _issue(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    inventory = require_row(tx, "parts_inventory", int(values["partInventoryId"]))
    check_etag(tx, "parts_inventory", inventory, values["etag"])
    item = require_row(tx, "part_kit_items", int(values["partKitItemId"]))
    quantity = 1.0 if values.get("quantity") is None else values["quantity"]
    free = free_quantity(tx, inventory)
    ensure(quantity > 0, "The quantity to issue must be more than 0.")
    ensure(
        quantity <= free, f"The quantity to issue is larger than the available quantity, {free:g}."
    )
    kit = require_row(tx, "parts_kits", item["part_kit_id"])
    status = kit["status"]
    ensure(status not in {"completed", "canceled"}, f"A {status} kit accepts no more inventory.")
    origin = item["origin_mbom_item_id"]
    substitutes = tx.find("mbom_substitute", mbom_item_id=origin) if origin else []
    fitting = {item["part_id"], *(s["part_id"] for s in substitutes)}
    ensure(
        item["part_id"] is None or inventory["part_id"] in fitting,
        "The kit's item is for another part.",
    )
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
    move_to_kit(tx, kit, inventory_id)
    tx.touch("part_kit_items", item["id"])
    return {"partInventory": inventory_id, "splitInventory": rest}


@MUTATIONS.handles("moveItemToInventory")
def _return_to_inventory(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    inventory = require_row(tx, "parts_inventory", int(values["partInventoryId"]))
    check_etag(tx, "parts_inventory", inventory, values["etag"])
    item = require_row(tx, "part_kit_items", int(values["partKitItemId"]))
    removed = tx.delete_where(
        "part_kit_inventories", part_inventory_id=inventory["id"], part_kit_item_id=item["id"]
    )
    ensure(removed, "This inventory is not in that kit.")
    tx.touch("parts_inventory", inventory["id"])
    tx.touch("part_kit_items", item["id"])
    return {"partInventory": inventory["id"], "splitInventory": None}


@MUTATIONS.handles("createKitForRun")
def _create_kit_for_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    run = require_row(tx, "runs", int(args["input"]["runId"]))
    kit = create(tx, tx.catalog.resources["parts_kits"], {"runId": run["id"]})
    if run["part_id"] is not None:
        _add_mbom_items(tx, kit, run["part_id"], run["quantity"] or 1)
    return {"partKit": kit}


@MUTATIONS.handles("addPartsToKitFromMbom")
def _fill_kit_from_mbom(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    kit = require_current(tx, "parts_kits", args["input"], "partKitId")
    _add_mbom_items(tx, kit["id"], args["input"]["partId"], args["input"]["quantity"])
    tx.touch("parts_kits", kit["id"])
    return {"partKit": kit["id"]}


def _add_mbom_items(tx: Transaction, kit_id: int, part_id: int, quantity: float) -> None:
    mbom = tx.scalar(
        "SELECT id FROM mboms WHERE part_id = ? ORDER BY version DESC LIMIT 1", part_id
    )
    items = tx.catalog.resources["part_kit_items"]
    for item in tx.find("mbom_item", "id", mbom_id=mbom) if mbom else ():
        values = {"partKitId": kit_id, "partId": item["part_id"], "originMbomItemId": item["id"]}
        create(tx, items, {**values, "quantity": item["quantity"] * quantity})


@MUTATIONS.handles("moveKitInventoryToLocation")
def _move_kit(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    kit = require_current(tx, "parts_kits", args["input"], "partKitId")
    location = int(args["input"]["locationId"])
    tx.update("parts_kits", kit["id"], {"location_id": location})
    move_kit_contents(tx, kit["id"], location)
    return {"partKit": kit["id"]}


@MUTATIONS.handles("splitUnfulfilledPartKit")
def _split_kit(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Move the missing quantities of a kit to a new kit, which the payload shows (assumed)."""
    kit = require_current(tx, "parts_kits", args["input"], "partKitId")
    missing_items = [
        (i, i["quantity"] - tx.scalar(SELECT_ISSUED_QUANTITY, i["id"]))
        for i in tx.find("part_kit_items", "id", part_kit_id=kit["id"])
    ]
    ensure(any(missing > 0 for _, missing in missing_items), "This kit has no missing quantities.")
    values = {c: kit[c] for c in _KIT_COLUMNS}
    new: int = tx.insert("parts_kits", values)
    create_attributes(tx, tx.catalog.resources["parts_kits"], new)
    for item, missing in missing_items:
        if missing <= 0:
            continue
        if missing < item["quantity"]:
            tx.update("part_kit_items", item["id"], {"quantity": item["quantity"] - missing})
            same = {"partId": item["part_id"], "originMbomItemId": item["origin_mbom_item_id"]}
            resource = tx.catalog.resources["part_kit_items"]
            create(tx, resource, {**same, "partKitId": new, "quantity": missing})
        else:
            tx.update("part_kit_items", item["id"], {"part_kit_id": new})
    tx.touch("parts_kits", kit["id"])
    return {"partKit": new}


_KIT_COLUMNS = (
    "assigned_to_id", "assigned_team_id", "location_id", "delivery_location_id", "run_id", "status",
)  # fmt: skip
