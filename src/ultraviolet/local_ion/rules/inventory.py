"""Rules of inventory: quantities, tracking, kits and assemblies."""

from collections.abc import Mapping

from graphql import GraphQLError

from ultraviolet.local_ion.rules.hooks import ExtraInput, Hooks, changed_columns, ensure
from ultraviolet.local_ion.rules.movement import move_contents, move_kit_contents
from ultraviolet.local_ion.rules.on_order import is_on_order
from ultraviolet.local_ion.store.columns import encode
from ultraviolet.local_ion.store.transaction import Row, Transaction

MAX_DESCRIPTION = 512
"""Characters of a part's description (documented)."""

# the quantity in open kits or installed in an aBOM, whichever is larger
SELECT_ALLOCATED = """
SELECT max((SELECT coalesce(sum(k.quantity), 0) FROM part_kit_inventories k
              JOIN part_kit_items i ON i.id = k.part_kit_item_id JOIN parts_kits p ON p.id = i.part_kit_id
             WHERE k.part_inventory_id = ?1 AND p.status <> 'completed'),
           (SELECT coalesce(sum(a.quantity), 0) FROM abom_items a
             WHERE a.part_inventory_id = ?1
               AND EXISTS (SELECT 1 FROM abom_edges e WHERE e.child_abom_item_id = a.id)))"""
# whether a part is the part of an aBOM item, a revision of it (assumed) or a substitute
SELECT_FITS = """
SELECT 1 FROM (SELECT b.id FROM parts a JOIN parts b ON b.part_number = a.part_number WHERE a.id = ?1
  UNION SELECT part_id FROM mbom_substitute WHERE mbom_item_id = ?2) WHERE id = ?3"""
# whether an aBOM item is an ancestor of another
SELECT_IS_ANCESTOR = """
WITH RECURSIVE up (id) AS (SELECT ?1 UNION SELECT e.parent_abom_item_id FROM up
  JOIN abom_edges e ON e.child_abom_item_id = up.id) SELECT 1 FROM up WHERE id = ?2"""
# whether an inventory contains an aBOM item
SELECT_CONTAINS = """
WITH RECURSIVE up (id) AS (SELECT e.parent_abom_item_id FROM abom_edges e WHERE e.child_abom_item_id = ?1 UNION
  SELECT e.parent_abom_item_id FROM up JOIN abom_edges e ON e.child_abom_item_id = up.id)
SELECT 1 FROM up JOIN abom_items a ON a.id = up.id WHERE a.part_inventory_id = ?2"""


def allocated_quantity(tx: Transaction, inventory_id: int) -> float:
    """Return the quantity of an inventory in open kits or installed."""
    return tx.scalar(SELECT_ALLOCATED, inventory_id)


def free_quantity(tx: Transaction, inventory: Row) -> float:
    """Return the quantity of an inventory that is available."""
    usable = inventory["quantity"] - inventory["quantity_scrapped"]
    return usable - allocated_quantity(tx, inventory["id"])


def check_quantities(tx: Transaction, row: Row, tracking: str | None) -> None:
    """Raise GraphQLError for invalid quantities (ION's manual, tracking types)."""
    quantity, scrapped = row["quantity"], row["quantity_scrapped"]
    ensure(
        quantity is not None and quantity >= 0, "The quantity of an inventory must not be below 0."
    )
    ensure(
        scrapped is not None and 0 <= scrapped <= quantity,
        "The scrapped quantity must be between 0 and the quantity.",
    )
    if tracking == "serial":
        ensure(quantity in {0, 1}, "The quantity of a serial tracked inventory is 0 or 1.")
    if row.get("id") is not None:
        ensure(
            (quantity or 0) - (scrapped or 0) >= allocated_quantity(tx, row["id"]),
            "The quantity is less than the kitted and installed quantity.",
        )


def check_tracked(row: Row, tracking: str | None) -> None:
    """Raise GraphQLError for a tracked part without its number (manual, receiving)."""
    if tracking is not None:
        column = "serial_number" if tracking == "serial" else "lot_number"
        words = column.replace("_", " ")
        ensure(row.get(column), f"A {tracking} tracked part requires a {words}.")


