"""Mutations of procedures and their steps: versions, copies and merges."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.mutations.crud import create
from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.attributes import copy_attributes, create_attributes
from ultraviolet.local_ion.rules.copies import copy_row
from ultraviolet.local_ion.rules.hooks import ensure, next_position
from ultraviolet.local_ion.rules.runs import (
    FIELD_COLUMNS,
    copy_assets,
    copy_datagrid,
    copy_edges,
    parents_first,
)
from ultraviolet.local_ion.rules.validation import check_etag, require_row
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""


@MUTATIONS.handles("createProcedureVersion")
def _create_procedure_version(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    family = int(args["familyId"])
    versions = tx.find("procedures", "version DESC", family_id=family)
    if not versions:
        raise GraphQLError(f"Procedure family {family} does not exist.")
    source = (
        require_row(tx, "procedures", int(args["procedureId"]))
        if args.get("procedureId")
        else versions[0]
    )
    row = copy_row(source, version=versions[0]["version"] + 1, status="draft", family_id=family)
    key = tx.insert("procedures", row)
    copy_procedure(tx, source["id"], key, same_family=True)
    return {"procedure": key}


@MUTATIONS.handles("cloneProcedure")
def _clone_procedure(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    source = require_row(tx, "procedures", int(args["procedureId"]))
    check_etag(tx, "procedures", source, args["etag"])
    title = f"{source['title']} (copy)"
    key = tx.insert(
        "procedures", copy_row(source, version=1, status="draft", family_id=None, title=title)
    )
    tx.update("procedures", key, {"family_id": key})
    copy_procedure(tx, source["id"], key, same_family=False)
    return {"procedure": key}


def copy_procedure(tx: Transaction, source_id: int, target_id: int, *, same_family: bool) -> None:
    """Copy all steps of a procedure with their fields and edges to another procedure."""
    created: dict[int, int] = {}
    for step in parents_first(tx.find("steps", "position, id", procedure_id=source_id)):
        family = step["family_id"] if same_family else None
        changed = {
            "procedure_id": target_id,
            "family_id": family,
            "parent_id": created.get(step["parent_id"]),
        }
        created[step["id"]] = copy_step(tx, step, **changed)
    copy_edges(tx, created, "steps_dags")


def copy_step(tx: Transaction, step: Row, **changed: Any) -> int:
    """Copy a step of a procedure with its fields."""
    key: int = tx.insert("steps", copy_row(step, **changed))
    if changed.get("family_id") is None:
        tx.update("steps", key, {"family_id": key})
    copy_datagrid(tx, ("step_id", step["id"]), ("step_id", key))
    copy_assets(tx, step["entity_id"], require_row(tx, "steps", key)["entity_id"])
    steps = tx.catalog.resources["steps"]
    copy_attributes(tx, steps, step["id"], steps, key)
    for field in tx.find("steps_fields", "position, id", step_id=step["id"]):
        new = tx.insert("steps_fields", copy_row(field, step_id=key))
        for validation in tx.find("step_field_validations", "id", field_id=field["id"]):
            tx.insert("step_field_validations", copy_row(validation, field_id=new))
    return key


@MUTATIONS.handles("copyStep")
def _copy_step(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    step = require_row(tx, "steps", int(values["stepId"]))
    procedure = int(values["procedureId"]) if values.get("procedureId") else step["procedure_id"]
    parent = int(values["parentId"]) if values.get("parentId") else None
    position = next_position(tx, "steps", "procedure_id", procedure)
    changed = {
        "procedure_id": procedure,
        "parent_id": parent,
        "position": position,
        "family_id": None,
    }
    if procedure is not None:
        changed["standard_step_status"] = None
    return {"step": copy_step(tx, step, **changed, origin_step_id=step["id"])}


@MUTATIONS.handles("copyStandardStep")
def _copy_standard_step(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    step = require_row(tx, "steps", int(args["input"]["stepId"]))
    return {"step": copy_step(tx, step, family_id=None, version=1, origin_step_id=None)}


@MUTATIONS.handles("createStandardStepVersion")
def _create_standard_step_version(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    family = int(args["input"]["familyId"])
    versions = tx.find("steps", "version DESC", family_id=family)
    if not versions:
        raise GraphQLError(f"Step family {family} does not exist.")
    changed = {
        "version": versions[0]["version"] + 1,
        "standard_step_status": "draft",
        "family_id": family,
    }
    return {"step": copy_step(tx, versions[0], **changed)}


@MUTATIONS.handles("copyField")
def _copy_field(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    field = require_row(tx, "steps_fields", int(args["input"]["fieldId"]))
    step = int(args["input"]["stepId"])
    position = next_position(tx, "steps_fields", "step_id", step)
    return {
        "stepField": tx.insert("steps_fields", copy_row(field, step_id=step, position=position))
    }


@MUTATIONS.handles("importStepsFromPdf")
def _import_steps_from_pdf(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Create a step for each group of pages of a PDF, without its text (assumed)."""
    values = args["input"]
    procedure = require_row(tx, "procedures", int(values["procedureId"]))
    asset = require_row(tx, "file_attachments", int(values["pdfAssetId"]))
    steps = tx.catalog.resources["steps"]
    created: list[int] = []
    for group in values.get("stepPages") or ():
        title = group.get("title") or f"Pages {', '.join(map(str, group['pages']))}"
        given = {"procedureId": procedure["id"], "title": title, "pages": group["pages"]}
        created.append(create(tx, steps, {**given, "pdfAssetId": asset["id"], "displayPdf": True}))
    ensure(created, "Name the pages of each step.")
    return {"steps": created}


