"""Any sequence of mutations keeps ION's rules, a complete audit log and matching deliveries."""

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.local_ion.in_process_ion import ADMIN, Ion
from tests.local_ion.mutations.test_registry import CATALOG, Maker, made_kinds

from ultraviolet.local_ion.quirks import QUIRKS, Quirks
from ultraviolet.local_ion.rules.purchasing import STATUS_PRECEDENCE
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.columns import Storage
from ultraviolet.local_ion.store.tables import Table
from ultraviolet.local_ion.webhooks.outbox import Outbox

Rows = dict[tuple[str, str], dict[str, Any]]

WATCHED = (
    "SUPPLIERS",
    "PURCHASE_ORDERS",
    "PURCHASE_ORDER_LINES",
    "PARTS_INVENTORY",
    "RECEIPT_ITEMS",
    "PARTS",
)
QUANTITIES = st.sampled_from([1, 2, 7, 0.5, 1, 3, 0, -1])
PICK = st.integers(0, 1000)
STAMPS = {"_etag", "_updated", "updated_by_id", "last_session_id"}
COMPUTED = {"status", "ordered_at"}
STATUSES = st.sampled_from(["DRAFT", "REQUESTED", "APPROVED", "ORDERED", "RECEIVED", "CANCELED"])


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an ION with a part of each tracking type and a webhook receiver."""
    path = tmp_path_factory.mktemp("furnished")
    ion = Ion(path)
    for tracking in ("SERIAL", "LOT", None):
        ion.create("Part", partNumber=f"{tracking}", trackingType=tracking)
    ion.create("Supplier", name="Acme")
    receiver = ion.create("WebhookReceiver", "id", name="all", webhookUri="http://127.0.0.1:9/")[
        "id"
    ]
    for resource in WATCHED:
        for action in ("CREATE", "UPDATE", "DELETE"):
            ion.create(
                "WebhookSubscription", "id", receiverId=receiver, resource=resource, action=action
            )
    ion.ion.close()
    return path


class Factory(RuleBasedStateMachine):
    """Users who send valid and invalid mutations."""

    furnished: Path

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        shutil.copytree(self.furnished, self.path, dirs_exist_ok=True)
        self.ion = Ion(self.path)
        self.store = self.ion.ion.store
        self.tables = [
            t for t in self.store.schema.tables.values() if t.name not in audit_log.UNLOGGED_TABLES
        ]
        self.read: dict[str, tuple[list[Any], Rows]] = {}
        self.ledger = Outbox(self.store, Quirks.without(QUIRKS))

    @initialize()
    def begin(self) -> None:
        while self.ledger.publish():
            pass
        self.seen = audit_log.last_action_id(self.store.connection)
        self.rows = self.everything()

    def teardown(self) -> None:
        self.ion.ion.close()
        shutil.rmtree(self.path)

    @rule(quantities=st.lists(QUANTITIES, min_size=1, max_size=3), part=PICK)
    def buy(self, quantities: list[float], part: int) -> None:
        order = self.attempt("createPurchaseOrder", input={"supplierId": 1})
        for quantity in quantities:
            values = {
                "purchaseOrderId": order["purchaseOrder"]["id"],
                "partId": self.a("parts", part),
            }
            self.attempt(
                "createPurchaseOrderLine", input={**values, "quantity": quantity, "cost": 3}
            )

    @rule(order=PICK, status=STATUSES)
    def decide(self, order: int, status: str) -> None:
        self.change("purchaseOrder", "purchase_orders", order, status=status)

    @rule(line=PICK, quantity=QUANTITIES)
    def reconsider(self, line: int, quantity: float) -> None:
        self.change("purchaseOrderLine", "purchase_order_lines", line, quantity=quantity)

    @rule(line=PICK, status=STATUSES)
    def decide_on_a_line(self, line: int, status: str) -> None:
        self.change("purchaseOrderLine", "purchase_order_lines", line, status=status)

    @rule(line=PICK)
    def strike_out(self, line: int) -> None:
        self.named("deletePurchaseOrderLine", "purchase_order_lines", line)

    @rule(line=PICK, quantity=QUANTITIES, serial=st.none() | st.sampled_from(["S1", "S2"]))
    def receive(self, line: int, quantity: float, serial: str | None) -> None:
        line_id = self.a("purchase_order_lines", line)
        made = self.attempt("createReceipt", input={})["receipt"]
        item = {
            "receiptId": made["id"],
            "etag": made["_etag"],
            "quantity": quantity,
            "serialNumber": serial,
        }
        if line_id:
            self.attempt("addItemsToReceipt", input=[{**item, "purchaseOrderLineId": line_id}])

    @rule(item=PICK)
    def take_back(self, item: int) -> None:
        item_id = self.a("receipt_items", item)
        if item_id:
            (receipt,) = self.column("receipt_id", "receipt_items", item_id)
            (etag,) = self.column("_etag", "receipts", receipt)
            self.attempt(
                "removeItemFromReceipt", input={"id": item_id, "receiptId": receipt, "etag": etag}
            )

    @rule(part=PICK, quantity=QUANTITIES, serial=st.none() | st.sampled_from(["S1", "S2", "S3"]))
    def stock(self, part: int, quantity: float, serial: str | None) -> None:
        values = {"partId": self.a("parts", part), "quantity": quantity, "serialNumber": serial}
        self.attempt("createPartInventory", input=values)

    @rule(inventory=PICK, quantity=QUANTITIES, scrapped=QUANTITIES)
    def count(self, inventory: int, quantity: float, scrapped: float) -> None:
        self.change(
            "partInventory",
            "parts_inventory",
            inventory,
            quantity=quantity,
            quantityScrapped=scrapped,
        )

    @rule(inventory=PICK, quantity=QUANTITIES)
    def split(self, inventory: int, quantity: float) -> None:
        self.named("splitPartInventory", "parts_inventory", inventory, quantity=quantity)

    @rule(inventory=PICK)
    def throw_away(self, inventory: int) -> None:
        self.named("deletePartInventory", "parts_inventory", inventory)

    @rule(kind=st.sampled_from([r.name for r in made_kinds()]))
    def make_anything(self, kind: str) -> None:
        Maker(self.ion).make(CATALOG.resources[kind])
        self.judge()

    @precondition(lambda self: self.column("id", "purchase_orders"))
    @rule(order=PICK)
    def update_with_outdated_etag(self, order: int) -> None:
        """Update an object with an outdated etag."""
        values = {"id": self.a("purchase_orders", order), "etag": "old", "notes": "x"}
        assert self.refused("updatePurchaseOrder", input=values)

    @invariant()
    def quantities_are_possible(self) -> None:
        wrong = (
            "SELECT id FROM parts_inventory i WHERE quantity < 0 OR quantity_scrapped NOT BETWEEN 0 AND quantity"
            " OR (quantity NOT IN (0, 1) AND EXISTS (SELECT 1 FROM parts p WHERE p.id = part_id"
            " AND p.tracking_type = 'serial') AND NOT EXISTS (SELECT 1 FROM purchase_order_line_inventories l"
            "  WHERE l.part_inventory_id = i.id AND NOT EXISTS (SELECT 1 FROM receipt_items r"
            "   WHERE r.part_inventory_id = i.id))) UNION ALL SELECT id FROM purchase_order_lines WHERE quantity <= 0"
        )
        assert [] == self.sql(wrong)

    @invariant()
    def an_order_is_as_far_as_its_last_line(self) -> None:
        for order, status in self.sql("SELECT id, status FROM purchase_orders"):
            lines = {
                s
                for (s,) in self.sql(
                    f"SELECT status FROM purchase_order_lines WHERE purchase_order_id = {order}"
                )
            }
            expected = next((s for s in STATUS_PRECEDENCE if s in lines), "canceled")
            assert not lines or expected == status

    @invariant()
    def serial_numbers_are_unique(self) -> None:
        serials = Counter(
            self.sql(
                "SELECT part_id, serial_number FROM parts_inventory WHERE serial_number IS NOT NULL"
            )
        )
        assert {1} >= set(serials.values())

    def change(self, single: str, table: str, pick: int, **values: Any) -> None:
        """Update an object with its current etag."""
        self.named(f"update{single[0].upper()}{single[1:]}", table, pick, **values)

    def named(self, mutation: str, table: str, pick: int, **values: Any) -> None:
        """Execute a mutation of one object by id and etag."""
        id_ = self.a(table, pick)
        if id_ is not None:
            (etag,) = self.column("_etag", table, id_)
            root = self.ion.ion.schema.mutation_type
            assert root is not None
            given = {"id": id_, "etag": etag, **values}
            self.attempt(
                mutation, **({"input": given} if "input" in root.fields[mutation].args else given)
            )

    def attempt(self, mutation: str, **arguments: Any) -> Any:
        """Execute a mutation that may be rejected and check its effect."""
        answer = self.ion.execute(self.ion.document(mutation, *arguments), ADMIN, **arguments)
        if "errors" in answer:
            assert self.rows == self.everything(), "refused, and yet something changed"
            assert self.seen == audit_log.last_action_id(self.store.connection)
            return None
        self.judge()
        return answer["data"][mutation]

    def refused(self, mutation: str, **arguments: Any) -> bool:
        return self.attempt(mutation, **arguments) is None

    def judge(self) -> None:
        """Compare the audit log with the rows, and the deliveries with the audit log."""
        before, after = self.rows, self.everything()
        actions = audit_log.actions_after(self.store.connection, self.seen, 10_000)
        self.assert_log_is_complete(before, after, actions)
        self.assert_new_etags(before, after)
        wanted = [
            (a.table_name, a.action, a.row_id) for a in actions if a.table_name.upper() in WATCHED
        ]
        assert wanted == self.delivered()
        self.rows, self.seen = after, audit_log.last_action_id(self.store.connection)

    @staticmethod
    def assert_log_is_complete(
        before: Rows, after: Rows, actions: list[audit_log.LoggedAction]
    ) -> None:
        """The rows before and the logged actions give the rows after."""
        expected = dict(before)
        for action in actions:
            key = (action.table_name, action.row_id)
            assert expected.pop(key, None) == action.old_row
            if action.new_row is not None:
                expected[key] = action.new_row
        assert after == expected

    @staticmethod
    def assert_new_etags(before: Rows, after: Rows) -> None:
        """An etag changes with the row's own values, and with nothing else."""
        for key, row in after.items():
            if key in before and "_etag" in row:
                changed = {column for column, value in row.items() if before[key][column] != value}
                own = changed - STAMPS - (COMPUTED if key[0] == "purchase_orders" else set())
                assert bool(own) == ("_etag" in changed), key

    def delivered(self) -> list[tuple[str, str, str]]:
        bodies = []
        while deliveries := self.ledger.publish():
            bodies.extend(json.loads(d.body) for d in deliveries)
        return [(b["resource"], b["action"].upper(), str(b["id"])) for b in bodies]

    def a(self, table: str, pick: int) -> int | None:
        """Return a random existing object."""
        ids = self.column("id", table)
        return ids[pick % len(ids)] if ids else None

    def column(self, column: str, table: str, id_: int | None = None) -> list[Any]:
        where = "" if id_ is None else f" WHERE id = {id_}"
        return [
            value for (value,) in self.sql(f'SELECT "{column}" FROM "{table}"{where} ORDER BY id')
        ]

    def sql(self, query: str) -> list[Any]:
        return self.store.connection.execute(query).fetchall()

    def everything(self) -> Rows:
        """Return every row of every logged table in the format of the log."""
        found: Rows = {}
        for table in self.tables:
            columns = [
                (c, k) for c, k in table.columns.items() if c not in audit_log.SECRET_COLUMNS
            ]
            names = ", ".join(f'"{c}"' for c, _ in columns)
            values = self.sql(f'SELECT {names} FROM "{table.name}"')
            before, _ = self.read.get(table.name, (None, None))
            if values != before:  # most tables are as they were
                self.read[table.name] = values, rows_of(table, columns, values)
            found |= self.read[table.name][1]
        return found


def rows_of(table: Table, columns: list[tuple[str, Storage]], values: list[Any]) -> Rows:
    """Return rows of a table in the format of the audit log."""
    found: Rows = {}
    for each in values:
        row = {c: shown(k, v) for (c, k), v in zip(columns, each, strict=True)}
        found[table.name, ":".join(str(row[k]) for k in table.key)] = row
    return found


def shown(kind: str, value: Any) -> Any:
    """Return a column value in the format of the audit log."""
    if value is None:
        return None
    if kind == "json":
        return json.loads(value)
    return bool(value) if kind == "boolean" else value


def test_any_sequence_of_mutations_keeps_the_rules(furnished: Path) -> None:
    case = type("Case", (Factory,), {"furnished": furnished}).TestCase
    case.settings = settings(
        max_examples=20,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()
