"""Mutations of parts and bills of materials."""

from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.mutations.crud import create, update
from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.attributes import copy_attributes
from ultraviolet.local_ion.rules.copies import copy_row
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.inventory import check_description, check_installed, check_tree
from ultraviolet.local_ion.rules.movement import move_to_assembly
from ultraviolet.local_ion.rules.validation import (
    check_etag,
    check_nulls,
    require_current,
    require_row,
)
from ultraviolet.local_ion.store.columns import encode_input
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""


def next_revision(revision: str) -> str:
    """Return the next revision: B after A, AA after Z, 2 after 1."""
    if revision.isdecimal():
        return str(int(revision) + 1)
    if not revision or not revision[-1].isalpha() or not revision[-1].isascii():
        return f"{revision}A"
    if revision[-1].upper() != "Z":
        return revision[:-1] + chr(ord(revision[-1]) + 1)
    return f"{next_revision(revision[:-1]) if revision[:-1] else 'A'}A"


@MUTATIONS.handles("createPartRevision")
def _create_part_revision(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    part = require_current(tx, "parts", args["input"])
    resource = tx.catalog.resources["parts"]
    latest = tx.scalar(
        "SELECT revision FROM parts WHERE part_number = ? ORDER BY length(revision) DESC, revision DESC LIMIT 1",
        part["part_number"],
    )
    given, _ = encode_input(
        resource, {k: v for k, v in args["input"].items() if k not in {"id", "etag"}}
    )
    check_description(given)
    row = copy_row(part, revised_from_id=part["id"], revision=next_revision(latest), **given)
    key: int = tx.insert("parts", row)
    copy_attributes(tx, resource, part["id"], resource, key)
    for association in tx.find("part_part_subtypes", part_id=part["id"]):
        tx.insert(
            "part_part_subtypes",
            {"part_id": key, "part_subtype_id": association["part_subtype_id"]},
        )
    return {"part": key}


@MUTATIONS.handles("createOrUpdateMultipleParts")
def _create_parts(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    resource = tx.catalog.resources["parts"]
    keys: list[int] = []
    for values in args["input"].get("parts") or ():
        revision = values.get("revision") or "A"
        found = tx.find("parts", part_number=values["partNumber"], revision=revision)
        if found:
            current = {"id": found[0]["id"], "etag": found[0]["_etag"], "revision": revision}
            keys.append(update(tx, resource, {**values, **current}))
        else:
            keys.append(create(tx, resource, values))
    return {"parts": keys}


@MUTATIONS.handles("createAbomForPartInventory")
def _create_abom(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Create the aBOM of an inventory from the latest mBOM of its part."""
    inventory = require_row(tx, "parts_inventory", int(args["id"]))
    check_etag(tx, "parts_inventory", inventory, args["etag"])
    existing = tx.find("abom_items", part_inventory_id=inventory["id"])
    if existing and tx.version != "2023":
        return {"abomItem": existing[0]["id"]}  # since its inventory was created
    if existing:
        raise GraphQLError("This inventory already has an aBOM.")
    return {"abomItem": _add_abom(tx, inventory)}


def add_build_requirements(tx: Transaction, after_action_id: int) -> None:
    """Create the aBOMs of new inventory of parts with an mBOM, as ION does since 2024."""
    found = tx.connection.execute(SELECT_NEW_ASSEMBLIES, (after_action_id,)).fetchall()
    for (inventory_id,) in found:
        _add_abom(tx, require_row(tx, "parts_inventory", inventory_id))


# inventory created after an action, of parts whose mBOM has items
SELECT_NEW_ASSEMBLIES = """
SELECT v.id FROM logged_actions a JOIN parts_inventory v ON v.id = CAST(a.row_id AS INTEGER)
 WHERE a.action_id > ? AND a.table_name = 'parts_inventory' AND a.action = 'CREATE'
   AND EXISTS (SELECT 1 FROM mboms m JOIN mbom_item i ON i.mbom_id = m.id WHERE m.part_id = v.part_id)
   AND NOT EXISTS (SELECT 1 FROM abom_items x WHERE x.part_inventory_id = v.id)"""
# the released mBOM of a part, else the latest
SELECT_MBOM = """
SELECT id FROM mboms WHERE part_id = ? ORDER BY status IS 'released' DESC, version DESC LIMIT 1"""


def _add_abom(tx: Transaction, inventory: Row) -> int:
    """Create the aBOM of an inventory from the mBOM of its part; return its root."""
    root: int = tx.insert(
        "abom_items",
        {
            "part_inventory_id": inventory["id"],
            "part_id": inventory["part_id"],
            "quantity": inventory["quantity"],
        },
    )
    mbom = tx.scalar(SELECT_MBOM, inventory["part_id"])
    for item in tx.find("mbom_item", "id", mbom_id=mbom) if mbom else ():
        child = tx.insert(
            "abom_items",
            {
                "part_id": item["part_id"],
                "origin_mbom_item_id": item["id"],
                "expected_quantity_per": item["quantity"],
                "quantity": 0.0,
            },
        )
        tx.insert("abom_edges", {"parent_abom_item_id": root, "child_abom_item_id": child})
    return root


@MUTATIONS.handles("createAbomItem")
def _create_abom_item(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    parent = require_row(tx, "abom_items", int(values["parentId"]))
    row, rest = encode_input(tx.catalog.resources["abom_items"], values)
    row["quantity"] = row.get("quantity") or 0.0
    key: int = tx.insert("abom_items", row)
    _add_edge(tx, parent["id"], key)
    check_installed(tx, require_row(tx, "abom_items", key))
    move_to_assembly(tx, key, row.get("part_inventory_id"))
    _set_designator(tx, key, rest.get("referenceDesignator"))
    return {"abomItem": key}


@MUTATIONS.handles("updateAbomItem")
def _update_abom_item(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    item = require_current(tx, "abom_items", values)
    given = {k: v for k, v in values.items() if k not in {"id", "etag", "parentId"}}
    check_nulls(tx.catalog.resources["abom_items"], given)
    row, rest = encode_input(tx.catalog.resources["abom_items"], given)
    tx.update("abom_items", item["id"], row)
    if values.get("parentId") is not None:
        tx.delete_where("abom_edges", child_abom_item_id=item["id"])
        _add_edge(tx, int(values["parentId"]), item["id"])
    installed = require_row(tx, "abom_items", item["id"])
    check_installed(tx, installed)
    if installed["part_inventory_id"] != item["part_inventory_id"]:
        move_to_assembly(tx, item["id"], installed["part_inventory_id"])
    _set_designator(tx, item["id"], rest.get("referenceDesignator"))
    return {"abomItem": item["id"]}


def _add_edge(tx: Transaction, parent_id: int, child_id: int) -> None:
    require_row(tx, "abom_items", parent_id)
    check_tree(tx, parent_id, child_id)
    tx.insert("abom_edges", {"parent_abom_item_id": parent_id, "child_abom_item_id": child_id})


@MUTATIONS.handles("installKitOnAbomItemChildren")
def _install_kit(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Install the inventory of a kit on matching aBOM items, in the order of ids (assumed)."""
    root = require_current(tx, "abom_items", args["input"], "abomItemId")
    kit = require_row(tx, "parts_kits", args["input"]["partKitId"])
    installed: list[int] = []
    for item in tx.connection.execute(SELECT_FREE_CHILDREN, (root["id"],)).fetchall():
        found = tx.connection.execute(SELECT_KIT_INVENTORY, (kit["id"], item[1])).fetchone()
        if found is not None:
            tx.update("abom_items", item[0], {"part_inventory_id": found[0], "quantity": found[1]})
            check_installed(tx, require_row(tx, "abom_items", item[0]))
            move_to_assembly(tx, item[0], found[0])
            installed.append(item[0])
    ensure(installed, "No inventory in this kit matches an item of this aBOM.")
    tx.touch("abom_items", root["id"])
    return {"abomItems": installed}


# the children of an aBOM item without an inventory
SELECT_FREE_CHILDREN = """
SELECT a.id, a.part_id FROM abom_edges e JOIN abom_items a ON a.id = e.child_abom_item_id
 WHERE e.parent_abom_item_id = ? AND a.part_inventory_id IS NULL ORDER BY a.id"""
# inventory of a part in a kit that is not installed
SELECT_KIT_INVENTORY = """
SELECT v.id, k.quantity FROM part_kit_items i JOIN part_kit_inventories k ON k.part_kit_item_id = i.id
  JOIN parts_inventory v ON v.id = k.part_inventory_id
 WHERE i.part_kit_id = ? AND v.part_id = ?
   AND NOT EXISTS (SELECT 1 FROM abom_items a WHERE a.part_inventory_id = v.id AND a.quantity > 0)
 ORDER BY v.id LIMIT 1"""


def _set_designator(tx: Transaction, item_id: int, value: str | None) -> None:
    if value is None:
        return
    found = tx.find("abom_item_reference_designators", abom_item_id=item_id)
    if found:
        tx.update("abom_item_reference_designators", found[0]["id"], {"value": value})
    else:
        tx.insert("abom_item_reference_designators", {"abom_item_id": item_id, "value": value})
