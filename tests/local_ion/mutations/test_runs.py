"""Runs: copies of procedures, status of steps, redlines, merges, batches, archive."""

import itertools
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.local_ion.in_process_ion import Ion, nodes, shared_ion

ion = shared_ion()
NUMBERS = itertools.count()


def procedure(ion: Ion, *steps: str) -> tuple[int, list[int]]:
    """Create a procedure with consecutive steps; return its id and theirs."""
    made = ion.mutate("createProcedure", title=f"Procedure {next(NUMBERS)}")["procedure"]["id"]
    ids = [ion.create("Step", procedureId=made, title=title)["id"] for title in steps]
    for upstream, step in itertools.pairwise(ids):
        ion.mutate("createStepEdge", stepId=step, upstreamStepId=upstream)
    return made, ids


def run(ion: Ion, *steps: str, **values: Any) -> tuple[int, list[int]]:
    """Create a run with consecutive steps; return its id and theirs."""
    made, _ = procedure(ion, *steps)
    id_ = ion.create("Run", procedureId=made, **values)["id"]
    found = ion.get("run", id_, "steps { id title }")["steps"]
    return id_, [next(s["id"] for s in found if s["title"] == title) for title in steps]


def status(ion: Ion, run_id: int) -> str:
    return ion.get("run", run_id, "status")["status"]


def go(ion: Ion, step: int, wanted: str) -> None:
    ion.update("runStep", step, status=wanted)


def field(ion: Ion, step: int, **values: Any) -> int:
    given = {"name": "torque", "type": "NUMBER", **values}
    return ion.mutate("createRunStepField", runStepId=step, **given)["runStepField"]["id"]


def fill(ion: Ion, field_id: int, select: str = "value", **values: Any) -> Any:
    etag = ion.etag("runStepField", field_id)
    shown = f"runStepField {{ {select} }}"
    return ion.mutate("updateRunStepFieldValue", shown, id=field_id, etag=etag, **values)[
        "runStepField"
    ]


def test_run_copies_its_procedure(ion: Ion) -> None:
    made, (first, second) = procedure(ion, "one", "two")
    place = ion.create("Location", name="Cell 1")["id"]
    ion.update("step", first, content="Do it", leadTime=60, locationId=place)
    function = ion.data("{ validationFunctions { edges { node { id } } } }")["edges"][0]["node"][
        "id"
    ]
    origin = ion.mutate(
        "createStepField", stepId=first, name="torque", type="NUMBER", unit="Nm", required=True
    )
    origin = origin["stepField"]["id"]
    ion.mutate("createStepFieldValidation", fieldId=origin, functionId=function, value=5)
    column = ion.create("DatagridColumn", stepId=first, header="low", type="NUMBER")["id"]
    row = ion.create("DatagridRow", stepId=first)["id"]
    ion.mutate("setDatagridValue", rowId=row, columnId=column, value=3)
    pdf = ion.mutate(
        "createAsset", entityId=ion.get("step", first, "entityId")["entityId"], filename="a.pdf"
    )

    shown = """id title status steps { title status content leadTime locationId originStepId upstreamStepIds id
      assets { id } datagridRows { edges { node { values { value } } } }
      fields { name unit required originFieldId value validations { value result } } }"""
    seen = ion.create("Run", shown, procedureId=made)
    one, two = sorted(seen["steps"], key=lambda s: s["title"])
    assert ("TODO", "TODO", "Do it", 60, place, first) == (
        seen["status"],
        *(one[n] for n in ("status", "content", "leadTime", "locationId", "originStepId")),
    )
    assert ([], [one["id"]], second) == (
        one["upstreamStepIds"],
        two["upstreamStepIds"],
        two["originStepId"],
    )
    rules = [{"value": 5, "result": "PENDING"}]
    copied = {
        "name": "torque",
        "unit": "Nm",
        "required": True,
        "originFieldId": origin,
        "value": None,
    }
    assert [{**copied, "validations": rules}] == one["fields"]
    assert [[{"value": 3}]] == [n["values"] for n in nodes(one["datagridRows"])]
    assert [{"id": pdf["fileAttachment"]["id"]}] == one["assets"]