def check_description(row: Row) -> None:
    """Raise GraphQLError for a too long description of a part (documented)."""
    message = f"The description of a part has at most {MAX_DESCRIPTION} characters."
    ensure(len(row.get("description") or "") <= MAX_DESCRIPTION, message)


def load_tracking_type(tx: Transaction, part_id: int) -> str | None:
    """Return the tracking type of a part."""
    return tx.scalar("SELECT tracking_type FROM parts WHERE id = ?", part_id)


def generate_serial_number(tx: Transaction, part_id: int) -> str:
    """Return the next serial number of a part."""
    number = tx.scalar("SELECT count(*) + 1 FROM parts_inventory WHERE part_id = ?", part_id)
    serial = f"SN-{part_id:05d}-{number:05d}"
    exists = "SELECT 1 FROM parts_inventory WHERE part_id = ? AND serial_number = ?"
    while tx.scalar(exists, part_id, serial):
        number += 1
        serial = f"SN-{part_id:05d}-{number:05d}"
    return serial


def generate_lot_number(tx: Transaction) -> str:
    """Return the next lot number."""
    number = tx.scalar("SELECT coalesce(max(id), 0) + 1 FROM parts_inventory")
    return f"LOT-{number:06d}"


def check_installed(tx: Transaction, item: Row) -> None:
    """Raise GraphQLError if the installed part or quantity is not allowed.

    Any revision of a part and its substitutes are allowed (assumed).
    """
    ensure(item["quantity"] >= 0, "An installed quantity must not be below 0.")
    inventory = (
        tx.get("parts_inventory", item["part_inventory_id"]) if item["part_inventory_id"] else None
    )
    if inventory is None:
        return
    contains_item = tx.scalar(SELECT_CONTAINS, item["id"], inventory["id"])
    ensure(not contains_item, "An assembly cannot be installed in itself.")
    if item["part_id"] is not None:
        key = (item["part_id"], item["origin_mbom_item_id"], inventory["part_id"])
        ensure(tx.scalar(SELECT_FITS, *key), "This part does not fit this item of the aBOM.")
    ensure(
        free_quantity(tx, inventory) >= 0,
        "The quantity to install is larger than the available quantity.",
    )


def check_tree(tx: Transaction, parent: int, child: int) -> None:
    """Raise GraphQLError if an assembly would contain itself."""
    contains = tx.scalar(SELECT_IS_ANCESTOR, parent, child)
    ensure(not contains, "An assembly cannot be installed in itself.")


class _Inventory(Hooks, frozen=True):
    def before_create(self, tx: Transaction, row: Row, extra: ExtraInput) -> None:
        part = tx.get("parts", row["part_id"])
        if part is not None and row.get("unit_of_measure_id") is None:
            row["unit_of_measure_id"] = part["unit_of_measure_id"]
        _set_numbers_and_cost(tx, row["part_id"], row, extra)
        tracking = part["tracking_type"] if part else None
        check_tracked(row, tracking)
        check_quantities(tx, row, tracking)

    def before_update(self, tx: Transaction, old: Row, row: Row, extra: ExtraInput) -> None:
        after = {**old, **row}
        _set_numbers_and_cost(tx, after["part_id"], after, extra)
        row.update(
            {
                c: after[c]
                for c in ("serial_number", "lot_number", "_cost")
                if after[c] != row.get(c, old[c])
            }
        )
        changed = changed_columns(old, row)
        if changed & {"quantity", "quantity_scrapped", "part_id"}:
            check_quantities(tx, after, load_tracking_type(tx, after["part_id"]))
        if changed & {"serial_number", "lot_number"} and not is_on_order(tx, old["id"]):
            check_tracked(after, load_tracking_type(tx, after["part_id"]))

    def after_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        if "location_id" in changed_columns(old, row):
            move_contents(tx, old["id"], row["location_id"])

    def before_delete(self, tx: Transaction, old: Row) -> None:
        sql = "SELECT 1 FROM part_kit_inventories WHERE part_inventory_id = ?"
        ensure(
            not tx.scalar(sql, old["id"]), "This inventory is still used: it was issued to a kit."
        )


