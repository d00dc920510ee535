"""What happens in the plant, one story a function: it buys, receives, stocks, builds and finds defects."""

from collections import defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import Any

from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.client import Hands

REMEMBERED = (
    "users", "teams", "suppliers", "currencies", "locations", "units_of_measurements", "labels", "parts",
    "procedures", "parts_inventory", "purchase_orders", "runs", "issues",
)  # fmt: skip


class Plant:
    """Who works here, what there is, and the day it is; all chance comes from one seeded source."""

    def __init__(self, hands: Hands, random: Random, today: datetime) -> None:
        self.hands = hands
        self.random = random
        self.today = today
        self.known: dict[str, list[int]] = defaultdict(list)
        self.open_orders: list[int] = []
        self.open_runs: list[int] = []
        self.open_issues: list[int] = []

    def remember(self) -> None:
        """Learn what there is from ION itself, as after a restart."""
        for resource in REMEMBERED:
            self.known[resource] = self.hands.ids(resource)
        self.open_orders = self.known["purchase_orders"][-200:]
        self.open_runs = self.known["runs"][-200:]
        self.open_issues = self.known["issues"][-200:]

    def make(self, resource: str, **values: Any) -> int:
        """Create an object and remember it."""
        made = self.hands.create(resource, **values)
        self.known[resource].append(made)
        return made

    def any(self, resource: str) -> int:
        """Pick one of what there is."""
        return self.random.choice(self.known[resource])

    def chance(self, share: float) -> bool:
        """Decide by chance."""
        return self.random.random() < share

    def day(self, first: int, last: int) -> str:
        """Pick a day so many days from today."""
        return (self.today + timedelta(days=self.random.randint(first, last))).isoformat()

    def choose(self, *options: Any) -> Any:
        """Pick one of these."""
        return self.random.choice(options)


def slate(text: str) -> list[dict[str, Any]]:
    """Write a sentence as ION's rich text."""
    return [{"type": "p", "children": [{"text": text}]}]


def buy(plant: Plant) -> None:
    """Draft an order, add its lines, sometimes a fee, and place it."""
    order = plant.make(
        "purchase_orders",
        description=f"{plant.choose(*sample_data.ORDER_PURPOSES).capitalize()}, {plant.choose(*sample_data.FAMILIES)[1].lower()}s",
        supplierId=plant.any("suppliers"),
        currencyId=plant.any("currencies"),
        assignedToId=plant.any("users"),
        shipToLocationId=plant.any("locations"),
        attributes=[{"key": "Priority", "value": plant.choose(*sample_data.PRIORITIES)}],
    )
    for position in range(1, plant.random.randint(1, 6) + 1):
        plant.hands.create("purchase_order_lines", **_line(plant, order, position))
    if plant.chance(0.3):
        name, value = plant.choose(*sample_data.FEES)
        plant.hands.create(
            "purchase_order_fees", purchaseOrderId=order, name=name, value=value, type="CURRENCY"
        )
    if plant.chance(0.8):
        plant.hands.edit("purchase_orders", order, status="ORDERED", orderedAt=plant.today.isoformat())
        plant.open_orders.append(order)


def _line(plant: Plant, order: int, position: int) -> dict[str, Any]:
    line: dict[str, Any] = {
        "purchaseOrderId": order,
        "partId": plant.any("parts"),
        "position": position,
        "quantity": float(plant.choose(1, 2, 4, 5, 10, 25, 50, 100)),
        "cost": round(plant.random.uniform(0.4, 900), 2),
        "needDate": plant.day(10, 120),
    }
    # An arrival date is often promised only later: an empty value that becomes populated.
    return line | ({"estimatedArrivalDate": plant.day(5, 100)} if plant.chance(0.4) else {})


def receive(plant: Plant) -> None:
    """Receive what an open order still lacks."""
    if not plant.open_orders:
        return
    order = plant.open_orders.pop(plant.random.randrange(len(plant.open_orders)))
    found = plant.hands.look(
        "purchase_orders",
        order,
        "status purchaseOrderLines { id quantity receivedQuantity part { trackingType } }",
    )
    lines = [line for line in found["purchaseOrderLines"] if _missing(line) > 0]
    if found["status"] != "ORDERED" or not lines:
        return
    receipt = plant.make("receipts", receivedAt=plant.today.isoformat(), receivedById=plant.any("users"))
    for line in lines:
        _receive_line(plant, receipt, line)


