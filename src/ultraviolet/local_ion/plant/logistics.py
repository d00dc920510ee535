"""Logistics of the plant: kits, assemblies as built, plans, and approvals of orders."""

from datetime import timedelta

from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.workflows import Plant


def create_logistics(plant: Plant) -> None:
    """Create a kit, an assembly with installed parts, a plan and an order for approval."""
    _create_kit(plant)
    _create_assembly(plant)
    _create_plan(plant)
    _request_order(plant)


def _create_kit(plant: Plant) -> None:
    part = plant.create("parts", partNumber="KIT-1000", description="Shim set", partType="PART")
    shelf, line = plant.known["locations"][3], plant.known["locations"][1]
    stock = plant.create("parts_inventory", partId=part, quantity=40.0, locationId=shelf)
    kit = plant.client.create("parts_kits", locationId=shelf, deliveryLocationId=line)
    item = plant.client.create("part_kit_items", partKitId=kit, partId=part, quantity=8.0)
    plant.client.update("parts_kits", kit, status="REQUESTED")
    etag = plant.client.get("parts_inventory", stock, "_etag")["_etag"]
    given = {"partInventoryId": stock, "partKitItemId": item, "quantity": 8.0}
    plant.client.mutate("issueItemToKit", **given, etag=etag)
    plant.client.update("parts_kits", kit, status="DELIVERED")


def _create_assembly(plant: Plant) -> None:
    """Build an assembly and install the first part that its mBOM requires."""
    select = "partId mbomItems { partId quantity part { trackingType } }"
    mbom = plant.client.get("mboms", plant.known["mboms"][0], select)
    place = plant.known["locations"][1]
    assembly = plant.create(
        "parts_inventory",
        partId=mbom["partId"],
        quantity=1.0,
        locationId=place,
        autogenerateSerialNumber=True,
    )
    select = "_etag buildRequirements { id partId quantity }"
    found = plant.client.get("parts_inventory", assembly, select)
    if not found["buildRequirements"]:
        plant.client.mutate("createAbomForPartInventory", id=assembly, etag=found["_etag"])
        found = plant.client.get("parts_inventory", assembly, select)
    requirement = found["buildRequirements"][0]
    child = plant.create(
        "parts_inventory",
        partId=requirement["partId"],
        quantity=1.0,
        autogenerateSerialNumber=True,
        autogenerateLotNumber=True,
    )
    given = {"buildRequirementId": requirement["id"], "partInventoryId": child, "quantity": 1.0}
    plant.client.mutate("createAbomInstallation", **given)


def _create_plan(plant: Plant) -> None:
    create = plant.client.create
    plan = create("plans", name="Engine 9", description="Qualification unit", includeInMrp=True)
    mbom = plant.client.get("mboms", plant.known["mboms"][0], "partId mbomItems { partId }")
    given = {"planId": plan, "partId": mbom["partId"], "dueDate": plant.day(60, 90)}
    needed = plant.client.mutate("addInputToPlan", **given, quantity=1)["id"]
    job = create("mrp_jobs", startTime=plant.day(0, 0))
    parts = [mbom["partId"], mbom["mbomItems"][0]["partId"]]
    items = [
        create("plan_items", name=f"Plan item {number}", partId=part, quantity=1.0, mrpJobId=job)
        for number, part in enumerate(parts, start=1)
    ]
    for item in items:
        etag = plant.client.get("plans", plan, "_etag")["_etag"]
        values = {"planId": plan, "planItemId": item, "planInputId": needed}
        plant.client.mutate("addPlanItemToPlan", **values, etag=etag)
    pair = {"childPlanItemId": items[1], "parentPlanItemId": items[0]}
    plant.client.mutate("createPlanItemAllocation", **pair, quantity=1.0, mrpJobId=job)
    stock = plant.known["parts_inventory"][0]
    create("plan_reservations", planId=plan, partInventoryId=stock, quantity=1.0)


def _request_order(plant: Plant) -> None:
    create = plant.client.create
    order = plant.create(
        "purchase_orders",
        description="Raw material, for approval",
        supplierId=plant.known["suppliers"][0],
        currencyId=plant.known["currencies"][0],
        assignedToId=plant.known["users"][0],
        shipToLocationId=plant.known["locations"][0],
        attributes=[{"key": "Priority", "value": sample_data.PRIORITIES[0]}],
    )
    for position, (part, quantity) in enumerate(
        zip(plant.known["parts"], (3.0, 40.0, 250.0), strict=False), 1
    ):
        create(
            "purchase_order_lines",
            purchaseOrderId=order,
            partId=part,
            position=position,
            quantity=quantity,
            cost=12.5 * position,
            needDate=(plant.today + timedelta(days=30 + position)).isoformat(),
            estimatedArrivalDate=(plant.today + timedelta(days=28 + 2 * position)).isoformat(),
        )
    reviewer = plant.any("users")
    create("purchase_order_approval_requests", purchaseOrderId=order, reviewerId=reviewer)
    create(
        "purchase_order_approvals", purchaseOrderId=order, status="APPROVED", comment="Budgeted."
    )
    plant.client.update("purchase_orders", order, status="APPROVED")
    requirement = create(
        "requirements",
        title="Certificate of conformity",
        referenceName="QC-01",
        content=[{"type": "p", "children": [{"text": "Deliver with a certificate."}]}],
        requirementType="QUALITY_CLAUSE",
    )
    entity = plant.client.get("purchase_orders", order, "entityId")["entityId"]
    plant.client.mutate("addRequirementToItem", entityId=entity, requirementId=requirement)
