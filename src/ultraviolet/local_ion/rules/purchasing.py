"""Purchasing: an order's status follows from its lines, lines change only while drafted, receiving settles them."""

from collections.abc import Mapping

from graphql import GraphQLError

from ultraviolet.local_ion.rules.hooks import Behaviour, Rest, changed, next_position, refuse_unless
from ultraviolet.local_ion.store.store import Row, Transaction

PRECEDENCE = ("draft", "requested", "approved", "ordered", "received")
"""The first of these that a line has is the order's status; with none of them it is canceled (manual)."""
ALWAYS_EDITABLE = {"status", "estimated_arrival_date", "paid"}
"""What may change on a line that is no draft any more, beside its custom attributes (documented, status assumed)."""
_CLOSED = {"received", "canceled"}


def recalculate_order(tx: Transaction, order_id: int) -> None:
    """Let an order's status follow from its lines' (manual, purchase orders)."""
    sql = "SELECT DISTINCT status FROM purchase_order_lines WHERE purchase_order_id = ?"
    found = {status for (status,) in tx.connection.execute(sql, (order_id,))}
    if not found:
        return
    status = next((s for s in PRECEDENCE if s in found), "canceled")
    current = tx.get("purchase_orders", order_id)
    if current is not None and current["status"] != status:
        tx.update("purchase_orders", order_id, {"status": status, **_placed(tx, current, status)})


def _placed(tx: Transaction, order: Row, status: object) -> Row:
    return {"ordered_at": tx.now} if status == "ordered" and order["ordered_at"] is None else {}


def _before_order_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    for column, value in _placed(tx, old, row.get("status")).items():
        row.setdefault(column, value)


def _after_order_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    status = row.get("status")
    if status is None or status == old["status"]:
        return
    for line in tx.find("purchase_order_lines", "id", purchase_order_id=old["id"]):
        if line["status"] not in _CLOSED | {status}:
            tx.update("purchase_order_lines", line["id"], {"status": status})
    recalculate_order(tx, old["id"])


def _before_line(tx: Transaction, row: Row, _: Rest) -> None:
    if row.get("position") is None:
        order = row.get("purchase_order_id")
        row["position"] = next_position(tx, "purchase_order_lines", "purchase_order_id", order)
    row["status"] = row.get("status") or "draft"
    _ordered_quantity(row)


def _ordered_quantity(row: Row) -> None:
    quantity = row.get("quantity", 1)
    refuse_unless(quantity is not None and quantity > 0, "The quantity of a line must be more than 0.")


def _after_line(tx: Transaction, key: int, _: Rest) -> None:
    line = tx.get("purchase_order_lines", key)
    assert line is not None
    recalculate_order(tx, line["purchase_order_id"])


def _before_line_update(_: Transaction, old: Row, row: Row, __: Rest) -> None:
    if old["status"] != "draft":
        locked = changed(old, row) - ALWAYS_EDITABLE
        refuse_unless(
            not locked, f"{', '.join(sorted(locked))} of a line can change only while it is a draft."
        )
    _ordered_quantity(row)


def _after_line_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    if not changed(old, row) & {"status", "quantity", "purchase_order_id"}:
        return
    recalculate_order(tx, old["purchase_order_id"])
    if row.get("purchase_order_id") not in {None, old["purchase_order_id"]}:
        recalculate_order(tx, row["purchase_order_id"])


def _before_line_delete(_: Transaction, old: Row) -> None:
    refuse_unless(old["status"] == "draft", "A line can be deleted only while it is a draft.")


def _after_line_delete(tx: Transaction, old: Row) -> None:
    recalculate_order(tx, old["purchase_order_id"])


def received(tx: Transaction, line_id: int) -> float:
    """Tell how much of a line was received."""
    sql = "SELECT coalesce(sum(quantity), 0) FROM receipt_items WHERE purchase_order_line_id = ?"
    return tx.scalar(sql, line_id)


def settle(tx: Transaction, line_id: int | None) -> None:
    """Mark a line received once all of it is here, and open again once something is taken back (assumed)."""
    line = tx.get("purchase_order_lines", line_id) if line_id is not None else None
    if line is None:
        return
    whole = received(tx, line["id"]) >= line["quantity"]
    if whole and line["status"] not in _CLOSED:
        tx.update("purchase_order_lines", line["id"], {"status": "received"})
    elif not whole and line["status"] == "received":
        tx.update("purchase_order_lines", line["id"], {"status": "ordered"})
    else:
        return
    recalculate_order(tx, line["purchase_order_id"])


def _before_item_update(_: Transaction, __: Row, row: Row, ___: Rest) -> None:
    if row.get("quantity", 1) <= 0:
        raise GraphQLError("A received quantity must be more than 0.")


def _after_item_update(tx: Transaction, old: Row, _: Row, __: Rest) -> None:
    settle(tx, old["purchase_order_line_id"])


def _after_item_delete(tx: Transaction, old: Row) -> None:
    settle(tx, old["purchase_order_line_id"])


BEHAVIOURS: Mapping[str, Behaviour] = {
    "purchase_orders": Behaviour(
        before_update=_before_order_update,
        after_update=_after_order_update,
        owned=(
            ("purchase_order_fees", "purchase_order_id"),
            ("purchase_order_approvals", "purchase_order_id"),
            ("purchase_order_approval_requests", "purchase_order_id"),
        ),
    ),
    "purchase_order_lines": Behaviour(
        before_create=_before_line,
        after_create=_after_line,
        before_update=_before_line_update,
        after_update=_after_line_update,
        before_delete=_before_line_delete,
        after_delete=_after_line_delete,
        ties=(("purchase_order_line_inventories", "purchase_order_line_id"),),
    ),
    "receipts": Behaviour(owned=(("receipt_items", "receipt_id"),)),
    "receipt_items": Behaviour(
        before_update=_before_item_update, after_update=_after_item_update, after_delete=_after_item_delete
    ),
}
"""By resource."""
