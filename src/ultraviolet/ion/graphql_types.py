"""Strictly typed versions of graphql-core's type helpers."""

from typing import Any, cast

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,  # pyright: ignore[reportUnknownVariableType]
)


def named_type(field: GraphQLField | GraphQLArgument | GraphQLInputField) -> GraphQLNamedType:
    """Return the type of a field without lists and non-nulls."""
    return cast("GraphQLNamedType", get_named_type(cast("Any", field).type))


def object_type(field: GraphQLField) -> GraphQLObjectType:
    """Return the object type of a field without lists and non-nulls."""
    kind = named_type(field)
    assert isinstance(kind, GraphQLObjectType)
    return kind


def is_list_field(field: GraphQLField | GraphQLInputField) -> bool:
    """Return whether the value of a field is a list."""
    return isinstance(get_nullable_type(cast("Any", field).type), GraphQLList)
