"""Answers selections from the tables a level at a time; long, because each kind of member asks the others for its own.

A relation is one statement, however many objects there are. It takes the place of graphql-core's executor, which would ask for each object's relations one by one.
"""

import functools
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    is_abstract_type,
)
from graphql.execution.values import VariableValues, get_argument_values, get_directive_values
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective
from msgspec import Raw

from ultraviolet.ion.catalog import Catalog, Field, Link, Relation, Resource
from ultraviolet.ion.graphql_types import gives_list, kind_of, object_of
from ultraviolet.local_ion.graphql import kit_inventories, timeline
from ultraviolet.local_ion.graphql.derived_relations import pairs, source
from ultraviolet.local_ion.graphql.filters import Conditions, column_sql, cursor, offset, order, sorted_by
from ultraviolet.local_ion.graphql.sql_compiler import Pages, counted, own_key
from ultraviolet.local_ion.mutations import build_requirements
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.columns import decoder

_DOCUMENTS: Mapping[tuple[str, str], Any] = {
    ("organizations", "settings"): {},
    ("steps", "datagrid"): None,
    ("run_steps", "datagrid"): None,
}
"""Fields that show a JSON document of the row, and what they show where there is none."""
_SESSIONS = """
SELECT i.id, i.run_step_id, i._created, i.created_by_id,
       (SELECT min(o._created) FROM session_events o WHERE o.run_step_id = i.run_step_id
           AND o.created_by_id IS i.created_by_id AND o.event_type = 'check_out' AND o.id > i.id)
  FROM session_events i WHERE i.event_type = 'check_in' AND"""
_OF_RUN = "i.run_step_id IN (SELECT id FROM run_steps WHERE run_id = ?)"

Rows = list[tuple[Any, ...]]
Member = Callable[[Rows], Sequence[Any]]
Nodes = Sequence[FieldNode]
ReadPage = Callable[[str, Sequence[Any], int, int | None], tuple[Any, int, bool]]
"""Reads edges `FROM` something, with what is bound there, from a place on, at most so many; tells whether there are more."""


class Selection:
    """What one level asks of a table: expressions to select, and what each member of the answer makes of them."""

    def __init__(self) -> None:
        self.columns: dict[str, int] = {}
        self.members: list[tuple[str, Member]] = []

    def need(self, expression: str) -> int:
        """Select an expression too; gives its place in the rows."""
        return self.columns.setdefault(expression, len(self.columns))

    def sql(self) -> str:
        """Write what to select."""
        return ", ".join(self.columns)

    def objects(self, rows: Rows) -> list[dict[str, Any]]:
        """Make the answer's objects of rows."""
        if not self.members or not rows:
            return [{} for _ in rows]
        names = [name for name, _ in self.members]
        values = [member(rows) for _, member in self.members]
        return [dict(zip(names, v, strict=True)) for v in zip(*values, strict=True)]


