"""Runs: copied from a procedure, worked step by step, redlined, merged back, batched, cancelled and archived."""

import itertools
import json
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, nodes, shared

ion = shared()
NUMBERS = itertools.count()


def procedure(ion: Ion, *steps: str) -> tuple[int, list[int]]:
    """Have a procedure whose steps come one after another; gives its id and theirs."""
    made = ion.do("createProcedure", title=f"Procedure {next(NUMBERS)}")["procedure"]["id"]
    ids = [ion.make("Step", procedureId=made, title=title)["id"] for title in steps]
    for upstream, step in itertools.pairwise(ids):
        ion.do("createStepEdge", stepId=step, upstreamStepId=upstream)
    return made, ids


def run(ion: Ion, *steps: str, **values: Any) -> tuple[int, list[int]]:
    """Have a run whose steps come one after another; gives its id and theirs."""
    made, _ = procedure(ion, *steps)
    id_ = ion.make("Run", procedureId=made, **values)["id"]
    found = ion.see("run", id_, "steps { id title }")["steps"]
    return id_, [next(s["id"] for s in found if s["title"] == title) for title in steps]


def status(ion: Ion, run_id: int) -> str:
    return ion.see("run", run_id, "status")["status"]


def go(ion: Ion, step: int, wanted: str) -> None:
    ion.edit("runStep", step, status=wanted)


def field(ion: Ion, step: int, **values: Any) -> int:
    given = {"name": "torque", "type": "NUMBER", **values}
    return ion.do("createRunStepField", runStepId=step, **given)["runStepField"]["id"]


def fill(ion: Ion, field_id: int, select: str = "value", **values: Any) -> Any:
    etag = ion.etag("runStepField", field_id)
    shown = f"runStepField {{ {select} }}"
    return ion.do("updateRunStepFieldValue", shown, id=field_id, etag=etag, **values)[
        "runStepField"
    ]


def test_a_run_is_a_copy_of_its_procedure(ion: Ion) -> None:
    made, (first, second) = procedure(ion, "one", "two")
    place = ion.make("Location", name="Cell 1")["id"]
    ion.edit("step", first, content="Do it", leadTime=60, locationId=place)
    function = ion.data("{ validationFunctions { edges { node { id } } } }")["edges"][0]["node"][
        "id"
    ]
    origin = ion.do(
        "createStepField", stepId=first, name="torque", type="NUMBER", unit="Nm", required=True
    )
    origin = origin["stepField"]["id"]
    ion.do("createStepFieldValidation", fieldId=origin, functionId=function, value=5)
    column = ion.make("DatagridColumn", stepId=first, header="low", type="NUMBER")["id"]
    row = ion.make("DatagridRow", stepId=first)["id"]
    ion.do("setDatagridValue", rowId=row, columnId=column, value=3)
    pdf = ion.do(
        "createAsset", entityId=ion.see("step", first, "entityId")["entityId"], filename="a.pdf"
    )

    shown = """id title status steps { title status content leadTime locationId originStepId upstreamStepIds id
      assets { id } datagridRows { edges { node { values { value } } } }
      fields { name unit required originFieldId value validations { value result } } }"""
    seen = ion.make("Run", shown, procedureId=made)
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


def test_what_is_done_on_a_run_stays_on_the_run(ion: Ion) -> None:
    made, (step,) = procedure(ion, "one")
    copied = ion.make("Run", "steps { id }", procedureId=made)["steps"][0]["id"]
    ion.edit("runStep", copied, title="other")
    assert {"title": "one"} == ion.see("step", step, "title")


