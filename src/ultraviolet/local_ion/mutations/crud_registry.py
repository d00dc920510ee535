"""The table of all served mutations: create, update and delete for every type that has them, and the special ones."""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import GraphQLObjectType

from ultraviolet.ion.catalog import Catalog, Resource
from ultraviolet.ion.graphql_types import kind_of, object_of
from ultraviolet.local_ion.mutations.crud import create, delete, find, update
from ultraviolet.local_ion.mutations.registry import SPECIAL
from ultraviolet.local_ion.rules.attributes import change_attribute
from ultraviolet.local_ion.rules.validation import same_etag
from ultraviolet.local_ion.store.columns import decoder
from ultraviolet.local_ion.store.store import Row, Transaction

Payload = dict[str, Any]
Handler = Callable[[Transaction, dict[str, Any]], Payload]
"""Carries out a mutation; answers by field name, an id where the payload shows an object."""


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
                found[name] = make(resource, object_of(mutations.fields[name]))
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
    return next((n for n, f in payload.fields.items() if kind_of(f).name == resource.type), None)


def _create(resource: Resource, payload: GraphQLObjectType) -> Handler:
    shown = _shown(payload, resource)

    def handle(tx: Transaction, args: dict[str, Any]) -> Payload:
        key = create(tx, resource, _members(args))
        return {shown: key} if shown else {}

    return handle


def _update(resource: Resource, payload: GraphQLObjectType) -> Handler:
    shown = _shown(payload, resource)
    if resource.kind == "attribute":
        return _update_attribute(resource, shown)

    def handle(tx: Transaction, args: dict[str, Any]) -> Payload:
        key = update(tx, resource, _members(args))
        return {shown: key} if shown else {}

    return handle


def _update_attribute(resource: Resource, shown: str | None) -> Handler:
    owner_name = resource.owner
    assert owner_name is not None

    def handle(tx: Transaction, args: dict[str, Any]) -> Payload:
        key = change_attribute(tx, tx.catalog.resources[owner_name], resource, args["input"])
        return {shown: key} if shown else {}

    return handle


def _delete(resource: Resource, payload: GraphQLObjectType) -> Handler:
    shown = _shown(payload, resource)

    def handle(tx: Transaction, args: dict[str, Any]) -> Payload:
        values = _members(args)
        key, old = find(tx, resource, values)
        if "etag" in values:
            same_etag(tx, resource.name, old, values["etag"])
        delete(tx, resource, key, old)
        return {shown: api_values(resource, old)} if shown else api_values(resource, old)

    return handle


def api_values(resource: Resource, row: Row) -> dict[str, Any]:
    """Give a row's values by field name, as the API shows them."""
    shown: dict[str, Any] = {}
    for field in resource.fields:
        if field.stored:
            decode = decoder(field)
            value = row.get(field.column)
            shown[field.name] = decode(value) if decode else value
    return shown
