"""Coercion of variables as in graphene 2, on which ION is built."""

import math
from collections.abc import Callable, Iterable, Mapping
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
    *,
    every_scalar: bool = True,
) -> dict[str, Any]:
    """Return variables with values of the expected scalars, as far as they can be converted.

    Numeric text as a Float is seen in use. Without `every_scalar`, nothing else is converted.
    Literals in a document are not coerced. Values of other types are returned as they are.
    """
    scalars = _SCALARS if every_scalar else {"Float": _float}
    coerced = dict(variables)
    for definition in definitions:
        name = definition.variable.name.value
        if name in coerced:
            kind = type_from_ast(schema, definition.type)
            coerced[name] = _coerce(kind, coerced[name], scalars)
    return coerced


Scalars = Mapping[str, Callable[[Any], Any]]


def _coerce(kind: Any, value: Any, scalars: Scalars) -> Any:
    if value is None:
        return None
    if isinstance(kind, GraphQLNonNull):
        kind = cast("Any", kind).of_type
    if isinstance(kind, GraphQLList):
        item = cast("Any", kind).of_type
        if isinstance(value, list):
            return [_coerce(item, v, scalars) for v in cast("list[Any]", value)]
        return _coerce(item, value, scalars)  # one value is accepted for a list
    if isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
        members, fields = cast("dict[str, Any]", value).items(), kind.fields
        return {k: _coerce(fields[k].type, v, scalars) if k in fields else v for k, v in members}
    convert = scalars.get(getattr(kind, "name", ""))
    if convert is None or isinstance(value, list | dict):
        return cast("Any", value)
    return convert(value)


def _float(value: Any) -> Any:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return value
    return number if math.isfinite(number) else value


def _int(value: Any) -> Any:
    if isinstance(value, int):  # a large number keeps all its digits
        return int(value)
    number = _float(value)
    if isinstance(number, str):
        return value
    try:
        return int(value)
    except ValueError:
        return int(number)


def _string(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_SCALARS: Scalars = {
    "Boolean": bool,
    "Float": _float,
    # A whole number may be a float, as pandas writes them.
    "ID": lambda value: _string(
        int(value) if isinstance(value, float) and value.is_integer() else value
    ),
    "Int": _int,
    "String": _string,
}
"""The conversions of graphene 2, except to values that JSON does not have."""
