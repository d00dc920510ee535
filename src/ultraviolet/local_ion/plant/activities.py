"""Daily activities in the plant: a steady rate of realistic changes until stopped."""

import threading
from collections.abc import Callable
from typing import Any

import structlog

from ultraviolet.ion.naming import plural
from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.client import RejectedError
from ultraviolet.local_ion.plant.pacing import PlantStoppedError
from ultraviolet.local_ion.plant.workflows import (
    Plant,
    add_comment,
    build,
    buy,
    progress_run,
    receive,
    report_defect,
    rich_text,
    stock,
)

log = structlog.get_logger()

REJECTED_PAUSE_SECONDS = 0.01
"""An activity without anything to do must not use all of the processor."""


def run_activities(plant: Plant, stop: threading.Event) -> None:
    """Run random activities until stopped; continue after a rejected change."""
    activities, weights = zip(*ACTIVITIES, strict=True)
    while not stop.is_set():
        activity = plant.random.choices(activities, weights)[0]
        try:
            activity(plant)
        except PlantStoppedError:
            return
        except RejectedError as error:
            log.info("plant.refused", activity=activity.__name__, reason=str(error))
            stop.wait(REJECTED_PAUSE_SECONDS)


def update_order(plant: Plant) -> None:
    """Update the assignee, description or an address of an order."""
    order = plant.any("purchase_orders")
    values = plant.choose(
        {"shipToLocationId": plant.any("locations")},
        {"assignedToId": plant.any("users")},
        {"description": f"{plant.choose(*sample_data.ORDER_PURPOSES).capitalize()}, updated"},
        {"billToLocationId": plant.any("locations")},
    )
    plant.client.update("purchase_orders", order, **values)


def set_arrival_date(plant: Plant) -> None:
    """Set an empty arrival date, or change one."""
    order = plant.any("purchase_orders")
    lines = plant.client.get(
        "purchase_orders", order, "purchaseOrderLines { id estimatedArrivalDate }"
    )
    found = lines["purchaseOrderLines"]
    if found:
        empty = [line for line in found if line["estimatedArrivalDate"] is None]
        line = plant.random.choice(empty or found)
        plant.client.update(
            "purchase_order_lines", line["id"], estimatedArrivalDate=plant.day(3, 60)
        )


def move_stock(plant: Plant) -> None:
    """Move inventory to another location."""
    plant.client.update(
        "parts_inventory", plant.any("parts_inventory"), locationId=plant.any("locations")
    )


def progress_issue(plant: Plant) -> None:
    """Move an issue to its next status."""
    if not plant.open_issues:
        return
    issue = plant.random.choice(plant.open_issues)
    status = plant.client.get("issues", issue, "status")["status"]
    steps: dict[str, dict[str, Any]] = {
        "PENDING": {"status": "IN_PROGRESS"},
        "IN_PROGRESS": {
            "status": "IN_REVIEW",
            "disposition": rich_text(f"{plant.choose(*sample_data.DISPOSITIONS)}."),
        },
        "IN_REVIEW": {"status": "RESOLVED"},
    }
    if status in steps:
        plant.client.update("issues", issue, **steps[status])
    else:
        plant.open_issues.remove(issue)


def discuss(plant: Plant) -> None:
    """Comment on an order, a run, an issue or a part; sometimes delete the comment."""
    resource = plant.choose("purchase_orders", "runs", "issues", "parts")
    comment = add_comment(plant, resource, plant.any(resource))
    if plant.chance(0.1):
        plant.client.delete("comments", comment)


def set_attribute(plant: Plant) -> None:
    """Set a custom attribute."""
    resource, mutation, owner, key, value = plant.choose(
        (
            "purchase_orders",
            "updatePurchaseOrderAttribute",
            "purchaseOrderId",
            "Priority",
            sample_data.PRIORITIES[1],
        ),
        (
            "purchase_orders",
            "updatePurchaseOrderAttribute",
            "purchaseOrderId",
            "Work order",
            "WO-1",
        ),
        ("parts", "updatePartAttribute", "partId", "Drawing", "DWG-1"),
        ("issues", "updateIssueAttribute", "issueId", "Severity", "major"),
        ("suppliers", "updateSupplierAttribute", "supplierId", "Rating", 3),
    )
    id_ = plant.any(resource)
    if isinstance(value, str) and value.endswith("-1"):
        value = f"{value[:-1]}{plant.random.randint(100, 9999)}"
    if isinstance(value, int):
        value = plant.random.randint(1, 5)
    rows = plant.client.get(resource, id_, "attributes { key Etag }")["attributes"]
    row = next((row for row in rows if row["key"] == key), None)
    if row is not None:
        plant.client.mutate(
            mutation, **{owner: id_, "key": key, "value": value, "etag": row["Etag"]}
        )


def toggle_label(plant: Plant) -> None:
    """Add a label to an object, or remove one."""
    resource = plant.choose("purchase_orders", "runs", "issues")
    found = plant.client.get(resource, plant.any(resource), "entityId labels { id }")
    if found["labels"] and plant.chance(0.5):
        plant.client.mutate(
            "removeLabelFromItem", entityId=found["entityId"], labelId=found["labels"][0]["id"]
        )
        return
    label = plant.any("labels")
    if label not in [each["id"] for each in found["labels"]]:
        plant.client.mutate("addLabelToItem", entityId=found["entityId"], labelId=label)


def update_part(plant: Plant) -> None:
    """Update the cost, lead time or supplier part number of a part."""
    values = plant.choose(
        {"cost": round(plant.random.uniform(1, 900), 2)},
        {"leadTime": plant.random.randint(5, 140)},
        {"supplierPartNumber": f"SP-{plant.random.randint(10_000, 99_999)}"},
    )
    plant.client.update("parts", plant.any("parts"), **values)


def update_supplier(plant: Plant) -> None:
    """Update the contact, phone number or description of a supplier."""
    family = plant.choose(*sample_data.FAMILIES)[1].lower()
    values = plant.choose(
        {"contactName": plant.choose(*sample_data.PEOPLE)},
        {"phoneNumber": f"+1 555 01{plant.random.randint(10, 99)}"},
        {"description": f"Preferred for {plural(family)}"},
    )
    plant.client.update("suppliers", plant.any("suppliers"), **values)


def discard_draft_order(plant: Plant) -> None:
    """Create a draft order and delete it."""
    order = plant.client.create(
        "purchase_orders", description="Drafted by mistake", supplierId=plant.any("suppliers")
    )
    line = plant.client.create(
        "purchase_order_lines", purchaseOrderId=order, partId=plant.any("parts"), quantity=1.0
    )
    plant.client.delete("purchase_order_lines", line)
    plant.client.delete("purchase_orders", order)


ACTIVITIES: tuple[tuple[Callable[[Plant], None], float], ...] = (
    (update_order, 16),
    (set_arrival_date, 10),
    (move_stock, 14),
    (progress_run, 14),
    (progress_issue, 8),
    (discuss, 8),
    (set_attribute, 8),
    (toggle_label, 6),
    (update_part, 6),
    (update_supplier, 2),
    (buy, 4),
    (receive, 3),
    (stock, 3),
    (build, 1),
    (report_defect, 3),
    (discard_draft_order, 1),
)
