"""Plans with inputs and items, MRP jobs, and conversion of items."""

from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
DUE = "2026-12-24T00:00:00.000000+00:00"


@pytest.fixture(scope="module")
def part(ion: Ion) -> int:
    return ion.create("Part", partNumber="Rocket")["id"]


def item(ion: Ion, **values: Any) -> int:
    return ion.create("PlanItem", **{"name": "Build it", **values})["id"]


def convert(ion: Ion, item_id: int, **values: Any) -> None:
    etag = ion.etag("planItem", item_id)
    ion.mutate("convertResultsFromPlanItem", planItemId=item_id, etag=etag, **values)


def convert_all(ion: Ion, *items: int, **wishes: Any) -> None:
    given = [{"planItemId": i, "etag": ion.etag("planItem", i)} for i in items]
    ion.mutate("convertResultsFromPlanItems", planItems=given, **wishes)


def test_plan_shows_its_progress(ion: Ion, part: int) -> None:
    plan = ion.create("Plan", "id status includeInMrp editable percentComplete", name="2027")
    assert ("DRAFT", True, True, 0) == tuple(
        plan[n] for n in ("status", "includeInMrp", "editable", "percentComplete")
    )
    given = {"planId": plan["id"], "partId": part, "dueDate": DUE}
    half = ion.mutate("addInputToPlan", **given, quantity=10, completedQuantity=5)["planInput"]
    ion.mutate("addInputToPlan", **given, quantity=10, completedQuantity=10)
    assert {"percentComplete": 75} == ion.get("plan", plan["id"], "percentComplete")
    assert {"percentComplete": "50"} == ion.get("planInput", half["id"], "percentComplete")
    ion.mutate("updateInputToPlan", id=half["id"], etag=half["_etag"], completedQuantity=10)
    assert {"percentComplete": 100} == ion.get("plan", plan["id"], "percentComplete")


def test_plan_items_belong_to_plans_and_inputs(ion: Ion, part: int) -> None:
    plan, made = ion.create("Plan", name="Q1")["id"], item(ion, partId=part)
    wanted = ion.mutate("addInputToPlan", planId=plan, partId=part, dueDate=DUE, quantity=1)[
        "planInput"
    ]["id"]
    tie = {"planId": plan, "planItemId": made}
    ion.mutate("addPlanItemToPlan", **tie, planInputId=wanted, etag=ion.etag("plan", plan))
    assert {"planItems": [{"id": made}]} == ion.get("plan", plan, "planItems { id }")
    assert {"planItems": [{"id": made}]} == ion.get("planInput", wanted, "planItems { id }")
    assert {"plans": [{"id": plan}], "inputs": [{"id": wanted}]} == ion.get(
        "planItem", made, "plans { id } inputs { id }"
    )
    assert "etag does not match" in ion.mutation_error("removePlanItemFromPlan", **tie, etag="old")
    ion.mutate("removePlanItemFromPlan", **tie, etag=ion.etag("plan", plan))
    assert {"planItems": []} == ion.get("plan", plan, "planItems { id }")


def test_plan_item_results_are_associated_by_entity(ion: Ion, part: int) -> None:
    made, run = item(ion, partId=part), ion.create("Run", "id entityId", title="By hand")
    shown = "status hasResults editable runs { id } resultEntities { id }"
    seen = ion.get("planItem", made, shown)
    assert ("DRAFT", False, True) == (seen["status"], seen["hasResults"], seen["editable"])
    tie = {"planItemId": made, "entityId": run["entityId"]}
    ion.mutate("addResultToPlanItem", **tie, etag=ion.etag("planItem", made))
    assert {
        "status": "SCHEDULED",
        "hasResults": True,
        "editable": False,
        "runs": [{"id": run["id"]}],
        "resultEntities": [{"id": run["entityId"]}],
    } == ion.get("planItem", made, shown)
    ion.mutate("removeResultFromPlanItem", **tie, etag=ion.etag("planItem", made))
    assert {"runs": []} == ion.get("planItem", made, "runs { id }")


def test_plan_item_with_a_procedure_becomes_a_run(ion: Ion, part: int) -> None:
    procedure = ion.mutate("createProcedure", title="Assemble")["procedure"]["id"]
    ion.create("Step", procedureId=procedure, title="one")
    made = item(ion, partId=part, procedureId=procedure, quantity=3, endTime=DUE)
    convert(ion, made)
    (run,) = ion.get("planItem", made, "runs { title partId quantity dueDate steps { title } }")[
        "runs"
    ]
    assert {
        "title": "Build it",
        "partId": part,
        "quantity": 3,
        "dueDate": DUE,
        "steps": [{"title": "one"}],
    } == run


def test_plan_item_with_only_a_part_becomes_an_order_line(ion: Ion, part: int) -> None:
    supplier = ion.create("Supplier", name="Engines")["id"]
    made = item(ion, partId=part, quantity=3, supplierId=supplier, endTime=DUE)
    convert(ion, made)
    shown = "purchaseOrderLines { partId quantity needDate status purchaseOrder { supplierId } }"
    assert [
        {
            "partId": part,
            "quantity": 3,
            "needDate": DUE,
            "status": "DRAFT",
            "purchaseOrder": {"supplierId": supplier},
        }
    ] == ion.get("planItem", made, shown)["purchaseOrderLines"]


