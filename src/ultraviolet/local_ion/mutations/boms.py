"""Parts, bills of material and procedures: revisions, versions, copies."""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.mutations.crud import create
from ultraviolet.local_ion.rules.attributes import set_attributes, values_of
from ultraviolet.local_ion.rules.hooks import next_position, refuse_unless
from ultraviolet.local_ion.rules.inventory import check_installed, check_tree
from ultraviolet.local_ion.rules.runs import copy_assets, copy_datagrid
from ultraviolet.local_ion.rules.validation import checked, require, same_etag
from ultraviolet.local_ion.store.store import Row, Transaction, encode_input

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]
_OWN = {
    "id",
    "_etag",
    "_created",
    "_updated",
    "created_by_id",
    "updated_by_id",
    "last_session_id",
    "entity_id",
}


def copied(row: Row, **changed: Any) -> Row:
    """Copy a row without what is its own alone."""
    return {**{k: v for k, v in row.items() if k not in _OWN}, **changed}


def next_revision(revision: str) -> str:
    """Give the revision after one: B after A, AA after Z; numbers count."""
    if revision.isdecimal():
        return str(int(revision) + 1)
    if not revision or not revision[-1].isalpha() or not revision[-1].isascii():
        return f"{revision}A"
    if revision[-1].upper() != "Z":
        return revision[:-1] + chr(ord(revision[-1]) + 1)
    return f"{next_revision(revision[:-1]) if revision[:-1] else 'A'}A"


