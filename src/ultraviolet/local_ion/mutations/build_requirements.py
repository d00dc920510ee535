"""Build requirements and installations: ION's newer API for aBOM items.

Items of an assembly with the same part and mBOM item are one requirement (assumed).
Its id is the id of the first item. Items with an inventory are its installations (assumed).
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from sqlite3 import Connection
from typing import Any

from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.inventory import check_installed
from ultraviolet.local_ion.rules.movement import move_to_assembly
from ultraviolet.local_ion.rules.validation import require_row
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""

# the aBOM items of assemblies, each with its requirement
SELECT_ITEMS = """
SELECT own.part_inventory_id, c.id, c.part_id, coalesce(c.expected_fixed_quantity, c.expected_quantity_per),
       c.part_inventory_id, c.quantity,
       CASE WHEN c.origin_mbom_item_id IS NULL THEN c.id ELSE min(c.id) OVER (
         PARTITION BY e.parent_abom_item_id, c.part_id, c.origin_mbom_item_id) END AS requirement
  FROM abom_items own JOIN abom_edges e ON e.parent_abom_item_id = own.id
  JOIN abom_items c ON c.id = e.child_abom_item_id"""


def load_requirements(connection: Connection, ids: Iterable[int]) -> list[list[dict[str, Any]]]:
    """Return the build requirements of each assembly, given by inventory id, as API values."""
    keys = list(ids)
    sql = f"{SELECT_ITEMS} WHERE own.part_inventory_id IN (SELECT value FROM json_each(?)) ORDER BY c.id"
    found: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    for assembly, item, part, wanted, inventory, quantity, requirement in connection.execute(
        sql, (json.dumps(keys),)
    ):
        values = found[assembly].setdefault(
            requirement,
            {"id": item, "partId": part, "part": part, "quantity": wanted, "abomInstallations": []},
        )
        if inventory is not None:
            values["abomInstallations"].append(_installation(requirement, inventory, quantity))
    return [list(found[key].values()) for key in keys]


def load_installation(
    connection: Connection, requirement: int, inventory: int
) -> dict[str, Any] | None:
    """Return the installation of an inventory for a requirement, or None."""
    for item in _load_items(connection, requirement):
        if item["inventory"] == inventory:
            return _installation(requirement, inventory, item["quantity"])
    return None


def _load_items(connection: Connection, requirement: int) -> list[Row]:
    names = "assembly, id, part_id, wanted, part_inventory_id, quantity, requirement"
    sql = (
        f"WITH items ({names}) AS ({SELECT_ITEMS})"
        " SELECT id, part_inventory_id, quantity FROM items WHERE requirement = ? ORDER BY id"
    )
    return [
        {"id": id_, "inventory": inventory, "quantity": quantity}
        for id_, inventory, quantity in connection.execute(sql, (requirement,))
    ]


def _installation(requirement: int, inventory: int, quantity: float) -> dict[str, Any]:
    return {
        "buildRequirementId": requirement,
        "buildRequirementReferenceDesignatorId": None,
        "partInventoryId": inventory,
        "partInventory": inventory,
        "quantity": quantity,
    }


@MUTATIONS.handles("createAbomInstallation")
def _create_installation(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Install an inventory on a free item of the requirement, or on a new item."""
    values = args["input"]
    requirement, inventory = int(values["buildRequirementId"]), int(values["partInventoryId"])
    first = require_row(tx, "abom_items", requirement)
    require_row(tx, "parts_inventory", inventory)
    ensure(values["quantity"] > 0, "An installed quantity must be more than 0.")
    items = _load_items(tx.connection, requirement)
    ensure(items, f"BuildRequirement {requirement} does not exist.")
    ensure(
        all(i["inventory"] != inventory for i in items),
        "This installation of the inventory for the requirement is not unique.",
    )
    row = {"part_inventory_id": inventory, "quantity": values["quantity"]}
    free = next((i["id"] for i in items if i["inventory"] is None), None)
    if free is None:
        ensure(first["origin_mbom_item_id"] is not None, "This requirement is already met.")
        same = {c: first[c] for c in ("part_id", "origin_mbom_item_id")}
        free = tx.insert("abom_items", {**same, "quantity": 0.0})
        for edge in tx.find("abom_edges", child_abom_item_id=first["id"]):
            pair = {"parent_abom_item_id": edge["parent_abom_item_id"], "child_abom_item_id": free}
            tx.insert("abom_edges", pair)
    tx.update("abom_items", free, row)
    check_installed(tx, require_row(tx, "abom_items", free))
    move_to_assembly(tx, free, inventory)
    return {"abomInstallation": _installation(requirement, inventory, values["quantity"])}