def _missing(line: dict[str, Any]) -> float:
    return float(line["quantity"]) - float(line["receivedQuantity"] or 0)


def _receive_line(plant: Plant, receipt: int, line: dict[str, Any]) -> None:
    tracking: str | None = line["part"]["trackingType"] if line["part"] else None
    item: dict[str, Any] = {
        "etag": plant.hands.look("receipts", receipt, "_etag")["_etag"],
        "receiptId": receipt,
        "purchaseOrderLineId": line["id"],
        "locationId": plant.any("locations"),
        "quantity": 1.0 if tracking == "SERIAL" else _missing(line),
    }
    if tracking:
        item["autogenerateSerialNumber" if tracking == "SERIAL" else "autogenerateLotNumber"] = True
    plant.hands.mutate_list("addItemsToReceipt", [item])


def stock(plant: Plant) -> None:
    """Put something that was counted on the shelf into inventory."""
    part = plant.any("parts")
    tracking = plant.hands.look("parts", part, "trackingType")["trackingType"]
    values: dict[str, Any] = {"partId": part, "locationId": plant.any("locations"), "quantity": 1.0}
    if tracking == "SERIAL":
        values["autogenerateSerialNumber"] = True
    else:
        values["quantity"] = float(plant.random.randint(1, 400))
    if tracking == "LOT":
        values["autogenerateLotNumber"] = True
    if plant.chance(0.5):
        values["supplierId"] = plant.any("suppliers")
    plant.make("parts_inventory", **values)


def build(plant: Plant) -> None:
    """Start a run of a procedure."""
    if not plant.known["procedures"]:
        return
    run = plant.make(
        "runs",
        title=f"{plant.choose(*sample_data.ASSEMBLIES)} {plant.random.randint(100, 999)}",
        procedureId=plant.any("procedures"),
        partId=plant.any("parts"),
        quantity=1,
        dueDate=plant.day(5, 90),
        assignedToId=plant.any("users"),
    )
    plant.open_runs.append(run)
    for _ in range(plant.random.randint(0, 4)):
        progress(plant, run)


RUN = "steps { id status _etag fields { id type options _etag value } }"


def progress(plant: Plant, run: int | None = None) -> None:
    """Take the next open step of a run one state further, filling in its fields."""
    if run is None:
        if not plant.open_runs:
            return
        run = plant.random.choice(plant.open_runs)
    steps = plant.hands.look("runs", run, RUN)["steps"]
    step = next((s for s in steps if s["status"] in {"TODO", "IN_PROGRESS"}), None)
    if step is None:
        if run in plant.open_runs:
            plant.open_runs.remove(run)
        return
    if step["status"] == "TODO":
        plant.hands.edit("run_steps", step["id"], status="IN_PROGRESS")
        return
    for field in step["fields"]:
        if field["value"] is None:
            plant.hands.mutate(
                "updateRunStepFieldValue", id=field["id"], etag=field["_etag"], value=_measured(plant, field)
            )
    plant.hands.edit("run_steps", step["id"], status="COMPLETE")


def _measured(plant: Plant, field: dict[str, Any]) -> Any:
    match field["type"]:
        case "NUMBER":
            return round(plant.random.uniform(0.5, 300), 3)
        case "BOOLEAN":
            return True
        case "SELECT":
            return plant.random.choice(field["options"])
        case _:
            return f"HN-{plant.random.randint(1000, 9999)}"


def find_defect(plant: Plant) -> None:
    """Write an issue about something in stock, often with a first remark."""
    defect = plant.choose(*sample_data.DEFECTS)
    issue = plant.make(
        "issues",
        title=defect,
        causeCondition=slate(
            f"{defect}, found at {plant.choose('receiving', 'assembly', 'final inspection')}."
        ),
        expectedCondition=slate("As on the drawing."),
        status="PENDING",
        assignedToId=plant.any("users"),
        **({"partInventoryIds": [plant.any("parts_inventory")]} if plant.known["parts_inventory"] else {}),
    )
    plant.open_issues.append(issue)
    if plant.chance(0.6):
        remark(plant, "issues", issue)


def remark(plant: Plant, resource: str, id_: int) -> int:
    """Comment on something."""
    entity = plant.hands.look(resource, id_, "entityId")["entityId"]
    return plant.hands.create("comments", entityId=entity, content=plant.choose(*sample_data.REMARKS))