def _part_revision(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    part = checked(tx, "parts", args["input"])
    resource = tx.catalog.resources["parts"]
    latest = tx.scalar(
        "SELECT revision FROM parts WHERE part_number = ? ORDER BY length(revision) DESC, revision DESC LIMIT 1",
        part["part_number"],
    )
    given, _ = encode_input(resource, {k: v for k, v in args["input"].items() if k not in {"id", "etag"}})
    row = copied(part, revised_from_id=part["id"], revision=next_revision(latest), **given)
    key: int = tx.insert("parts", row)
    set_attributes(tx, resource, key, values_of(tx, resource, part["id"]), new=True)
    for tied in tx.find("part_part_subtypes", part_id=part["id"]):
        tx.insert("part_part_subtypes", {"part_id": key, "part_subtype_id": tied["part_subtype_id"]})
    return {"part": key}


def _parts(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    resource = tx.catalog.resources["parts"]
    made: list[int] = []
    for values in args["input"]["parts"] or ():
        revision = values.get("revision") or "A"
        found = tx.find("parts", part_number=values["partNumber"], revision=revision)
        if found:
            row, _ = encode_input(resource, values)
            tx.update("parts", found[0]["id"], row)
            made.append(found[0]["id"])
        else:
            made.append(create(tx, resource, values))
    return {"parts": made}


def _mbom_items(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    resource = tx.catalog.resources["mbom_item"]
    return {"mbomItems": [create(tx, resource, v) for v in args["input"]["mbomItems"] or ()]}


def _substitutes(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    resource = tx.catalog.resources["mbom_substitute"]
    return {"mbomSubstitutes": [create(tx, resource, v) for v in args["input"] or ()]}


def _abom(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Make the as-built structure of an inventory from the latest mBOM of its part."""
    inventory = require(tx, "parts_inventory", int(args["id"]))
    same_etag(tx, "parts_inventory", inventory, args["etag"])
    if tx.find("abom_items", part_inventory_id=inventory["id"]):
        raise GraphQLError("This inventory has an aBOM already.")
    root = tx.insert(
        "abom_items",
        {
            "part_inventory_id": inventory["id"],
            "part_id": inventory["part_id"],
            "quantity": inventory["quantity"],
        },
    )
    mbom = tx.scalar(
        "SELECT id FROM mboms WHERE part_id = ? ORDER BY version DESC LIMIT 1", inventory["part_id"]
    )
    for item in tx.find("mbom_item", "id", mbom_id=mbom) if mbom else ():
        child = tx.insert(
            "abom_items",
            {
                "part_id": item["part_id"],
                "origin_mbom_item_id": item["id"],
                "expected_quantity_per": item["quantity"],
                "quantity": 0.0,
            },
        )
        tx.insert("abom_edges", {"parent_abom_item_id": root, "child_abom_item_id": child})
    return {"abomItem": root}


def _create_abom_item(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    parent = require(tx, "abom_items", int(values["parentId"]))
    row, rest = encode_input(tx.catalog.resources["abom_items"], values)
    key: int = tx.insert("abom_items", {"quantity": 0.0, **row})
    _put_under(tx, parent["id"], key)
    check_installed(tx, require(tx, "abom_items", key))
    _designate(tx, key, rest.get("referenceDesignator"))
    return {"abomItem": key}


def _update_abom_item(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    item = checked(tx, "abom_items", values)
    given = {k: v for k, v in values.items() if k not in {"id", "etag", "parentId"}}
    row, rest = encode_input(tx.catalog.resources["abom_items"], given)
    tx.update("abom_items", item["id"], row)
    if values.get("parentId") is not None:
        tx.delete_where("abom_edges", child_abom_item_id=item["id"])
        _put_under(tx, int(values["parentId"]), item["id"])
    check_installed(tx, require(tx, "abom_items", item["id"]))
    _designate(tx, item["id"], rest.get("referenceDesignator"))
    return {"abomItem": item["id"]}


def _put_under(tx: Transaction, parent_id: int, child_id: int) -> None:
    require(tx, "abom_items", parent_id)
    check_tree(tx, parent_id, child_id)
    tx.insert("abom_edges", {"parent_abom_item_id": parent_id, "child_abom_item_id": child_id})


def _install_kit(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Install what was issued to a kit on the items of an aBOM that want its parts (assumed: first come, first served)."""
    root = checked(tx, "abom_items", args["input"], "abomItemId")
    kit = require(tx, "parts_kits", args["input"]["partKitId"])
    done: list[int] = []
    for item in tx.connection.execute(CHILDREN, (root["id"],)).fetchall():
        found = tx.connection.execute(ISSUED, (kit["id"], item[1])).fetchone()
        if found is not None:
            tx.update("abom_items", item[0], {"part_inventory_id": found[0], "quantity": found[1]})
            check_installed(tx, require(tx, "abom_items", item[0]))
            done.append(item[0])
    refuse_unless(done, "Nothing in this kit is wanted by the items of this aBOM.")
    tx.touch("abom_items", root["id"])
    return {"abomItems": done}


# an aBOM item's children that nothing is installed on
CHILDREN = """
SELECT a.id, a.part_id FROM abom_edges e JOIN abom_items a ON a.id = e.child_abom_item_id
 WHERE e.parent_abom_item_id = ? AND a.part_inventory_id IS NULL ORDER BY a.id"""
# what a kit holds of a part and is not installed anywhere
ISSUED = """
SELECT v.id, k.quantity FROM part_kit_items i JOIN part_kit_inventories k ON k.part_kit_item_id = i.id
  JOIN parts_inventory v ON v.id = k.part_inventory_id
 WHERE i.part_kit_id = ? AND v.part_id = ?
   AND NOT EXISTS (SELECT 1 FROM abom_items a WHERE a.part_inventory_id = v.id AND a.quantity > 0)
 ORDER BY v.id LIMIT 1"""


def _designate(tx: Transaction, item_id: int, value: str | None) -> None:
    if value is None:
        return
    found = tx.find("abom_item_reference_designators", abom_item_id=item_id)
    if found:
        tx.update("abom_item_reference_designators", found[0]["id"], {"value": value})
    else:
        tx.insert("abom_item_reference_designators", {"abom_item_id": item_id, "value": value})


def _procedure_version(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    family = int(args["familyId"])
    versions = tx.find("procedures", "version DESC", family_id=family)
    if not versions:
        raise GraphQLError(f"Procedure family {family} does not exist.")
    source = require(tx, "procedures", int(args["procedureId"])) if args.get("procedureId") else versions[0]
    row = copied(source, version=versions[0]["version"] + 1, status="draft", family_id=family)
    key = tx.insert("procedures", row)
    copy_procedure(tx, source["id"], key, same_family=True)
    return {"procedure": key}


def _clone(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    source = require(tx, "procedures", int(args["procedureId"]))
    same_etag(tx, "procedures", source, args["etag"])
    title = f"{source['title']} (copy)"
    key = tx.insert("procedures", copied(source, version=1, status="draft", family_id=None, title=title))
    tx.update("procedures", key, {"family_id": key})
    copy_procedure(tx, source["id"], key, same_family=False)
    return {"procedure": key}


def copy_procedure(tx: Transaction, source_id: int, target_id: int, *, same_family: bool) -> None:
    """Copy all steps of a procedure, with their fields and order, to another."""
    made: dict[int, int] = {}
    for step in tx.find("steps", "parent_id, position, id", procedure_id=source_id):
        family = step["family_id"] if same_family else None
        changed = {"procedure_id": target_id, "family_id": family, "parent_id": made.get(step["parent_id"])}
        made[step["id"]] = copy_step(tx, step, **changed)
    for old, new in made.items():
        for edge in tx.find("steps_dags", "id", step_id=old):
            if edge["upstream_step_id"] in made:
                tx.insert("steps_dags", {"step_id": new, "upstream_step_id": made[edge["upstream_step_id"]]})


def copy_step(tx: Transaction, step: Row, **changed: Any) -> int:
    """Copy a step of a procedure with its fields."""
    key: int = tx.insert("steps", copied(step, **changed))
    if changed.get("family_id") is None:
        tx.update("steps", key, {"family_id": key})
    copy_datagrid(tx, ("step_id", step["id"]), ("step_id", key))
    copy_assets(tx, step["entity_id"], require(tx, "steps", key)["entity_id"])
    steps = tx.catalog.resources["steps"]
    set_attributes(tx, steps, key, values_of(tx, steps, step["id"]), new=True)
    for field in tx.find("steps_fields", "position, id", step_id=step["id"]):
        new = tx.insert("steps_fields", copied(field, step_id=key))
        for validation in tx.find("step_field_validations", "id", field_id=field["id"]):
            tx.insert("step_field_validations", copied(validation, field_id=new))
    return key


def _copy_step(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    step = require(tx, "steps", int(values["stepId"]))
    procedure = int(values["procedureId"]) if values.get("procedureId") else step["procedure_id"]
    parent = int(values["parentId"]) if values.get("parentId") else None
    position = next_position(tx, "steps", "procedure_id", procedure)
    changed = {"procedure_id": procedure, "parent_id": parent, "position": position, "family_id": None}
    return {"step": copy_step(tx, step, **changed, origin_step_id=step["id"])}


def _copy_standard_step(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    step = require(tx, "steps", int(args["input"]["stepId"]))
    return {"step": copy_step(tx, step, family_id=None, version=1, origin_step_id=None)}


def _standard_step_version(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    family = int(args["input"]["familyId"])
    versions = tx.find("steps", "version DESC", family_id=family)
    if not versions:
        raise GraphQLError(f"Step family {family} does not exist.")
    changed = {"version": versions[0]["version"] + 1, "standard_step_status": "draft", "family_id": family}
    return {"step": copy_step(tx, versions[0], **changed)}


def _copy_field(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    field = require(tx, "steps_fields", int(args["input"]["fieldId"]))
    step = int(args["input"]["stepId"])
    position = next_position(tx, "steps_fields", "step_id", step)
    return {"stepField": tx.insert("steps_fields", copied(field, step_id=step, position=position))}


def _import_pdf(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Make a step of each group of pages of a PDF; its text is not read (assumed)."""
    values = args["input"]
    procedure = require(tx, "procedures", int(values["procedureId"]))
    asset = require(tx, "file_attachments", int(values["pdfAssetId"]))
    steps = tx.catalog.resources["steps"]
    made: list[int] = []
    for group in values.get("stepPages") or ():
        title = group.get("title") or f"Pages {', '.join(map(str, group['pages']))}"
        given = {"procedureId": procedure["id"], "title": title, "pages": group["pages"]}
        made.append(create(tx, steps, {**given, "pdfAssetId": asset["id"], "displayPdf": True}))
    refuse_unless(made, "Say which pages become which step.")
    return {"steps": made}


_MERGED = (
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
_MERGED_FIELD = (
    "name", "type", "required", "allow_not_applicable", "help_text", "display", "options", "unit", "position",
    "part_id", "part_subtype_id", "signoff_role_id", "peer_review_required", "allowed_ion_type",
)  # fmt: skip


def _merge_to_procedure(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Carry a run's step, as redlined, over to a procedure: on one of its steps, or as a new one (assumed)."""
    values = args["input"]
    source = require(tx, "run_steps", int(values["id"]))
    procedure = require(tx, "procedures", int(values["procedureId"]))
    content = {c: source[c] for c in _MERGED}
    if values.get("stepId"):
        step = require(tx, "steps", int(values["stepId"]))
        same_etag(tx, "steps", step, values.get("etag"))
        refuse_unless(step["procedure_id"] == procedure["id"], "The step is not of this procedure.")
        key: int = step["id"]
        tx.update("steps", key, content)
    else:
        place = next_position(tx, "steps", "procedure_id", procedure["id"])
        key = tx.insert(
            "steps", {**content, "version": 1, "procedure_id": procedure["id"], "position": place}
        )
        tx.update("steps", key, {"family_id": key})
        set_attributes(tx, tx.catalog.resources["steps"], key, (), new=True)
    _merge_fields(tx, ("run_steps_fields", "run_step_id", source["id"]), ("steps_fields", "step_id", key))
    return {"step": key}


def _merge_fields(tx: Transaction, source: tuple[str, str, int], target: tuple[str, str, int]) -> None:
    """Give a step the fields of another, by their names."""
    known = {f["name"]: f for f in tx.find(target[0], "id", **{target[1]: target[2]})}
    extra = {"not_applicable": 0} if target[0] == "run_steps_fields" else {}
    for field in tx.find(source[0], "position, id", **{source[1]: source[2]}):
        values = {c: field[c] for c in _MERGED_FIELD}
        if field["name"] in known:
            tx.update(target[0], known[field["name"]]["id"], values)
        else:
            tx.insert(target[0], {**values, **extra, target[1]: target[2]})


def _merge_to_runs(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Carry a run's step over to other runs: on one of their steps, or as a new one (assumed)."""
    source = require(tx, "run_steps", int(args["input"]["id"]))
    content = {c: source[c] for c in _MERGED}
    made: list[int] = []
    for target in args["input"]["runs"]:
        run = require(tx, "runs", int(target["runId"]))
        if target.get("runStepId"):
            step = require(tx, "run_steps", int(target["runStepId"]))
            same_etag(tx, "run_steps", step, target.get("etag"))
            refuse_unless(step["run_id"] == run["id"], "The step is not of this run.")
            key: int = step["id"]
            tx.update("run_steps", key, content)
        else:
            place = next_position(tx, "run_steps", "run_id", run["id"])
            new = {"run_id": run["id"], "position": place, "status": "todo", "is_standard_step": 0}
            key = tx.insert("run_steps", {**content, **new})
            set_attributes(tx, tx.catalog.resources["run_steps"], key, (), new=True)
        _merge_fields(
            tx, ("run_steps_fields", "run_step_id", source["id"]), ("run_steps_fields", "run_step_id", key)
        )
        made.append(key)
    return {"steps": made}


MUTATIONS: Mapping[str, Handler] = {
    "createPartRevision": _part_revision,
    "createOrUpdateMultipleParts": _parts,
    "createMultipleMbomItems": _mbom_items,
    "createMbomSubstitutes": _substitutes,
    "createAbomForPartInventory": _abom,
    "createAbomItem": _create_abom_item,
    "updateAbomItem": _update_abom_item,
    "installKitOnAbomItemChildren": _install_kit,
    "createProcedureVersion": _procedure_version,
    "cloneProcedure": _clone,
    "copyStep": _copy_step,
    "copyStandardStep": _copy_standard_step,
    "createStandardStepVersion": _standard_step_version,
    "copyField": _copy_field,
    "importStepsFromPdf": _import_pdf,
    "mergeRunStep": _merge_to_procedure,
    "mergeRunStepToProcedure": _merge_to_procedure,
    "mergeRunStepToRuns": _merge_to_runs,
}
"""By name."""
