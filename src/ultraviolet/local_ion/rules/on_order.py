"""The inventory that is on order for a line of a purchase order, from its draft on (manual)."""

from ultraviolet.local_ion.rules.attributes import create_attributes
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.supplier_parts import inventory_values
from ultraviolet.local_ion.store.transaction import Row, Transaction

# the inventory of a line that was not received
SELECT_ON_ORDER = """
SELECT v.id FROM purchase_order_line_inventories x JOIN parts_inventory v ON v.id = x.part_inventory_id
 WHERE x.purchase_order_line_id = ?
   AND NOT EXISTS (SELECT 1 FROM receipt_items r WHERE r.part_inventory_id = v.id) ORDER BY v.id"""
# whether an inventory is on order
SELECT_IS_ON_ORDER = """
SELECT 1 FROM purchase_order_line_inventories WHERE part_inventory_id = ?1
   AND NOT EXISTS (SELECT 1 FROM receipt_items r WHERE r.part_inventory_id = ?1)"""


def load_on_order(tx: Transaction, line_id: int) -> list[Row]:
    """Return the inventory of a line that was not received."""
    ids = tx.connection.execute(SELECT_ON_ORDER, (line_id,)).fetchall()
    rows = (tx.get("parts_inventory", id_) for (id_,) in ids)
    return [row for row in rows if row is not None]


def is_on_order(tx: Transaction, inventory_id: int) -> bool:
    """Return whether an inventory belongs to an order line and was not received."""
    return bool(tx.scalar(SELECT_IS_ON_ORDER, inventory_id))


def create_on_order(tx: Transaction, line: Row, quantity: float) -> int | None:
    """Create the inventory of a line with a part: one for the whole quantity (assumed).

    The quantity is that of the line, in the supplier's unit.
    """
    part = tx.get("parts", line["part_id"]) if line["part_id"] is not None else None
    if part is None:
        return None
    order = tx.get("purchase_orders", line["purchase_order_id"])
    row = {
        "part_id": part["id"],
        **inventory_values(tx, line, quantity),
        "quantity_scrapped": 0.0,
        "supplier_id": order["supplier_id"] if order else None,
        "unit_of_measure_id": part["unit_of_measure_id"],
    }
    key: int = tx.insert("parts_inventory", row)
    create_attributes(tx, tx.catalog.resources["parts_inventory"], key)
    pair = {"purchase_order_line_id": line["id"], "part_inventory_id": key}
    tx.insert("purchase_order_line_inventories", pair)
    return key


def follow_line(tx: Transaction, line: Row) -> None:
    """Change the inventory of a line like the line, which is a draft.

    Raise an error if more of it is scrapped than the line has (assumed).
    """
    found = load_on_order(tx, line["id"])
    if not found:
        create_on_order(tx, line, line["quantity"])
    elif line["part_id"] is None:
        remove_on_order(tx, line["id"])
    else:
        values = inventory_values(tx, line, line["quantity"])
        scrapped = found[0]["quantity_scrapped"] or 0
        ensure(scrapped <= values["quantity"], f"{scrapped:g} of this line is scrapped.")
        tx.update("parts_inventory", found[0]["id"], {"part_id": line["part_id"], **values})


def received_quantity(tx: Transaction, line_id: int) -> float:
    """Return the received quantity of a line, in the supplier's unit."""
    sql = "SELECT coalesce(sum(quantity), 0) FROM receipt_items WHERE purchase_order_line_id = ?"
    return tx.scalar(sql, line_id)


def return_to_order(tx: Transaction, line: Row, inventory_id: int | None) -> None:
    """Limit inventory that is on order again to the quantity that its line still expects (assumed)."""
    ordered = load_on_order(tx, line["id"])
    missing = max(line["quantity"] - received_quantity(tx, line["id"]), 0)
    excess = (
        sum(row["quantity"] for row in ordered) - inventory_values(tx, line, missing)["quantity"]
    )
    for row in ordered:
        if row["id"] == inventory_id and excess > 0:
            left = max(row["quantity"] - excess, row["quantity_scrapped"] or 0)
            tx.update("parts_inventory", row["id"], {"quantity": left})


def remove_on_order(tx: Transaction, line_id: int) -> None:
    """Delete the inventory of a line; raise an error if a kit or an aBOM uses it (seen)."""
    attributes = tx.catalog.resources[tx.catalog.resources["parts_inventory"].attributes or ""]
    owner = next(f.column for f in attributes.fields if f.name == attributes.owner_key)
    for inventory in load_on_order(tx, line_id):
        kitted = tx.find("part_kit_inventories", part_inventory_id=inventory["id"])
        ensure(not kitted, "The inventory of this line is still used: it was issued to a kit.")
        tx.delete_where("purchase_order_line_inventories", part_inventory_id=inventory["id"])
        tx.delete_where(attributes.name, **{owner: inventory["id"]})
        tx.delete("parts_inventory", inventory["id"])
