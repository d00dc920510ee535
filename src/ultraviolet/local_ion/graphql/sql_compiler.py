"""Objects of a list page as JSON text, written by one SQL statement; what is not that simple is left to the resolvers."""

import json
from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from typing import Any, Protocol

import msgspec
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    SelectionNode,
)

from ultraviolet.ion.catalog import Catalog, Field, Link, Relation, Resource
from ultraviolet.ion.graphql_types import gives_list, kind_of
from ultraviolet.local_ion.graphql.derived_relations import pairs, source
from ultraviolet.local_ion.graphql.filters import Conditions, Sql, column_sql, cursor, order, own_column
from ultraviolet.local_ion.graphql.kit_inventories import ISSUED
from ultraviolet.local_ion.store.columns import storage

Nodes = Sequence[FieldNode]
MOST_MEMBERS = 63
"""SQLite's functions take 127 arguments, a member of an object is two of them."""
SEPARATOR = b"\x1e"
"""Stands between objects: JSON text never has a control character in it."""
DOCUMENTS = {"datagrid", "settings", "sessions", "timeline", "buildRequirements"}
"""Fields with rules of their own."""

# the objects of a page, one after another, and how many there are
_PAGE = "SELECT CAST(group_concat(node, char(30)) AS BLOB), count(*) FROM (SELECT {node} AS node FROM {rest})"
# a number with at most two places is written alike by SQLite and by us, any other one by json_text
_NUMBER = (
    "CASE WHEN {c} >= 0 AND {c} < 1e13 AND CAST({c} * 100 + 0.5 AS INTEGER) / 100.0 = {c} THEN {c}"
    " WHEN {c} IS NOT NULL THEN json(json_text({c})) END"
)
# the same of what is computed, which the limit keeps from being computed once for each time it is named
_COMPUTED = (
    "(SELECT CASE WHEN v >= 0 AND v < 1e13 AND CAST(v * 100 + 0.5 AS INTEGER) / 100.0 = v THEN v"
    " WHEN v IS NOT NULL THEN json(json_text(v)) END FROM (SELECT {c} AS v LIMIT 1) WHERE 1)"
)
# a document is kept as it is shown, but for numbers with an exponent and those that JSON does not have
_DOCUMENT = (
    "CASE WHEN {c} GLOB '*[0-9][eE][-+0-9]*' OR {c} GLOB '*NaN*' OR {c} GLOB '*Infinity*'"
    " THEN json(document_text({c})) ELSE json({c}) END"
)
_TRUTH = "CASE WHEN {c} THEN json('true') WHEN {c} IS NOT NULL THEN json('false') END"


class Selecting(Protocol):
    """What knows the operation that is being answered."""

    catalog: Catalog
    schema: GraphQLSchema
    permissions: frozenset[str] | None
    fragments: Mapping[str, FragmentDefinitionNode]

    def fields(self, parent: GraphQLObjectType, nodes: Nodes) -> dict[str, list[FieldNode]]:
        """Collect the fields selected under some nodes, by the name they have in the answer."""
        ...

    def arguments(self, field: GraphQLField, node: FieldNode) -> dict[str, Any]:
        """Give a field's arguments, variables filled in."""
        ...

    def hides(self, resource: Resource) -> bool:
        """Tell whether objects of a resource are left out without a word."""
        ...