def test_changes_of_a_run_do_not_affect_its_procedure(ion: Ion) -> None:
    made, (step,) = procedure(ion, "one")
    copied = ion.create("Run", "steps { id }", procedureId=made)["steps"][0]["id"]
    ion.update("runStep", copied, title="other")
    assert {"title": "one"} == ion.get("step", step, "title")


def test_run_title_defaults_to_its_procedure(ion: Ion) -> None:
    made, _ = procedure(ion)
    title = ion.get("procedure", made, "title")["title"]
    named = ion.create("Run", "id title", procedureId=made)
    assert f"{title} {named['id']:05d}" == named["title"]
    assert {"title": "Mine"} == ion.create("Run", "title", procedureId=made, title="Mine")
    assert "must not be below 0" in ion.mutation_error("createRun", title="x", quantity=-1)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], "COMPLETE"),
        (["TODO", "TODO"], "TODO"),
        (["IN_PROGRESS", "TODO"], "IN_PROGRESS"),
        (["COMPLETE", "TODO"], "IN_PROGRESS"),
        (["COMPLETE", "COMPLETE"], "COMPLETE"),
        (["COMPLETE", "CANCELED"], "PARTIAL_COMPLETE"),
        (["CANCELED", "CANCELED"], "CANCELED"),
        (["FAILED", "TODO"], "FAILED"),
        (["HOLD", "FAILED"], "HOLD"),
        (["REDLINE", "HOLD"], "REDLINE"),
    ],
)
def test_run_status_follows_from_its_steps(ion: Ion, steps: list[str], expected: str) -> None:
    id_ = ion.create("Run", title="x")["id"]
    for wanted in steps:
        step = ion.mutate("createRunStep", runId=id_, title=wanted)["step"]["id"]
        if wanted != "REDLINE":
            go(ion, step, wanted)
    assert expected == status(ion, id_)
    open_ = expected in {"TODO", "HOLD", "REDLINE", "IN_PROGRESS"}
    assert {"isOpen": open_} == ion.get("run", id_, "isOpen")


def test_step_starts_only_after_its_upstream_steps(ion: Ion) -> None:
    id_, (one, two) = run(ion, "one", "two")
    refusal = "Step two cannot start: one before it is not complete."
    assert refusal == ion.update_error("runStep", two, status="IN_PROGRESS")
    assert refusal == ion.update_error("runStep", two, status="COMPLETE")
    assert [True, False] == [
        ion.get("runStep", s, "availableToWork")["availableToWork"] for s in (one, two)
    ]
    go(ion, one, "COMPLETE")
    assert {"availableToWork": True} == ion.get("runStep", two, "availableToWork")
    go(ion, two, "IN_PROGRESS")
    assert {"percentComplete": 50} == ion.get("run", id_, "percentComplete")


def test_step_records_user_and_time(ion: Ion) -> None:
    uta = ion.create_user("Uta")
    id_, (step,) = run(ion, "one")
    edit = "updateRunStep"
    ion.mutate(edit, None, uta, id=step, etag=ion.etag("runStep", step), status="IN_PROGRESS")
    ion.mutate(edit, None, uta, id=step, etag=ion.etag("runStep", step), status="COMPLETE")
    seen = ion.get("runStep", step, "startTime endTime startedById completedById")
    assert (uta.user_id, uta.user_id) == (seen["startedById"], seen["completedById"])
    assert seen["startTime"] < seen["endTime"]
    whole = ion.get("run", id_, "startTime endTime startedBy { name } completedBy { name }")
    assert (seen["startTime"], seen["endTime"]) == (whole["startTime"], whole["endTime"])
    assert ({"name": "Uta"}, {"name": "Uta"}) == (whole["startedBy"], whole["completedBy"])


