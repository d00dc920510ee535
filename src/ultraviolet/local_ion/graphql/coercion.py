"""Coercion of variables as in graphene 2, on which ION is built."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from graphql import (
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    VariableDefinitionNode,
    type_from_ast,  # pyright: ignore[reportUnknownVariableType]
)


def coerce_variables(
    schema: GraphQLSchema,
    definitions: Iterable[VariableDefinitionNode],
    variables: Mapping[str, Any],
) -> dict[str, Any]:
    """Return variables with numeric text as numbers, and numbers as text, where that is expected.

    Literals in a document are not coerced. Values of other types are returned as they are.
    """
    coerced = dict(variables)
    for definition in definitions:
        name = definition.variable.name.value
        if name in coerced:
            coerced[name] = _coerce(type_from_ast(schema, definition.type), coerced[name])
    return coerced


def _coerce(kind: Any, value: Any) -> Any:
    if isinstance(kind, GraphQLNonNull):
        kind = cast("Any", kind).of_type
    if isinstance(kind, GraphQLList):
        # one value is accepted for a list
        item = cast("Any", kind).of_type
        is_list = isinstance(value, list)
        return [_coerce(item, v) for v in cast("Any", value)] if is_list else _coerce(item, value)
    if isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
        members, fields = cast("dict[str, Any]", value).items(), kind.fields
        return {k: _coerce(fields[k].type, v) if k in fields else v for k, v in members}
    name = getattr(kind, "name", None)
    if name == "String" and isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if name in {"Float", "Int"} and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        if math.isfinite(number):
            return number if name == "Float" else int(number)
    return value
