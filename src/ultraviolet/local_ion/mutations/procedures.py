"""Mutations of procedures and their steps: versions, copies and merges."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.mutations.crud import create
from ultraviolet.local_ion.mutations.handler import Handler
from ultraviolet.local_ion.rules.attributes import copy_attributes, create_attributes
from ultraviolet.local_ion.rules.copies import copy_row
from ultraviolet.local_ion.rules.hooks import ensure, next_position
from ultraviolet.local_ion.rules.runs import copy_assets, copy_datagrid
from ultraviolet.local_ion.rules.validation import check_etag, require_row
from ultraviolet.local_ion.store.transaction import Row, Transaction


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
    for step in tx.find("steps", "parent_id, position, id", procedure_id=source_id):
        family = step["family_id"] if same_family else None
        changed = {
            "procedure_id": target_id,
            "family_id": family,
            "parent_id": created.get(step["parent_id"]),
        }
        created[step["id"]] = copy_step(tx, step, **changed)
    for old, new in created.items():
        for edge in tx.find("steps_dags", "id", step_id=old):
            if edge["upstream_step_id"] in created:
                tx.insert(
                    "steps_dags",
                    {"step_id": new, "upstream_step_id": created[edge["upstream_step_id"]]},
                )


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
    return {"step": copy_step(tx, step, **changed, origin_step_id=step["id"])}


def _copy_standard_step(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    step = require_row(tx, "steps", int(args["input"]["stepId"]))
    return {"step": copy_step(tx, step, family_id=None, version=1, origin_step_id=None)}


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


def _copy_field(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    field = require_row(tx, "steps_fields", int(args["input"]["fieldId"]))
    step = int(args["input"]["stepId"])
    position = next_position(tx, "steps_fields", "step_id", step)
    return {
        "stepField": tx.insert("steps_fields", copy_row(field, step_id=step, position=position))
    }


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
_MERGED_FIELD_COLUMNS = (
    "name", "type", "required", "allow_not_applicable", "help_text", "display", "options", "unit", "position",
    "part_id", "part_subtype_id", "signoff_role_id", "peer_review_required", "allowed_ion_type",
)  # fmt: skip


def _merge_to_procedure(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Merge a step of a run to a step of a procedure, or to a new step (assumed)."""
    values = args["input"]
    source = require_row(tx, "run_steps", int(values["id"]))
    procedure = require_row(tx, "procedures", int(values["procedureId"]))
    content = {c: source[c] for c in _MERGED_COLUMNS}
    if values.get("stepId"):
        step = require_row(tx, "steps", int(values["stepId"]))
        check_etag(tx, "steps", step, values.get("etag"))
        ensure(step["procedure_id"] == procedure["id"], "The step is not of this procedure.")
        key: int = step["id"]
        tx.update("steps", key, content)
    else:
        place = next_position(tx, "steps", "procedure_id", procedure["id"])
        key = tx.insert(
            "steps", {**content, "version": 1, "procedure_id": procedure["id"], "position": place}
        )
        tx.update("steps", key, {"family_id": key})
        create_attributes(tx, tx.catalog.resources["steps"], key)
    _merge_fields(
        tx, ("run_steps_fields", "run_step_id", source["id"]), ("steps_fields", "step_id", key)
    )
    return {"step": key}


def _merge_fields(
    tx: Transaction, source: tuple[str, str, int], target: tuple[str, str, int]
) -> None:
    """Copy the fields of a step to another; fields of the same name are updated."""
    known = {f["name"]: f for f in tx.find(target[0], "id", **{target[1]: target[2]})}
    extra = {"not_applicable": 0} if target[0] == "run_steps_fields" else {}
    for field in tx.find(source[0], "position, id", **{source[1]: source[2]}):
        values = {c: field[c] for c in _MERGED_FIELD_COLUMNS}
        if field["name"] in known:
            tx.update(target[0], known[field["name"]]["id"], values)
        else:
            tx.insert(target[0], {**values, **extra, target[1]: target[2]})


def _merge_to_runs(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Merge a step of a run to steps of other runs, or to new steps (assumed)."""
    source = require_row(tx, "run_steps", int(args["input"]["id"]))
    content = {c: source[c] for c in _MERGED_COLUMNS}
    created: list[int] = []
    for target in args["input"]["runs"]:
        run = require_row(tx, "runs", int(target["runId"]))
        if target.get("runStepId"):
            step = require_row(tx, "run_steps", int(target["runStepId"]))
            check_etag(tx, "run_steps", step, target.get("etag"))
            ensure(step["run_id"] == run["id"], "The step is not of this run.")
            key: int = step["id"]
            tx.update("run_steps", key, content)
        else:
            place = next_position(tx, "run_steps", "run_id", run["id"])
            new = {"run_id": run["id"], "position": place, "status": "todo", "is_standard_step": 0}
            key = tx.insert("run_steps", {**content, **new})
            create_attributes(tx, tx.catalog.resources["run_steps"], key)
        _merge_fields(
            tx,
            ("run_steps_fields", "run_step_id", source["id"]),
            ("run_steps_fields", "run_step_id", key),
        )
        created.append(key)
    return {"steps": created}


MUTATIONS: Mapping[str, Handler] = {
    "createProcedureVersion": _create_procedure_version,
    "cloneProcedure": _clone_procedure,
    "copyStep": _copy_step,
    "copyStandardStep": _copy_standard_step,
    "createStandardStepVersion": _create_standard_step_version,
    "copyField": _copy_field,
    "importStepsFromPdf": _import_steps_from_pdf,
    "mergeRunStep": _merge_to_procedure,
    "mergeRunStepToProcedure": _merge_to_procedure,
    "mergeRunStepToRuns": _merge_to_runs,
}
"""Handlers by mutation name."""
