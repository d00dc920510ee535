"""Inventory: what a serial or lot tracked quantity may be, and how much of it is free for kits and assemblies."""

from collections.abc import Mapping

from graphql import GraphQLError

from ultraviolet.local_ion.rules.hooks import Behaviour, Rest, changed, merged, refuse_unless
from ultraviolet.local_ion.store.store import Row, Transaction

# what is in open kits or installed in a parent's aBOM; what is both counts once
BOUND = """
SELECT max((SELECT coalesce(sum(k.quantity), 0) FROM part_kit_inventories k
              JOIN part_kit_items i ON i.id = k.part_kit_item_id JOIN parts_kits p ON p.id = i.part_kit_id
             WHERE k.part_inventory_id = ?1 AND p.status NOT IN ('completed', 'canceled')),
           (SELECT coalesce(sum(a.quantity), 0) FROM abom_items a
             WHERE a.part_inventory_id = ?1
               AND EXISTS (SELECT 1 FROM abom_edges e WHERE e.child_abom_item_id = a.id)))"""
# whether one aBOM item lies above another
ABOVE = """
WITH RECURSIVE up (id) AS (SELECT ?1 UNION SELECT e.parent_abom_item_id FROM up
  JOIN abom_edges e ON e.child_abom_item_id = up.id) SELECT 1 FROM up WHERE id = ?2"""

# whether an inventory is what an aBOM item belongs to
WITHIN = """
WITH RECURSIVE up (id) AS (SELECT e.parent_abom_item_id FROM abom_edges e WHERE e.child_abom_item_id = ?1 UNION
  SELECT e.parent_abom_item_id FROM up JOIN abom_edges e ON e.child_abom_item_id = up.id)
SELECT 1 FROM up JOIN abom_items a ON a.id = up.id WHERE a.part_inventory_id = ?2"""


def bound(tx: Transaction, inventory_id: int) -> float:
    """Tell how much of an inventory is in open kits or installed."""
    return tx.scalar(BOUND, inventory_id)


def free(tx: Transaction, inventory: Row) -> float:
    """Tell how much of an inventory can be taken."""
    return inventory["quantity"] - inventory["quantity_scrapped"] - bound(tx, inventory["id"])


def check(tx: Transaction, row: Row, tracking: str | None) -> None:
    """Hold an inventory against the rules of quantities (manual, tracking types)."""
    quantity, scrapped = row["quantity"], row["quantity_scrapped"]
    refuse_unless(quantity is not None and quantity >= 0, "The quantity of an inventory must not be below 0.")
    refuse_unless(
        scrapped is not None and 0 <= scrapped <= quantity,
        "The scrapped quantity must be between 0 and the quantity.",
    )
    if tracking == "serial":
        refuse_unless(quantity in {0, 1}, "The quantity of a serial tracked inventory is 0 or 1.")
    if row.get("id") is not None:
        refuse_unless(
            (quantity or 0) - (scrapped or 0) >= bound(tx, row["id"]),
            "The quantity is less than what is kitted and installed.",
        )


def tracking_of(tx: Transaction, part_id: int) -> str | None:
    """Tell how a part is tracked."""
    return tx.scalar("SELECT tracking_type FROM parts WHERE id = ?", part_id)


def serial_number(tx: Transaction, part_id: int) -> str:
    """Generate the next serial number of a part."""
    made = tx.scalar("SELECT count(*) + 1 FROM parts_inventory WHERE part_id = ?", part_id)
    serial = f"SN-{part_id:05d}-{made:05d}"
    while tx.scalar("SELECT 1 FROM parts_inventory WHERE part_id = ? AND serial_number = ?", part_id, serial):
        made += 1
        serial = f"SN-{part_id:05d}-{made:05d}"
    return serial


def lot_number(tx: Transaction) -> str:
    """Generate the next lot number."""
    return f"LOT-{tx.scalar('SELECT coalesce(max(id), 0) + 1 FROM parts_inventory'):06d}"


def _before_create(tx: Transaction, row: Row, rest: Rest) -> None:
    part = tx.get("parts", row["part_id"])
    if part is not None and row.get("unit_of_measure_id") is None:
        row["unit_of_measure_id"] = part["unit_of_measure_id"]
    _numbers(tx, row["part_id"], row, rest)
    check(tx, row, part["tracking_type"] if part else None)


def _before_update(tx: Transaction, old: Row, row: Row, rest: Rest) -> None:
    after = merged(old, row)
    _numbers(tx, after["part_id"], after, rest)
    row.update({c: after[c] for c in ("serial_number", "lot_number", "_cost") if after[c] != old[c]})
    if changed(old, row) & {"quantity", "quantity_scrapped", "part_id"}:
        check(tx, after, tracking_of(tx, after["part_id"]))


def _numbers(tx: Transaction, part_id: int, row: Row, rest: Rest) -> None:
    if rest.get("autogenerateSerialNumber") and row.get("serial_number") is None:
        row["serial_number"] = serial_number(tx, part_id)
    if rest.get("autogenerateLotNumber") and row.get("lot_number") is None:
        row["lot_number"] = lot_number(tx)
    if "cost" in rest:
        row["_cost"] = None if rest["cost"] is None else float(rest["cost"])