class Edges(msgspec.Struct, frozen=True):
    """The edges of a page, compiled: the names of an edge's members, and its node as SQL over the row `t`."""

    members: tuple[tuple[str, str], ...]
    kind: str
    node: str
    params: tuple[Any, ...]

    def read(
        self, connection: Connection, rest: str, params: Sequence[Any], start: int, most: int | None
    ) -> tuple[msgspec.Raw, int, bool]:
        """Read a page `FROM` the rest; gives its edges, how many, and whether there are more than the most."""
        statement = _PAGE.format(node=self.node, rest=rest)
        row: tuple[bytes | None, int] = connection.execute(statement, (*self.params, *params)).fetchone()
        text, count = row[0] or b"", row[1]
        if most is None or count <= most:
            return self._written(text, start, count), count, False
        return self._written(text.rpartition(SEPARATOR)[0], start, most), most, True

    def _written(self, text: bytes, start: int, count: int) -> msgspec.Raw:
        if not count:
            return msgspec.Raw(b"[]")
        if [name for _, name in self.members] == ["node"]:
            opened = f'{{"{self.members[0][0]}":'.encode()
            return msgspec.Raw(b"".join((b"[", opened, text.replace(SEPARATOR, b"}," + opened), b"}]")))
        edges = (self._edge(start + i, node) for i, node in enumerate(text.split(SEPARATOR)))
        return msgspec.Raw(b"[" + b",".join(edges) + b"]")

    def _edge(self, at: int, node: bytes) -> bytes:
        shown = {"node": node, "cursor": f'"{cursor(at)}"'.encode(), "__typename": f'"{self.kind}"'.encode()}
        return b"{" + b",".join(f'"{key}":'.encode() + shown[name] for key, name in self.members) + b"}"


class TooRichError(Exception):
    """The selection asks for more than one statement can say; the resolvers answer it."""


