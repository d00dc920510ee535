"""Procedures: versions, families, fields, datagrids, edges, copies and standard steps."""

import itertools
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, nodes, shared_ion

ion = shared_ion()
NUMBERS = itertools.count()


def procedure(ion: Ion, *steps: str) -> tuple[int, list[int]]:
    """Create a procedure with steps; return its id and theirs."""
    made = ion.mutate("createProcedure", title=f"Procedure {next(NUMBERS)}")["procedure"]["id"]
    return made, [ion.create("Step", procedureId=made, title=title)["id"] for title in steps]


def before(ion: Ion, upstream: int, step: int) -> int:
    """Create an edge between two steps."""
    return ion.mutate("createStepEdge", stepId=step, upstreamStepId=upstream)["stepEdge"]["id"]


def field(ion: Ion, step: int, name: str = "torque", **values: Any) -> int:
    return ion.mutate("createStepField", stepId=step, name=name, **{"type": "NUMBER", **values})[
        "stepField"
    ]["id"]


def titles(ion: Ion, procedure_id: int) -> list[str]:
    steps = ion.get("procedure", procedure_id, "steps { title position }")["steps"]
    return [s["title"] for s in sorted(steps, key=lambda s: s["position"])]


def test_new_procedure_starts_a_family(ion: Ion) -> None:
    made, _ = procedure(ion)
    shown = "familyId version status isLatestVersion isLatestReleasedVersion editable"
    assert {
        "familyId": made,
        "version": 1,
        "status": "DRAFT",
        "isLatestVersion": True,
        "isLatestReleasedVersion": False,
        "editable": "true",
    } == ion.get("procedure", made, shown)


def test_new_version_is_a_draft_copy_of_the_last_one(ion: Ion) -> None:
    old, (first, second) = procedure(ion, "one", "two")
    before(ion, first, second)
    field(ion, second, required=True)
    ion.update("procedure", old, status="RELEASED")
    shown = "procedure { id familyId version status steps { id familyId title upstreamStepIds fields { name required } } }"
    new = ion.mutate("createProcedureVersion", shown, familyId=old)["procedure"]
    assert (old, 2, "DRAFT") == (new["familyId"], new["version"], new["status"])
    one, two = sorted(new["steps"], key=lambda s: s["title"])
    assert (first, second) == (one["familyId"], two["familyId"])
    assert [one["id"]] == two["upstreamStepIds"]
    assert [{"name": "torque", "required": True}] == two["fields"]
    assert {"isLatestVersion": False, "isLatestReleasedVersion": True} == ion.get(
        "procedure", old, "isLatestVersion isLatestReleasedVersion"
    )


def test_new_version_can_copy_an_older_one(ion: Ion) -> None:
    old, _ = procedure(ion, "one")
    newer = ion.mutate("createProcedureVersion", familyId=old)["procedure"]["id"]
    ion.create("Step", procedureId=newer, title="two")
    newest = ion.mutate(
        "createProcedureVersion", "procedure { id version }", familyId=old, procedureId=old
    )
    assert 3 == newest["procedure"]["version"]
    assert ["one"] == titles(ion, newest["procedure"]["id"])
    assert "does not exist" in ion.mutation_error("createProcedureVersion", familyId=999_999)


def test_clone_starts_its_own_family(ion: Ion) -> None:
    old, (step,) = procedure(ion, "one")
    field(ion, step)
    etag = ion.etag("procedure", old)
    shown = "procedure { id familyId version title steps { familyId title fields { name } } }"
    clone = ion.mutate("cloneProcedure", shown, procedureId=old, etag=etag)["procedure"]
    assert (clone["id"], 1) == (clone["familyId"], clone["version"])
    assert clone["title"].endswith("(copy)")
    (copied,) = clone["steps"]
    assert ("one", [{"name": "torque"}]) == (copied["title"], copied["fields"])
    assert step != copied["familyId"]
    assert "etag does not match" in ion.mutation_error(
        "cloneProcedure", procedureId=old, etag="old"
    )


def test_labels_apply_to_the_whole_family(ion: Ion) -> None:
    old, _ = procedure(ion)
    new = ion.mutate("createProcedureVersion", familyId=old)["procedure"]["id"]
    label = ion.create("Label", value="welding")["id"]
    assert {"labelId": label, "familyId": old} == ion.mutate(
        "addLabelToProcedureFamily", familyId=old, labelId=label
    )
    for each in (old, new):
        assert {"labels": ["welding"]} == ion.get("procedure", each, "labels")
    ion.mutate("removeLabelFromProcedureFamily", familyId=old, labelId=label)
    assert {"labels": []} == ion.get("procedure", new, "labels")


