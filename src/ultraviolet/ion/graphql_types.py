"""What kind a GraphQL type is: graphql-core's own questions, answered with types a strict checker can follow."""

from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,  # pyright: ignore[reportUnknownVariableType]
)


def kind_of(field: GraphQLField) -> GraphQLNamedType:
    """Give the type under all lists and non-nulls of a field."""
    return cast("GraphQLNamedType", get_named_type(cast("Any", field).type))


def object_of(field: GraphQLField) -> GraphQLObjectType:
    """Give the object type under all lists and non-nulls of a field."""
    kind = kind_of(field)
    assert isinstance(kind, GraphQLObjectType)
    return kind


def gives_list(field: GraphQLField) -> bool:
    """Tell whether a field's value is a list."""
    return isinstance(get_nullable_type(cast("Any", field).type), GraphQLList)
