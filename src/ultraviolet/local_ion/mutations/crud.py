"""Writing one object: defaults, behaviours, custom attributes and entity, the same for every type."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLEnumType, GraphQLError

from ultraviolet.ion.catalog import Catalog, Field, Resource
from ultraviolet.local_ion.rules.attributes import set_attributes
from ultraviolet.local_ion.rules.hooks import Behaviour
from ultraviolet.local_ion.rules.registry import BEHAVIOURS, DEFAULTS
from ultraviolet.local_ion.rules.validation import require, same_etag
from ultraviolet.local_ion.store.store import Row, Transaction, encode_input

_NONE = Behaviour()
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
_OF_ENTITY = (
    "entity_labels", "entity_requirements", "entity_file_attachments", "entity_assets", "barcode_labels",
    "user_subscriptions", "plan_item_results",
)  # fmt: skip
"""Tables whose rows go with the entity they are of, beside its comments."""


def create(tx: Transaction, resource: Resource, values: dict[str, Any]) -> Any:
    """Make an object from an input; gives its id."""
    behaviour = BEHAVIOURS.get(resource.name, _NONE)
    defaults = _defaults(tx, resource)
    given, rest = encode_input(resource, values)
    row = {**_filled(tx, defaults), **{k: v for k, v in given.items() if v is not None or k not in defaults}}
    if behaviour.before_create:
        behaviour.before_create(tx, row, rest)
    key = tx.insert(resource.name, row)
    if resource.attributes is not None:
        set_attributes(tx, resource, key, rest.get("attributes") or [], new=True)
    if behaviour.after_create:
        behaviour.after_create(tx, key, rest)
    return key


def update(tx: Transaction, resource: Resource, values: dict[str, Any]) -> Any:
    """Change an object as an input says; absent members stay as they are."""
    behaviour = BEHAVIOURS.get(resource.name, _NONE)
    key, old = find(tx, resource, values)
    same_etag(tx, resource.name, old, values.pop("etag", None))
    row, rest = encode_input(resource, {k: v for k, v in values.items() if k not in resource.key})
    if behaviour.before_update:
        behaviour.before_update(tx, old, row, rest)
    tx.update(resource.name, key, row)
    if resource.attributes is not None and rest.get("attributes"):
        set_attributes(tx, resource, key, rest["attributes"], new=False)
    if behaviour.after_update:
        behaviour.after_update(tx, old, row, rest)
    return key


def delete(tx: Transaction, resource: Resource, key: Any, old: Row) -> None:
    """Delete an object and what belongs to it alone."""
    behaviour = BEHAVIOURS.get(resource.name, _NONE)
    if behaviour.before_delete:
        behaviour.before_delete(tx, old)
    for table, column in behaviour.owned:
        child = tx.catalog.resources[table]
        for row in tx.find(table, **{column: old["id"]}):
            delete(tx, child, _key(tx, child, row), row)
    for table, column in behaviour.ties:
        tx.delete_where(table, **{column: old["id"]})
    if resource.attributes is not None:
        attributes = tx.catalog.resources[resource.attributes]
        column = next(f.column for f in attributes.fields if f.name == attributes.owner_key)
        tx.delete_where(attributes.name, **{column: old["id"]})
    if resource.name in tx.store.entity_tables:
        _delete_of_entity(tx, old["entity_id"])
    tx.delete(resource.name, key)
    if behaviour.after_delete:
        behaviour.after_delete(tx, old)


def _delete_of_entity(tx: Transaction, entity_id: int) -> None:
    for table in _OF_ENTITY:
        tx.delete_where(table, entity_id=entity_id)
    comments = tx.find("comments", "depth DESC", entity_id=entity_id)
    for comment in comments:
        tx.delete("comments", comment["id"])


def find(tx: Transaction, resource: Resource, values: Mapping[str, Any]) -> tuple[Any, Row]:
    """Give the key and row an input names."""
    given, _ = encode_input(resource, {k: v for k, v in values.items() if k in resource.key})
    columns = tx.store.tables[resource.name].key
    if any(c not in given for c in columns):
        raise GraphQLError(f"{resource.type} is named by {', '.join(resource.key)}")
    key = given[columns[0]] if len(columns) == 1 else tuple(given[c] for c in columns)
    return key, require(tx, resource.name, key)


def _filled(tx: Transaction, defaults: Row) -> Row:
    return {c: v(tx) if callable(v) else v for c, v in defaults.items()}


def _defaults(tx: Transaction, resource: Resource) -> Row:
    """Give what a new row has where the input says nothing: what the rules say, else what the type must have."""
    known = tx.store.defaults.get(resource.name)
    if known is not None:
        return known
    found: Row = {}
    ruled = DEFAULTS.get(resource.name, {})
    links = {link.column for link in resource.links}
    for field in resource.fields:
        needed = field.stored and field.required and field.name not in {*resource.key, *_STAMPS}
        if needed and field.column not in links and field.column not in ruled:
            found[field.column] = _zero(tx.catalog, field)
    known = tx.store.defaults[resource.name] = {**found, **ruled}
    return known


def _zero(catalog: Catalog, field: Field) -> Any:
    if field.enum:
        kind = catalog.schema.type_map[field.type]
        assert isinstance(kind, GraphQLEnumType)
        values = list(kind.values)
        return next((v for v in ("DRAFT", "PENDING", "TODO", "QUEUED") if v in values), values[0]).lower()
    if field.type in {"Int", "Float", "Boolean"}:
        return None if field.column.endswith("_id") else 0
    return None if field.type in {"DateTime", "ID"} else ""


def _key(tx: Transaction, resource: Resource, row: Row) -> Any:
    columns = tx.store.tables[resource.name].key
    return row[columns[0]] if len(columns) == 1 else tuple(row[c] for c in columns)