def test_step_edges_cannot_form_a_cycle(ion: Ion) -> None:
    made, (a, b, c) = procedure(ion, "a", "b", "c")
    _, (foreign,) = procedure(ion, "x")
    before(ion, a, b)
    before(ion, b, c)
    assert {"upstreamStepIds": [a], "downstreamStepIds": [c]} == ion.get(
        "step", b, "upstreamStepIds downstreamStepIds"
    )
    assert "cannot come before itself" in ion.mutation_error(
        "createStepEdge", stepId=a, upstreamStepId=c
    )
    assert "cannot come before itself" in ion.mutation_error(
        "createStepEdge", stepId=a, upstreamStepId=a
    )
    assert "not unique" in ion.mutation_error("createStepEdge", stepId=b, upstreamStepId=a)
    assert "the same parent" in ion.mutation_error(
        "createStepEdge", stepId=a, upstreamStepId=foreign
    )
    assert ["a", "b", "c"] == titles(ion, made)


def test_steps_and_fields_are_reordered(ion: Ion) -> None:
    made, steps = procedure(ion, "a", "b")
    turned = [
        {"id": s, "position": 2 - i, "etag": ion.etag("step", s)} for i, s in enumerate(steps)
    ]
    ion.mutate("reorderSteps", procedureId=made, steps=turned)
    assert ["b", "a"] == titles(ion, made)
    fields = [field(ion, steps[0], name) for name in "xy"]
    turned = [
        {"id": f, "position": 2 - i, "etag": ion.etag("stepField", f)} for i, f in enumerate(fields)
    ]
    ion.mutate("reorderStepFields", stepId=steps[0], fields=turned)
    seen = ion.get("step", steps[0], "fields { name position }")["fields"]
    assert {"x": 2, "y": 1} == {f["name"]: f["position"] for f in seen}
    stale = [{"id": fields[0], "position": 1, "etag": "old"}]
    assert "etag does not match" in ion.mutation_error(
        "reorderStepFields", stepId=steps[0], fields=stale
    )


def test_step_is_copied_with_its_content(ion: Ion) -> None:
    made, (step,) = procedure(ion, "one")
    other, (parent,) = procedure(ion, "phase")
    function = ion.data("{ validationFunctions { edges { node { id } } } }")["edges"][0]["node"][
        "id"
    ]
    ion.mutate("createStepFieldValidation", fieldId=field(ion, step), functionId=function, value=5)
    shown = "step { id procedureId parentId originStepId isDerivedStep position fields { validations { value } } }"
    here = ion.mutate("copyStep", shown, stepId=step)["step"]
    assert (made, step, False, 2) == (
        here["procedureId"],
        here["originStepId"],
        here["isDerivedStep"],
        here["position"],
    )
    assert [{"validations": [{"value": 5}]}] == here["fields"]
    there = ion.mutate("copyStep", shown, stepId=step, procedureId=other, parentId=parent)["step"]
    assert (other, parent) == (there["procedureId"], there["parentId"])
    assert {"allChildren": [{"id": there["id"]}]} == ion.get("step", parent, "allChildren { id }")


def test_field_is_copied_to_the_end_of_another_step(ion: Ion) -> None:
    _, (one, two) = procedure(ion, "one", "two")
    field(ion, two, "first")
    original = field(ion, one, "unit test", unit="Nm", options=["a"], type="SELECT")
    shown = "stepField { stepId name unit options type position }"
    copied = ion.mutate("copyField", shown, fieldId=original, stepId=two)["stepField"]
    assert (two, "unit test", "Nm", ["a"], "SELECT", 2) == tuple(
        copied[n] for n in ("stepId", "name", "unit", "options", "type", "position")
    )


def test_standard_steps_have_versions_and_copies(ion: Ion) -> None:
    step = ion.create("Step", title="Torque")["id"]
    ion.update("step", step, standardStepStatus="RELEASED")
    field(ion, step)
    assert {"isStandardStep": True, "procedureId": None} == ion.get(
        "step", step, "isStandardStep procedureId"
    )
    shown = "step { id familyId version standardStepStatus isLatestVersion fields { name } }"
    new = ion.mutate("createStandardStepVersion", shown, familyId=step)["step"]
    assert (step, 2, "DRAFT", True) == (
        new["familyId"],
        new["version"],
        new["standardStepStatus"],
        new["isLatestVersion"],
    )
    assert [{"name": "torque"}] == new["fields"]
    assert {"isLatestVersion": False, "isLatestReleasedVersion": True} == ion.get(
        "step", step, "isLatestVersion isLatestReleasedVersion"
    )
    copy = ion.mutate("copyStandardStep", shown, stepId=step)["step"]
    assert (copy["id"], 1) == (copy["familyId"], copy["version"])
    assert "does not exist" in ion.mutation_error("createStandardStepVersion", familyId=999_999)


