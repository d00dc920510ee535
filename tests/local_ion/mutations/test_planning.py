"""Planning: plans with their inputs and items, MRP jobs, and what items are converted to."""

from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared

ion = shared()
DUE = "2026-12-24T00:00:00.000000+00:00"


@pytest.fixture(scope="module")
def part(ion: Ion) -> int:
    return ion.make("Part", partNumber="Rocket")["id"]


def item(ion: Ion, **values: Any) -> int:
    return ion.make("PlanItem", **{"name": "Build it", **values})["id"]


def convert(ion: Ion, item_id: int, **values: Any) -> None:
    etag = ion.etag("planItem", item_id)
    ion.do("convertResultsFromPlanItem", planItemId=item_id, etag=etag, **values)


def convert_all(ion: Ion, *items: int, **wishes: Any) -> None:
    given = [{"planItemId": i, "etag": ion.etag("planItem", i)} for i in items]
    ion.do("convertResultsFromPlanItems", planItems=given, **wishes)


def test_a_plan_says_how_far_it_has_come(ion: Ion, part: int) -> None:
    plan = ion.make("Plan", "id status includeInMrp editable percentComplete", name="2027")
    assert ("DRAFT", True, True, 0) == tuple(
        plan[n] for n in ("status", "includeInMrp", "editable", "percentComplete")
    )
    given = {"planId": plan["id"], "partId": part, "dueDate": DUE}
    half = ion.do("addInputToPlan", **given, quantity=10, completedQuantity=5)["planInput"]
    ion.do("addInputToPlan", **given, quantity=10, completedQuantity=10)
    assert {"percentComplete": 75} == ion.see("plan", plan["id"], "percentComplete")
    assert {"percentComplete": "50"} == ion.see("planInput", half["id"], "percentComplete")
    ion.do("updateInputToPlan", id=half["id"], etag=half["_etag"], completedQuantity=10)
    assert {"percentComplete": 100} == ion.see("plan", plan["id"], "percentComplete")


def test_items_are_part_of_plans_and_of_their_inputs(ion: Ion, part: int) -> None:
    plan, made = ion.make("Plan", name="Q1")["id"], item(ion, partId=part)
    wanted = ion.do("addInputToPlan", planId=plan, partId=part, dueDate=DUE, quantity=1)[
        "planInput"
    ]["id"]
    tie = {"planId": plan, "planItemId": made}
    ion.do("addPlanItemToPlan", **tie, planInputId=wanted, etag=ion.etag("plan", plan))
    assert {"planItems": [{"id": made}]} == ion.see("plan", plan, "planItems { id }")
    assert {"planItems": [{"id": made}]} == ion.see("planInput", wanted, "planItems { id }")
    assert {"plans": [{"id": plan}], "inputs": [{"id": wanted}]} == ion.see(
        "planItem", made, "plans { id } inputs { id }"
    )
    assert "etag does not match" in ion.refused("removePlanItemFromPlan", **tie, etag="old")
    ion.do("removePlanItemFromPlan", **tie, etag=ion.etag("plan", plan))
    assert {"planItems": []} == ion.see("plan", plan, "planItems { id }")


def test_what_an_item_comes_to_is_tied_by_its_entity(ion: Ion, part: int) -> None:
    made, run = item(ion, partId=part), ion.make("Run", "id entityId", title="By hand")
    shown = "status hasResults editable runs { id } resultEntities { id }"
    seen = ion.see("planItem", made, shown)
    assert ("DRAFT", False, True) == (seen["status"], seen["hasResults"], seen["editable"])
    tie = {"planItemId": made, "entityId": run["entityId"]}
    ion.do("addResultToPlanItem", **tie, etag=ion.etag("planItem", made))
    assert {
        "status": "SCHEDULED",
        "hasResults": True,
        "editable": False,
        "runs": [{"id": run["id"]}],
        "resultEntities": [{"id": run["entityId"]}],
    } == ion.see("planItem", made, shown)
    ion.do("removeResultFromPlanItem", **tie, etag=ion.etag("planItem", made))
    assert {"runs": []} == ion.see("planItem", made, "runs { id }")


