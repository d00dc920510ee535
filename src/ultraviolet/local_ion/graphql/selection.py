"""Selections of an operation: the fields below a node and the columns to read for them."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    is_abstract_type,
)
from graphql.execution.values import VariableValues, get_argument_values, get_directive_values
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.graphql_types import object_type
from ultraviolet.ion.model import Resource

Nodes = Sequence[FieldNode]
Rows = list[tuple[Any, ...]]
FieldResolver = Callable[[Rows], Sequence[Any]]
"""Return the value of a field for each row."""


class RowSelection:
    """The expressions to select from a table, and the resolvers that turn rows into objects."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._resolvers: list[tuple[str, FieldResolver]] = []

    def add_column(self, expression: str) -> int:
        """Select an expression and return its index in the rows."""
        return self._columns.setdefault(expression, len(self._columns))

    def add_field(self, key: str, resolver: FieldResolver) -> None:
        """Add a field under its response key."""
        self._resolvers.append((key, resolver))

    def sql(self) -> str:
        """Return the expressions of the SELECT clause."""
        return ", ".join(self._columns)

    def objects(self, rows: Rows) -> list[dict[str, Any]]:
        """Return the objects of rows."""
        if not self._resolvers or not rows:
            return [{} for _ in rows]
        keys = [key for key, _ in self._resolvers]
        columns = [resolver(rows) for _, resolver in self._resolvers]
        return [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]


class OperationContext:
    """The operation in execution: its fragments, variables, permissions and connection."""

    def __init__(
        self,
        catalog: Catalog,
        schema: GraphQLSchema,
        connection: sqlite3.Connection,
        variables: VariableValues,
        fragments: Mapping[str, FragmentDefinitionNode],
        permissions: frozenset[str] | None,
    ) -> None:
        self.catalog = catalog
        self.schema = schema
        self.connection = connection
        self.variables = variables
        self.fragments = fragments
        self.permissions = permissions

    def is_hidden(self, resource: Resource) -> bool:
        """Return whether objects are omitted because the viewer may not read them (assumed)."""
        if self.permissions is None or resource.list is None:
            return False
        return not self.permissions & {resource.list, resource.single}

    def fields(self, parent: GraphQLObjectType, nodes: Nodes) -> dict[str, list[FieldNode]]:
        """Return the fields below some nodes by response key."""
        fields: dict[str, list[FieldNode]] = {}
        for node in nodes:
            if node.selection_set is not None:
                self.collect_fields(parent, node.selection_set.selections, fields)
        return fields

    def collect_fields(
        self,
        parent: GraphQLObjectType,
        selections: Iterable[Any],
        fields: dict[str, list[FieldNode]],
    ) -> None:
        """Add the fields of selections and their fragments."""
        for node in selections:
            if node.directives:
                skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
                include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
                if (skip and skip["if"]) or (include and not include["if"]):
                    continue
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                fields.setdefault(key, []).append(node)
                continue
            is_spread = isinstance(node, FragmentSpreadNode)
            fragment = self.fragments[node.name.value] if is_spread else node
            assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
            condition = fragment.type_condition
            kind = self.schema.type_map[condition.name.value] if condition else parent
            if kind is parent or (is_abstract_type(kind) and self.schema.is_sub_type(kind, parent)):
                self.collect_fields(parent, fragment.selection_set.selections, fields)

    def child_nodes(self, parent: GraphQLObjectType, nodes: Nodes, name: str) -> list[FieldNode]:
        """Return the nodes of one field below some nodes."""
        groups = self.fields(parent, nodes).values()
        return [node for group in groups for node in group if node.name.value == name]

    def connection_nodes(self, kind: GraphQLObjectType, nodes: Nodes) -> list[FieldNode]:
        """Return the `node` fields of a connection's edges."""
        edges = self.child_nodes(kind, nodes, "edges")
        return self.child_nodes(object_type(kind.fields["edges"]), edges, "node")

    def arguments(self, field: GraphQLField, node: FieldNode) -> dict[str, Any]:
        """Return the arguments of a field with their variables; one value for a list is a list."""
        if not node.arguments and not field.args:
            return {}
        values = get_argument_values(field, node, self.variables)
        for name, value in values.items():
            kind = str(cast("Any", field.args[name]).type)  # such as [PartSortEnum!]!
            if kind.startswith("[") and not isinstance(value, list | None):
                values[name] = [value]
        return values
