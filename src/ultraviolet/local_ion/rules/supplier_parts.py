"""Supplier parts: a line counts in the supplier's unit, and inventory in the part's (documented)."""

from collections.abc import Mapping

from ultraviolet.local_ion.rules.hooks import ExtraInput, Hooks, ensure
from ultraviolet.local_ion.store.transaction import Row, Transaction

# how much of the part's unit one unit of the order's supplier contains
SELECT_CONVERSION = """
SELECT s.unit_conversion FROM supplier_parts s JOIN purchase_orders o ON o.supplier_id = s.supplier_id
 WHERE o.id = ? AND s.part_id = ?"""


def load_conversion(tx: Transaction, line: Row) -> float:
    """Return how much of the part's unit one unit of a line contains; 1 without a conversion."""
    found = tx.scalar(SELECT_CONVERSION, line["purchase_order_id"], line["part_id"])
    return float(found or 1)


def inventory_values(tx: Transaction, line: Row, quantity: float) -> Row:
    """Return quantity and cost of inventory for a quantity of a line."""
    conversion = load_conversion(tx, line)
    cost = None if line["cost"] is None else line["cost"] / conversion
    return {"quantity": quantity * conversion, "_cost": cost}


class _SupplierParts(Hooks, frozen=True):
    def before_write(self, _tx: Transaction, _old: Row, row: Row, _extra: ExtraInput) -> None:
        conversion = row.get("unit_conversion")
        ensure(conversion is None or conversion > 0, "A unit conversion must be more than 0.")


HOOKS: Mapping[str, Hooks] = {"supplier_parts": _SupplierParts()}
"""Hooks by resource."""