def test_bulk_changes_of_runs_are_atomic(ion: Ion) -> None:
    made, _ = procedure(ion, "one")
    created = ion.mutate(
        "createRuns",
        "runs { id _etag steps { title } }",
        input=[{"procedureId": made} for _ in range(2)],
    )["runs"]
    assert [[{"title": "one"}]] * 2 == [each["steps"] for each in created]
    changes = [{"id": r["id"], "etag": r["_etag"], "title": f"Batch {r['id']}"} for r in created]
    assert [c["title"] for c in changes] == [
        r["title"] for r in ion.mutate("updateRuns", "runs { title }", input=changes)["runs"]
    ]
    again = [{"id": r["id"], "etag": ion.etag("run", r["id"]), "title": "no"} for r in created]
    again[1]["etag"] = "old"
    assert "etag does not match" in ion.mutation_error("updateRuns", input=again)
    assert {"title": changes[0]["title"]} == ion.get("run", created[0]["id"], "title")


def test_batch_is_created_on_request(ion: Ion) -> None:
    first = ion.create(
        "Run", "id runBatchId batched", title="a", addToNewBatch=True, runBatchTitle="Lot 7"
    )
    second = ion.create("Run", title="b", runBatchId=first["runBatchId"])["id"]
    assert first["batched"]
    assert {"runBatch": {"title": "Lot 7"}, "batchSiblings": [{"id": second}]} == ion.get(
        "run", first["id"], "runBatch { title } batchSiblings { id }"
    )
    third = ion.create("Run", title="c")["id"]
    ion.update("run", third, addToNewBatch=True, runBatchTitle="Lot 8")
    assert {"runBatch": {"title": "Lot 8"}} == ion.get("run", third, "runBatch { title }")


def test_runs_created_together_share_a_new_batch(ion: Ion) -> None:
    given = [
        {"title": "a", "addToNewBatch": True},
        {"title": "b", "addToNewBatch": True},
        {"title": "c", "runBatchTitle": "Lot 9"},
        {"title": "d", "runBatchTitle": "Lot 9"},
        {"title": "e"},
    ]
    shown = "runs { runBatchId runBatch { title } }"
    a, b, c, d, e = ion.mutate("createRuns", shown, input=given)["runs"]
    assert (a, c, None) == (b, d, e["runBatchId"])
    assert [{"title": None}, {"title": "Lot 9"}] == [a["runBatch"], c["runBatch"]]


