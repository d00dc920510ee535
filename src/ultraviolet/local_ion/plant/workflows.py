"""Workflows of the plant: buy, receive, stock, build and report defects."""

from collections import defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import Any

from ultraviolet.ion.naming import plural
from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.client import PlantClient

KNOWN_RESOURCES = (
    "users", "teams", "suppliers", "currencies", "locations", "units_of_measurements", "labels",
    "parts", "procedures", "parts_inventory", "purchase_orders", "runs", "issues",
)  # fmt: skip

MAX_OPEN_OBJECTS = 200
"""How many orders, runs and issues the plant resumes after a restart."""


class Plant:
    """The state of the plant; all random choices use one seeded generator."""

    def __init__(self, client: PlantClient, random: Random, today: datetime) -> None:
        self.client = client
        self.random = random
        self.today = today
        self.known: dict[str, list[int]] = defaultdict(list)
        self.open_orders: list[int] = []
        self.open_runs: list[int] = []
        self.open_issues: list[int] = []

    def load_known_objects(self) -> None:
        """Load the ids of existing objects from ION, after a restart."""
        for resource in KNOWN_RESOURCES:
            self.known[resource] = self.client.list_ids(resource)
        self.open_orders = self.known["purchase_orders"][-MAX_OPEN_OBJECTS:]
        self.open_runs = self.known["runs"][-MAX_OPEN_OBJECTS:]
        self.open_issues = self.known["issues"][-MAX_OPEN_OBJECTS:]

    def create(self, resource: str, **values: Any) -> int:
        """Create an object and store its id."""
        created = self.client.create(resource, **values)
        self.known[resource].append(created)
        return created

    def any(self, resource: str) -> int:
        """Return the id of a random known object."""
        return self.random.choice(self.known[resource])

    def chance(self, probability: float) -> bool:
        """Return true with a probability."""
        return self.random.random() < probability

    def day(self, first: int, last: int) -> str:
        """Return a random day between two numbers of days from today."""
        return (self.today + timedelta(days=self.random.randint(first, last))).isoformat()

    def choose(self, *options: Any) -> Any:
        """Return a random option."""
        return self.random.choice(options)


def rich_text(text: str) -> list[dict[str, Any]]:
    """Return a text in ION's rich text format."""
    return [{"type": "p", "children": [{"text": text}]}]


def buy(plant: Plant) -> None:
    """Create an order with lines and sometimes a fee, and place most orders."""
    purpose = plant.choose(*sample_data.ORDER_PURPOSES).capitalize()
    family = plant.choose(*sample_data.FAMILIES)[1].lower()
    order = plant.create(
        "purchase_orders",
        description=f"{purpose}, {plural(family)}",
        supplierId=plant.any("suppliers"),
        currencyId=plant.any("currencies"),
        assignedToId=plant.any("users"),
        shipToLocationId=plant.any("locations"),
        attributes=[{"key": "Priority", "value": plant.choose(*sample_data.PRIORITIES)}],
    )
    for position in range(1, plant.random.randint(1, 6) + 1):
        line: dict[str, Any] = {
            "purchaseOrderId": order,
            "partId": plant.any("parts"),
            "position": position,
            "quantity": float(plant.choose(1, 2, 4, 5, 10, 25, 50, 100)),
            "cost": round(plant.random.uniform(0.4, 900), 2),
            "needDate": plant.day(10, 120),
        }
        # Suppliers often confirm the arrival date later; the empty value then becomes populated.
        if plant.chance(0.4):
            line["estimatedArrivalDate"] = plant.day(5, 100)
        plant.client.create("purchase_order_lines", **line)
    if plant.chance(0.3):
        name, value = plant.choose(*sample_data.FEES)
        plant.client.create(
            "purchase_order_fees", purchaseOrderId=order, name=name, value=value, type="CURRENCY"
        )
    if plant.chance(0.8):
        plant.client.update(
            "purchase_orders", order, status="ORDERED", orderedAt=plant.today.isoformat()
        )
        plant.open_orders.append(order)


