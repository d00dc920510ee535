"""Mutations that reorder steps, fields, order lines and datagrids."""

from collections.abc import Mapping
from typing import Any

from ultraviolet.local_ion.mutations.handler import Handler
from ultraviolet.local_ion.rules.validation import require_current
from ultraviolet.local_ion.store.transaction import Transaction


def _reorder_handler(table: str, member: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        moved: list[int] = []
        for each in args["input"][member]:
            row = require_current(tx, table, each)
            tx.update(table, row["id"], {"position": each["position"]})
            moved.append(row["id"])
        return {member: moved}

    return handle


def _move_handler(table: str, column: str, owners: tuple[str, ...], payload_field: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        row = require_current(tx, table, values)
        owner = next(o for o in owners if row[o] is not None)
        siblings = tx.find(table, f'"{column}", id', **{owner: row[owner]})
        others = [sibling for sibling in siblings if sibling["id"] != row["id"]]
        start = 1 if column == "position" else 0
        others.insert(max(0, values[column] - start), row)
        for position, other in enumerate(others, start):
            if other[column] != position:
                tx.update(table, other["id"], {column: position})
        return {payload_field: row["id"]}

    return handle


_STEP_OWNERS = ("step_id", "run_step_id")

MUTATIONS: Mapping[str, Handler] = {
    "reorderSteps": _reorder_handler("steps", "steps"),
    "reorderStepFields": _reorder_handler("steps_fields", "fields"),
    "reorderRunSteps": _reorder_handler("run_steps", "steps"),
    "reorderRunStepFields": _reorder_handler("run_steps_fields", "fields"),
    "reorderPurchaseOrderLine": _move_handler(
        "purchase_order_lines", "position", ("purchase_order_id",), "purchaseOrderLine"
    ),
    "reorderDatagridRow": _move_handler("datagrid_rows", "index", _STEP_OWNERS, "datagridRow"),
    "reorderDatagridColumn": _move_handler(
        "datagrid_columns", "index", _STEP_OWNERS, "datagridColumn"
    ),
}
"""Handlers by mutation name."""
