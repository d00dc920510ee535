"""Mutations of plans: convert plan items to runs and order lines."""

from collections.abc import Mapping
from typing import Any

from ultraviolet.local_ion.mutations.crud import create
from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.validation import require_current, require_row
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""


@MUTATIONS.handles("convertResultsFromPlanItem")
def _convert_one(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    return {"planItem": _Conversion(tx, {}).convert(args["input"])}


@MUTATIONS.handles("convertResultsFromPlanItems")
def _convert_many(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    conversion = _Conversion(tx, args["input"])
    return {"planItems": [conversion.convert(each) for each in args["input"]["planItems"]]}


class _Conversion:
    """One request to convert plan items; items of a supplier share an order unless separated."""

    def __init__(self, tx: Transaction, options: Mapping[str, Any]) -> None:
        self.tx = tx
        self.options = options
        self.orders: dict[Any, int] = {}
        self.batch: int | None = None

    def convert(self, values: Mapping[str, Any]) -> int:
        """Convert an item to inventory, to a run of its procedure, or to an order line (assumed)."""
        item = require_current(self.tx, "plan_items", dict(values), "planItemId")
        inventory = [int(each) for each in values.get("inventoryIds") or ()]
        if inventory:
            entities = [
                require_row(self.tx, "parts_inventory", each)["entity_id"] for each in inventory
            ]
        elif item["procedure_id"] is not None:
            entities = [self._create_run(item)]
        else:
            ensure(
                item["part_id"] is not None,
                f"Plan item {item['name']} has neither procedure nor part.",
            )
            entities = [self._create_line(item)]
        for entity in entities:
            self.tx.insert(
                "plan_item_results", {"plan_item_id": item["id"], "entity_id": entity}, ignore=True
            )
        self.tx.touch("plan_items", item["id"])
        return item["id"]

    def _create_run(self, item: Row) -> int:
        if self.options.get("batchRuns") and self.batch is None:
            self.batch = self.tx.insert("run_batches", {"title": item["name"]})
        values = {
            "title": None if self.options.get("autogenerateRunTitles") else item["name"],
            "procedureId": item["procedure_id"],
            "partId": item["part_id"],
            "quantity": item["quantity"],
            "dueDate": item["end_time"],
            "runBatchId": self.batch,
        }
        run: int = create(self.tx, self.tx.catalog.resources["runs"], values)
        return require_row(self.tx, "runs", run)["entity_id"]

    def _create_line(self, item: Row) -> int:
        supplier = item["supplier_id"]
        order = None if self.options.get("separatePurchaseOrders") else self.orders.get(supplier)
        if order is None:
            resource = self.tx.catalog.resources["purchase_orders"]
            order = create(self.tx, resource, {"supplierId": supplier, "description": item["name"]})
            self.orders[supplier] = order
        values = {
            "purchaseOrderId": order,
            "partId": item["part_id"],
            "quantity": item["quantity"] or 1,
            "needDate": item["end_time"],
        }
        line: int = create(self.tx, self.tx.catalog.resources["purchase_order_lines"], values)
        return require_row(self.tx, "purchase_order_lines", line)["entity_id"]
