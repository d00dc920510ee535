"""Working days in the plant: a steady rate of real changes until it is told to stop."""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.client import RefusedError
from ultraviolet.local_ion.plant.workflows import (
    Plant,
    build,
    buy,
    find_defect,
    progress,
    receive,
    remark,
    slate,
    stock,
)

log = structlog.get_logger()

LONGEST_DEBT = 1.0
RESTING = 0.05
"""Seconds between two looks of a resting plant at its rate."""


class StoppedError(Exception):
    """The plant closes."""


class AtOnce:
    """Lets changes through as fast as ION takes them, until the plant closes."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def __call__(self) -> None:
        """Raise StoppedError when the plant closes."""
        if self._stop.is_set():
            raise StoppedError


class Rate:
    """Lets changes through at a steady rate; time lost to a slow ION is made up for at most a second.

    The rate may be set from another thread at any time; at 0 the plant rests.
    """

    def __init__(self, changes_per_second: float, stop: threading.Event) -> None:
        self.changes_per_second = changes_per_second
        self._stop = stop
        self._next = time.monotonic()

    def __call__(self) -> None:
        """Wait for one's turn; raises StoppedError when the plant closes meanwhile."""
        while self.changes_per_second <= 0:
            self._wait(RESTING)
        now = time.monotonic()
        self._next = max(self._next + 1 / self.changes_per_second, now - LONGEST_DEBT)
        self._wait(max(0.0, self._next - now))

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise StoppedError


def work(plant: Plant, stop: threading.Event) -> None:
    """Tell stories until told to stop; what ION refuses is let go, as a person would."""
    stories, weights = [s for s, _ in DAY], [w for _, w in DAY]
    while not stop.is_set():
        story = plant.random.choices(stories, weights)[0]
        try:
            story(plant)
        except StoppedError:
            return
        except RefusedError as error:
            log.info("plant.refused", story=story.__name__, reason=str(error))
            # A story that finds nothing to do must not spin.
            stop.wait(0.01)


def follow_order(plant: Plant) -> None:
    """Change what may change on an order: whom it ships to, who follows it, what is promised, what is paid."""
    order = plant.any("purchase_orders")
    values = plant.choose(
        {"shipToLocationId": plant.any("locations")},
        {"assignedToId": plant.any("users")},
        {"description": f"{plant.choose(*sample_data.ORDER_PURPOSES).capitalize()}, updated"},
        {"billToLocationId": plant.any("locations")},
    )
    plant.hands.edit("purchase_orders", order, **values)


def promise_arrival(plant: Plant) -> None:
    """Fill in an arrival date that was empty, or move it."""
    order = plant.any("purchase_orders")
    lines = plant.hands.look("purchase_orders", order, "purchaseOrderLines { id estimatedArrivalDate }")
    found = lines["purchaseOrderLines"]
    if found:
        empty = [line for line in found if line["estimatedArrivalDate"] is None]
        line = plant.random.choice(empty or found)
        plant.hands.edit("purchase_order_lines", line["id"], estimatedArrivalDate=plant.day(3, 60))


def move_stock(plant: Plant) -> None:
    """Carry something to another shelf."""
    plant.hands.edit("parts_inventory", plant.any("parts_inventory"), locationId=plant.any("locations"))


def follow_issue(plant: Plant) -> None:
    """Take an issue further: work on it, decide, resolve."""
    if not plant.open_issues:
        return
    issue = plant.random.choice(plant.open_issues)
    status = plant.hands.look("issues", issue, "status")["status"]
    steps: dict[str, dict[str, Any]] = {
        "PENDING": {"status": "IN_PROGRESS"},
        "IN_PROGRESS": {
            "status": "IN_REVIEW",
            "disposition": slate(f"{plant.choose(*sample_data.DISPOSITIONS)}."),
        },
        "IN_REVIEW": {"status": "RESOLVED"},
    }
    if status in steps:
        plant.hands.edit("issues", issue, **steps[status])
    else:
        plant.open_issues.remove(issue)