class Pages:
    """Compiled edges, kept for a document that is asked again."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Edges | None] = {}

    def edges(
        self, asked: Selecting, resource: Resource, kind: GraphQLObjectType, nodes: Nodes
    ) -> Edges | None:
        """Compile the edges that some nodes of a document select; None where they are too rich."""
        key = (kind.name, asked.permissions, *map(id, nodes))
        if key in self._kept:
            return self._kept[key]
        try:
            made = _edges(asked, resource, kind, nodes)
        except TooRichError:
            made = None
        if all(_constant(node.selection_set.selections, asked) for node in nodes if node.selection_set):
            self._kept[key] = made
        return made


def _constant(selections: Sequence[SelectionNode], asked: Selecting) -> bool:
    """Tell whether a selection is the same for whatever variables."""
    for each in selections:
        if each.directives or (isinstance(each, FieldNode) and each.arguments):
            return False
        inner = asked.fragments[each.name.value] if isinstance(each, FragmentSpreadNode) else each
        under = getattr(inner, "selection_set", None)
        if under is not None and not _constant(under.selections, asked):
            return False
    return True


def _edges(asked: Selecting, resource: Resource, kind: GraphQLObjectType, nodes: Nodes) -> Edges:
    groups = asked.fields(kind, nodes)
    members = tuple((key, group[0].name.value) for key, group in groups.items())
    inner = [group for group in groups.values() if group[0].name.value == "node"]
    if len(inner) > 1:
        raise TooRichError
    level = _Level(asked)
    node, params = level.object(resource, inner[0], "t") if inner else ("''", [])
    return Edges(members, kind.name, node, tuple(params))


class _Level:
    """Writes the objects of a selection as SQL."""

    def __init__(self, asked: Selecting) -> None:
        self._asked = asked
        self._conditions = Conditions(asked.catalog)

    def object(self, resource: Resource, nodes: Nodes, alias: str) -> Sql:
        """Write what is selected of a row."""
        parent = self._asked.schema.type_map[resource.type]
        assert isinstance(parent, GraphQLObjectType)
        groups = self._asked.fields(parent, nodes)
        if len(groups) > MOST_MEMBERS:
            raise TooRichError
        parts: list[str] = []
        params: list[Any] = []
        for key, group in groups.items():
            value, bound = self._member(resource, parent, group, alias)
            parts.append(f"'{key}',{value}")
            params.extend(bound)
        return f"json_object({','.join(parts)})", params

    def _member(self, resource: Resource, parent: GraphQLObjectType, nodes: Nodes, alias: str) -> Sql:
        name = nodes[0].name.value
        if name == "__typename":
            return f"'{parent.name}'", []
        field = next((f for f in resource.fields if f.name == name), None)
        if field is not None:
            return self._scalar(resource, field, alias), []
        definition = parent.fields[name]
        link = next((x for x in resource.links if x.field == name), None)
        if link is not None:
            return self._link(link, nodes, self._asked.arguments(definition, nodes[0]), alias)
        relation = next((x for x in resource.relations if x.field == name), None)
        if name in DOCUMENTS or pairs(resource.name, name) is not None:
            raise TooRichError
        if name == "partInventories" and resource.name in ISSUED:
            raise TooRichError
        if relation is not None:
            return self._relation(resource, relation, definition, nodes, alias)
        if kind_of(definition).name.endswith("Connection"):
            raise TooRichError
        return ("json('[]')" if gives_list(definition) else "NULL"), []

    def _scalar(self, resource: Resource, field: Field, alias: str) -> str:
        if field.name.startswith("_") and field.name.endswith("Count"):
            return self._count(resource, field.name, alias)
        return _shown(field, column_sql(resource, field, alias))

    def _link(self, link: Link, nodes: Nodes, arguments: Mapping[str, Any], alias: str) -> Sql:
        target, inner = self._asked.catalog.resources[link.resource], self._conditions.alias()
        if self._asked.hides(target):
            return "NULL", []
        node, params = self.object(target, nodes, inner)
        where, more = self._conditions.where(target, arguments.get("filters"), inner)
        found = f'SELECT {node} FROM "{target.name}" {inner} WHERE {inner}.id = {alias}."{link.column}" AND {where}'
        return f"({found})", [*params, *more]

    def _relation(
        self, resource: Resource, relation: Relation, definition: GraphQLField, nodes: Nodes, alias: str
    ) -> Sql:
        if kind_of(definition).name.endswith("Connection") or relation.kind == "none":
            raise TooRichError
        target, inner = self._asked.catalog.resources[relation.resource], self._conditions.alias()
        if self._asked.hides(target):
            return "json('[]')", []
        arguments = self._asked.arguments(definition, nodes[0])
        node, params = self.object(target, nodes, inner)
        where, more = self._conditions.where(target, arguments.get("filters"), inner)
        rows, owner = source(resource, relation, target, inner, self._conditions.alias())
        key = [f.column for k in target.key for f in target.fields if f.name == k]
        found = (
            f'SELECT {node} AS node FROM {rows} WHERE {owner} = {alias}."{own_key(resource, relation)}" AND {where}'
            f" ORDER BY {order(target, arguments.get('sort'), inner, key)} LIMIT -1"
        )
        return f"(SELECT json_group_array(json(node)) FROM ({found}))", [*params, *more]

    def _count(self, resource: Resource, name: str, alias: str) -> str:
        relation = counted(resource, name)
        if relation is None or self._asked.hides(self._asked.catalog.resources[relation.resource]):
            return "0"
        if relation.kind == "none":
            if pairs(resource.name, relation.field) is None:
                return "0"
            raise TooRichError
        target = self._asked.catalog.resources[relation.resource]
        rows, owner = source(resource, relation, target, self._conditions.alias(), self._conditions.alias())
        return f'(SELECT count(*) FROM {rows} WHERE {owner} = {alias}."{own_key(resource, relation)}")'


def counted(resource: Resource, name: str) -> Relation | None:
    """Give the relation whose objects a field such as `_linesCount` counts."""
    wanted = name[1:-5].lower()
    return next((r for r in resource.relations if r.field.lower() == wanted), None)


def own_key(resource: Resource, relation: Relation) -> str:
    """Give the column of an object's own that its related rows name it by."""
    if relation.kind == "entity" and resource.name != "entities":
        return "entity_id"
    return "id" if relation.join is None else own_column(resource, relation.join.own_column)


def _shown(field: Field, column: str) -> str:
    kind = storage(field)
    if field.type == "ID":
        return f"CAST({column} AS TEXT)"
    if field.type == "JSONString":
        return column
    if kind == "real":
        return (_NUMBER if field.stored else _COMPUTED).format(c=column)
    if kind == "boolean":
        return _TRUTH.format(c=column)
    if kind == "json":
        return _DOCUMENT.format(c=column)
    return f"upper({column})" if kind == "enum" else column


def prepare(connection: Connection) -> None:
    """Teach a connection to write what SQLite writes otherwise than we do."""
    connection.create_function("json_text", 1, _json_text, deterministic=True)
    connection.create_function("document_text", 1, _document_text, deterministic=True)


def _json_text(value: float | str | None) -> str:
    return msgspec.json.encode(value).decode()


def _document_text(value: str) -> str:
    return msgspec.json.encode(json.loads(value)).decode()
