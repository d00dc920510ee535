"""Create, update and delete one object: defaults, hooks, custom attributes and entity."""

import json
from collections.abc import Mapping
from typing import Any

from graphql import GraphQLEnumType, GraphQLError

from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.rules.attributes import create_attributes, update_attributes
from ultraviolet.local_ion.rules.defaults import DEFAULTS
from ultraviolet.local_ion.rules.hooks import Hooks
from ultraviolet.local_ion.rules.registry import HOOKS
from ultraviolet.local_ion.rules.validation import check_etag, check_nulls, require_row
from ultraviolet.local_ion.store.columns import encode_input
from ultraviolet.local_ion.store.transaction import Row, Transaction

_NO_HOOKS = Hooks()
_STAMPS = {
    "_created",
    "_updated",
    "_etag",
    "Created",
    "Updated",
    "Etag",
    "LastSessionId",
    "createdById",
    "updatedById",
}
_FIRST_STATUSES = ("DRAFT", "PENDING", "TODO", "QUEUED")
_ENTITY_TABLES = (
    "entity_labels", "entity_requirements", "entity_file_attachments", "entity_assets", "barcode_labels",
    "user_subscriptions", "plan_item_results",
)  # fmt: skip
"""Tables whose rows are deleted with their entity, besides its comments."""


def create(tx: Transaction, resource: Resource, values: dict[str, Any]) -> Any:
    """Create an object from an input and return its key."""
    hooks = HOOKS.get(resource.name, _NO_HOOKS)
    defaults = _defaults(tx, resource)
    given, extra = encode_input(resource, values)
    row = {c: v(tx) if callable(v) else v for c, v in defaults.items()}
    row.update({c: v for c, v in given.items() if v is not None or c not in defaults})
    hooks.before_create(tx, row, extra)
    hooks.before_write(tx, {}, row, extra)
    key = tx.insert(resource.name, row)
    if resource.attributes is not None:
        create_attributes(tx, resource, key, extra.get("attributes") or [])
    hooks.after_create(tx, key, extra)
    return key


def update(tx: Transaction, resource: Resource, values: dict[str, Any]) -> Any:
    """Update an object from an input and return its key; absent members do not change."""
    hooks = HOOKS.get(resource.name, _NO_HOOKS)
    key, old = find(tx, resource, values)
    check_etag(tx, resource.name, old, values.pop("etag", None))
    check_nulls(resource, values)
    row, extra = encode_input(resource, {k: v for k, v in values.items() if k not in resource.key})
    hooks.before_update(tx, old, row, extra)
    hooks.before_write(tx, old, row, extra)
    columns = tx.schema.tables[resource.name].columns
    row = {c: v for c, v in row.items() if columns[c] != "json" or not _is_same(old[c], v)}
    tx.update(resource.name, key, row)
    if resource.attributes is not None and extra.get("attributes"):
        update_attributes(tx, resource, key, extra["attributes"])
    hooks.after_update(tx, old, row, extra)
    return key


def _is_same(old: str | None, new: str | None) -> bool:
    """Return whether two JSON texts have the same value, whose members may have another order."""
    if old is None or new is None:
        return old is new
    one, other = (json.dumps(json.loads(text), sort_keys=True) for text in (old, new))
    return one == other


def delete(tx: Transaction, resource: Resource, key: Any, old: Row) -> None:
    """Delete an object and the rows that belong only to it."""
    hooks = HOOKS.get(resource.name, _NO_HOOKS)
    hooks.before_delete(tx, old)
    for table, column in hooks.owned:
        child = tx.catalog.resources[table]
        for row in tx.find(table, **{column: old["id"]}):
            columns = tx.schema.tables[child.name].key
            key_values = tuple(row[c] for c in columns)
            delete(tx, child, key_values if len(columns) > 1 else key_values[0], row)
    for table, column in hooks.associations:
        tx.delete_where(table, **{column: old["id"]})
    if resource.attributes is not None:
        attributes = tx.catalog.resources[resource.attributes]
        column = next(f.column for f in attributes.fields if f.name == attributes.owner_key)
        tx.delete_where(attributes.name, **{column: old["id"]})
    if resource.name in tx.schema.entity_tables:
        for table in _ENTITY_TABLES:
            tx.delete_where(table, entity_id=old["entity_id"])
        for comment in tx.find("comments", "depth DESC", entity_id=old["entity_id"]):
            tx.delete("comments", comment["id"])
    tx.delete(resource.name, key)
    hooks.after_delete(tx, old)


def find(tx: Transaction, resource: Resource, values: Mapping[str, Any]) -> tuple[Any, Row]:
    """Return the key and row that an input names."""
    given, _ = encode_input(resource, {k: v for k, v in values.items() if k in resource.key})
    columns = tx.schema.tables[resource.name].key
    if any(c not in given for c in columns):
        raise GraphQLError(f"{resource.type} requires {', '.join(resource.key)}")
    key = given[columns[0]] if len(columns) == 1 else tuple(given[c] for c in columns)
    return key, require_row(tx, resource.name, key)


def _defaults(tx: Transaction, resource: Resource) -> Row:
    """Return the default values of a new row: from the rules, or a zero value if required."""
    known = tx.schema.default_rows.get(resource.name)
    if known is not None:
        return known
    found: Row = {}
    ruled = DEFAULTS.get(resource.name, {})
    links = {link.column for link in resource.links}
    for field in resource.fields:
        needed = field.stored and field.required and field.name not in {*resource.key, *_STAMPS}
        if needed and field.column not in links and field.column not in ruled:
            if field.enum:
                kind = tx.catalog.schema.type_map[field.type]
                assert isinstance(kind, GraphQLEnumType)
                first = (v for v in _FIRST_STATUSES if v in kind.values)
                value: Any = next(first, next(iter(kind.values))).lower()
            elif field.type in {"Int", "Float", "Boolean"}:
                value = None if field.column.endswith("_id") else 0
            else:
                value = None if field.type in {"DateTime", "ID"} else ""
            found[field.column] = value
    known = tx.schema.default_rows[resource.name] = {**found, **ruled}
    return known