def _set_numbers_and_cost(tx: Transaction, part_id: int, row: Row, extra: ExtraInput) -> None:
    """Set numbers and cost; a blank serial or lot number is null (assumed)."""
    for column in ("serial_number", "lot_number"):
        if not (row.get(column) or "").strip():
            row[column] = None
    if extra.get("autogenerateSerialNumber") and row.get("serial_number") is None:
        row["serial_number"] = generate_serial_number(tx, part_id)
    if extra.get("autogenerateLotNumber") and row.get("lot_number") is None:
        row["lot_number"] = generate_lot_number(tx)
    if "cost" in extra:
        cost = tx.catalog.resources["parts_inventory"].field("cost")
        assert cost is not None
        row["_cost"] = encode(cost, extra["cost"])


class _Parts(Hooks, frozen=True):
    def before_write(self, _tx: Transaction, _old: Row, row: Row, _extra: ExtraInput) -> None:
        check_description(row)

    def before_create(self, _tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        row["revision"] = row.get("revision") or "A"

    def before_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        if row.get("tracking_type") == "serial" != old["tracking_type"]:
            sql = "SELECT 1 FROM parts_inventory WHERE part_id = ? AND quantity NOT IN (0, 1)"
            several = tx.scalar(sql, old["id"])
            ensure(not several, "Some inventory of this part has more than one piece.")
        if "revision" in changed_columns(old, row):
            raise GraphQLError("The revision of a part changes only by createPartRevision.")


class _Locations(Hooks, frozen=True):
    def before_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        above = row.get("parent_id")
        while above is not None:
            ensure(above != old["id"], "A location cannot contain itself.")
            above = tx.scalar("SELECT parent_id FROM locations WHERE id = ?", above)


class _Kits(Hooks, frozen=True):
    def before_write(self, _tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        """Place a kit that becomes delivered at its delivery location (manual, kit statuses)."""
        after = {**old, **row}
        is_delivered = after["status"] == "delivered" and old.get("status") != "delivered"
        if is_delivered and after.get("delivery_location_id") is not None:
            row["location_id"] = after["delivery_location_id"]

    def after_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        """Move the contents; those of a completed kit are no longer kitted (warehouse models)."""
        if "location_id" in changed_columns(old, row) and old["status"] != "completed":
            move_kit_contents(tx, old["id"], row["location_id"])

    def before_delete(self, tx: Transaction, old: Row) -> None:
        sql = (
            "SELECT 1 FROM part_kit_inventories k JOIN part_kit_items i ON i.id = k.part_kit_item_id"
            " WHERE i.part_kit_id = ?"
        )
        ensure(not tx.scalar(sql, old["id"]), "This kit is still used: inventory was issued to it.")


class _KitItems(Hooks, frozen=True):
    def before_write(self, _tx: Transaction, _old: Row, row: Row, _extra: ExtraInput) -> None:
        ensure(row.get("quantity", 1) > 0, "The quantity of a kit's item must be more than 0.")

    def before_delete(self, tx: Transaction, old: Row) -> None:
        used = tx.scalar("SELECT 1 FROM part_kit_inventories WHERE part_kit_item_id = ?", old["id"])
        ensure(not used, "This item is still used: inventory was issued to it.")


HOOKS: Mapping[str, Hooks] = {
    "parts": _Parts(associations=(("part_part_subtypes", "part_id"),)),
    "part_subtypes": Hooks(associations=(("part_part_subtypes", "part_subtype_id"),)),
    "parts_inventory": _Inventory(
        associations=(
            ("purchase_order_line_inventories", "part_inventory_id"),
            ("run_step_part_inventories", "part_inventory_id"),
            ("origin_runs", "part_inventory_id"),
        ),
    ),
    "locations": _Locations(),
    "parts_kits": _Kits(owned=(("part_kit_items", "part_kit_id"),)),
    "part_kit_items": _KitItems(),
    "abom_items": Hooks(
        owned=(
            ("abom_item_reference_designators", "abom_item_id"),
            ("abom_edges", "child_abom_item_id"),
            ("abom_edges", "parent_abom_item_id"),
        )
    ),
}
"""Hooks by resource."""
