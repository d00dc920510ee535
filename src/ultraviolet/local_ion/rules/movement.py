"""Automatic movement of inventory: with its kit, with its assembly, and to the step of a run.

ION documents these movements (manual, inventory movement automations).
"""

from ultraviolet.local_ion.rules.organization import load_setting
from ultraviolet.local_ion.store.transaction import Row, Transaction

# the inventories installed in an inventory, through all levels of the aBOM; one of which only a
# part is installed stays, because its rest would move as well (assumed)
SELECT_CONTENTS = """
WITH RECURSIVE inside (item) AS (
  SELECT id FROM abom_items WHERE part_inventory_id = ?1
  UNION SELECT e.child_abom_item_id FROM inside JOIN abom_edges e ON e.parent_abom_item_id = inside.item
  UNION SELECT own.id FROM inside JOIN abom_items i ON i.id = inside.item
    JOIN abom_items own ON own.part_inventory_id = i.part_inventory_id)
SELECT v.id FROM parts_inventory v
 WHERE v.id <> ?1
   AND v.id IN (SELECT i.part_inventory_id FROM inside JOIN abom_items i ON i.id = inside.item)
   AND (SELECT sum(a.quantity) FROM abom_items a WHERE a.part_inventory_id = v.id
         AND EXISTS (SELECT 1 FROM abom_edges e WHERE e.child_abom_item_id = a.id)) >= v.quantity"""
# the assembly of an aBOM item: the nearest item above it with an inventory
SELECT_ASSEMBLY = """
WITH RECURSIVE up (item, depth) AS (
  SELECT parent_abom_item_id, 1 FROM abom_edges WHERE child_abom_item_id = ?
  UNION SELECT e.parent_abom_item_id, depth + 1 FROM up JOIN abom_edges e ON e.child_abom_item_id = up.item)
SELECT v.location_id FROM up JOIN abom_items a ON a.id = up.item
  JOIN parts_inventory v ON v.id = a.part_inventory_id ORDER BY depth LIMIT 1"""
# the inventories of a kit; those that are installed move with their assembly (assumed)
SELECT_IN_KIT = """
SELECT k.part_inventory_id FROM part_kit_inventories k JOIN part_kit_items i ON i.id = k.part_kit_item_id
  JOIN parts_inventory v ON v.id = k.part_inventory_id
 WHERE i.part_kit_id = ?
   AND (SELECT coalesce(sum(a.quantity), 0) FROM abom_items a WHERE a.part_inventory_id = v.id
         AND EXISTS (SELECT 1 FROM abom_edges e WHERE e.child_abom_item_id = a.id)) < v.quantity"""


def move_inventory(tx: Transaction, inventory_id: int, location_id: int | None) -> None:
    """Move an inventory with its contents; without a location it stays."""
    if location_id is None:
        return
    tx.update("parts_inventory", inventory_id, {"location_id": location_id})
    move_contents(tx, inventory_id, location_id)


def move_contents(tx: Transaction, inventory_id: int, location_id: int | None) -> None:
    """Move everything that is installed in an inventory."""
    for (installed,) in tx.connection.execute(SELECT_CONTENTS, (inventory_id,)).fetchall():
        tx.update("parts_inventory", installed, {"location_id": location_id})


def move_to_assembly(tx: Transaction, abom_item_id: int, inventory_id: int | None) -> None:
    """Move a newly installed inventory to the location of its assembly."""
    if inventory_id is not None:
        move_inventory(tx, inventory_id, tx.scalar(SELECT_ASSEMBLY, abom_item_id))


def move_kit_contents(tx: Transaction, kit_id: int, location_id: int | None) -> None:
    """Move all inventory of a kit."""
    for (inventory,) in tx.connection.execute(SELECT_IN_KIT, (kit_id,)).fetchall():
        move_inventory(tx, inventory, location_id)


def move_to_kit(tx: Transaction, kit: Row, inventory_id: int) -> None:
    """Move issued inventory to its kit; a requested kit is in progress from then on."""
    move_inventory(tx, inventory_id, kit["location_id"])
    if kit["status"] == "requested":
        tx.update("parts_kits", kit["id"], {"status": "in_progress"})


def move_to_step(tx: Transaction, step: Row) -> None:
    """Move the inventory that a run builds to the location of a started step.

    The organization's setting `moveInventoryToStepLocation` can switch this off.
    """
    if step["location_id"] is None:
        return
    if load_setting(tx, "partsInventory", "moveInventoryToStepLocation") in {None, 1}:
        sql = "SELECT part_inventory_id FROM runs WHERE id = ?"
        inventory = tx.scalar(sql, step["run_id"])
        if inventory is not None:
            move_inventory(tx, inventory, step["location_id"])