def test_number_becomes_text_in_a_field_of_text(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    made = field(ion, step, type="STRING")
    assert [{"value": "12.5"}, {"value": "true"}] == [
        fill(ion, made, value=value) for value in (12.5, True)
    ]


def test_cancelling_keeps_complete_steps(ion: Ion) -> None:
    id_, (one, two) = run(ion, "one", "two")
    go(ion, one, "COMPLETE")
    ion.mutate("cancelRun", id=id_, etag=ion.etag("run", id_))
    assert ["COMPLETE", "CANCELED"] == [
        ion.get("runStep", s, "status")["status"] for s in (one, two)
    ]
    assert "PARTIAL_COMPLETE" == status(ion, id_)
    other, _ = run(ion, "one")
    ion.mutate("cancelRun", id=other, etag=ion.etag("run", other))
    assert "CANCELED" == status(ion, other)
    assert "etag does not match" in ion.mutation_error("cancelRun", id=other, etag="old")


def test_run_is_archived_and_restored(ion: Ion) -> None:
    id_, _ = run(ion)
    for archived in (True, False):
        ion.mutate("archiveRun", id=id_, etag=ion.etag("run", id_), archived=archived)
        assert {"archived": archived} == ion.get("run", id_, "archived")
        assert [{"id": id_}] == ion.list_all("runs", id={"eq": id_}, archived={"eq": archived})


def test_run_summary_is_acknowledged(ion: Ion) -> None:
    id_, _ = run(ion)
    assert "summary of 1 run " in ion.mutate("generateRunSummary", runIds=[id_])["message"]
    assert "does not exist" in ion.mutation_error("generateRunSummary", runIds=[999_999])
    assert "Name the runs" in ion.mutation_error("generateRunSummary", runIds=[])


@pytest.mark.parametrize(
    ("kind", "options", "good", "bad"),
    [
        ("NUMBER", None, 4.5, "much"),
        ("BOOLEAN", None, True, 1),
        ("SELECT", ["a", "b"], "a", "c"),
        ("MULTISELECT", ["a", "b"], ["a", "b"], ["a", "c"]),
        ("DATETIME", None, "2026-01-02T03:04:05+00:00", "soon"),
    ],
)
def test_field_accepts_only_values_of_its_type(
    ion: Ion, kind: str, options: Any, good: Any, bad: Any
) -> None:
    _, (step,) = run(ion, "one")
    made = field(ion, step, type=kind, options=options)
    assert {"value": good} == fill(ion, made, value=good)
    etag = ion.etag("runStepField", made)
    assert "is not a valid value of torque" in ion.mutation_error(
        "updateRunStepFieldValue", id=made, etag=etag, value=bad
    )
    assert {"value": None} == fill(ion, made, value=None)


def test_field_of_a_file_has_its_url(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    entity = ion.get("runStep", step, "entityId")["entityId"]
    file = ion.create("FileAttachment", "id", entityId=entity, filename="photo.png")["id"]
    made = field(ion, step, type="FILE_ATTACHMENT")
    by_id = fill(ion, made, "value fileAttachmentId", value=file)
    assert by_id["fileAttachmentId"] == file
    assert urlsplit(by_id["value"]).path.endswith(f"/{file}/photo.png")
    assert fill(ion, made, "value fileAttachmentId", value=by_id["value"]) == by_id
    cleared = {"value": None, "fileAttachmentId": None}
    assert fill(ion, made, "value fileAttachmentId", value=None) == cleared


def test_field_is_not_applicable_only_where_allowed(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    strict, lax = field(ion, step), field(ion, step, allowNotApplicable=True)
    etag = ion.etag("runStepField", strict)
    refusal = ion.mutation_error(
        "updateRunStepFieldValue", id=strict, etag=etag, notApplicable=True
    )
    assert "torque must not be marked as not applicable." == refusal
    assert {"notApplicable": True} == fill(ion, lax, "notApplicable", notApplicable=True)


def test_validations_check_a_value(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    made = field(ion, step)
    functions = ion.data("{ validationFunctions { edges { node { id functionName } } } }")
    (at_most,) = [f["id"] for f in nodes(functions) if f["functionName"] == "at_most"]
    ion.mutate("createRunStepFieldValidation", runStepFieldId=made, functionId=at_most, value=5)
    shown = "valid validations { result }"
    assert {"valid": True, "validations": [{"result": "PASS"}]} == fill(ion, made, shown, value=5)
    assert {"valid": False, "validations": [{"result": "FAIL"}]} == fill(ion, made, shown, value=6)
    assert {"valid": True, "validations": [{"result": "PENDING"}]} == fill(
        ion, made, shown, value=None
    )


def test_steps_and_fields_of_a_run_are_reordered(ion: Ion) -> None:
    id_, steps = run(ion, "one", "two")
    turned = [
        {"id": s, "position": 2 - i, "etag": ion.etag("runStep", s)} for i, s in enumerate(steps)
    ]
    ion.mutate("reorderRunSteps", runId=id_, steps=turned)
    assert [2, 1] == [ion.get("runStep", s, "position")["position"] for s in steps]
    fields = [field(ion, steps[0], name=name) for name in "xy"]
    turned = [
        {"id": f, "position": 2 - i, "etag": ion.etag("runStepField", f)}
        for i, f in enumerate(fields)
    ]
    ion.mutate("reorderRunStepFields", runStepId=steps[0], fields=turned)
    assert [2, 1] == [ion.get("runStepField", f, "position")["position"] for f in fields]


def test_procedure_step_is_copied_to_a_run(ion: Ion) -> None:
    _, (step,) = procedure(ion, "extra")
    id_, (parent,) = run(ion, "one")
    shown = "runStep { id title runId parentId originStepId position status }"
    made = ion.mutate("copyStepToRun", shown, stepId=step, runId=id_, parentId=parent)["runStep"]
    assert ("extra", id_, parent, step, 2, "TODO") == tuple(
        made[n] for n in ("title", "runId", "parentId", "originStepId", "position", "status")
    )
    assert {"allChildren": [{"id": made["id"]}]} == ion.get("runStep", parent, "allChildren { id }")
    assert {"allParents": [{"id": parent}]} == ion.get("runStep", made["id"], "allParents { id }")


def test_users_check_in_and_out(ion: Ion) -> None:
    uta = ion.create_user("Ulla")
    id_, (step,) = run(ion, "one")
    assert "checked-in user" in ion.mutation_error("checkOut", runStepId=step)
    event = "checkInEvent { eventType createdBy { name } }"
    made = ion.mutate("checkIn", event, runStepId=step, userId=uta.user_id)["checkInEvent"]
    assert {"eventType": "CHECK_IN", "createdBy": {"name": "Ulla"}} == made
    assert "checked in already" in ion.mutation_error("checkIn", uta, runStepId=step)
    ion.mutate("checkIn", runStepId=step)  # another user may
    ion.mutate("checkOut", "checkOutEvent { eventType }", uta, runStepId=step)
    sessions = ion.get(
        "runStep", step, "sessions { eventType checkOut duration isValidGrouping createdById }"
    )
    over, open_ = sessions["sessions"]
    assert ("CHECK_OUT", True, uta.user_id) == (
        over["eventType"],
        over["isValidGrouping"],
        over["createdById"],
    )
    assert over["duration"] > 0
    assert ("CHECK_IN", None, False) == (
        open_["eventType"],
        open_["checkOut"],
        open_["isValidGrouping"],
    )
    assert 2 == len(ion.get("run", id_, "sessions { id }")["sessions"])


def redlined(ion: Ion) -> tuple[int, int, int]:
    """Create a run with two steps and a redline of the first; return its id and theirs."""
    id_, (one, two) = run(ion, "one", "two")
    go(ion, one, "IN_PROGRESS")
    go(ion, one, "REDLINE")
    return id_, one, two


def test_redline_stores_the_step_and_opens_later_steps(ion: Ion) -> None:
    id_, one, two = redlined(ion)
    assert ("REDLINE", {"status": "DAG_MODIFIABLE"}) == (
        status(ion, id_),
        ion.get("runStep", two, "status"),
    )
    ion.update("runStep", one, title="better")
    (redline,) = ion.get("runStep", one, "redlines { id active initialState finalState approved }")[
        "redlines"
    ]
    assert ("true", None, False) == (redline["active"], redline["finalState"], redline["approved"])
    go(ion, one, "IN_PROGRESS")
    assert {"status": "TODO"} == ion.get("runStep", two, "status")
    (done,) = ion.get("run", id_, "redlines { active initialState finalState }")["redlines"]
    states = [json.loads(done[n])["title"] for n in ("initialState", "finalState")]
    assert ("false", ["one", "better"]) == (done["active"], states)


def test_redline_requires_the_configured_number_of_approvals(ion: Ion) -> None:
    _, one, _ = redlined(ion)
    redline = ion.get("runStep", one, "redlines { id }")["redlines"][0]["id"]
    ion.mutate("createRedlineApproval", redlineId=redline, status="APPROVED")
    (seen,) = ion.list_all("redlines", "approved initialState", id={"eq": redline})
    assert (True, "one") == (seen["approved"], json.loads(seen["initialState"])["title"])


def test_cancelled_redline_restores_the_step(ion: Ion) -> None:
    id_, one, two = redlined(ion)
    ion.update("runStep", one, title="worse")
    ion.mutate("cancelRunStepRedline", id=one, etag=ion.etag("runStep", one))
    assert {"title": "one", "status": "IN_PROGRESS"} == ion.get("runStep", one, "title status")
    assert {"status": "TODO"} == ion.get("runStep", two, "status")
    assert "IN_PROGRESS" == status(ion, id_)
    refusal = ion.mutation_error("cancelRunStepRedline", id=one, etag=ion.etag("runStep", one))
    assert "Step one has no redline to cancel." == refusal


@pytest.mark.parametrize("mutation", ["mergeRunStep", "mergeRunStepToProcedure"])
def test_redlined_step_is_merged_to_the_procedure(ion: Ion, mutation: str) -> None:
    made, (origin,) = procedure(ion, "one")
    step = ion.create("Run", "steps { id }", procedureId=made)["steps"][0]["id"]
    ion.update("runStep", step, title="better", content="Twice")
    field(ion, step, name="angle", unit="deg")
    given = {"id": step, "procedureId": made}
    etag = ion.etag("step", origin)
    shown = "step { id title content fields { name unit } }"
    merged = ion.mutate(mutation, shown, **given, stepId=origin, etag=etag)["step"]
    expected = {"title": "better", "content": "Twice", "fields": [{"name": "angle", "unit": "deg"}]}
    assert {"id": origin, **expected} == merged
    assert "etag does not match" in ion.mutation_error(mutation, **given, stepId=origin, etag="old")
    new = ion.mutate(mutation, shown, **given)["step"]
    assert origin != new["id"]
    assert expected == {k: v for k, v in new.items() if k != "id"}


def test_redlined_step_is_merged_to_other_runs(ion: Ion) -> None:
    _, (source,) = run(ion, "one")
    other, (target,) = run(ion, "two")
    third, _ = run(ion)
    ion.update("runStep", source, title="better")
    field(ion, source, name="angle")
    runs = [
        {"runId": other, "runStepId": target, "etag": ion.etag("runStep", target)},
        {"runId": third},
    ]
    shown = "steps { runId title status fields { name } }"
    steps = ion.mutate("mergeRunStepToRuns", shown, id=source, runs=runs)["steps"]
    assert [other, third] == [s["runId"] for s in steps]
    assert [("better", "TODO", [{"name": "angle"}])] * 2 == [
        (s["title"], s["status"], s["fields"]) for s in steps
    ]
    assert "not of this run" in ion.mutation_error(
        "mergeRunStepToRuns",
        id=source,
        runs=[{"runId": third, "runStepId": target, "etag": ion.etag("runStep", target)}],
    )


def test_run_step_datagrid_is_changed_by_operations(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    operations = [{"op": "ADD_COLUMN", "column": {"id": "c1", "header": "low", "type": "NUMBER"}}]
    shown = "runStep { datagrid { columns { id header } } }"
    etag = ion.etag("runStep", step)
    made = ion.mutate(
        "runStepDatagridOperations", shown, id=step, etag=etag, operations=operations
    )["runStep"]
    assert {"columns": [{"id": "c1", "header": "low"}]} == made["datagrid"]
    assert "etag does not match" in ion.mutation_error(
        "runStepDatagridOperations", id=step, etag=etag, operations=operations
    )


def test_run_step_edges_cannot_form_a_cycle(ion: Ion) -> None:
    _, (one, two) = run(ion, "one", "two")
    assert "cannot come before itself" in ion.mutation_error(
        "createRunStepEdge", stepId=one, upstreamStepId=two
    )
    _, (other,) = run(ion, "x")
    assert "the same parent" in ion.mutation_error(
        "createRunStepEdge", stepId=one, upstreamStepId=other
    )


def test_run_is_deleted_only_after_its_steps(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    made = field(ion, step)
    ion.mutate("deleteRunStep", id=step, etag=ion.etag("runStep", step))
    assert (None, None) == (ion.get("runStep", step), ion.get("runStepField", made))


def test_comments_and_replies_refer_to_their_step(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    entity = ion.get("runStep", step, "entityId")["entityId"]
    made = ion.create("Comment", entityId=entity, content="careful")["id"]
    shown = "depth entityId runStepId"
    reply = ion.create("Comment", shown, parentId=made, content="yes")
    assert {"depth": 1, "entityId": entity, "runStepId": step} == reply
    assert 2 == len(ion.get("runStep", step, "comments { content }")["comments"])


def test_step_with_an_empty_required_field_cannot_complete(ion: Ion) -> None:
    made, _ = procedure(ion)
    step = ion.create("Step", procedureId=made, title="Measure")["id"]
    for name, kind in (("Length", "NUMBER"), ("Notes", "STRING"), ("Marks", "MULTISELECT")):
        ion.create(
            "StepField", stepId=step, name=name, type=kind, required=True, allowNotApplicable=True
        )
    shown = "steps { id fields { id name required } }"
    copied = ion.create("Run", shown, procedureId=made)["steps"][-1]
    fields = {f["name"]: f["id"] for f in copied["fields"] if f["required"]}
    go(ion, copied["id"], "IN_PROGRESS")

    def fill(name: str, **given: Any) -> None:
        id_ = fields.pop(name)
        ion.mutate("updateRunStepFieldValue", id=id_, etag=ion.etag("runStepField", id_), **given)

    def refusal() -> str:
        return ion.update_error("runStep", copied["id"], status="COMPLETE")

    for name, given in (("Length", {"value": 0}), ("Notes", {"notApplicable": True})):
        assert f"required field {name} is empty" in refusal()
        fill(name, **given)
    (marks,) = fields.values()
    ion.mutate("updateRunStepFieldValue", id=marks, etag=ion.etag("runStepField", marks), value=[])
    assert "required field Marks is empty" in refusal()
    fill("Marks", value=["a"])
    go(ion, copied["id"], "COMPLETE")


@pytest.mark.parametrize("status", ["COMPLETE", "HOLD", "FAILED", "REDLINE", "TODO", None])
def test_step_that_leaves_in_progress_checks_everyone_out(ion: Ion, status: str | None) -> None:
    run = ion.create("Run", title="x")["id"]
    step = ion.mutate("createRunStep", runId=run, title="t")["step"]["id"]
    go(ion, step, "IN_PROGRESS")
    for user in (1, ion.create_user(f"At {status}").user_id):
        ion.mutate("checkIn", runStepId=step, userId=user)
    if status is None:
        ion.mutate("cancelRun", id=run, etag=ion.etag("run", run))
    else:
        ion.update("runStep", step, status=status)
    sessions = ion.get("runStep", step, "sessions { checkOut }")["sessions"]
    assert [True, True] == [bool(each["checkOut"]) for each in sessions]


def test_step_added_to_a_run_is_a_redline_until_it_is_done(ion: Ion) -> None:
    run = ion.create("Run", title="x")["id"]
    assert {"status": "COMPLETE", "isOpen": False} == ion.get("run", run, "status isOpen")
    shown = "step { id status editable settable redlines { active } }"
    step = ion.mutate("createRunStep", shown, runId=run, title="more")["step"]
    expected = ("REDLINE", "true", "false", [{"active": "true"}])
    assert expected == tuple(step[n] for n in ("status", "editable", "settable", "redlines"))
    field = ion.create(
        "RunStepField", "id editable settable", runStepId=step["id"], name="n", type="NUMBER"
    )
    assert (True, False) == (field["editable"], field["settable"])
    go(ion, step["id"], "TODO")
    go(ion, step["id"], "IN_PROGRESS")
    assert {"editable": False, "settable": True, "step": {"settable": "true"}} == ion.get(
        "runStepField", field["id"], "editable settable step { settable }"
    )


def test_schedule_of_a_run_spans_its_steps(ion: Ion) -> None:
    run = ion.create("Run", title="x")["id"]
    one, two = (ion.mutate("createRunStep", runId=run, title=t)["step"]["id"] for t in "ab")
    start, end = "2026-12-01T08:00:00.000000+00:00", "2026-12-01T09:30:00.000000+00:00"
    ion.update("runStep", one, scheduledStart=start, scheduledEnd="2026-12-01T08:30:00+00:00")
    ion.update("runStep", two, scheduledEnd=end, leadTime=60)
    shown = ion.get("run", run, "scheduledStart scheduledEnd calculatedLeadTime")
    assert {"scheduledStart": start, "scheduledEnd": end, "calculatedLeadTime": 1860} == shown


def test_sub_step_is_available_once_its_parent_is_started(ion: Ion) -> None:
    run = ion.create("Run", title="x")["id"]
    parent = ion.mutate("createRunStep", runId=run, title="p")["step"]["id"]
    child = ion.mutate("createRunStep", runId=run, title="c", parentId=parent)["step"]["id"]
    for step in (parent, child):
        go(ion, step, "TODO")
    assert {"availableToWork": False} == ion.get("runStep", child, "availableToWork")
    go(ion, parent, "IN_PROGRESS")
    for step in (parent, child):
        assert {"availableToWork": True} == ion.get("runStep", step, "availableToWork")