def test_plan_item_can_use_inventory(ion: Ion, part: int) -> None:
    stock = ion.create("PartInventory", partId=part, quantity=5)["id"]
    made = item(ion, partId=part, quantity=3)
    convert(ion, made, inventoryIds=[stock])
    assert {"partInventories": [{"id": stock}], "runs": [], "purchaseOrderLines": []} == ion.get(
        "planItem", made, "partInventories { id } runs { id } purchaseOrderLines { id }"
    )


def test_plan_item_without_part_and_procedure_is_rejected(ion: Ion) -> None:
    made = item(ion)
    refusal = ion.mutation_error(
        "convertResultsFromPlanItem", planItemId=made, etag=ion.etag("planItem", made)
    )
    assert "Plan item Build it has neither procedure nor part." == refusal
    assert {"ready": False} == ion.get("planItem", made, "ready")


@pytest.mark.parametrize(("separate", "orders"), [(False, 1), (True, 2)])
def test_items_of_a_supplier_share_an_order_by_default(
    ion: Ion, part: int, separate: bool, orders: int
) -> None:
    supplier = ion.create("Supplier", name="Engines")["id"]
    items = [item(ion, partId=part, supplierId=supplier) for _ in range(2)]
    convert_all(ion, *items, separatePurchaseOrders=separate)
    assert orders == len(ion.list_all("purchaseOrders", supplierId={"eq": supplier}))


def test_runs_of_several_items_can_share_a_batch_and_generate_titles(ion: Ion) -> None:
    procedure = ion.mutate("createProcedure", title="Paint")["procedure"]["id"]
    items = [item(ion, procedureId=procedure) for _ in range(2)]
    convert_all(ion, *items, batchRuns=True, autogenerateRunTitles=True)
    runs = ion.list_all("runs", "title runBatchId", procedureId={"eq": procedure})
    assert all(r["title"].startswith("Paint ") for r in runs)
    assert runs[0]["runBatchId"] == runs[1]["runBatchId"] is not None


def test_conversion_of_several_items_is_atomic(ion: Ion, part: int) -> None:
    good = item(ion, partId=part)
    given = [{"planItemId": i, "etag": ion.etag("planItem", i)} for i in (good, item(ion))]
    assert "neither procedure nor part" in ion.mutation_error(
        "convertResultsFromPlanItems", planItems=given
    )
    assert {"hasResults": False} == ion.get("planItem", good, "hasResults")


def test_items_of_the_last_mrp_job_are_the_latest(ion: Ion, part: int) -> None:
    first = ion.mutate("createMrpJob", input={})["mrpJob"]
    made = item(ion, partId=part, mrpJobId=first["id"])
    assert {"isLatest": True, "mrpJob": {"status": "COMPLETE"}} == ion.get(
        "planItem", made, "isLatest mrpJob { status }"
    )
    ion.mutate("createMrpJob", input={"startTime": DUE})
    assert {"isLatest": False} == ion.get("planItem", made, "isLatest")
    assert {"isLatest": False, "planItems": [{"id": made}]} == ion.get(
        "mrpJob", first["id"], "isLatest planItems { id }"
    )


def test_plan_items_have_allocations(ion: Ion, part: int) -> None:
    parent, child = item(ion, partId=part), item(ion, partId=part)
    pair = {"childPlanItemId": child, "parentPlanItemId": parent}
    ion.mutate("createPlanItemAllocation", **pair, quantity=2)
    assert {"childAllocations": [{"quantity": 2, "childPlanItem": {"id": child}}]} == ion.get(
        "planItem", parent, "childAllocations { quantity childPlanItem { id } }"
    )
    ion.mutate("deletePlanItem", id=child, etag=ion.etag("planItem", child))
    assert {"childAllocations": []} == ion.get("planItem", parent, "childAllocations { quantity }")


def test_plan_item_is_ready_when_all_its_components_are_in_inventory(ion: Ion) -> None:
    top, bolt, nut = (ion.create("Part", partNumber=f"ready {n}")["id"] for n in range(3))
    for part, quantity in ((bolt, 2), (nut, 1)):
        ion.mutate("createMbomItem", parentId=top, partId=part, quantity=quantity)
    item = ion.create("PlanItem", name="Two", partId=top, quantity=2)["id"]

    def ready() -> bool:
        return ion.get("planItem", item, "ready")["ready"]

    order = ion.create("PurchaseOrder")["id"]
    ion.create("PurchaseOrderLine", purchaseOrderId=order, partId=bolt, quantity=9)
    ion.create("PartInventory", partId=nut, quantity=2)
    stock = ion.create("PartInventory", partId=bolt, quantity=3)["id"]
    assert not ready()
    ion.update("partInventory", stock, quantity=4)
    assert ready()
    other = ion.create(
        "PlanItem", name="Child", partId=ion.create("Part", partNumber="child")["id"]
    )
    pair = {"childPlanItemId": other["id"], "parentPlanItemId": item}
    ion.mutate("createPlanItemAllocation", **pair, quantity=1)
    assert not ready()