def receive(plant: Plant) -> None:
    """Receive the missing quantities of an open order."""
    if not plant.open_orders:
        return
    order = plant.open_orders.pop(plant.random.randrange(len(plant.open_orders)))
    found = plant.client.get(
        "purchase_orders",
        order,
        "status purchaseOrderLines { id quantity receivedQuantity part { trackingType } }",
    )
    lines = [line for line in found["purchaseOrderLines"] if _missing_quantity(line) > 0]
    if found["status"] != "ORDERED" or not lines:
        return
    receipt = plant.create(
        "receipts", receivedAt=plant.today.isoformat(), receivedById=plant.any("users")
    )
    for line in lines:
        tracking: str | None = line["part"]["trackingType"] if line["part"] else None
        item: dict[str, Any] = {
            "etag": plant.client.get("receipts", receipt, "_etag")["_etag"],
            "receiptId": receipt,
            "purchaseOrderLineId": line["id"],
            "locationId": plant.any("locations"),
            "quantity": 1.0 if tracking == "SERIAL" else _missing_quantity(line),
        }
        if tracking:
            number = "SerialNumber" if tracking == "SERIAL" else "LotNumber"
            item[f"autogenerate{number}"] = True
        plant.client.mutate_list("addItemsToReceipt", [item])


def _missing_quantity(line: dict[str, Any]) -> float:
    return float(line["quantity"]) - float(line["receivedQuantity"] or 0)


def stock(plant: Plant) -> None:
    """Add inventory of a part."""
    part = plant.any("parts")
    tracking = plant.client.get("parts", part, "trackingType")["trackingType"]
    values: dict[str, Any] = {"partId": part, "locationId": plant.any("locations"), "quantity": 1.0}
    if tracking == "SERIAL":
        values["autogenerateSerialNumber"] = True
    else:
        values["quantity"] = float(plant.random.randint(1, 400))
    if tracking == "LOT":
        values["autogenerateLotNumber"] = True
    if plant.chance(0.5):
        values["supplierId"] = plant.any("suppliers")
    plant.create("parts_inventory", **values)


def build(plant: Plant) -> None:
    """Start a run of a procedure."""
    if not plant.known["procedures"]:
        return
    run = plant.create(
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
        progress_run(plant, run)


RUN_SELECTION = "steps { id status _etag fields { id type options _etag value } }"


def progress_run(plant: Plant, run: int | None = None) -> None:
    """Move the next open step of a run to its next status and fill in its fields."""
    if run is None:
        if not plant.open_runs:
            return
        run = plant.random.choice(plant.open_runs)
    steps = plant.client.get("runs", run, RUN_SELECTION)["steps"]
    step = next((s for s in steps if s["status"] in {"TODO", "IN_PROGRESS"}), None)
    if step is None:
        if run in plant.open_runs:
            plant.open_runs.remove(run)
        return
    if step["status"] == "TODO":
        plant.client.update("run_steps", step["id"], status="IN_PROGRESS")
        return
    for field in step["fields"]:
        if field["value"] is None:
            plant.client.mutate(
                "updateRunStepFieldValue",
                id=field["id"],
                etag=field["_etag"],
                value=_field_value(plant, field),
            )
    plant.client.update("run_steps", step["id"], status="COMPLETE")


def _field_value(plant: Plant, field: dict[str, Any]) -> Any:
    match field["type"]:
        case "NUMBER":
            return round(plant.random.uniform(0.5, 300), 3)
        case "BOOLEAN":
            return True
        case "SELECT":
            return plant.random.choice(field["options"])
        case _:
            return f"HN-{plant.random.randint(1000, 9999)}"


def report_defect(plant: Plant) -> None:
    """Create an issue about inventory, often with a comment."""
    defect = plant.choose(*sample_data.DEFECTS)
    issue = plant.create(
        "issues",
        title=defect,
        causeCondition=rich_text(
            f"{defect}, found at {plant.choose('receiving', 'assembly', 'final inspection')}."
        ),
        expectedCondition=rich_text("As on the drawing."),
        status="PENDING",
        assignedToId=plant.any("users"),
        **(
            {"partInventoryIds": [plant.any("parts_inventory")]}
            if plant.known["parts_inventory"]
            else {}
        ),
    )
    plant.open_issues.append(issue)
    if plant.chance(0.6):
        add_comment(plant, "issues", issue)


def add_comment(plant: Plant, resource: str, id_: int) -> int:
    """Comment on an object and return the comment's id."""
    entity = plant.client.get(resource, id_, "entityId")["entityId"]
    return plant.client.create(
        "comments", entityId=entity, content=plant.choose(*sample_data.REMARKS)
    )