def talk(plant: Plant) -> None:
    """Remark on an order, a run, an issue or a part; now and then take it back."""
    resource = plant.choose("purchase_orders", "runs", "issues", "parts")
    comment = remark(plant, resource, plant.any(resource))
    if plant.chance(0.1):
        plant.hands.remove("comments", comment)


def set_attribute(plant: Plant) -> None:
    """Set a custom attribute, perhaps for the first time."""
    resource, mutation, owner, key, value = plant.choose(
        (
            "purchase_orders",
            "updatePurchaseOrderAttribute",
            "purchaseOrderId",
            "Priority",
            sample_data.PRIORITIES[1],
        ),
        ("purchase_orders", "updatePurchaseOrderAttribute", "purchaseOrderId", "Work order", "WO-1"),
        ("parts", "updatePartAttribute", "partId", "Drawing", "DWG-1"),
        ("issues", "updateIssueAttribute", "issueId", "Severity", "major"),
        ("suppliers", "updateSupplierAttribute", "supplierId", "Rating", 3),
    )
    id_ = plant.any(resource)
    if isinstance(value, str) and value.endswith("-1"):
        value = f"{value[:-1]}{plant.random.randint(100, 9999)}"
    if isinstance(value, int):
        value = plant.random.randint(1, 5)
    rows = plant.hands.look(resource, id_, "attributes { key Etag }")["attributes"]
    row = next((row for row in rows if row["key"] == key), None)
    if row is not None:
        plant.hands.mutate(mutation, **{owner: id_, "key": key, "value": value, "etag": row["Etag"]})


def tag(plant: Plant) -> None:
    """Put a label on something, or take one off."""
    resource = plant.choose("purchase_orders", "runs", "issues")
    found = plant.hands.look(resource, plant.any(resource), "entityId labels { id }")
    if found["labels"] and plant.chance(0.5):
        plant.hands.mutate(
            "removeLabelFromItem", entityId=found["entityId"], labelId=found["labels"][0]["id"]
        )
        return
    label = plant.any("labels")
    if label not in [each["id"] for each in found["labels"]]:
        plant.hands.mutate("addLabelToItem", entityId=found["entityId"], labelId=label)


def maintain_part(plant: Plant) -> None:
    """Correct a part: its price, lead time, or the supplier's number it lacked."""
    values = plant.choose(
        {"cost": round(plant.random.uniform(1, 900), 2)},
        {"leadTime": plant.random.randint(5, 140)},
        {"supplierPartNumber": f"SP-{plant.random.randint(10_000, 99_999)}"},
    )
    plant.hands.edit("parts", plant.any("parts"), **values)


def maintain_supplier(plant: Plant) -> None:
    """Correct a supplier's contact or describe what it is good for."""
    values = plant.choose(
        {"contactName": plant.choose(*sample_data.PEOPLE)},
        {"phoneNumber": f"+1 555 01{plant.random.randint(10, 99)}"},
        {"description": f"Preferred for {plant.choose(*sample_data.FAMILIES)[1].lower()}s"},
    )
    plant.hands.edit("suppliers", plant.any("suppliers"), **values)


def drop_draft(plant: Plant) -> None:
    """Draft a small order and throw it away again, line by line."""
    order = plant.hands.create(
        "purchase_orders", description="Drafted by mistake", supplierId=plant.any("suppliers")
    )
    line = plant.hands.create(
        "purchase_order_lines", purchaseOrderId=order, partId=plant.any("parts"), quantity=1.0
    )
    plant.hands.remove("purchase_order_lines", line)
    plant.hands.remove("purchase_orders", order)


DAY: tuple[tuple[Callable[[Plant], None], float], ...] = (
    (follow_order, 16),
    (promise_arrival, 10),
    (move_stock, 14),
    (progress, 14),
    (follow_issue, 8),
    (talk, 8),
    (set_attribute, 8),
    (tag, 6),
    (maintain_part, 6),
    (maintain_supplier, 2),
    (buy, 4),
    (receive, 3),
    (stock, 3),
    (build, 1),
    (find_defect, 3),
    (drop_draft, 1),
)
