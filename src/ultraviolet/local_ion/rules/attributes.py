"""Custom attributes: one row per object and key."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.rules.organization import load_attribute_definitions
from ultraviolet.local_ion.rules.validation import check_etag, check_value, require_row
from ultraviolet.local_ion.store.audit_log import last_action_id
from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.transaction import Row, Transaction

_FILE = re.compile(r"(?:.*/files/)?(\d+)(?:[/?].*)?")
"""The id of a file attachment, or the URL of the file."""


def create_attributes(
    tx: Transaction, owner: Resource, owner_id: int, given: Iterable[Mapping[str, Any]] = ()
) -> None:
    """Insert a row for every defined or given attribute of a new object."""
    assert owner.attributes is not None
    resource = tx.catalog.resources[owner.attributes]
    definitions = load_attribute_definitions(tx, owner.name)
    values = {**dict.fromkeys(definitions), **{a["key"]: a.get("value") for a in given}}
    for key, value in values.items():
        _insert(tx, resource, owner_id, key, value, definitions.get(key))


def add_unset_attributes(tx: Transaction, owner: Resource, key: str) -> None:
    """Insert the unset rows of an attribute for the objects without it.

    ION sends no events about them (assumed), because no object changes.
    """
    assert owner.attributes is not None
    attributes = tx.catalog.resources[owner.attributes]
    column = next(f.column for f in attributes.fields if f.name == attributes.owner_key)
    definition = load_attribute_definitions(tx, owner.name)[key]
    before = last_action_id(tx.connection)
    without = tx.connection.execute(
        f'SELECT o.id FROM "{owner.name}" o WHERE NOT EXISTS (SELECT 1 FROM "{attributes.name}" a'
        f' WHERE a."{column}" = o.id AND a.key = ?)',
        (key,),
    ).fetchall()
    for (owner_id,) in without:
        _insert(tx, attributes, owner_id, key, None, definition)
    tx.connection.execute(
        f'UPDATE "{attributes.name}" SET type = ? WHERE key = ? AND value IS NULL',
        (str(definition.get("type") or "string").lower(), key),
    )
    tx.connection.execute(
        "DELETE FROM logged_actions WHERE action_id > ? AND table_name = ?",
        (before, attributes.name),
    )


def update_attributes(
    tx: Transaction, owner: Resource, owner_id: int, given: Iterable[Mapping[str, Any]]
) -> None:
    """Set some attributes of an object."""
    assert owner.attributes is not None
    resource = tx.catalog.resources[owner.attributes]
    for attribute in given:
        values = {**attribute, resource.owner_key or "": owner_id}
        set_attribute(tx, owner, resource, values)


def copy_attributes(
    tx: Transaction, source: Resource, source_id: int, target: Resource, target_id: int
) -> None:
    """Create the attributes of a copy with the values of the original."""
    assert source.attributes is not None
    resource = tx.catalog.resources[source.attributes]
    column = next(f.column for f in resource.fields if f.name == resource.owner_key)
    rows = tx.find(resource.name, **{column: source_id})
    given = [
        {"key": r["key"], "value": r["file_attachment_id"] or json.loads(r["value"] or "null")}
        for r in rows
    ]
    create_attributes(tx, target, target_id, given)


def set_attribute(
    tx: Transaction, owner: Resource, resource: Resource, values: Mapping[str, Any]
) -> str:
    """Set one attribute of an object and return the id of its row."""
    owner_id, key = int(values[resource.owner_key or ""]), values["key"]
    require_row(tx, owner.name, owner_id)
    row_id = f"{owner_id}-{key}"
    row = tx.get(resource.name, row_id)
    definition = load_attribute_definitions(tx, owner.name).get(key)
    if row is None:
        if definition is None:
            raise GraphQLError(f"{owner.type} has no attribute {key}")
        _insert(tx, resource, owner_id, key, values.get("value"), definition)
        return row_id
    check_etag(tx, resource.name, row, values.get("etag"))
    if "value" in values:
        options = (definition or {}).get("options")
        check_value(key, row["type"], options, values["value"])
        tx.update(resource.name, row_id, value_columns(tx, key, row["type"], values["value"]))
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
    inferred = "multiselect" if isinstance(value, list) else "string"
    if isinstance(value, bool | int | float):
        inferred = "boolean" if isinstance(value, bool) else "number"
    kind = str((definition or {}).get("type") or inferred).lower()
    row = {
        "id": f"{owner_id}-{key}",
        "key": key,
        column: owner_id,
        "type": kind,
        **value_columns(tx, key, kind, value),
    }
    tx.insert(resource.name, row)


def value_columns(tx: Transaction, key: str, kind: str | None, value: Any) -> Row:
    """Return the columns of a value; the value of a file is the id of its attachment (seen).

    A number becomes text where text is expected, as in other inputs.
    """
    if value is None or kind != "file_attachment":
        if kind == "string" and isinstance(value, bool | int | float):
            value = str(value).lower() if isinstance(value, bool) else str(value)
        text = None if value is None else dump_json(value)
        return {
            "value": text,
            **({"file_attachment_id": None} if kind == "file_attachment" else {}),
        }
    found = _FILE.fullmatch(str(value))
    if found is None:
        raise GraphQLError(f"{value!r} is not a valid value of {key}: expected a file attachment.")
    file = require_row(tx, "file_attachments", int(found[1]))
    return {"value": None, "file_attachment_id": file["id"]}
