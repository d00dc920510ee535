"""Autoplan: an MRP job allocates supply to the inputs of plans and creates items for the rest.

Supply is allocated as ION documents: inventory first, then order lines and runs by their percent
complete, with infinite capacity. The items and their times are assumed.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ultraviolet.local_ion.rules.hooks import ExtraInput, Hooks, ensure
from ultraviolet.local_ion.store.transaction import Row, Transaction

MAX_ITEMS = 10_000
"""Plan items of one job."""
# the inputs of plans to include, the earliest first
SELECT_DEMANDS = """
SELECT i.id, i.plan_id, i.part_id, i.due_date, i.quantity - i.completed_quantity
  FROM plan_inputs i JOIN plans p ON p.id = i.plan_id
 WHERE p.include_in_mrp AND p.status IN ('in_progress', 'scheduled')
   AND i.quantity > i.completed_quantity ORDER BY i.due_date, i.id"""
# the supply of a part: inventory that neither an order nor a run supplies, then lines and runs
SELECT_SUPPLY = """
SELECT 'parts_inventory', v.id, v.quantity - v.quantity_scrapped, 0 AS rank, 0 AS complete
  FROM parts_inventory v WHERE v.part_id = ?1 AND v.quantity > v.quantity_scrapped
   AND (EXISTS (SELECT 1 FROM receipt_items r WHERE r.part_inventory_id = v.id)
        OR NOT EXISTS (SELECT 1 FROM purchase_order_line_inventories x WHERE x.part_inventory_id = v.id))
   AND NOT EXISTS (SELECT 1 FROM runs r JOIN run_steps s ON s.run_id = r.id
                    WHERE r.part_inventory_id = v.id AND s.status NOT IN ('complete', 'canceled'))
   AND NOT EXISTS (SELECT 1 FROM abom_items a JOIN abom_edges e ON e.child_abom_item_id = a.id
                    WHERE a.part_inventory_id = v.id)
UNION ALL
SELECT 'purchase_order_lines', l.id, l.quantity - received, 1, received / l.quantity FROM (
  SELECT l.id, l.quantity, (SELECT coalesce(sum(r.quantity), 0) FROM receipt_items r
                             WHERE r.purchase_order_line_id = l.id) AS received
    FROM purchase_order_lines l
   WHERE l.part_id = ?1 AND l.status NOT IN ('received', 'canceled')) l WHERE l.quantity > received
UNION ALL
SELECT 'runs', r.id, coalesce(r.quantity, 1), 1, avg(s.status = 'complete')
  FROM runs r JOIN run_steps s ON s.run_id = r.id WHERE r.part_id = ?1 AND NOT r.archived
 GROUP BY r.id HAVING sum(s.status IN ('complete', 'canceled')) < count(*)
 ORDER BY 4, 5 DESC, 1, 2"""
SELECT_RESERVED = """
SELECT coalesce(sum(quantity), 0) FROM plan_reservations WHERE part_inventory_id = ? AND plan_id <> ?"""
SELECT_MBOM = """
SELECT id FROM mboms WHERE part_id = ? ORDER BY status = 'released' DESC, version DESC LIMIT 1"""


class _Job:
    """One execution: the supply that is still free, and the created items."""

    def __init__(self, tx: Transaction, job_id: int) -> None:
        self.tx = tx
        self.job_id = job_id
        self.used: defaultdict[tuple[str, int], float] = defaultdict(float)
        self.items = 0

    def run(self) -> None:
        """Plan all demands; the earliest is supplied first."""
        for input_id, plan, part, due, quantity in self.tx.connection.execute(
            SELECT_DEMANDS
        ).fetchall():
            self._plan(plan, input_id, part, quantity, datetime.fromisoformat(due), ())

    def _plan(
        self,
        plan: int,
        input_id: int,
        part_id: int,
        quantity: float,
        due: datetime,
        above: tuple[int, ...],
    ) -> int | None:
        """Return the item for what the supply of a part lacks, or None if it suffices."""
        missing = quantity - self._allocate(plan, part_id, quantity)
        part = self.tx.get("parts", part_id)
        if missing <= 0 or part is None or part_id in above:
            return None
        self.items += 1
        ensure(self.items <= MAX_ITEMS, f"This job needs more than {MAX_ITEMS:,} plan items.")
        start = due - timedelta(days=part["lead_time"] or 0)
        values: Row = {
            "name": part["part_number"],
            "part_id": part_id,
            "quantity": missing,
            "mrp_job_id": self.job_id,
            "start_time": start.isoformat(timespec="microseconds"),
            "end_time": due.isoformat(timespec="microseconds"),
            "altered_from_autoplan": 0,
            "explode": 1,
        }
        item: int = self.tx.insert("plan_items", values)
        link = {"plan_id": plan, "plan_item_id": item, "plan_input_id": input_id}
        self.tx.insert("plan_plan_items", link)
        for needed in self.tx.find("mbom_item", "id", mbom_id=self.tx.scalar(SELECT_MBOM, part_id)):
            wanted = needed["quantity"] * missing
            child = self._plan(plan, input_id, needed["part_id"], wanted, start, (*above, part_id))
            if child is not None:
                pair = {"child_plan_item_id": child, "parent_plan_item_id": item}
                row = {**pair, "quantity": wanted, "mrp_job_id": self.job_id}
                self.tx.insert("plan_item_allocations", row)
        return item

    def _allocate(self, plan: int, part_id: int, quantity: float) -> float:
        """Use free supply of a part in ION's order and return the allocated quantity."""
        allocated = 0.0
        for table, id_, supply, *_ in self.tx.connection.execute(
            SELECT_SUPPLY, (part_id,)
        ).fetchall():
            free = supply - self.used[table, id_]
            if table == "parts_inventory":
                free -= self.tx.scalar(SELECT_RESERVED, id_, plan)
            taken = max(0.0, min(free, quantity - allocated))
            self.used[table, id_] += taken
            allocated += taken
        return allocated


class _Jobs(Hooks, frozen=True):
    def after_create(self, tx: Transaction, key: int, _extra: ExtraInput) -> None:
        _Job(tx, key).run()
        job = tx.get("mrp_jobs", key)
        assert job is not None
        values: dict[str, Any] = {"status": "complete", "end_time": job["end_time"] or tx.now}
        tx.update("mrp_jobs", key, {**values, "start_time": job["start_time"] or tx.now})


HOOKS: Mapping[str, Hooks] = {"mrp_jobs": _Jobs()}
"""Hooks by resource."""
