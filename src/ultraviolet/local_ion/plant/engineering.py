"""Engineering data of the plant: details of bills of materials, procedures and their approvals."""

from typing import Any

from ultraviolet.local_ion.plant.workflows import Plant, rich_text

_ROLE = 1
"""The predefined role of administrators."""
_SELECT_ITEMS = "part { id partNumber } mbomItems { id partId quantity }"


def create_engineering_data(plant: Plant) -> None:
    """Add the details of one bill of materials and of one procedure."""
    mbom, procedure = plant.known["mboms"][0], plant.known["procedures"][0]
    steps = plant.client.get("procedures", procedure, "steps { id fields { id type } }")["steps"]
    _detail_mbom(plant, mbom, steps[0]["id"])
    _detail_procedure(plant, procedure, steps)
    subtype = plant.client.create("part_subtypes", name="Flight hardware")
    part = plant.known["parts"][0]
    etag = plant.client.get("parts", part, "_etag")["_etag"]
    plant.client.mutate("addSubtypeToPart", partId=part, partSubtypeId=subtype, etag=etag)


def _detail_mbom(plant: Plant, mbom: int, step: int) -> None:
    create = plant.client.create
    items: list[dict[str, Any]] = plant.client.get("mboms", mbom, _SELECT_ITEMS)["mbomItems"]
    first, second = items[0], items[1]
    for number in (1, 2):
        create("mbom_item_reference_designators", mbomItemId=first["id"], value=f"V{number}")
    used = {item["partId"] for item in items}
    other = next(part for part in plant.known["parts"] if part not in used)
    create("mbom_substitute", mbomItemId=second["id"], partId=other)
    create("step_mbom_item_associations", mbomItemId=first["id"], stepId=step, quantity=1.0)
    gate = {"roleId": _ROLE, "count": 1, "gateType": "RELEASED"}
    plant.client.mutate("createMbomApprovalRole", **gate)
    given = {"mbomId": mbom, "gateType": "RELEASED"}
    create("mbom_approval_requests", **given, roleId=_ROLE)
    create("mbom_approvals", **given, status="APPROVED", comment="Complete as drawn.")


def _detail_procedure(plant: Plant, procedure: int, steps: list[dict[str, Any]]) -> None:
    create = plant.client.create
    reviewer = plant.any("users")
    create("review_requests", procedureId=procedure, reviewerId=reviewer)
    create("reviews", procedureId=procedure, comment="Torque values checked.", status="APPROVED")
    number = next(
        (f for step in steps for f in step["fields"] if f["type"] == "NUMBER"),
        steps[0]["fields"][0],
    )
    functions = plant.client.list_ids("validation_functions")
    create("step_field_validations", fieldId=number["id"], functionId=functions[0], value=400.0)
    step = plant.client.create("steps", title="Standard torque check")  # a standard step
    create("step_approval_requests", stepId=step, reviewerId=reviewer)
    create("step_approvals", stepId=step, status="APPROVED", comment="As the handbook.")
    grid = {"stepId": steps[-1]["id"]}
    measured = {"type": "NUMBER", "unit": "bar"}
    column = create("datagrid_columns", **grid, **measured, header="Nominal", index=1)
    create("datagrid_columns", **grid, **measured, header="Measured", index=2)
    for index in (1, 2):
        row = create("datagrid_rows", **grid, index=index, required=False)
        plant.client.mutate("setDatagridValue", rowId=row, columnId=column, value=10.0 * index)
    title = "Incoming inspection"
    inspection = plant.create("procedures", title=title, type="INSPECTION")
    create("steps", procedureId=inspection, title="Compare with the drawing", position=1)
    part = plant.known["parts"][1]
    plant.client.mutate("createPartProcedure", partId=part, procedureId=inspection, required=True)


def create_redline(plant: Plant) -> None:
    """Start a run with a redlined step, and a batch of two runs."""
    create = plant.client.create
    procedure = plant.known["procedures"][0]
    batch = create("run_batches", title="Lot of two")
    run = plant.create("runs", title="Pathfinder", procedureId=procedure, runBatchId=batch)
    plant.create("runs", title="Pathfinder, second", procedureId=procedure, runBatchId=batch)
    first = plant.client.get("runs", run, "steps { id fields { id } }")["steps"][0]
    plant.client.update("run_steps", first["id"], status="IN_PROGRESS")
    user = plant.any("users")
    plant.client.mutate("checkIn", runStepId=first["id"], userId=user)
    plant.client.mutate("checkOut", runStepId=first["id"], userId=user)
    content = rich_text("Verify the seal before the torque.")
    plant.client.update("run_steps", first["id"], status="REDLINE")
    plant.client.update("run_steps", first["id"], slateContent=content)
    redline = plant.client.get("run_steps", first["id"], "redlines { id }")["redlines"][0]["id"]
    create("redline_approval_requests", redlineId=redline, reviewerId=plant.any("users"))
    create("redline_approvals", redlineId=redline, status="APPROVED", comment="Agreed.")
