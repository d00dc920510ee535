"""Compilation of list pages: one SQL statement returns the objects of a page as JSON text."""

from collections.abc import Sequence
from sqlite3 import Connection, OperationalError
from typing import Any

import msgspec
from graphql import FieldNode, FragmentSpreadNode, GraphQLField, GraphQLObjectType, SelectionNode

from ultraviolet.ion.graphql_types import is_list_field, named_type
from ultraviolet.ion.model import Field, Relation, Resource
from ultraviolet.local_ion.graphql.derived_relations import (
    counted_relation,
    derived_pairs,
    own_key,
    relation_source,
)
from ultraviolet.local_ion.graphql.filters import (
    Conditions,
    Sql,
    column_sql,
    encode_cursor,
    link_key,
    order_by,
)
from ultraviolet.local_ion.graphql.kit_inventories import has_issued_inventories
from ultraviolet.local_ion.graphql.selection import Nodes, OperationContext
from ultraviolet.local_ion.store.columns import storage

MAX_MEMBERS = 63
"""SQLite's functions accept 127 arguments; a member of an object needs two."""
SEPARATOR = b"\x1e"
"""The separator of objects; JSON text never contains control characters."""
UNCOMPILED_FIELDS = {"datagrid", "settings", "sessions", "timeline", "buildRequirements"}
"""Special fields that only the resolvers support."""

# the concatenated objects of a page, and their number
_PAGE = (
    "SELECT CAST(group_concat(node, char(30)) AS BLOB), count(*)"
    " FROM (SELECT {node} AS node FROM {source})"
)
# SQLite and msgspec format numbers with up to two decimals alike; json_text formats others
_NUMBER = (
    "CASE WHEN {c} >= 0 AND {c} < 1e13 AND CAST({c} * 100 + 0.5 AS INTEGER) / 100.0 = {c} THEN {c}"
    " WHEN {c} IS NOT NULL THEN json(json_text({c})) END"
)
# the same for computed values; LIMIT makes SQLite compute the value only once
_COMPUTED_NUMBER = (
    "(SELECT CASE WHEN v >= 0 AND v < 1e13 AND CAST(v * 100 + 0.5 AS INTEGER) / 100.0 = v THEN v"
    " WHEN v IS NOT NULL THEN json(json_text(v)) END FROM (SELECT {c} AS v LIMIT 1) WHERE 1)"
)
# documents are stored as shown, except for exponents and numbers that JSON does not have
_DOCUMENT = (
    "CASE WHEN {c} GLOB '*[0-9][eE][-+0-9]*' OR {c} GLOB '*NaN*' OR {c} GLOB '*Infinity*'"
    " THEN json(document_text({c})) ELSE json({c}) END"
)
_BOOLEAN = "CASE WHEN {c} THEN json('true') WHEN {c} IS NOT NULL THEN json('false') END"


class CompiledEdges(msgspec.Struct, frozen=True):
    """The compiled edges of a page: the members of an edge, and SQL for its node."""

    members: tuple[tuple[str, str], ...]
    kind: str
    node: str
    params: tuple[Any, ...]

    def read(
        self,
        connection: Connection,
        source: str,
        params: Sequence[Any],
        start: int,
        limit: int | None,
    ) -> tuple[msgspec.Raw, int, bool]:
        """Return the edges of a page, their number, and whether more rows exist."""
        statement = _PAGE.format(node=self.node, source=source)
        cursor = connection.execute(statement, (*self.params, *params))
        row: tuple[bytes | None, int] = cursor.fetchone()
        text, count = row[0] or b"", row[1]
        if limit is None or count <= limit:
            return self._edges_json(text, start, count), count, False
        return self._edges_json(text.rpartition(SEPARATOR)[0], start, limit), limit, True

    def _edges_json(self, text: bytes, start: int, count: int) -> msgspec.Raw:
        if not count:
            return msgspec.Raw(b"[]")
        if [name for _, name in self.members] == ["node"]:
            opening = f'{{"{self.members[0][0]}":'.encode()
            nodes = text.replace(SEPARATOR, b"}," + opening)
            return msgspec.Raw(b"".join((b"[", opening, nodes, b"}]")))
        edges: list[bytes] = []
        for position, node in enumerate(text.split(SEPARATOR), start):
            values = {
                "node": node,
                "cursor": f'"{encode_cursor(position)}"'.encode(),
                "__typename": f'"{self.kind}"'.encode(),
            }
            members = (f'"{key}":'.encode() + values[name] for key, name in self.members)
            edges.append(b"{" + b",".join(members) + b"}")
        return msgspec.Raw(b"[" + b",".join(edges) + b"]")


