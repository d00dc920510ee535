"""An MRP job allocates supply in ION's order and plans the rest."""

from typing import Any

from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
DUE = "2027-03-01T00:00:00.000000+00:00"


def planned(ion: Ion, status: str, demand: int, part: int) -> dict[int, dict[str, Any]]:
    """Execute a job for one plan and return its items by part."""
    plan = ion.create("Plan", name=status, includeInMrp=True)["id"]
    ion.mutate("addInputToPlan", planId=plan, partId=part, dueDate=DUE, quantity=demand)
    ion.update("plan", plan, status=status)
    job = ion.mutate("createMrpJob", startTime=DUE)["mrpJob"]["id"]
    assert {"status": "COMPLETE"} == ion.get("mrpJob", job, "status")
    select = (
        "id partId quantity startTime childAllocations { childPlanItemId quantity } plans { id }"
    )
    items = ion.get("mrpJob", job, f"planItems {{ {select} }}")["planItems"]
    ion.update("plan", plan, status="ARCHIVED")
    assert all(item["plans"] == [{"id": plan}] for item in items)
    return {item["partId"]: item for item in items}


def test_shortage_is_planned_with_its_components(ion: Ion) -> None:
    top = ion.create("Part", partNumber="top", leadTime=10)["id"]
    bolt = ion.create("Part", partNumber="bolt")["id"]
    ion.mutate("createMbomItem", parentId=top, partId=bolt, quantity=4)
    ion.create("PartInventory", partId=bolt, quantity=3)
    items = planned(ion, "IN_PROGRESS", 2, top)
    assert {top: 2, bolt: 5} == {part: item["quantity"] for part, item in items.items()}
    assert "2027-02-19T00:00:00.000000+00:00" == items[top]["startTime"]
    allocation = {"childPlanItemId": str(items[bolt]["id"]), "quantity": 8}
    assert [allocation] == items[top]["childAllocations"]
    assert {} == planned(ion, "DRAFT", 2, top)


def test_inventory_orders_and_runs_supply_a_plan(ion: Ion) -> None:
    part = ion.create("Part", partNumber="supplied")["id"]
    assert {part: 9} == {p: i["quantity"] for p, i in planned(ion, "SCHEDULED", 9, part).items()}
    ion.create("PartInventory", partId=part, quantity=2)
    order = ion.create("PurchaseOrder")["id"]
    line = ion.create("PurchaseOrderLine", purchaseOrderId=order, partId=part, quantity=4)["id"]
    run = ion.create("Run", title="r", partId=part, quantity=1)["id"]
    step = ion.mutate("createRunStep", runId=run, title="s")["step"]["id"]
    reserved = ion.create("PartInventory", partId=part, quantity=5)["id"]
    other = ion.create("Plan", name="other")["id"]
    ion.mutate("createPlanReservation", planId=other, partInventoryId=reserved, quantity=4)
    assert 1 == planned(ion, "SCHEDULED", 9, part)[part]["quantity"]
    ion.update("runStep", step, status="CANCELED")
    ion.update("purchaseOrderLine", line, status="CANCELED")
    assert 6 == planned(ion, "SCHEDULED", 9, part)[part]["quantity"]