def test_a_run_is_named_after_its_procedure_unless_told(ion: Ion) -> None:
    made, _ = procedure(ion)
    title = ion.see("procedure", made, "title")["title"]
    named = ion.make("Run", "id title", procedureId=made)
    assert f"{title} {named['id']:05d}" == named["title"]
    assert {"title": "Mine"} == ion.make("Run", "title", procedureId=made, title="Mine")
    assert "must not be below 0" in ion.refused("createRun", title="x", quantity=-1)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
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
def test_a_runs_status_follows_from_its_steps(ion: Ion, steps: list[str], expected: str) -> None:
    id_ = ion.make("Run", title="x")["id"]
    for wanted in steps:
        step = ion.do("createRunStep", runId=id_, title=wanted)["step"]["id"]
        if wanted != "TODO":
            go(ion, step, wanted)
    assert expected == status(ion, id_)
    open_ = expected not in {"COMPLETE", "CANCELED", "PARTIAL_COMPLETE"}
    assert {"isOpen": open_} == ion.see("run", id_, "isOpen")


def test_a_step_starts_when_all_before_it_are_complete(ion: Ion) -> None:
    id_, (one, two) = run(ion, "one", "two")
    refusal = "Step two cannot start: one before it is not complete."
    assert refusal == ion.edit_refused("runStep", two, status="IN_PROGRESS")
    assert refusal == ion.edit_refused("runStep", two, status="COMPLETE")
    assert [True, False] == [
        ion.see("runStep", s, "availableToWork")["availableToWork"] for s in (one, two)
    ]
    go(ion, one, "COMPLETE")
    assert {"availableToWork": True} == ion.see("runStep", two, "availableToWork")
    go(ion, two, "IN_PROGRESS")
    assert {"percentComplete": 50} == ion.see("run", id_, "percentComplete")


def test_who_worked_when_is_noted(ion: Ion) -> None:
    uta = ion.person("Uta")
    id_, (step,) = run(ion, "one")
    edit = "updateRunStep"
    ion.do(edit, None, uta, id=step, etag=ion.etag("runStep", step), status="IN_PROGRESS")
    ion.do(edit, None, uta, id=step, etag=ion.etag("runStep", step), status="COMPLETE")
    seen = ion.see("runStep", step, "startTime endTime startedById completedById")
    assert (uta.user_id, uta.user_id) == (seen["startedById"], seen["completedById"])
    assert seen["startTime"] < seen["endTime"]
    whole = ion.see("run", id_, "startTime endTime startedBy { name } completedBy { name }")
    assert (seen["startTime"], seen["endTime"]) == (whole["startTime"], whole["endTime"])
    assert ({"name": "Uta"}, {"name": "Uta"}) == (whole["startedBy"], whole["completedBy"])


def test_runs_are_made_and_changed_many_at_once_or_not_at_all(ion: Ion) -> None:
    made, _ = procedure(ion, "one")
    created = ion.do(
        "createRuns",
        "runs { id _etag steps { title } }",
        input=[{"procedureId": made} for _ in range(2)],
    )["runs"]
    assert [[{"title": "one"}]] * 2 == [each["steps"] for each in created]
    changes = [{"id": r["id"], "etag": r["_etag"], "title": f"Batch {r['id']}"} for r in created]
    assert [c["title"] for c in changes] == [
        r["title"] for r in ion.do("updateRuns", "runs { title }", input=changes)["runs"]
    ]
    again = [{"id": r["id"], "etag": ion.etag("run", r["id"]), "title": "no"} for r in created]
    again[1]["etag"] = "old"
    assert "etag does not match" in ion.refused("updateRuns", input=again)
    assert {"title": changes[0]["title"]} == ion.see("run", created[0]["id"], "title")


def test_a_batch_is_made_on_request_and_joins_its_runs(ion: Ion) -> None:
    first = ion.make(
        "Run", "id runBatchId batched", title="a", addToNewBatch=True, runBatchTitle="Lot 7"
    )
    second = ion.make("Run", title="b", runBatchId=first["runBatchId"])["id"]
    assert first["batched"]
    assert {"runBatch": {"title": "Lot 7"}, "batchSiblings": [{"id": second}]} == ion.see(
        "run", first["id"], "runBatch { title } batchSiblings { id }"
    )
    third = ion.make("Run", title="c")["id"]
    ion.edit("run", third, addToNewBatch=True, runBatchTitle="Lot 8")
    assert {"runBatch": {"title": "Lot 8"}} == ion.see("run", third, "runBatch { title }")


