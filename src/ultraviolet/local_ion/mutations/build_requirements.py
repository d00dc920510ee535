"""Build requirements and installations, ION's newer words for aBOM items, over the same items.

The items of an assembly that want the same part for the same item of its mBOM are one requirement, and its number is the
first one's; each of them that something is installed on is an installation (assumed).
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from sqlite3 import Connection
from typing import Any

from ultraviolet.local_ion.rules.hooks import refuse_unless
from ultraviolet.local_ion.rules.inventory import check_installed
from ultraviolet.local_ion.rules.validation import require
from ultraviolet.local_ion.store.store import Row, Transaction

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]
# the items of assemblies, each with the requirement it belongs to
ITEMS = """
SELECT own.part_inventory_id, c.id, c.part_id, coalesce(c.expected_fixed_quantity, c.expected_quantity_per),
       c.part_inventory_id, c.quantity,
       CASE WHEN c.origin_mbom_item_id IS NULL THEN c.id ELSE min(c.id) OVER (
         PARTITION BY e.parent_abom_item_id, c.part_id, c.origin_mbom_item_id) END AS requirement
  FROM abom_items own JOIN abom_edges e ON e.parent_abom_item_id = own.id
  JOIN abom_items c ON c.id = e.child_abom_item_id"""


def of_inventories(connection: Connection, ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """Give the build requirements of assemblies, by their inventory, as the API shows them."""
    sql = f"{ITEMS} WHERE own.part_inventory_id IN (SELECT value FROM json_each(?)) ORDER BY c.id"
    found: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    for assembly, item, part, wanted, inventory, quantity, requirement in connection.execute(
        sql, (json.dumps(list(ids)),)
    ):
        made = found[assembly].setdefault(
            requirement,
            {"id": item, "partId": part, "part": part, "quantity": wanted, "abomInstallations": []},
        )
        if inventory is not None:
            made["abomInstallations"].append(_shown(requirement, inventory, quantity))
    return {assembly: list(each.values()) for assembly, each in found.items()}


def one(connection: Connection, requirement: int, inventory: int) -> dict[str, Any] | None:
    """Give what of an inventory was installed for a requirement, or None."""
    for quantity in (i["quantity"] for i in _items(connection, requirement) if i["inventory"] == inventory):
        return _shown(requirement, inventory, quantity)
    return None


def _items(connection: Connection, requirement: int) -> list[Row]:
    sql = f"SELECT id, part_inventory_id, quantity FROM ({_named()}) WHERE requirement = ? ORDER BY id"
    return [
        {"id": id_, "inventory": inventory, "quantity": quantity}
        for id_, inventory, quantity in connection.execute(sql, (requirement,))
    ]


def _named() -> str:
    names = "assembly, id, part_id, wanted, part_inventory_id, quantity, requirement"
    return f"WITH items ({names}) AS ({ITEMS}) SELECT * FROM items"


def _shown(requirement: int, inventory: int, quantity: float) -> dict[str, Any]:
    return {
        "buildRequirementId": requirement,
        "buildRequirementReferenceDesignatorId": None,
        "partInventoryId": inventory,
        "partInventory": inventory,
        "quantity": quantity,
    }


def _install(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Install on the requirement's free item, or on one more beside it."""
    values = args["input"]
    requirement, inventory = int(values["buildRequirementId"]), int(values["partInventoryId"])
    first = require(tx, "abom_items", requirement)
    require(tx, "parts_inventory", inventory)
    refuse_unless(values["quantity"] > 0, "An installed quantity must be more than 0.")
    items = _items(tx.connection, requirement)
    refuse_unless(items, f"BuildRequirement {requirement} does not exist.")
    refuse_unless(
        all(i["inventory"] != inventory for i in items),
        "This installation of the inventory for the requirement is not unique.",
    )
    row = {"part_inventory_id": inventory, "quantity": values["quantity"]}
    free = next((i["id"] for i in items if i["inventory"] is None), None)
    if free is None:
        free = _beside(tx, first)
    tx.update("abom_items", free, row)
    check_installed(tx, require(tx, "abom_items", free))
    return {"abomInstallation": _shown(requirement, inventory, values["quantity"])}


def _beside(tx: Transaction, first: Row) -> int:
    refuse_unless(first["origin_mbom_item_id"] is not None, "This requirement is met already.")
    same = {c: first[c] for c in ("part_id", "origin_mbom_item_id")}
    key: int = tx.insert("abom_items", {**same, "quantity": 0.0})
    for edge in tx.find("abom_edges", child_abom_item_id=first["id"]):
        tx.insert(
            "abom_edges", {"parent_abom_item_id": edge["parent_abom_item_id"], "child_abom_item_id": key}
        )
    return key


MUTATIONS: Mapping[str, Handler] = {"createAbomInstallation": _install}
"""By name."""