def test_an_item_with_a_procedure_becomes_a_run(ion: Ion, part: int) -> None:
    procedure = ion.do("createProcedure", title="Assemble")["procedure"]["id"]
    ion.make("Step", procedureId=procedure, title="one")
    made = item(ion, partId=part, procedureId=procedure, quantity=3, endTime=DUE)
    convert(ion, made)
    (run,) = ion.see("planItem", made, "runs { title partId quantity dueDate steps { title } }")[
        "runs"
    ]
    assert {
        "title": "Build it",
        "partId": part,
        "quantity": 3,
        "dueDate": DUE,
        "steps": [{"title": "one"}],
    } == run


def test_an_item_with_a_part_only_becomes_a_line_of_an_order(ion: Ion, part: int) -> None:
    supplier = ion.make("Supplier", name="Engines")["id"]
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
    ] == ion.see("planItem", made, shown)["purchaseOrderLines"]


def test_an_item_may_be_met_from_stock(ion: Ion, part: int) -> None:
    stock = ion.make("PartInventory", partId=part, quantity=5)["id"]
    made = item(ion, partId=part, quantity=3)
    convert(ion, made, inventoryIds=[stock])
    assert {"partInventories": [{"id": stock}], "runs": [], "purchaseOrderLines": []} == ion.see(
        "planItem", made, "partInventories { id } runs { id } purchaseOrderLines { id }"
    )


def test_an_item_for_nothing_cannot_be_converted(ion: Ion) -> None:
    made = item(ion)
    refusal = ion.refused(
        "convertResultsFromPlanItem", planItemId=made, etag=ion.etag("planItem", made)
    )
    assert "Plan item Build it has neither procedure nor part." == refusal
    assert {"ready": False} == ion.see("planItem", made, "ready")


@pytest.mark.parametrize(("separate", "orders"), [(False, 1), (True, 2)])
def test_items_of_one_supplier_share_an_order_unless_asked_otherwise(
    ion: Ion, part: int, separate: bool, orders: int
) -> None:
    supplier = ion.make("Supplier", name="Engines")["id"]
    items = [item(ion, partId=part, supplierId=supplier) for _ in range(2)]
    convert_all(ion, *items, separatePurchaseOrders=separate)
    assert orders == len(ion.all("purchaseOrders", supplierId={"eq": supplier}))


def test_runs_of_several_items_may_be_one_batch_and_name_themselves(ion: Ion) -> None:
    procedure = ion.do("createProcedure", title="Paint")["procedure"]["id"]
    items = [item(ion, procedureId=procedure) for _ in range(2)]
    convert_all(ion, *items, batchRuns=True, autogenerateRunTitles=True)
    runs = ion.all("runs", "title runBatchId", procedureId={"eq": procedure})
    assert all(r["title"].startswith("Paint ") for r in runs)
    assert runs[0]["runBatchId"] == runs[1]["runBatchId"] is not None


def test_several_are_converted_or_none(ion: Ion, part: int) -> None:
    good = item(ion, partId=part)
    given = [{"planItemId": i, "etag": ion.etag("planItem", i)} for i in (good, item(ion))]
    assert "neither procedure nor part" in ion.refused(
        "convertResultsFromPlanItems", planItems=given
    )
    assert {"hasResults": False} == ion.see("planItem", good, "hasResults")


def test_the_items_of_the_last_mrp_job_are_the_latest(ion: Ion, part: int) -> None:
    first = ion.do("createMrpJob", input={})["mrpJob"]
    made = item(ion, partId=part, mrpJobId=first["id"])
    assert {"isLatest": True, "mrpJob": {"status": "QUEUED"}} == ion.see(
        "planItem", made, "isLatest mrpJob { status }"
    )
    ion.do("createMrpJob", input={"startTime": DUE})
    assert {"isLatest": False} == ion.see("planItem", made, "isLatest")
    assert {"isLatest": False, "planItems": [{"id": made}]} == ion.see(
        "mrpJob", first["id"], "isLatest planItems { id }"
    )


def test_items_are_for_each_other(ion: Ion, part: int) -> None:
    parent, child = item(ion, partId=part), item(ion, partId=part)
    pair = {"childPlanItemId": child, "parentPlanItemId": parent}
    ion.do("createPlanItemAllocation", **pair, quantity=2)
    assert {"childAllocations": [{"quantity": 2, "childPlanItem": {"id": child}}]} == ion.see(
        "planItem", parent, "childAllocations { quantity childPlanItem { id } }"
    )
    ion.do("deletePlanItem", id=child, etag=ion.etag("planItem", child))
    assert {"childAllocations": []} == ion.see("planItem", parent, "childAllocations { quantity }")