def test_cancelling_leaves_what_is_complete(ion: Ion) -> None:
    id_, (one, two) = run(ion, "one", "two")
    go(ion, one, "COMPLETE")
    ion.do("cancelRun", id=id_, etag=ion.etag("run", id_))
    assert ["COMPLETE", "CANCELED"] == [
        ion.see("runStep", s, "status")["status"] for s in (one, two)
    ]
    assert "PARTIAL_COMPLETE" == status(ion, id_)
    other, _ = run(ion, "one")
    ion.do("cancelRun", id=other, etag=ion.etag("run", other))
    assert "CANCELED" == status(ion, other)
    assert "etag does not match" in ion.refused("cancelRun", id=other, etag="old")


def test_a_run_is_archived_and_brought_back(ion: Ion) -> None:
    id_, _ = run(ion)
    for archived in (True, False):
        ion.do("archiveRun", id=id_, etag=ion.etag("run", id_), archived=archived)
        assert {"archived": archived} == ion.see("run", id_, "archived")
        assert [{"id": id_}] == ion.all("runs", id={"eq": id_}, archived={"eq": archived})


def test_a_summary_is_promised(ion: Ion) -> None:
    id_, _ = run(ion)
    assert "summary of 1 run " in ion.do("generateRunSummary", runIds=[id_])["message"]
    assert "does not exist" in ion.refused("generateRunSummary", runIds=[999_999])
    assert "Name the runs" in ion.refused("generateRunSummary", runIds=[])


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
def test_a_field_takes_values_of_its_type(
    ion: Ion, kind: str, options: Any, good: Any, bad: Any
) -> None:
    _, (step,) = run(ion, "one")
    made = field(ion, step, type=kind, options=options)
    assert {"value": good} == fill(ion, made, value=good)
    etag = ion.etag("runStepField", made)
    assert "is not a valid value of torque" in ion.refused(
        "updateRunStepFieldValue", id=made, etag=etag, value=bad
    )
    assert {"value": None} == fill(ion, made, value=None)