def test_pages_of_a_pdf_become_steps(ion: Ion) -> None:
    made, _ = procedure(ion)
    entity = ion.get("procedure", made, "entityId")["entityId"]
    pdf = ion.mutate("createAsset", entityId=entity, filename="work.pdf")["fileAttachment"]["id"]
    groups = [{"title": "Prepare", "pages": [1, 2]}, {"pages": [3]}]
    shown = "steps { title pages pdfAssetId displayPdf procedureId }"
    steps = ion.mutate(
        "importStepsFromPdf", shown, procedureId=made, pdfAssetId=pdf, stepPages=groups
    )["steps"]
    given = {"pdfAssetId": pdf, "displayPdf": True, "procedureId": made}
    assert [
        {"title": "Prepare", "pages": [1, 2], **given},
        {"title": "Pages 3", "pages": [3], **given},
    ] == steps
    refusal = ion.mutation_error(
        "importStepsFromPdf", procedureId=made, pdfAssetId=pdf, stepPages=[]
    )
    assert "Name the pages of each step." == refusal


def grid(ion: Ion, step: int) -> tuple[list[int], list[int]]:
    """Create a datagrid of two columns and two rows; return their ids."""
    columns = [
        ion.create("DatagridColumn", stepId=step, header=header, type="NUMBER")["id"]
        for header in ("low", "high")
    ]
    return columns, [ion.create("DatagridRow", stepId=step)["id"] for _ in range(2)]


def indexes(ion: Ion, step: int, listed: str) -> dict[int, int]:
    page = ion.get("step", step, f"{listed} {{ edges {{ node {{ id index }} }} }}")[listed]
    return {n["id"]: n["index"] for n in nodes(page)}


def test_datagrid_has_columns_rows_and_values(ion: Ion) -> None:
    _, (step,) = procedure(ion, "one")
    (low, high), (first, second) = grid(ion, step)
    made = ion.mutate(
        "setDatagridValue", "datagridValue { id value _etag }", rowId=first, columnId=low, value=3
    )
    assert (f"{first}-{low}", 3) == (made["datagridValue"]["id"], made["datagridValue"]["value"])
    again = {"rowId": first, "columnId": low, "value": 4}
    ion.mutate("setDatagridValue", **again, etag=made["datagridValue"]["_etag"])
    assert "etag does not match" in ion.mutation_error("setDatagridValue", **again, etag="old")
    assert "expected a number" in ion.mutation_error(
        "setDatagridValue", rowId=first, columnId=high, value="much"
    )
    ion.mutate("setDatagridValue", rowId=second, columnId=high, notApplicable=True)
    rows = ion.get(
        "step", step, "datagridRows { edges { node { values { value notApplicable } } } }"
    )
    assert [[{"value": 4, "notApplicable": False}], [{"value": None, "notApplicable": True}]] == [
        n["values"] for n in nodes(rows["datagridRows"])
    ]


@pytest.mark.parametrize(
    ("mutation", "listed"), [("Row", "datagridRows"), ("Column", "datagridColumns")]
)
def test_datagrid_rows_and_columns_are_reordered(ion: Ion, mutation: str, listed: str) -> None:
    _, (step,) = procedure(ion, "one")
    columns, rows = grid(ion, step)
    first, second = rows if mutation == "Row" else columns
    where = indexes(ion, step, listed)
    assert where[first] < where[second]
    name = "reorderDatagridRow" if mutation == "Row" else "reorderDatagridColumn"
    (etag,) = ion.list_all(listed, "_etag", id={"eq": second})
    ion.mutate(name, id=second, index=0, etag=etag["_etag"])
    assert {second: 0, first: 1} == indexes(ion, step, listed)


def test_step_is_copied_with_its_datagrid(ion: Ion) -> None:
    _, (step,) = procedure(ion, "one")
    (low, _), (first, _) = grid(ion, step)
    ion.mutate("setDatagridValue", rowId=first, columnId=low, value=3)
    shown = "step { datagridRows { edges { node { id values { value } } } } }"
    rows = nodes(ion.mutate("copyStep", shown, stepId=step)["step"]["datagridRows"])
    assert [[{"value": 3}], []] == [row["values"] for row in rows]
    assert first not in {row["id"] for row in rows}


