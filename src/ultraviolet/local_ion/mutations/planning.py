"""Planning: a plan's items become the runs and order lines that carry them out."""

from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.mutations.crud import create
from ultraviolet.local_ion.rules.hooks import refuse_unless
from ultraviolet.local_ion.rules.validation import checked, require
from ultraviolet.local_ion.store.store import Row, Transaction

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]


def _convert_one(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    return {"planItem": _Conversion(tx, {}).convert(args["input"])}


def _convert_many(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    conversion = _Conversion(tx, args["input"])
    return {"planItems": [conversion.convert(each) for each in args["input"]["planItems"]]}


class _Conversion:
    """One request to convert plan items; the orders it makes are shared by its items unless they are to be separate."""

    def __init__(self, tx: Transaction, wishes: Mapping[str, Any]) -> None:
        self.tx = tx
        self.wishes = wishes
        self.orders: dict[Any, int] = {}
        self.batch: int | None = None

    def convert(self, values: Mapping[str, Any]) -> int:
        """Make what an item stands for: use inventory, else a run of its procedure, else a line of an order (assumed)."""
        item = checked(self.tx, "plan_items", dict(values), "planItemId")
        inventory = [int(each) for each in values.get("inventoryIds") or ()]
        if inventory:
            made = [require(self.tx, "parts_inventory", each)["entity_id"] for each in inventory]
        elif item["procedure_id"] is not None:
            made = [self._run(item)]
        else:
            refuse_unless(
                item["part_id"] is not None, f"Plan item {item['name']} has neither procedure nor part."
            )
            made = [self._line(item)]
        for entity in made:
            self.tx.insert(
                "plan_item_results", {"plan_item_id": item["id"], "entity_id": entity}, ignore=True
            )
        self.tx.touch("plan_items", item["id"])
        return item["id"]

    def _run(self, item: Row) -> int:
        if self.wishes.get("batchRuns") and self.batch is None:
            self.batch = self.tx.insert("run_batches", {"title": item["name"]})
        values = {
            "title": None if self.wishes.get("autogenerateRunTitles") else item["name"],
            "procedureId": item["procedure_id"],
            "partId": item["part_id"],
            "quantity": item["quantity"],
            "dueDate": item["end_time"],
            "runBatchId": self.batch,
        }
        return self._entity("runs", create(self.tx, self.tx.catalog.resources["runs"], values))

    def _line(self, item: Row) -> int:
        supplier = item["supplier_id"]
        order = None if self.wishes.get("separatePurchaseOrders") else self.orders.get(supplier)
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
        line = create(self.tx, self.tx.catalog.resources["purchase_order_lines"], values)
        return self._entity("purchase_order_lines", line)

    def _entity(self, table: str, key: int) -> int:
        return require(self.tx, table, key)["entity_id"]


MUTATIONS: Mapping[str, Handler] = {
    "convertResultsFromPlanItem": _convert_one,
    "convertResultsFromPlanItems": _convert_many,
}
"""By name."""
