"""All mutations: create, update and delete for every resource, and the special ones."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLObjectType

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.graphql_types import named_type, object_type
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.mutations import (
    api_keys,
    approvals,
    associations,
    boms,
    build_requirements,
    datagrids,
    files,
    inventory,
    notifications,
    organization,
    planning,
    positions,
    procedures,
    runs,
)
from ultraviolet.local_ion.mutations.crud import create, delete, find, update
from ultraviolet.local_ion.mutations.handler import Handler
from ultraviolet.local_ion.rules.attributes import set_attribute
from ultraviolet.local_ion.rules.validation import check_etag
from ultraviolet.local_ion.store.columns import decoder
from ultraviolet.local_ion.store.transaction import Row, Transaction

SPECIAL_MUTATIONS: Mapping[str, Handler] = {
    **api_keys.MUTATIONS,
    **associations.MUTATIONS,
    **files.MUTATIONS,
    **inventory.MUTATIONS,
    **organization.MUTATIONS,
    **approvals.MUTATIONS,
    **boms.MUTATIONS,
    **procedures.MUTATIONS,
    **build_requirements.MUTATIONS,
    **runs.MUTATIONS,
    **datagrids.MUTATIONS,
    **positions.MUTATIONS,
    **planning.MUTATIONS,
    **notifications.MUTATIONS,
}
"""Mutations that do more than create, update or delete one object."""


def create_handlers(catalog: Catalog) -> dict[str, Handler]:
    """Return the handlers of all mutations that this local ION serves."""
    mutations = catalog.schema.mutation_type
    assert mutations is not None
    handlers: dict[str, Handler] = {}
    for resource in catalog.resources.values():
        for name, factory in (
            (resource.create, _create_handler),
            (resource.update, _update_handler),
            (resource.delete, _delete_handler),
        ):
            if name is not None:
                handlers[name] = factory(resource, object_type(mutations.fields[name]))
    handlers.update(SPECIAL_MUTATIONS)
    return {name: handlers[name] for name in mutations.fields if name in handlers}


def served_mutations(catalog: Catalog) -> list[str]:
    """Return the names of the mutations that this local ION serves."""
    return list(create_handlers(catalog))


def unserved_mutations(catalog: Catalog) -> list[str]:
    """Return the names of the contract's mutations that this local ION does not serve."""
    served, mutations = create_handlers(catalog), catalog.schema.mutation_type
    assert mutations is not None
    return [name for name in mutations.fields if name not in served]


def _input_values(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a mutation with the members of its input."""
    values: dict[str, Any] = {}
    for name, value in args.items():
        if name in {"input", "deleteInput"}:
            values.update(value or {})
        else:
            values[name] = value
    return values


def _object_member(payload: GraphQLObjectType, resource: Resource) -> str | None:
    """Return the payload field that shows the object."""
    fields = payload.fields.items()
    return next((name for name, field in fields if named_type(field).name == resource.type), None)


def _create_handler(resource: Resource, payload: GraphQLObjectType) -> Handler:
    member = _object_member(payload, resource)

    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        key = create(tx, resource, _input_values(args))
        return {member: key} if member else {}

    return handle


def _update_handler(resource: Resource, payload: GraphQLObjectType) -> Handler:
    member = _object_member(payload, resource)

    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        if resource.kind == "attribute":
            owner = tx.catalog.resources[resource.owner or ""]
            key = set_attribute(tx, owner, resource, args["input"])
        else:
            key = update(tx, resource, _input_values(args))
        return {member: key} if member else {}

    return handle


def _delete_handler(resource: Resource, payload: GraphQLObjectType) -> Handler:
    member = _object_member(payload, resource)

    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = _input_values(args)
        key, old = find(tx, resource, values)
        if "etag" in values:
            check_etag(tx, resource.name, old, values["etag"])
        delete(tx, resource, key, old)
        deleted = _api_values(resource, old)
        return {member: deleted} if member else deleted

    return handle


def _api_values(resource: Resource, row: Row) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in resource.fields:
        if field.stored:
            decode, value = decoder(field), row.get(field.column)
            values[field.name] = decode(value) if decode else value
    return values