def test_step_datagrid_is_changed_by_operations(ion: Ion) -> None:
    _, (step,) = procedure(ion, "one")

    def operate(*operations: dict[str, Any]) -> Any:
        shown = "step { datagrid { columns { id header } rows { id } } }"
        etag = ion.etag("step", step)
        return ion.mutate(
            "stepDatagridOperations", shown, id=step, etag=etag, operations=list(operations)
        )["step"]["datagrid"]

    made = operate(
        {"op": "ADD_COLUMN", "column": {"id": "c1", "header": "low"}},
        {"op": "ADD_COLUMN", "column": {"id": "c2", "header": "high"}},
        {"op": "ADD_ROW", "row": {"id": "r1"}},
    )
    assert (["c1", "c2"], ["r1"]) == (
        [c["id"] for c in made["columns"]],
        [r["id"] for r in made["rows"]],
    )
    changed = operate(
        {"op": "UPDATE_COLUMN", "column": {"id": "c1", "header": "lowest"}},
        {"op": "REORDER_COLUMN", "column": {"id": "c2"}},
        {"op": "DELETE_ROW", "row": {"id": "r1"}},
    )
    assert {
        "columns": [{"id": "c2", "header": "high"}, {"id": "c1", "header": "lowest"}],
        "rows": [],
    } == changed
    wrong = {"op": "DELETE_ROW", "row": {"id": "r9"}}
    assert "no row r9" in ion.mutation_error(
        "stepDatagridOperations", id=step, etag=ion.etag("step", step), operations=[wrong]
    )


def test_procedure_is_deleted_with_its_steps(ion: Ion) -> None:
    made, (step, after) = procedure(ion, "one", "two")
    before(ion, step, after)
    known = field(ion, step)
    (low, _), (first, _) = grid(ion, step)
    ion.mutate("setDatagridValue", rowId=first, columnId=low, value=3)
    ion.mutate("deleteProcedure", id=made, etag=ion.etag("procedure", made))
    assert (None, None) == (ion.get("step", step), ion.get("stepField", known))
    assert [] == ion.list_all("datagridRows", id={"eq": first})


def test_procedure_is_associated_with_a_part(ion: Ion) -> None:
    made, _ = procedure(ion)
    part = ion.create("Part", partNumber=f"P {next(NUMBERS)}")["id"]
    ion.mutate(
        "createPartProcedure",
        "partProcedure { required }",
        partId=part,
        procedureId=made,
        required=True,
    )
    assert {"procedures": [{"id": made}]} == ion.get("part", part, "procedures { id }")
    assert {"parts": [{"id": part}]} == ion.get("procedure", made, "parts { id }")


def test_steps_of_a_procedure_are_its_top_level(ion: Ion) -> None:
    made = ion.data('mutation { createProcedure(title: "Levels") { procedure { id } } }')[
        "procedure"
    ]
    parent = ion.create("Step", procedureId=made["id"], title="Parent")["id"]
    child = ion.create("Step", "id procedureId", parentId=parent, title="Child")
    assert made["id"] == child["procedureId"]
    shown = ion.get("procedure", made["id"], "_StepsCount steps { id steps { id } }")
    assert {"_StepsCount": 1, "steps": [{"id": parent, "steps": [{"id": child["id"]}]}]} == shown


def test_step_without_a_procedure_is_a_standard_step_with_derived_steps(ion: Ion) -> None:
    shown = "id isStandardStep standardStepStatus"
    standard = ion.create("Step", shown, title="Torque")
    assert (True, "DRAFT") == (standard["isStandardStep"], standard["standardStepStatus"])
    made = ion.data('mutation { createProcedure(title: "Derived") { procedure { id } } }')[
        "procedure"
    ]
    shown = "step { id isStandardStep isDerivedStep standardStep { id } }"
    given = {"stepId": standard["id"], "procedureId": made["id"]}
    derived = ion.mutate("copyStep", shown, **given)["step"]
    expected = (False, True, {"id": standard["id"]})
    assert expected == tuple(
        derived[n] for n in ("isStandardStep", "isDerivedStep", "standardStep")
    )
    select = "steps { isStandardStep standardStep { id } }"
    steps = ion.create("Run", select, procedureId=made["id"])["steps"]
    assert [{"isStandardStep": True, "standardStep": {"id": standard["id"]}}] == steps
    child = ion.create(
        "Step", "isStandardStep isChildStandardStep", title="c", parentId=standard["id"]
    )
    assert {"isStandardStep": False, "isChildStandardStep": True} == child


def test_copies_keep_sub_steps_of_a_younger_parent(ion: Ion) -> None:
    made, (inner, middle, outer) = procedure(ion, "inner", "middle", "outer")
    ion.update("step", inner, parentId=middle)
    ion.update("step", middle, parentId=outer)
    shown = "steps { title steps { title steps { title } } }"
    expected = [{"title": "outer", "steps": [{"title": "middle", "steps": [{"title": "inner"}]}]}]
    assert expected == ion.get("procedure", made, shown)["steps"]
    etag = ion.etag("procedure", made)
    clone = ion.mutate("cloneProcedure", procedureId=made, etag=etag)["procedure"]["id"]
    assert expected == ion.get("procedure", clone, shown)["steps"]
    steps = ion.create("Run", "steps { title parentId id }", procedureId=made)["steps"]
    by_id = {step["id"]: step["title"] for step in steps}
    parents = {step["title"]: by_id.get(step["parentId"]) for step in steps}
    assert {"outer": None, "middle": "outer", "inner": "middle"} == parents
