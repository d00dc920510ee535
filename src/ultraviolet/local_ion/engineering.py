"""Parts, bills of material and procedures: revisions, versions, copies."""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.behaviours import next_position
from ultraviolet.local_ion.checks import checked, require, same_etag
from ultraviolet.local_ion.store import Row, Transaction, encode_input
from ultraviolet.local_ion.writing import create

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
    return {"part": tx.insert("parts", row)}


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
    key = tx.insert("abom_items", {"quantity": 0.0, **row})
    tx.insert("abom_edges", {"parent_abom_item_id": parent["id"], "child_abom_item_id": key})
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
        tx.insert(
            "abom_edges", {"parent_abom_item_id": int(values["parentId"]), "child_abom_item_id": item["id"]}
        )
    _designate(tx, item["id"], rest.get("referenceDesignator"))
    return {"abomItem": item["id"]}


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
    key = tx.insert("steps", copied(step, **changed))
    if changed.get("family_id") is None:
        tx.update("steps", key, {"family_id": key})
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


MUTATIONS: Mapping[str, Handler] = {
    "createPartRevision": _part_revision,
    "createOrUpdateMultipleParts": _parts,
    "createMultipleMbomItems": _mbom_items,
    "createMbomSubstitutes": _substitutes,
    "createAbomForPartInventory": _abom,
    "createAbomItem": _create_abom_item,
    "updateAbomItem": _update_abom_item,
    "createProcedureVersion": _procedure_version,
    "cloneProcedure": _clone,
    "copyStep": _copy_step,
    "copyStandardStep": _copy_standard_step,
    "createStandardStepVersion": _standard_step_version,
    "copyField": _copy_field,
}
"""By name."""
