"""Messages for ids that are not numbers, which ION's scalar ID accepts."""

from collections.abc import Mapping
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
)

from ultraviolet.local_ion.graphql.selection import OperationContext
from ultraviolet.local_ion.store.columns import encode_integer


def find_invalid_id(field: GraphQLField, node: FieldNode, context: OperationContext) -> str | None:
    """Return an error message for the first invalid id in the arguments of a field, or None."""
    for name, value in context.arguments(field, node).items():
        message = _find(cast("Any", field.args[name]).type, value, name)
        if message is not None:
            return message
    return None


def _find(kind: Any, value: Any, path: str) -> str | None:
    if value is None:
        return None
    if isinstance(kind, GraphQLNonNull):
        return _find(cast("Any", kind).of_type, value, path)
    if isinstance(kind, GraphQLList):
        item = cast("Any", kind).of_type
        found = (_find(item, each, path) for each in cast("list[Any]", value))
    elif isinstance(kind, GraphQLInputObjectType):
        members = cast("Mapping[str, Any]", value).items()
        found = (_find(kind.fields[n].type, each, f"{path}.{n}") for n, each in members)
    elif getattr(kind, "name", "") == "ID":
        try:
            encode_integer(value)
        except ValueError:
            return f"{value!r} is not a valid value of {path}: expected an id, a whole number."
        return None
    else:
        return None
    return next((message for message in found if message is not None), None)
