"""Custom attributes: rows of their own, one an object and key."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.ion.catalog import Resource
from ultraviolet.local_ion.rules.validation import require, same_etag
from ultraviolet.local_ion.rules.values import check_value
from ultraviolet.local_ion.store.store import Transaction, dump

SETTINGS: Mapping[str, str] = {
    "issues": "issues",
    "locations": "locations",
    "mboms": "mboms",
    "part_kit_items": "partKitItems",
    "parts_kits": "partsKits",
    "parts": "parts",
    "parts_inventory": "partsInventory",
    "procedures": "procedures",
    "purchase_order_lines": "purchaseOrderLines",
    "purchase_orders": "purchaseOrders",
    "receipts": "receipts",
    "runs": "runs",
    "run_steps": "runSteps",
    "steps": "steps",
    "suppliers": "suppliers",
}
"""Where the organization's settings keep the definitions, by resource."""


def definitions(tx: Transaction, owner: Resource) -> dict[str, dict[str, Any]]:
    """Give the attributes the organization has defined for a resource, by key."""
    settings = json.loads(tx.scalar("SELECT settings FROM organizations WHERE id = 1") or "{}")
    section = settings.get(SETTINGS.get(owner.name, ""), {})
    return {d["key"]: d for d in section.get("attributes", [])}


def set_attributes(
    tx: Transaction, owner: Resource, owner_id: int, given: Iterable[Mapping[str, Any]], *, new: bool
) -> None:
    """Set attributes of an object; a new object has a row for each one defined, filled or empty."""
    assert owner.attributes is not None
    resource = tx.catalog.resources[owner.attributes]
    known = definitions(tx, owner)
    if new:
        values = {**dict.fromkeys(known), **{a["key"]: a.get("value") for a in given}}
        for key, value in values.items():
            _insert(tx, resource, owner_id, key, value, known.get(key))
        return
    for attribute in given:
        change_attribute(tx, owner, resource, {**attribute, resource.owner_key or "": owner_id})


def values_of(tx: Transaction, owner: Resource, owner_id: int) -> list[dict[str, Any]]:
    """Give the attributes of an object as an input would, for a copy of it."""
    assert owner.attributes is not None
    resource = tx.catalog.resources[owner.attributes]
    column = next(f.column for f in resource.fields if f.name == resource.owner_key)
    rows = tx.find(resource.name, **{column: owner_id})
    return [{"key": r["key"], "value": None if r["value"] is None else json.loads(r["value"])} for r in rows]


def change_attribute(tx: Transaction, owner: Resource, resource: Resource, values: Mapping[str, Any]) -> str:
    """Set one attribute of an object; gives the row's id."""
    owner_id, key = int(values[resource.owner_key or ""]), values["key"]
    require(tx, owner.name, owner_id)
    row_id = f"{owner_id}-{key}"
    row = tx.get(resource.name, row_id)
    if row is None:
        known = definitions(tx, owner)
        if key not in known:
            raise GraphQLError(f"{owner.type} has no attribute {key}")
        _insert(tx, resource, owner_id, key, values.get("value"), known[key])
        return row_id
    same_etag(tx, resource.name, row, values.get("etag"))
    if "value" in values:
        options = definitions(tx, owner).get(key, {}).get("options")
        check_value(key, row["type"], options, values["value"])
        tx.update(resource.name, row_id, {"value": _dumped(values["value"])})
    return row_id


def _insert(
    tx: Transaction,
    resource: Resource,
    owner_id: int,
    key: str,
    value: Any,
    definition: Mapping[str, Any] | None,
) -> None:
    column = next(f.column for f in resource.fields if f.name == resource.owner_key)
    if definition is not None:
        check_value(key, definition.get("type"), definition.get("options"), value)
    row = {
        "id": f"{owner_id}-{key}",
        "key": key,
        column: owner_id,
        "type": str((definition or {}).get("type") or _type(value)).lower(),
        "value": _dumped(value),
    }
    tx.insert(resource.name, row)


def _dumped(value: Any) -> str | None:
    return None if value is None else dump(value)


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "multiselect" if isinstance(value, list) else "string"