class UnsupportedSelectionError(Exception):
    """The selection needs more than one statement; the resolvers answer it."""


class CompiledPages:
    """A cache of compiled edges for one document."""

    def __init__(self) -> None:
        self._cache: dict[tuple[Any, ...], CompiledEdges | None] = {}

    def read(
        self,
        context: OperationContext,
        selected: tuple[Resource, GraphQLObjectType, Nodes],
        source: str,
        params: Sequence[Any],
        start: int,
        limit: int | None,
    ) -> tuple[msgspec.Raw, int, bool] | None:
        """Return the edges of a page, their number, and whether more rows exist.

        None for a selection that the resolvers must answer.
        """
        key = (selected[1].name, context.permissions, *map(id, selected[2]))
        compiled = self._cache[key] if key in self._cache else self._compile(key, context, selected)
        if compiled is None:
            return None
        try:
            return compiled.read(context.connection, source, params, start, limit)
        except OperationalError:  # such as too many levels for SQLite's parser
            if key in self._cache:
                self._cache[key] = None
            return None

    def _compile(
        self,
        key: tuple[Any, ...],
        context: OperationContext,
        selected: tuple[Resource, GraphQLObjectType, Nodes],
    ) -> CompiledEdges | None:
        resource, kind, nodes = selected
        groups = context.fields(kind, nodes)
        members = tuple((key, group[0].name.value) for key, group in groups.items())
        inner = [group for group in groups.values() if group[0].name.value == "node"]
        compiled = None
        try:
            node, params = "''", list[Any]()
            if inner:
                node, params = _ObjectCompiler(context).object(resource, inner[0], "t")
            if len(inner) <= 1:
                compiled = CompiledEdges(members, kind.name, node, tuple(params))
        except UnsupportedSelectionError:
            compiled = None
        selections = [node.selection_set.selections for node in nodes if node.selection_set]
        if all(_is_constant(each, context) for each in selections):
            self._cache[key] = compiled
        return compiled


def _is_constant(selections: Sequence[SelectionNode], context: OperationContext) -> bool:
    """Return whether a selection does not depend on variables."""
    for each in selections:
        if each.directives or (isinstance(each, FieldNode) and each.arguments):
            return False
        is_spread = isinstance(each, FragmentSpreadNode)
        definition = context.fragments[each.name.value] if is_spread else each
        inner = getattr(definition, "selection_set", None)
        if inner is not None and not _is_constant(inner.selections, context):
            return False
    return True


