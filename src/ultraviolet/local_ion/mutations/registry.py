"""All mutations: create, update and delete for every resource, and the special ones."""

from collections.abc import Mapping
from functools import partial
from typing import Any

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
    mbom_import,
    notifications,
    organization,
    planning,
    positions,
    procedures,
    receiving,
    runs,
    sessions,
)
from ultraviolet.local_ion.mutations.crud import create, delete, find, update
from ultraviolet.local_ion.mutations.handler import Handler
from ultraviolet.local_ion.rules.attributes import set_attribute
from ultraviolet.local_ion.rules.validation import check_etag
from ultraviolet.local_ion.store.columns import decoder
from ultraviolet.local_ion.store.transaction import Transaction


def _create_many(
    resource: str, payload_field: str, member: str | None, tx: Transaction, args: dict[str, Any]
) -> dict[str, Any]:
    """Create an object for each element of the input, or of a member of it."""
    inputs = args["input"].get(member) if member else args["input"]
    created = [create(tx, tx.catalog.resources[resource], values) for values in inputs or ()]
    return {payload_field: created}


SPECIAL_MUTATIONS: Mapping[str, Handler] = {
    "createMbomSubstitutes": partial(_create_many, "mbom_substitute", "mbomSubstitutes", None),
    "createMultipleMbomItems": partial(_create_many, "mbom_item", "mbomItems", "mbomItems"),
    "createPartInventories": partial(_create_many, "parts_inventory", "partInventories", None),
    **api_keys.MUTATIONS,
    **associations.MUTATIONS,
    **files.MUTATIONS,
    **inventory.MUTATIONS,
    **receiving.MUTATIONS,
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
    **mbom_import.MUTATIONS,
    **sessions.MUTATIONS,
}
"""Mutations that do more than create, update or delete one object."""


def create_handlers(catalog: Catalog) -> dict[str, Handler]:
    """Return the handlers of all mutations that this local ION serves."""
    mutations = catalog.schema.mutation_type
    assert mutations is not None
    handlers: dict[str, Handler] = {}
    for resource in catalog.resources.values():
        for name, execute in (
            (resource.create, _create),
            (resource.update, _update),
            (resource.delete, _delete),
        ):
            if name is not None:
                payload = object_type(mutations.fields[name]).fields.items()
                member = next((n for n, f in payload if named_type(f).name == resource.type), None)
                handlers[name] = partial(execute, resource, member)
    handlers.update(SPECIAL_MUTATIONS)
    return {name: handlers[name] for name in mutations.fields if name in handlers}


def _input_values(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a mutation with the members of its input."""
    values: dict[str, Any] = {}
    for name, value in args.items():
        if name in {"input", "deleteInput"}:
            values.update(value or {})
        else:
            values[name] = value
    return values


def _create(
    resource: Resource, member: str | None, tx: Transaction, args: dict[str, Any]
) -> dict[str, Any]:
    key = create(tx, resource, _input_values(args))
    return {member: key} if member else {}


def _update(
    resource: Resource, member: str | None, tx: Transaction, args: dict[str, Any]
) -> dict[str, Any]:
    if resource.kind == "attribute":
        owner = tx.catalog.resources[resource.owner or ""]
        key = set_attribute(tx, owner, resource, args["input"])
    else:
        key = update(tx, resource, _input_values(args))
    return {member: key} if member else {}


def _delete(
    resource: Resource, member: str | None, tx: Transaction, args: dict[str, Any]
) -> dict[str, Any]:
    values = _input_values(args)
    key, old = find(tx, resource, values)
    if "etag" in values:
        check_etag(tx, resource.name, old, values["etag"])
    delete(tx, resource, key, old)
    deleted: dict[str, Any] = {}
    for field in resource.fields:
        if field.stored:
            decode, value = decoder(field), old.get(field.column)
            deleted[field.name] = decode(value) if decode else value
    return {member: deleted} if member else deleted