def _before_delete(tx: Transaction, old: Row) -> None:
    used = tx.scalar("SELECT 1 FROM part_kit_inventories WHERE part_inventory_id = ?", old["id"])
    refuse_unless(not used, "This inventory is still used: it was issued to a kit.")


def _before_part_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    if row.get("tracking_type") == "serial" != old["tracking_type"]:
        sql = "SELECT 1 FROM parts_inventory WHERE part_id = ? AND quantity NOT IN (0, 1)"
        refuse_unless(not tx.scalar(sql, old["id"]), "Some inventory of this part is more than one piece.")
    if "revision" in changed(old, row):
        raise GraphQLError("The revision of a part changes only by createPartRevision.")


def _before_part(_: Transaction, row: Row, __: Rest) -> None:
    row["revision"] = row.get("revision") or "A"


def _before_location_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    above = row.get("parent_id")
    while above is not None:
        refuse_unless(above != old["id"], "A location cannot lie within itself.")
        above = tx.scalar("SELECT parent_id FROM locations WHERE id = ?", above)


def check_installed(tx: Transaction, item: Row) -> None:
    """Hold what is installed by an aBOM item against what there is, and against what fits."""
    refuse_unless(item["quantity"] >= 0, "An installed quantity must not be below 0.")
    inventory = tx.get("parts_inventory", item["part_inventory_id"]) if item["part_inventory_id"] else None
    if inventory is None:
        return
    within = tx.scalar(WITHIN, item["id"], inventory["id"])
    refuse_unless(not within, "An assembly cannot be installed in itself.")
    if item["part_id"] is not None:
        refuse_unless(
            inventory["part_id"] in _fitting(tx, item), "This part does not fit this item of the aBOM."
        )
    refuse_unless(free(tx, inventory) >= 0, "There is less of this inventory than is to be installed.")


def _fitting(tx: Transaction, item: Row) -> set[int]:
    """Give the part an item is for, its revisions and its substitutes (assumed: any revision fits)."""
    sql = (
        "SELECT b.id FROM parts a JOIN parts b ON b.part_number = a.part_number WHERE a.id = ? UNION"
        " SELECT part_id FROM mbom_substitute WHERE mbom_item_id = ?"
    )
    return {id_ for (id_,) in tx.connection.execute(sql, (item["part_id"], item["origin_mbom_item_id"]))}


def check_tree(tx: Transaction, parent: int, child: int) -> None:
    """Refuse an assembly that would be part of itself."""
    refuse_unless(not tx.scalar(ABOVE, parent, child), "An assembly cannot be installed in itself.")


def _before_kit_update(_: Transaction, old: Row, __: Row, ___: Rest) -> None:
    refuse_unless(old["status"] != "canceled", "A canceled kit cannot change.")


def _before_kit_delete(tx: Transaction, old: Row) -> None:
    sql = (
        "SELECT 1 FROM part_kit_inventories k JOIN part_kit_items i ON i.id = k.part_kit_item_id"
        " WHERE i.part_kit_id = ?"
    )
    refuse_unless(not tx.scalar(sql, old["id"]), "This kit is still used: inventory was issued to it.")


def _before_item_delete(tx: Transaction, old: Row) -> None:
    used = tx.scalar("SELECT 1 FROM part_kit_inventories WHERE part_kit_item_id = ?", old["id"])
    refuse_unless(not used, "This item is still used: inventory was issued to it.")


def _before_item(_: Transaction, row: Row, __: Rest) -> None:
    refuse_unless(row["quantity"] > 0, "The quantity of a kit's item must be more than 0.")


def _before_item_update(_: Transaction, __: Row, row: Row, ___: Rest) -> None:
    refuse_unless(row.get("quantity", 1) > 0, "The quantity of a kit's item must be more than 0.")


BEHAVIOURS: Mapping[str, Behaviour] = {
    "parts": Behaviour(
        before_create=_before_part,
        before_update=_before_part_update,
        ties=(("part_part_subtypes", "part_id"),),
    ),
    "part_subtypes": Behaviour(ties=(("part_part_subtypes", "part_subtype_id"),)),
    "parts_inventory": Behaviour(
        before_create=_before_create,
        before_update=_before_update,
        before_delete=_before_delete,
        ties=(
            ("purchase_order_line_inventories", "part_inventory_id"),
            ("run_step_part_inventories", "part_inventory_id"),
            ("origin_runs", "part_inventory_id"),
        ),
    ),
    "locations": Behaviour(before_update=_before_location_update),
    "parts_kits": Behaviour(
        before_update=_before_kit_update,
        before_delete=_before_kit_delete,
        owned=(("part_kit_items", "part_kit_id"),),
    ),
    "part_kit_items": Behaviour(
        before_create=_before_item, before_update=_before_item_update, before_delete=_before_item_delete
    ),
    "abom_items": Behaviour(
        owned=(
            ("abom_item_reference_designators", "abom_item_id"),
            ("abom_edges", "child_abom_item_id"),
            ("abom_edges", "parent_abom_item_id"),
        )
    ),
}
"""By resource."""