class _ObjectCompiler:
    """Compiles the objects of a selection to SQL."""

    def __init__(self, context: OperationContext) -> None:
        self._context = context
        self._conditions = Conditions(context.catalog)

    def object(self, resource: Resource, nodes: Nodes, alias: str) -> Sql:
        """Return SQL for the selected fields of a row."""
        parent = self._context.schema.type_map[resource.type]
        assert isinstance(parent, GraphQLObjectType)
        groups = self._context.fields(parent, nodes)
        if len(groups) > MAX_MEMBERS:
            raise UnsupportedSelectionError
        parts: list[str] = []
        params: list[Any] = []
        for key, group in groups.items():
            value, bound = self._field(resource, parent, group, alias)
            parts.append(f"'{key}',{value}")
            params.extend(bound)
        return f"json_object({','.join(parts)})", params

    def _field(
        self, resource: Resource, parent: GraphQLObjectType, nodes: Nodes, alias: str
    ) -> Sql:
        name = nodes[0].name.value
        if name == "__typename":
            return f"'{parent.name}'", []
        field = next((f for f in resource.fields if f.name == name), None)
        if field is not None:
            is_count = name.startswith("_") and name.endswith("Count")
            column = None if is_count else column_sql(resource, field, alias)
            return _json_value(field, column) if column else self._count(resource, name, alias), []
        definition = parent.fields[name]
        link = next((x for x in resource.links if x.field == name), None)
        if link is not None and not is_list_field(definition):
            filters = self._context.arguments(definition, nodes[0]).get("filters")
            target = self._context.catalog.resources[link.resource]
            inner = self._conditions.new_alias()
            if self._context.is_hidden(target):
                return "NULL", []
            node, params = self.object(target, nodes, inner)
            where, bound = self._conditions.where(target, filters, inner)
            condition = f"{inner}.id = {link_key(resource, link, alias)} AND {where}"
            sql = f'SELECT {node} FROM "{target.name}" {inner} WHERE {condition}'
            return f"({sql})", [*params, *bound]
        if (
            name in UNCOMPILED_FIELDS
            or derived_pairs(resource.name, name) is not None
            or has_issued_inventories(resource.name, name)
            or named_type(definition).name.endswith("Connection")
        ):
            raise UnsupportedSelectionError
        relation = next((x for x in resource.relations if x.field == name), None)
        if relation is not None:
            return self._relation(resource, relation, definition, nodes, alias)
        return ("json('[]')" if is_list_field(definition) else "NULL"), []

    def _relation(
        self,
        resource: Resource,
        relation: Relation,
        definition: GraphQLField,
        nodes: Nodes,
        alias: str,
    ) -> Sql:
        if relation.kind == "none":
            raise UnsupportedSelectionError
        target = self._context.catalog.resources[relation.resource]
        inner = self._conditions.new_alias()
        if self._context.is_hidden(target):
            return "json('[]')", []
        arguments = self._context.arguments(definition, nodes[0])
        node, params = self.object(target, nodes, inner)
        where, bound = self._conditions.where(target, arguments.get("filters"), inner)
        join_alias = self._conditions.new_alias()
        source = relation_source(resource, relation, target, inner, join_alias)
        assert source is not None
        table, owner = source
        condition = f'{owner} = {alias}."{own_key(resource, relation)}" AND {where}'
        order = order_by(target, arguments.get("sort"), inner)
        rows = f"SELECT {node} AS node FROM {table} WHERE {condition} ORDER BY {order} LIMIT -1"
        return f"(SELECT json_group_array(json(node)) FROM ({rows}))", [*params, *bound]

    def _count(self, resource: Resource, name: str, alias: str) -> str:
        relation = counted_relation(resource, name)
        if relation is None:
            return "0"
        target = self._context.catalog.resources[relation.resource]
        inner, join_alias = self._conditions.new_alias(), self._conditions.new_alias()
        source = relation_source(resource, relation, target, inner, join_alias)
        if source is None or self._context.is_hidden(target):
            return "0"
        if relation.kind == "none":
            raise UnsupportedSelectionError
        table, owner = source
        condition = f'{owner} = {alias}."{own_key(resource, relation)}"'
        return f"(SELECT count(*) FROM {table} WHERE {condition})"


def _json_value(field: Field, column: str) -> str:
    kind = storage(field)
    if field.type == "ID":
        return f"CAST({column} AS TEXT)"
    if field.type == "JSONString":
        return column
    if kind == "real":
        return (_NUMBER if field.stored else _COMPUTED_NUMBER).format(c=column)
    if kind == "boolean":
        return _BOOLEAN.format(c=column)
    if kind == "json":
        return _DOCUMENT.format(c=column)
    return f"upper({column})" if kind == "enum" else column