def test_a_field_is_left_out_only_where_that_is_allowed(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    strict, lax = field(ion, step), field(ion, step, allowNotApplicable=True)
    etag = ion.etag("runStepField", strict)
    refusal = ion.refused("updateRunStepFieldValue", id=strict, etag=etag, notApplicable=True)
    assert "torque must not be marked as not applicable." == refusal
    assert {"notApplicable": True} == fill(ion, lax, "notApplicable", notApplicable=True)


def test_a_value_is_judged_by_the_fields_validations(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    made = field(ion, step)
    functions = ion.data("{ validationFunctions { edges { node { id functionName } } } }")
    (at_most,) = [f["id"] for f in nodes(functions) if f["functionName"] == "at_most"]
    ion.do("createRunStepFieldValidation", runStepFieldId=made, functionId=at_most, value=5)
    shown = "valid validations { result }"
    assert {"valid": True, "validations": [{"result": "PASS"}]} == fill(ion, made, shown, value=5)
    assert {"valid": False, "validations": [{"result": "FAIL"}]} == fill(ion, made, shown, value=6)
    assert {"valid": True, "validations": [{"result": "PENDING"}]} == fill(
        ion, made, shown, value=None
    )


def test_steps_and_fields_of_a_run_are_put_in_another_order(ion: Ion) -> None:
    id_, steps = run(ion, "one", "two")
    turned = [
        {"id": s, "position": 2 - i, "etag": ion.etag("runStep", s)} for i, s in enumerate(steps)
    ]
    ion.do("reorderRunSteps", runId=id_, steps=turned)
    assert [2, 1] == [ion.see("runStep", s, "position")["position"] for s in steps]
    fields = [field(ion, steps[0], name=name) for name in "xy"]
    turned = [
        {"id": f, "position": 2 - i, "etag": ion.etag("runStepField", f)}
        for i, f in enumerate(fields)
    ]
    ion.do("reorderRunStepFields", runStepId=steps[0], fields=turned)
    assert [2, 1] == [ion.see("runStepField", f, "position")["position"] for f in fields]


def test_a_procedures_step_is_added_to_a_run(ion: Ion) -> None:
    _, (step,) = procedure(ion, "extra")
    id_, (parent,) = run(ion, "one")
    shown = "runStep { id title runId parentId originStepId position status }"
    made = ion.do("copyStepToRun", shown, stepId=step, runId=id_, parentId=parent)["runStep"]
    assert ("extra", id_, parent, step, 2, "TODO") == tuple(
        made[n] for n in ("title", "runId", "parentId", "originStepId", "position", "status")
    )
    assert {"allChildren": [{"id": made["id"]}]} == ion.see("runStep", parent, "allChildren { id }")
    assert {"allParents": [{"id": parent}]} == ion.see("runStep", made["id"], "allParents { id }")


def test_people_check_in_and_out(ion: Ion) -> None:
    uta = ion.person("Ulla")
    id_, (step,) = run(ion, "one")
    assert "not checked in" in ion.refused("checkOut", runStepId=step)
    event = "checkInEvent { eventType createdBy { name } }"
    made = ion.do("checkIn", event, runStepId=step, userId=uta.user_id)["checkInEvent"]
    assert {"eventType": "CHECK_IN", "createdBy": {"name": "Ulla"}} == made
    assert "checked in already" in ion.refused("checkIn", uta, runStepId=step)
    ion.do("checkIn", runStepId=step)  # somebody else may
    ion.do("checkOut", "checkOutEvent { eventType }", uta, runStepId=step)
    sessions = ion.see(
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
    assert 2 == len(ion.see("run", id_, "sessions { id }")["sessions"])


def redlined(ion: Ion) -> tuple[int, int, int]:
    """Have a run whose first of two steps is being redlined; gives its id and theirs."""
    id_, (one, two) = run(ion, "one", "two")
    go(ion, one, "IN_PROGRESS")
    go(ion, one, "REDLINE")
    return id_, one, two


def test_a_redline_keeps_what_was_and_opens_what_comes_after(ion: Ion) -> None:
    id_, one, two = redlined(ion)
    assert ("REDLINE", {"status": "DAG_MODIFIABLE"}) == (
        status(ion, id_),
        ion.see("runStep", two, "status"),
    )
    ion.edit("runStep", one, title="better")
    (redline,) = ion.see("runStep", one, "redlines { id active initialState finalState approved }")[
        "redlines"
    ]
    assert ("true", None, False) == (redline["active"], redline["finalState"], redline["approved"])
    go(ion, one, "IN_PROGRESS")
    assert {"status": "TODO"} == ion.see("runStep", two, "status")
    (done,) = ion.see("run", id_, "redlines { active initialState finalState }")["redlines"]
    states = [json.loads(done[n])["title"] for n in ("initialState", "finalState")]
    assert ("false", ["one", "better"]) == (done["active"], states)


def test_a_redline_is_approved_by_as_many_as_the_organization_says(ion: Ion) -> None:
    _, one, _ = redlined(ion)
    redline = ion.see("runStep", one, "redlines { id }")["redlines"][0]["id"]
    ion.do("createRedlineApproval", redlineId=redline, status="APPROVED")
    (seen,) = ion.all("redlines", "approved initialState", id={"eq": redline})
    assert (True, "one") == (seen["approved"], json.loads(seen["initialState"])["title"])


def test_a_cancelled_redline_leaves_the_step_as_it_was(ion: Ion) -> None:
    id_, one, two = redlined(ion)
    ion.edit("runStep", one, title="worse")
    ion.do("cancelRunStepRedline", id=one, etag=ion.etag("runStep", one))
    assert {"title": "one", "status": "IN_PROGRESS"} == ion.see("runStep", one, "title status")
    assert {"status": "TODO"} == ion.see("runStep", two, "status")
    assert "IN_PROGRESS" == status(ion, id_)
    refusal = ion.refused("cancelRunStepRedline", id=one, etag=ion.etag("runStep", one))
    assert "Step one has no redline to cancel." == refusal


@pytest.mark.parametrize("mutation", ["mergeRunStep", "mergeRunStepToProcedure"])
def test_a_redlined_step_is_carried_over_to_the_procedure(ion: Ion, mutation: str) -> None:
    made, (origin,) = procedure(ion, "one")
    step = ion.make("Run", "steps { id }", procedureId=made)["steps"][0]["id"]
    ion.edit("runStep", step, title="better", content="Twice")
    field(ion, step, name="angle", unit="deg")
    given = {"id": step, "procedureId": made}
    etag = ion.etag("step", origin)
    shown = "step { id title content fields { name unit } }"
    merged = ion.do(mutation, shown, **given, stepId=origin, etag=etag)["step"]
    expected = {"title": "better", "content": "Twice", "fields": [{"name": "angle", "unit": "deg"}]}
    assert {"id": origin, **expected} == merged
    assert "etag does not match" in ion.refused(mutation, **given, stepId=origin, etag="old")
    new = ion.do(mutation, shown, **given)["step"]
    assert origin != new["id"]
    assert expected == {k: v for k, v in new.items() if k != "id"}


def test_a_redlined_step_is_carried_over_to_other_runs(ion: Ion) -> None:
    _, (source,) = run(ion, "one")
    other, (target,) = run(ion, "two")
    third, _ = run(ion)
    ion.edit("runStep", source, title="better")
    field(ion, source, name="angle")
    runs = [
        {"runId": other, "runStepId": target, "etag": ion.etag("runStep", target)},
        {"runId": third},
    ]
    shown = "steps { runId title status fields { name } }"
    steps = ion.do("mergeRunStepToRuns", shown, id=source, runs=runs)["steps"]
    assert [other, third] == [s["runId"] for s in steps]
    assert [("better", "TODO", [{"name": "angle"}])] * 2 == [
        (s["title"], s["status"], s["fields"]) for s in steps
    ]
    assert "not of this run" in ion.refused(
        "mergeRunStepToRuns",
        id=source,
        runs=[{"runId": third, "runStepId": target, "etag": ion.etag("runStep", target)}],
    )


def test_a_run_steps_own_datagrid_is_changed_by_operations(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    operations = [{"op": "ADD_COLUMN", "column": {"id": "c1", "header": "low", "type": "NUMBER"}}]
    shown = "runStep { datagrid { columns { id header } } }"
    etag = ion.etag("runStep", step)
    made = ion.do("runStepDatagridOperations", shown, id=step, etag=etag, operations=operations)[
        "runStep"
    ]
    assert {"columns": [{"id": "c1", "header": "low"}]} == made["datagrid"]
    assert "etag does not match" in ion.refused(
        "runStepDatagridOperations", id=step, etag=etag, operations=operations
    )


def test_a_runs_steps_have_an_order_that_is_no_circle(ion: Ion) -> None:
    _, (one, two) = run(ion, "one", "two")
    assert "cannot come before itself" in ion.refused(
        "createRunStepEdge", stepId=one, upstreamStepId=two
    )
    _, (other,) = run(ion, "x")
    assert "the same parent" in ion.refused("createRunStepEdge", stepId=one, upstreamStepId=other)


def test_a_run_is_deleted_with_its_steps_only_through_them(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    made = field(ion, step)
    ion.do("deleteRunStep", id=step, etag=ion.etag("runStep", step))
    assert (None, None) == (ion.see("runStep", step), ion.see("runStepField", made))


def test_comments_on_a_step_and_their_replies_know_the_step(ion: Ion) -> None:
    _, (step,) = run(ion, "one")
    entity = ion.see("runStep", step, "entityId")["entityId"]
    made = ion.make("Comment", entityId=entity, content="careful")["id"]
    shown = "depth entityId runStepId"
    reply = ion.make("Comment", shown, parentId=made, content="yes")
    assert {"depth": 1, "entityId": entity, "runStepId": step} == reply
    assert 2 == len(ion.see("runStep", step, "comments { content }")["comments"])