class Reader:
    """Answers the selections of one operation from one connection."""

    def __init__(
        self,
        catalog: Catalog,
        schema: GraphQLSchema,
        connection: sqlite3.Connection,
        variables: VariableValues,
        fragments: Mapping[str, FragmentDefinitionNode],
        permissions: frozenset[str] | None = None,
        pages: Pages | None = None,
    ) -> None:
        self.catalog = catalog
        self.schema = schema
        self.connection = connection
        self.variables = variables
        self.fragments = fragments
        self.permissions = permissions
        self.pages = pages
        """Where there are some, list pages that allow it are JSON text."""

    def hides(self, resource: Resource) -> bool:
        """Tell whether objects of a resource are left out without a word, because who asks may read none (assumed)."""
        allowed = self.permissions
        return (
            allowed is not None
            and resource.list is not None
            and not allowed & {resource.list, resource.single}
        )

    def _hides_stock(self) -> bool:
        return self.hides(self.catalog.resources["parts_inventory"])

    def fields(self, parent: GraphQLObjectType, nodes: Nodes) -> dict[str, list[FieldNode]]:
        """Collect the fields selected under some nodes, by the name they have in the answer."""
        found: dict[str, list[FieldNode]] = {}
        for node in nodes:
            if node.selection_set is not None:
                self.collect(parent, node.selection_set.selections, found)
        return found

    def collect(
        self, parent: GraphQLObjectType, selections: Iterable[Any], found: dict[str, list[FieldNode]]
    ) -> None:
        """Collect fields, through fragments."""
        for node in selections:
            if node.directives and not self._included(node):
                continue
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                found.setdefault(key, []).append(node)
                continue
            fragment = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
            condition = fragment.type_condition.name.value if fragment.type_condition else parent.name
            if self._applies(condition, parent):
                self.collect(parent, fragment.selection_set.selections, found)

    def _included(self, node: Any) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and not (include and not include["if"])

    def _applies(self, condition: str, parent: GraphQLObjectType) -> bool:
        if condition == parent.name:
            return True
        kind = self.schema.type_map[condition]
        return is_abstract_type(kind) and self.schema.is_sub_type(kind, parent)

    def arguments(self, field: GraphQLField, node: FieldNode) -> dict[str, Any]:
        """Give a field's arguments, variables filled in."""
        return get_argument_values(field, node, self.variables) if node.arguments or field.args else {}

    def by_keys(
        self,
        resource: Resource,
        nodes: Nodes,
        keys: Iterable[Any],
        filters: Mapping[str, Any] | None = None,
        kind: GraphQLObjectType | None = None,
    ) -> dict[Any, dict[str, Any]]:
        """Read objects by their ids; shown as another type than the resource's own, if one is given."""
        wanted = [k for k in dict.fromkeys(keys) if k is not None]
        if not wanted:
            return {}
        selection = self.selection(resource, nodes, kind)
        place = selection.need("t.id")
        where, params = Conditions(self.catalog).where(resource, filters, "t")
        rows = self.connection.execute(
            f'SELECT {selection.sql()} FROM "{resource.name}" t'
            f" WHERE t.id IN (SELECT value FROM json_each(?)) AND {where}",
            (json.dumps(wanted), *params),
        ).fetchall()
        return {row[place]: made for row, made in zip(rows, selection.objects(rows), strict=True)}

    def by_key(self, resource: Resource, nodes: Nodes, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Read one object by its key columns."""
        selection = self.selection(resource, nodes)
        columns = selection.sql() or "1"
        where = " AND ".join(f't."{c}" = ?' for c in key)
        rows = self.connection.execute(
            f'SELECT {columns} FROM "{resource.name}" t WHERE {where}', tuple(key.values())
        ).fetchall()
        return selection.objects(rows)[0] if rows else None

    def selection(self, resource: Resource, nodes: Nodes, kind: GraphQLObjectType | None = None) -> Selection:
        """Compile what is selected of a resource."""
        made = Selection()
        made.need("t.rowid" if resource.key != ("id",) else "t.id")
        parent = kind or self.schema.type_map[resource.type]
        assert isinstance(parent, GraphQLObjectType)
        for key, group in self.fields(parent, nodes).items():
            made.members.append((key, self._member(resource, parent, group, made)))
        return made

    def _member(self, resource: Resource, parent: GraphQLObjectType, nodes: Nodes, made: Selection) -> Member:
        name = nodes[0].name.value
        if name == "__typename":
            return lambda rows: [parent.name] * len(rows)
        field = next((f for f in resource.fields if f.name == name), None)
        if field is not None:
            return self._scalar(resource, field, made)
        definition = parent.fields[name]
        arguments = self.arguments(definition, nodes[0])
        link = next((x for x in resource.links if x.field == name), None)
        if link is not None:
            return self._link(link, nodes, arguments, made)
        if name == "timeline":
            return self._timeline(resource, nodes, arguments.get("filters"), made)
        relation = next((x for x in resource.relations if x.field == name), None)
        if relation is not None:
            return self._relation(resource, relation, definition, nodes, arguments, made)
        return self._other(resource, name, definition, nodes, made)

    def _scalar(self, resource: Resource, field: Field, made: Selection) -> Member:
        if field.name.startswith("_") and field.name.endswith("Count"):
            return self._count(resource, field.name, made)
        place, decode = made.need(column_sql(resource, field, "t")), decoder(field)
        if decode is None:
            return lambda rows: [row[place] for row in rows]
        return lambda rows: [decode(row[place]) for row in rows]

    def _link(self, link: Link, nodes: Nodes, arguments: Mapping[str, Any], made: Selection) -> Member:
        place, target = made.need(f't."{link.column}"'), self.catalog.resources[link.resource]
        if self.hides(target):
            return lambda rows: [None] * len(rows)

        def member(rows: Rows) -> list[Any]:
            found = self.by_keys(target, nodes, (row[place] for row in rows), arguments.get("filters"))
            return [found.get(row[place]) for row in rows]

        return member

    def _relation(
        self,
        resource: Resource,
        relation: Relation,
        definition: GraphQLField,
        nodes: Nodes,
        arguments: Mapping[str, Any],
        made: Selection,
    ) -> Member:
        place = made.need(f't."{own_key(resource, relation)}"')
        kind = kind_of(definition)
        if kind.name.endswith("Connection"):
            assert isinstance(kind, GraphQLObjectType)
            return self._inner_connection(resource, relation, kind, nodes, arguments, place)

        def member(rows: Rows) -> list[Any]:
            groups = self._related(resource, relation, nodes, arguments, [row[place] for row in rows])
            return [groups.get(row[place], []) for row in rows]

        return member

    def _related(
        self,
        resource: Resource,
        relation: Relation,
        nodes: Nodes,
        arguments: Mapping[str, Any],
        keys: Sequence[Any],
    ) -> dict[Any, list[Any]]:
        target = self.catalog.resources[relation.resource]
        conditions = Conditions(self.catalog)
        selection = self.selection(target, nodes)
        where, params = conditions.where(target, arguments.get("filters"), "t")
        rows_of, owner = source(resource, relation, target, "t", "j")
        if not rows_of or self.hides(target):
            return {}
        place = selection.need(owner)
        key_columns = [f.column for k in target.key for f in target.fields if f.name == k]
        rows = self.connection.execute(
            f"SELECT {selection.sql()} FROM {rows_of} WHERE {owner} IN (SELECT value FROM json_each(?)) AND {where}"
            f" ORDER BY {order(target, arguments.get('sort'), 't', key_columns)}",
            (json.dumps(list(dict.fromkeys(keys))), *params),
        ).fetchall()
        groups: dict[Any, list[Any]] = defaultdict(list)
        for row, made in zip(rows, selection.objects(rows), strict=True):
            groups[row[place]].append(made)
        return groups

    def _inner_connection(
        self,
        resource: Resource,
        relation: Relation,
        kind: GraphQLObjectType,
        nodes: Nodes,
        arguments: Mapping[str, Any],
        place: int,
    ) -> Member:
        inner = self._nodes(kind, self._named(kind, nodes, "edges"))

        def member(rows: Rows) -> list[Any]:
            groups = self._related(resource, relation, inner, arguments, [row[place] for row in rows])
            return [self.page(kind, nodes, groups.get(row[place], []), arguments) for row in rows]

        return member

    def _named(self, parent: GraphQLObjectType, nodes: Nodes, name: str) -> list[FieldNode]:
        return [n for group in self.fields(parent, nodes).values() for n in group if n.name.value == name]

    def _nodes(self, kind: GraphQLObjectType, edges: Nodes) -> list[FieldNode]:
        return self._named(object_of(kind.fields["edges"]), edges, "node")

    def _count(self, resource: Resource, name: str, made: Selection) -> Member:
        relation = counted(resource, name)
        hidden = relation is not None and self.hides(self.catalog.resources[relation.resource])
        if (
            relation is None
            or hidden
            or (relation.kind == "none" and pairs(resource.name, relation.field) is None)
        ):
            return lambda rows: [0] * len(rows)
        place = made.need(f't."{own_key(resource, relation)}"')
        rows_of, owner = source(resource, relation, self.catalog.resources[relation.resource], "t", "j")

        def member(rows: Rows) -> list[Any]:
            counts = dict(
                self.connection.execute(
                    f"SELECT {owner}, count(*) FROM {rows_of} WHERE {owner} IN (SELECT value FROM json_each(?)) GROUP BY 1",
                    (json.dumps([row[place] for row in rows]),),
                ).fetchall()
            )
            return [counts.get(row[place], 0) for row in rows]

        return member

    def _other(
        self, resource: Resource, name: str, definition: GraphQLField, nodes: Nodes, made: Selection
    ) -> Member:
        target, many = self.catalog.by_type(kind_of(definition).name), gives_list(definition)
        known = pairs(resource.name, name)
        if target is None or known is None or self.hides(target):
            if (resource.name, name) in _DOCUMENTS:
                return self._document(name, kind_of(definition), nodes, made)
            if (
                name == "partInventories"
                and resource.name in kit_inventories.ISSUED
                and not self._hides_stock()
            ):
                kind = object_of(definition)
                return kit_inventories.member(self, resource.name, kind, nodes, made.need("t.id"))
            if name == "sessions" and resource.name in {"runs", "run_steps"}:
                return self._sessions(resource, kind_of(definition), nodes, made)
            if name == "buildRequirements" and not self.hides(self.catalog.resources["abom_items"]):
                return self._requirements(kind_of(definition), nodes, made)
            return lambda rows: [[] if many else None for _ in rows]
        place = made.need("t.id")

        def member(rows: Rows) -> list[Any]:
            found = self.connection.execute(
                f"SELECT own, other FROM ({known}) WHERE own IN (SELECT value FROM json_each(?))",
                (json.dumps([row[place] for row in rows]),),
            ).fetchall()
            objects = self.by_keys(target, nodes, (other for _, other in found))
            groups: dict[Any, list[Any]] = defaultdict(list)
            for own, other in found:
                if other in objects:
                    groups[own].append(objects[other])
            return [
                groups.get(row[place], []) if many else next(iter(groups.get(row[place], [])), None)
                for row in rows
            ]

        return member

    def _requirements(self, kind: Any, nodes: Nodes, made: Selection) -> Member:
        place = made.need("t.id")

        def member(rows: Rows) -> list[Any]:
            found = build_requirements.of_inventories(self.connection, (row[place] for row in rows))
            return [self._plain_value(kind, nodes, found.get(row[place], [])) for row in rows]

        return member

    def _document(self, name: str, kind: Any, nodes: Nodes, made: Selection) -> Member:
        place = made.need(f't."{name}"')
        empty = _DOCUMENTS["organizations", "settings"] if name == "settings" else None
        return lambda rows: [
            self._plain_value(kind, nodes, json.loads(row[place]) if row[place] else empty) for row in rows
        ]

    def _sessions(self, resource: Resource, kind: Any, nodes: Nodes, made: Selection) -> Member:
        """Pair what users did at steps: a session begins with a check-in and ends with the check-out after it."""
        place = made.need("t.id")
        of = "run_step_id = ?" if resource.name == "run_steps" else _OF_RUN

        def member(rows: Rows) -> list[Any]:
            found = [
                self.connection.execute(f"{_SESSIONS} {of} ORDER BY i.id", (row[place],)) for row in rows
            ]
            return [
                self._plain_value(kind, nodes, [_session(*each) for each in sessions]) for sessions in found
            ]

        return member

    def _timeline(
        self, resource: Resource, nodes: Nodes, filters: Mapping[str, Any] | None, made: Selection
    ) -> Member:
        columns = [f.column for k in resource.key for f in resource.fields if f.name == k]
        places = [made.need(f't."{c}"') for c in columns]
        events = self.schema.type_map.get(f"{resource.type}Events")
        if not isinstance(events, GraphQLObjectType):
            return lambda rows: [[] for _ in rows]

        def member(rows: Rows) -> list[Any]:
            answers: list[Any] = []
            for row in rows:
                row_id = ":".join(str(row[p]) for p in places)
                actions = [
                    a
                    for a in audit_log.of_row(self.connection, resource.name, row_id)
                    if timeline.wanted(a, resource, filters)
                ]
                answers.append([self.plain(events, nodes, self._event(resource, a)) for a in actions])
            return answers

        return member

    def _event(self, resource: Resource, action: audit_log.LoggedAction) -> dict[str, Any]:
        names = {f.column: f for f in resource.fields if f.stored}
        changed = [
            {"field": names[c].name, "oldValue": old, "newValue": new}
            for c, (old, new) in action.changes().items()
            if c in names and names[c].name not in _NOISE
        ]
        return {
            "actor": action.actor_id,
            "eventType": action.action,
            "timestamp": action.action_tstamp,
            "changedAttributes": changed,
            "oldValues": _values(names, action.old_row),
            "newValues": _values(names, action.new_row),
        }

    def plain(self, parent: GraphQLObjectType, nodes: Nodes, value: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a selection from values by field name; where a type is a resource, a value that is no mapping is an id."""
        answer: dict[str, Any] = {}
        for key, group in self.fields(parent, nodes).items():
            name = group[0].name.value
            if name == "__typename":
                answer[key] = parent.name
                continue
            answer[key] = self._plain_value(kind_of(parent.fields[name]), group, value.get(name))
        return answer

    def _plain_value(self, kind: Any, nodes: Nodes, value: Any) -> Any:
        if value is None or not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            return value
        if isinstance(value, list):
            return self._plain_list(kind, nodes, cast("list[Any]", value))
        if isinstance(value, Mapping):
            assert isinstance(kind, GraphQLObjectType)
            return self.plain(kind, nodes, cast("Mapping[str, Any]", value))
        target = self.catalog.by_type(kind.name)
        assert target is not None
        if isinstance(value, tuple):
            columns = [f.column for k in target.key for f in target.fields if f.name == k]
            return self.by_key(target, nodes, dict(zip(columns, cast("tuple[Any, ...]", value), strict=True)))
        return self.by_keys(target, nodes, [value]).get(value)

    def _plain_list(
        self, kind: GraphQLObjectType | GraphQLInterfaceType, nodes: Nodes, values: list[Any]
    ) -> list[Any]:
        if not values or isinstance(values[0], Mapping):
            return [self._plain_value(kind, nodes, value) for value in values]
        target = self.catalog.by_type(kind.name)
        assert target is not None
        found = self.by_keys(target, nodes, values)
        return [found.get(value) for value in values]

    def list_root(
        self, resource: Resource, kind: GraphQLObjectType, nodes: Nodes, args: Mapping[str, Any]
    ) -> Any:
        """Answer a list root: one page of a connection."""
        rows, params = self._list_source(resource, args)
        wanted = self.fields(kind, nodes)
        info = self._named(kind, nodes, "pageInfo")
        in_all = bool(info and self._named(object_of(kind.fields["pageInfo"]), info, "totalCount"))
        backwards = args.get("last") is not None or args.get("before")
        total = self._total(rows, params) if in_all or backwards else None
        start, end = _range(args, total)
        most = None if end is None else max(0, end - start)
        columns = [f.column for k in resource.key for f in resource.fields if f.name == k]
        rest = f"{rows} ORDER BY {order(resource, args.get('sort'), 't', columns)} LIMIT ? OFFSET ?"
        bound = (*params, -1 if most is None else most + 1, start)
        read = self._compiled(resource, kind, wanted) or self._resolved(resource, kind, wanted)
        edges, count, more = read(rest, bound, start, most)
        has_next = more if total is None else start + count < total
        value = _connection(edges, start, count, has_next=has_next, total=total)
        return self._connection_answer(kind, nodes, value, (rows, params))

    def _compiled(
        self, resource: Resource, kind: GraphQLObjectType, wanted: Mapping[str, Nodes]
    ) -> ReadPage | None:
        """Give what reads a page's edges as JSON text; None where only the resolvers can."""
        groups = [group for group in wanted.values() if group[0].name.value == "edges"]
        if self.pages is None or len(groups) != 1:
            return None
        edges = self.pages.edges(self, resource, object_of(kind.fields["edges"]), groups[0])
        return edges and functools.partial(edges.read, self.connection)

    def _resolved(self, resource: Resource, kind: GraphQLObjectType, wanted: Mapping[str, Nodes]) -> ReadPage:
        edges = [n for group in wanted.values() for n in group if n.name.value == "edges"]
        selection = self.selection(resource, self._nodes(kind, edges))

        def read(
            rest: str, params: Sequence[Any], start: int, most: int | None
        ) -> tuple[list[tuple[int, Any]], int, bool]:
            rows = self.connection.execute(f"SELECT {selection.sql()} FROM {rest}", params).fetchall()
            objects = selection.objects(rows if most is None else rows[:most])
            return list(enumerate(objects, start)), len(objects), len(rows) > len(objects)

        return read

    def _list_source(self, resource: Resource, args: Mapping[str, Any]) -> tuple[str, list[Any]]:
        plain = {k: {"eq": v} for k, v in args.items() if k not in _PAGING and v is not None}
        if plain.get("status"):
            plain["status"] = {"eq": str(args["status"]).lower()}
        conditions = Conditions(self.catalog)
        where, params = conditions.where(resource, args.get("filters"), "t")
        extra, more = conditions.where(resource, plain, "t")
        source = f'"{resource.name}" t WHERE {where} AND {extra}'
        if not args.get("distinctOn"):
            return source, [*params, *more]
        groups = ", ".join(sorted_by(resource, d.rpartition("_")[0], "t") for d in args["distinctOn"])
        columns = [f.column for k in resource.key for f in resource.fields if f.name == k]
        ranked = (
            f"SELECT t.rowid AS one, row_number() OVER (PARTITION BY {groups}"
            f" ORDER BY {order(resource, args.get('sort'), 't', columns)}) AS place FROM {source}"
        )
        return f'"{resource.name}" t WHERE t.rowid IN (SELECT one FROM ({ranked}) WHERE place = 1)', [
            *params,
            *more,
        ]

    def _total(self, source: str, params: Sequence[Any]) -> int:
        return self.connection.execute(f"SELECT count(*) FROM {source}", params).fetchone()[0]

    def page(
        self, kind: GraphQLObjectType, nodes: Nodes, objects: Sequence[Any], args: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Answer a connection from objects at hand."""
        start, end = _range(args, len(objects))
        shown = objects[start:end]
        more, edges = start + len(shown) < len(objects), list(enumerate(shown, start))
        value = _connection(edges, start, len(shown), has_next=more, total=len(objects))
        return self._connection_answer(kind, nodes, value, None)

    def _connection_answer(
        self,
        kind: GraphQLObjectType,
        nodes: Nodes,
        value: Mapping[str, Any],
        source: tuple[str, Sequence[Any]] | None,
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for key, group in self.fields(kind, nodes).items():
            name = group[0].name.value
            if name == "__typename":
                answer[key] = kind.name
            elif name == "edges":
                edges = value["edges"]
                answer[key] = edges if isinstance(edges, Raw) else self._edges(kind, group, edges)
            elif name == "aggregates" and source is not None:
                answer[key] = self.plain(object_of(kind.fields[name]), group, self._aggregates(*source))
            else:
                answer[key] = self._plain_value(kind_of(kind.fields[name]), group, value.get(name))
        return answer

    def _edges(
        self, kind: GraphQLObjectType, nodes: Nodes, edges: Sequence[tuple[int, Any]]
    ) -> list[dict[str, Any]]:
        edge = object_of(kind.fields["edges"])
        names = {key: group[0].name.value for key, group in self.fields(edge, nodes).items()}
        makers: dict[str, Callable[[int, Any], Any]] = {
            "node": lambda _, made: made,
            "cursor": lambda at, _: cursor(at),
            "__typename": lambda _at, _made: edge.name,
        }
        return [{key: makers[name](at, made) for key, name in names.items()} for at, made in edges]

    def _aggregates(self, source: str, params: Sequence[Any]) -> dict[str, Any]:
        resource = self.catalog.resources["parts_inventory"]
        available = next(f for f in resource.fields if f.name == "quantityAvailable")
        quantity, free, count = self.connection.execute(
            f"SELECT sum(t.quantity), sum({column_sql(resource, available, 't')}), count(*) FROM {source}",
            params,
        ).fetchone()
        return {"sum": {"quantity": quantity, "quantityAvailable": free}, "count": count}


_PAGING = {"filters", "sort", "distinctOn", "before", "after", "first", "last"}
_NOISE = {"_etag", "_updated", "Etag", "Updated", "_created", "Created"}


def _values(names: Mapping[str, Any], row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        f.name: row[c].upper() if f.enum and isinstance(row.get(c), str) else row.get(c)
        for c, f in names.items()
    }


def _range(args: Mapping[str, Any], total: int | None) -> tuple[int, int | None]:
    """Turn first, after, last and before into the places from which and up to which rows are wanted."""
    for name in ("first", "last"):
        if args.get(name) is not None and args[name] < 0:
            raise GraphQLError(f"Argument {name} must not be negative")
    after, before = offset(args.get("after")), offset(args.get("before"))
    start = 0 if after is None else after + 1
    end = total if before is None else before if total is None else min(before, total)
    first, last = args.get("first"), args.get("last")
    if first is not None:
        end = start + first if end is None else min(end, start + first)
    if last is not None and end is not None:
        start = max(start, end - last)
    return start, end


def _connection(edges: Any, start: int, count: int, *, has_next: bool, total: int | None) -> dict[str, Any]:
    return {
        "edges": edges,
        "pageInfo": {
            "hasNextPage": has_next,
            "hasPreviousPage": start > 0,
            "startCursor": cursor(start) if count else None,
            "endCursor": cursor(start + count - 1) if count else None,
            "count": count,
            "totalCount": total,
        },
    }


def _session(id_: int, step: int, begun: str, user: int | None, ended: str | None) -> dict[str, Any]:
    length = (
        (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds() if ended else None
    )
    return {
        "id": str(id_),
        "runStepId": step,
        "Created": begun,
        "createdById": user,
        "eventType": "CHECK_OUT" if ended else "CHECK_IN",
        "checkIn": begun,
        "checkOut": ended,
        "duration": length,
        "isValidGrouping": ended is not None,
        "runStep": step,
        "createdBy": user,
        "timeline": [],
    }
