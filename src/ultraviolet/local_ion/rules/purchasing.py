"""Rules of purchasing: status of orders, editing of lines, received quantities."""

from collections.abc import Mapping

from ultraviolet.local_ion.rules.hooks import (
    ExtraInput,
    Hooks,
    OrderedHooks,
    changed_columns,
    ensure,
)
from ultraviolet.local_ion.rules.on_order import (
    create_on_order,
    follow_line,
    received_quantity,
    remove_on_order,
    return_to_order,
)
from ultraviolet.local_ion.store.transaction import Row, Transaction

STATUS_PRECEDENCE = ("draft", "requested", "approved", "ordered", "received")
"""The first status that any line has is the order's status; otherwise canceled (manual)."""
EDITABLE_AFTER_DRAFT = {"status", "estimated_arrival_date", "paid"}
"""Columns of a line that may change after its draft, besides attributes (status is assumed)."""
_CLOSED_STATUSES = {"received", "canceled"}


def recalculate_order(tx: Transaction, order_id: int) -> None:
    """Set an order's status from its lines (manual, purchase orders)."""
    sql = "SELECT DISTINCT status FROM purchase_order_lines WHERE purchase_order_id = ?"
    found = {status for (status,) in tx.connection.execute(sql, (order_id,))}
    if not found:
        return
    status = next((s for s in STATUS_PRECEDENCE if s in found), "canceled")
    _set_order_status(tx, order_id, status)


def _set_order_status(tx: Transaction, order_id: int, status: str) -> None:
    """Set an order's status and, once, the time of its order; its etag stays (seen)."""
    order = tx.get("purchase_orders", order_id)
    if order is None or order["status"] == status:
        return
    values: Row = {"status": status}
    if status == "ordered" and order["ordered_at"] is None:
        values["ordered_at"] = tx.now
    tx.update("purchase_orders", order_id, values, computed=values)


def update_received_status(tx: Transaction, line_id: int | None) -> None:
    """Set a line to received when it is complete, and back when items are removed (assumed)."""
    line = tx.get("purchase_order_lines", line_id) if line_id is not None else None
    if line is None:
        return
    is_complete = received_quantity(tx, line["id"]) >= line["quantity"]
    if is_complete and line["status"] not in _CLOSED_STATUSES:
        tx.update("purchase_order_lines", line["id"], {"status": "received"})
    elif not is_complete and line["status"] == "received":
        tx.update("purchase_order_lines", line["id"], {"status": "ordered"})
    else:
        return
    recalculate_order(tx, line["purchase_order_id"])


class _Orders(Hooks, frozen=True):
    def before_update(self, _tx: Transaction, _old: Row, row: Row, extra: ExtraInput) -> None:
        """Take the status out of the order's own values: it is set on the lines."""
        extra["status"] = row.pop("status", None)

    def after_update(self, tx: Transaction, old: Row, row: Row, extra: ExtraInput) -> None:
        status = extra["status"]
        lines = tx.find("purchase_order_lines", "id", purchase_order_id=old["id"])
        if extra.get("paid") is not None:
            for line in lines:
                tx.update("purchase_order_lines", line["id"], {"paid": int(extra["paid"])})
        if "supplier_id" in changed_columns(old, row):  # another supplier may have another unit
            for line in lines:
                if line["status"] == "draft":
                    follow_line(tx, line)
        if status is None:
            return
        for line in lines:
            if line["status"] not in _CLOSED_STATUSES | {status}:
                tx.update("purchase_order_lines", line["id"], {"status": status})
        if lines:
            recalculate_order(tx, old["id"])
        else:
            _set_order_status(tx, old["id"], status)


class _Lines(OrderedHooks, frozen=True):
    def before_update(self, _tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        if old["status"] != "draft":
            locked = changed_columns(old, row) - EDITABLE_AFTER_DRAFT
            ensure(
                not locked,
                f"{', '.join(sorted(locked))} of a line can change only while it is a draft.",
            )

    def before_write(self, _tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        if not old:
            row["status"] = row.get("status") or "draft"
        quantity = row.get("quantity", 1)
        ensure(quantity is not None and quantity > 0, "The quantity of a line must be more than 0.")

    def after_create(self, tx: Transaction, key: int, _extra: ExtraInput) -> None:
        line = tx.get("purchase_order_lines", key)
        assert line is not None
        create_on_order(tx, line, line["quantity"])
        recalculate_order(tx, line["purchase_order_id"])

    def after_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        changed = changed_columns(old, row)
        if changed & {"part_id", "quantity", "cost"}:
            follow_line(tx, {**old, **row})
        if not changed & {"status", "quantity", "purchase_order_id"}:
            return
        recalculate_order(tx, old["purchase_order_id"])
        if row.get("purchase_order_id") not in {None, old["purchase_order_id"]}:
            recalculate_order(tx, row["purchase_order_id"])

    def before_delete(self, tx: Transaction, old: Row) -> None:
        ensure(old["status"] == "draft", "A line can be deleted only while it is a draft.")
        remove_on_order(tx, old["id"])

    def after_delete(self, tx: Transaction, old: Row) -> None:
        recalculate_order(tx, old["purchase_order_id"])


class _ReceiptItems(Hooks, frozen=True):
    def before_update(self, _tx: Transaction, _old: Row, row: Row, _extra: ExtraInput) -> None:
        ensure(row.get("quantity", 1) > 0, "A received quantity must be more than 0.")

    def after_update(self, tx: Transaction, old: Row, _row: Row, _extra: ExtraInput) -> None:
        update_received_status(tx, old["purchase_order_line_id"])

    def after_delete(self, tx: Transaction, old: Row) -> None:
        update_received_status(tx, old["purchase_order_line_id"])
        line = tx.get("purchase_order_lines", old["purchase_order_line_id"] or 0)
        if line is not None:
            return_to_order(tx, line, old["part_inventory_id"])


HOOKS: Mapping[str, Hooks] = {
    "purchase_orders": _Orders(
        owned=(
            ("purchase_order_fees", "purchase_order_id"),
            ("purchase_order_approvals", "purchase_order_id"),
            ("purchase_order_approval_requests", "purchase_order_id"),
        ),
    ),
    "purchase_order_lines": _Lines(
        table="purchase_order_lines",
        owners=("purchase_order_id",),
        associations=(("purchase_order_line_inventories", "purchase_order_line_id"),),
    ),
    "receipts": Hooks(owned=(("receipt_items", "receipt_id"),)),
    "receipt_items": _ReceiptItems(),
}
"""Hooks by resource."""