_MERGED_COLUMNS = (
    "title",
    "type",
    "content",
    "slate_content",
    "lead_time",
    "location_id",
    "datagrid",
    "pages",
    "display_pdf",
)
_MERGE_TARGETS: Mapping[str, tuple[str, str, str, Row]] = {
    "steps": ("procedure", "step_id", "stepId", {"version": 1}),
    "run_steps": ("run", "run_step_id", "runStepId", {"status": "todo", "is_standard_step": 0}),
}
"""Owner, column in the table of fields, member of the input, and values of a new step."""


@MUTATIONS.handles("mergeRunStep", "mergeRunStepToProcedure")
def _merge_to_procedure(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Merge a step of a run to a step of a procedure, or to a new step (assumed)."""
    values = args["input"]
    source = require_row(tx, "run_steps", int(values["id"]))
    procedure = require_row(tx, "procedures", int(values["procedureId"]))
    return {"step": _merge_step(tx, source, "steps", procedure["id"], values)}


@MUTATIONS.handles("mergeRunStepToRuns")
def _merge_to_runs(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Merge a step of a run to steps of other runs, or to new steps (assumed)."""
    source = require_row(tx, "run_steps", int(args["input"]["id"]))
    merged: list[int] = []
    for target in args["input"]["runs"]:
        run = require_row(tx, "runs", int(target["runId"]))
        merged.append(_merge_step(tx, source, "run_steps", run["id"], target))
    return {"steps": merged}


def _merge_step(
    tx: Transaction, source: Row, table: str, owner_id: int, target: Mapping[str, Any]
) -> int:
    """Merge a step of a run to the step that the target names, or to a new step of the owner."""
    owner, step_column, id_member, new = _MERGE_TARGETS[table]
    content = {c: source[c] for c in _MERGED_COLUMNS}
    if target.get(id_member):
        step = require_row(tx, table, int(target[id_member]))
        check_etag(tx, table, step, target.get("etag"))
        ensure(step[f"{owner}_id"] == owner_id, f"The step is not of this {owner}.")
        key: int = step["id"]
        tx.update(table, key, content)
    else:
        position = next_position(tx, table, f"{owner}_id", owner_id)
        key = tx.insert(table, {**content, **new, f"{owner}_id": owner_id, "position": position})
        if table == "steps":
            tx.update(table, key, {"family_id": key})
        create_attributes(tx, tx.catalog.resources[table], key)
    fields = f"{table}_fields"
    extra = {"not_applicable": 0} if table == "run_steps" else {}
    known = {f["name"]: f["id"] for f in tx.find(fields, "id", **{step_column: key})}
    for field in tx.find("run_steps_fields", "position, id", run_step_id=source["id"]):
        values = {c: field[c] for c in FIELD_COLUMNS}
        if field["name"] in known:
            tx.update(fields, known[field["name"]], values)
        else:
            tx.insert(fields, {**values, **extra, step_column: key})
    return key
