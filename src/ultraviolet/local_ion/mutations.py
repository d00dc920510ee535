"""Generic create, update and delete for every type that has them, and the table of all served mutations."""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import GraphQLEnumType, GraphQLError, GraphQLObjectType, get_named_type

from ultraviolet.ion.catalog import Catalog, Field, Resource
from ultraviolet.local_ion.attributes import change_attribute, set_attributes
from ultraviolet.local_ion.behaviours import BEHAVIOURS, DEFAULTS, Behaviour
from ultraviolet.local_ion.checks import require, same_etag
from ultraviolet.local_ion.columns import decoder
from ultraviolet.local_ion.special import SPECIAL
from ultraviolet.local_ion.store import Row, Transaction, encode_input

Payload = dict[str, Any]
Handler = Callable[[Transaction, dict[str, Any]], Payload]
"""Carries out a mutation; answers by field name, an id where the payload shows an object."""

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


def handlers(catalog: Catalog) -> dict[str, Handler]:
    """Give all mutations this local ION serves."""
    mutations = catalog.schema.mutation_type
    assert mutations is not None
    found: dict[str, Handler] = {}
    for resource in catalog.resources.values():
        for name, make in (
            (resource.create, _create),
            (resource.update, _update),
            (resource.delete, _delete),
        ):
            if name is not None and name not in SPECIAL:
                payload = get_named_type(mutations.fields[name].type)
                assert isinstance(payload, GraphQLObjectType)
                found[name] = make(catalog, resource, payload)
    found.update(SPECIAL)
    return {name: found[name] for name in mutations.fields if name in found}


def _members(args: Mapping[str, Any]) -> dict[str, Any]:
    """Give a mutation's values, be they arguments or members of its input."""
    values: dict[str, Any] = {}
    for name, value in args.items():
        if name in {"input", "deleteInput"}:
            values.update(value or {})
        else:
            values[name] = value
    return values


def _shown(payload: GraphQLObjectType, resource: Resource) -> str | None:
    return next((n for n, f in payload.fields.items() if get_named_type(f.type).name == resource.type), None)


def _create(catalog: Catalog, resource: Resource, payload: GraphQLObjectType) -> Handler:
    shown, defaults = _shown(payload, resource), _defaults(catalog, resource)

    def handle(tx: Transaction, args: dict[str, Any]) -> Payload:
        key = create(tx, resource, _members(args), defaults)
        return {shown: key} if shown else {}

    return handle


def create(tx: Transaction, resource: Resource, values: dict[str, Any], defaults: Row) -> Any:
    """Make an object from an input; gives its id."""
    behaviour = BEHAVIOURS.get(resource.name, _NONE)
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


def _filled(tx: Transaction, defaults: Row) -> Row:
    return {c: v(tx) if callable(v) else v for c, v in defaults.items()}


def _defaults(catalog: Catalog, resource: Resource) -> Row:
    """Give what a new row has where the input says nothing: what the rules say, else what the type must have."""
    found: Row = {}
    ruled = DEFAULTS.get(resource.name, {})
    links = {link.column for link in resource.links}
    for field in resource.fields:
        if field.stored and field.required and field.name not in resource.key and field.name not in _STAMPS:
            if field.column not in links and field.column not in ruled:
                found[field.column] = _zero(catalog, field)
    return {**found, **ruled}


def _zero(catalog: Catalog, field: Field) -> Any:
    if field.enum:
        kind = catalog.schema.type_map[field.type]
        assert isinstance(kind, GraphQLEnumType)
        values = list(kind.values)
        return next((v for v in ("DRAFT", "PENDING", "TODO", "QUEUED") if v in values), values[0]).lower()
    if field.type in {"Int", "Float", "Boolean"}:
        return None if field.column.endswith("_id") else 0
    return None if field.type in {"DateTime", "ID"} else ""


def _update(catalog: Catalog, resource: Resource, payload: GraphQLObjectType) -> Handler:
    shown = _shown(payload, resource)
    if resource.kind == "attribute":
        return _update_attribute(catalog, resource, shown)

    def handle(tx: Transaction, args: dict[str, Any]) -> Payload:
        key = update(tx, resource, _members(args))
        return {shown: key} if shown else {}

    return handle


def update(tx: Transaction, resource: Resource, values: dict[str, Any]) -> Any:
    """Change an object as an input says; absent members stay as they are."""
    behaviour = BEHAVIOURS.get(resource.name, _NONE)
    key, old = _find(tx, resource, values)
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


def _update_attribute(catalog: Catalog, resource: Resource, shown: str | None) -> Handler:
    assert resource.owner is not None
    owner = catalog.resources[resource.owner]

    def handle(tx: Transaction, args: dict[str, Any]) -> Payload:
        key = change_attribute(tx, owner, resource, args["input"])
        return {shown: key} if shown else {}

    return handle


def _delete(catalog: Catalog, resource: Resource, payload: GraphQLObjectType) -> Handler:
    del catalog
    shown = _shown(payload, resource)

    def handle(tx: Transaction, args: dict[str, Any]) -> Payload:
        values = _members(args)
        key, old = _find(tx, resource, values)
        if "etag" in values:
            same_etag(tx, resource.name, old, values["etag"])
        delete(tx, resource, key, old)
        if shown:
            return {shown: api_values(resource, old)}
        return api_values(resource, old)

    return handle


def delete(tx: Transaction, resource: Resource, key: Any, old: Row) -> None:
    """Delete an object and what belongs to it alone."""
    behaviour = BEHAVIOURS.get(resource.name, _NONE)
    if behaviour.before_delete:
        behaviour.before_delete(tx, old)
    for table, column in behaviour.owned:
        child = tx.catalog.resources[table]
        for row in tx.find(table, **{column: old["id"]}):
            delete(tx, child, _key(tx, child, row), row)
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
    for table in ("entity_labels", "entity_requirements", "entity_file_attachments", "entity_assets"):
        tx.delete_where(table, entity_id=entity_id)
    comments = tx.find("comments", "depth DESC", entity_id=entity_id)
    for comment in comments:
        tx.delete("comments", comment["id"])


def _key(tx: Transaction, resource: Resource, row: Row) -> Any:
    columns = tx.store.tables[resource.name].key
    return row[columns[0]] if len(columns) == 1 else tuple(row[c] for c in columns)


def _find(tx: Transaction, resource: Resource, values: Mapping[str, Any]) -> tuple[Any, Row]:
    given, _ = encode_input(resource, {k: v for k, v in values.items() if k in resource.key})
    columns = tx.store.tables[resource.name].key
    if any(c not in given for c in columns):
        raise GraphQLError(f"{resource.type} is named by {', '.join(resource.key)}")
    key = given[columns[0]] if len(columns) == 1 else tuple(given[c] for c in columns)
    return key, require(tx, resource.name, key)


def api_values(resource: Resource, row: Row) -> dict[str, Any]:
    """Give a row's values by field name, as the API shows them."""
    shown: dict[str, Any] = {}
    for field in resource.fields:
        if field.stored:
            decode = decoder(field)
            value = row.get(field.column)
            shown[field.name] = decode(value) if decode else value
    return shown
