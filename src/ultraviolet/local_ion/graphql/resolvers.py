"""Resolvers: they read the objects of a selection level by level.

Each relation is one SQL statement for all objects, unlike in graphql-core's executor.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from graphql import GraphQLField, GraphQLInterfaceType, GraphQLObjectType

from ultraviolet.ion.graphql_types import is_list_field, named_type, object_type
from ultraviolet.ion.model import Link, Relation, Resource
from ultraviolet.local_ion.graphql import kit_inventories, special_fields
from ultraviolet.local_ion.graphql.connections import page_of, render_connection
from ultraviolet.local_ion.graphql.derived_relations import (
    counted_relation,
    derived_pairs,
    own_key,
    relation_source,
)
from ultraviolet.local_ion.graphql.filters import (
    Conditions,
    column_sql,
    key_columns,
    link_key,
    order_by,
)
from ultraviolet.local_ion.graphql.selection import (
    FieldResolver,
    Nodes,
    OperationContext,
    Rows,
    RowSelection,
)
from ultraviolet.local_ion.mutations import build_requirements
from ultraviolet.local_ion.store.columns import decoder


class Reader:
    """Reads the objects that an operation selects."""

    def __init__(self, context: OperationContext) -> None:
        self.context = context
        self.catalog = context.catalog
        self.connection = context.connection

    def by_keys(
        self,
        resource: Resource,
        nodes: Nodes,
        keys: Iterable[Any],
        filters: Mapping[str, Any] | None = None,
        kind: GraphQLObjectType | None = None,
    ) -> dict[Any, dict[str, Any]]:
        """Return objects by id; `kind` selects another type than the resource's own."""
        ids = [k for k in dict.fromkeys(keys) if k is not None]
        if not ids:
            return {}
        selection = self.selection(resource, nodes, kind)
        index = selection.add_column("t.id")
        where, params = Conditions(self.catalog).where(resource, filters, "t")
        rows = self.connection.execute(
            f'SELECT {selection.sql()} FROM "{resource.name}" t'
            f" WHERE t.id IN (SELECT value FROM json_each(?)) AND {where}",
            (json.dumps(ids), *params),
        ).fetchall()
        objects = selection.objects(rows)
        return {row[index]: value for row, value in zip(rows, objects, strict=True)}

    def by_key(
        self, resource: Resource, nodes: Nodes, key: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return one object by its key columns."""
        selection = self.selection(resource, nodes)
        where = " AND ".join(f't."{c}" = ?' for c in key)
        sql = f'SELECT {selection.sql()} FROM "{resource.name}" t WHERE {where}'
        rows = self.connection.execute(sql, tuple(key.values())).fetchall()
        return selection.objects(rows)[0] if rows else None

    def selection(
        self, resource: Resource, nodes: Nodes, kind: GraphQLObjectType | None = None
    ) -> RowSelection:
        """Compile the selection of a resource."""
        selection = RowSelection()
        selection.add_column("t.rowid" if resource.key != ("id",) else "t.id")
        parent = kind or self.context.schema.type_map[resource.type]
        assert isinstance(parent, GraphQLObjectType)
        for key, group in self.context.fields(parent, nodes).items():
            selection.add_field(key, self._field(resource, parent, group, selection))
        return selection

    def _field(
        self, resource: Resource, parent: GraphQLObjectType, nodes: Nodes, selection: RowSelection
    ) -> FieldResolver:
        name = nodes[0].name.value
        if name == "__typename":
            return _constant(parent.name)
        field = next((f for f in resource.fields if f.name == name), None)
        if field is not None:
            if name.startswith("_") and name.endswith("Count"):
                return self._count(resource, name, selection)
            index, decode = selection.add_column(column_sql(resource, field, "t")), decoder(field)

            def resolve(rows: Rows) -> list[Any]:
                if decode is None:
                    return [row[index] for row in rows]
                return [decode(row[index]) for row in rows]

            return resolve
        definition = parent.fields[name]
        arguments = self.context.arguments(definition, nodes[0])
        link = next((x for x in resource.links if x.field == name), None)
        if link is not None and not is_list_field(definition):
            return self._link(resource, link, nodes, arguments, selection)
        relation = next((x for x in resource.relations if x.field == name), None)
        if relation is not None:
            return self._relation(resource, relation, definition, nodes, arguments, selection)
        return self._derived(resource, definition, nodes, selection)

    def _link(
        self,
        resource: Resource,
        link: Link,
        nodes: Nodes,
        arguments: Mapping[str, Any],
        selection: RowSelection,
    ) -> FieldResolver:
        index = selection.add_column(link_key(resource, link, "t"))
        target = self.catalog.resources[link.resource]
        if self.context.is_hidden(target):
            return _constant(None)

        def resolve(rows: Rows) -> list[Any]:
            keys = [row[index] for row in rows]
            objects = self.by_keys(target, nodes, keys, arguments.get("filters"))
            return [objects.get(key) for key in keys]

        return resolve

    def _relation(
        self,
        resource: Resource,
        relation: Relation,
        definition: GraphQLField,
        nodes: Nodes,
        arguments: Mapping[str, Any],
        selection: RowSelection,
    ) -> FieldResolver:
        index = selection.add_column(f't."{own_key(resource, relation)}"')
        kind = named_type(definition)
        if not kind.name.endswith("Connection"):

            def resolve(rows: Rows) -> list[Any]:
                keys = [row[index] for row in rows]
                groups = self._related(resource, relation, nodes, arguments, keys)
                return [groups.get(key, []) for key in keys]

            return resolve

        assert isinstance(kind, GraphQLObjectType)
        inner = self.context.connection_nodes(kind, nodes)

        def resolve_connection(rows: Rows) -> list[Any]:
            keys = [row[index] for row in rows]
            groups = self._related(resource, relation, inner, arguments, keys)
            return [self.page(kind, nodes, groups.get(key, []), arguments) for key in keys]

        return resolve_connection

    def _related(
        self,
        resource: Resource,
        relation: Relation,
        nodes: Nodes,
        arguments: Mapping[str, Any],
        keys: Sequence[Any],
    ) -> dict[Any, list[Any]]:
        target = self.catalog.resources[relation.resource]
        source = relation_source(resource, relation, target, "t", "j")
        if source is None or self.context.is_hidden(target):
            return {}
        table, owner = source
        selection = self.selection(target, nodes)
        index = selection.add_column(owner)
        where, params = Conditions(self.catalog).where(target, arguments.get("filters"), "t")
        rows = self.connection.execute(
            f"SELECT {selection.sql()} FROM {table}"
            f" WHERE {owner} IN (SELECT value FROM json_each(?)) AND {where}"
            f" ORDER BY {order_by(target, arguments.get('sort'), 't')}",
            (json.dumps(list(dict.fromkeys(keys))), *params),
        ).fetchall()
        groups: dict[Any, list[Any]] = defaultdict(list)
        for row, value in zip(rows, selection.objects(rows), strict=True):
            groups[row[index]].append(value)
        return groups

    def _count(self, resource: Resource, name: str, selection: RowSelection) -> FieldResolver:
        relation = counted_relation(resource, name)
        if relation is None:
            return _constant(0)
        target = self.catalog.resources[relation.resource]
        source = relation_source(resource, relation, target, "t", "j")
        if source is None or self.context.is_hidden(target):
            return _constant(0)
        table, owner = source
        index = selection.add_column(f't."{own_key(resource, relation)}"')

        def resolve(rows: Rows) -> list[Any]:
            keys = [row[index] for row in rows]
            sql = (
                f"SELECT {owner}, count(*) FROM {table}"
                f" WHERE {owner} IN (SELECT value FROM json_each(?)) GROUP BY 1"
            )
            counts = dict(self.connection.execute(sql, (json.dumps(keys),)).fetchall())
            return [counts.get(key, 0) for key in keys]

        return resolve

    def _derived(
        self, resource: Resource, definition: GraphQLField, nodes: Nodes, selection: RowSelection
    ) -> FieldResolver:
        """Resolve a relation without a foreign key, or a special field."""
        target, is_list = (
            self.catalog.by_type(named_type(definition).name),
            is_list_field(definition),
        )
        pairs = derived_pairs(resource.name, nodes[0].name.value)
        if target is None or pairs is None or self.context.is_hidden(target):
            return self._special(resource, definition, nodes, selection)
        index = selection.add_column("t.id")

        def resolve(rows: Rows) -> list[Any]:
            keys = [row[index] for row in rows]
            sql = f"SELECT own, other FROM ({pairs}) WHERE own IN (SELECT value FROM json_each(?))"
            found = self.connection.execute(sql, (json.dumps(keys),)).fetchall()
            objects = self.by_keys(target, nodes, (other for _, other in found))
            groups: dict[Any, list[Any]] = defaultdict(list)
            for own, other in found:
                if other in objects:
                    groups[own].append(objects[other])
            if is_list:
                return [groups.get(key, []) for key in keys]
            return [next(iter(groups.get(key, [])), None) for key in keys]

        return resolve

    def _special(
        self, resource: Resource, definition: GraphQLField, nodes: Nodes, selection: RowSelection
    ) -> FieldResolver:
        name, hidden = nodes[0].name.value, self.context.is_hidden
        resources = self.catalog.resources
        kit_inventory = kit_inventories.has_issued_inventories(resource.name, name)
        if kit_inventory and not hidden(resources["parts_inventory"]):
            return self._issued_inventories(resource, object_type(definition), nodes, selection)
        event_type = self.context.schema.type_map.get(f"{resource.type}Events")
        column, kind = "t.id", named_type(definition)
        if (resource.name, name) in special_fields.EMPTY_DOCUMENTS:
            column = f't."{name}"'
            load = partial(special_fields.load_documents, resource, name)
        elif name == "sessions" and special_fields.has_sessions(resource):
            load = partial(special_fields.load_sessions, self.connection, resource)
        elif name == "buildRequirements" and not hidden(resources["abom_items"]):
            load = partial(build_requirements.load_requirements, self.connection)
        elif name == "timeline" and event_type is not None:
            kind = event_type
            column = " || ':' || ".join(f't."{c}"' for c in key_columns(resource))
            filters = self.context.arguments(definition, nodes[0]).get("filters")
            load = partial(special_fields.load_timelines, self.connection, resource, filters)
        else:
            return _constant([] if is_list_field(definition) else None)
        index = selection.add_column(column)

        def resolve(rows: Rows) -> list[Any]:
            return [self.value(kind, nodes, value) for value in load([r[index] for r in rows])]

        return resolve

    def _issued_inventories(
        self, resource: Resource, kind: GraphQLObjectType, nodes: Nodes, selection: RowSelection
    ) -> FieldResolver:
        index = selection.add_column("t.id")
        fields = self.context.fields(kind, nodes).items()
        quantity_keys = [key for key, group in fields if group[0].name.value == "issuedQuantity"]
        inventory = self.catalog.resources["parts_inventory"]

        def resolve(rows: Rows) -> list[Any]:
            keys = [row[index] for row in rows]
            issued = kit_inventories.load_issued(self.connection, resource.name, keys)
            objects = self.by_keys(inventory, nodes, [other for _, other, _ in issued], kind=kind)
            groups: dict[Any, list[Any]] = defaultdict(list)
            for own, other, quantity in issued:
                quantities = dict.fromkeys(quantity_keys, quantity)
                groups[own].append({**objects[other], **quantities})
            return [groups.get(key, []) for key in keys]

        return resolve

    def page(
        self, kind: GraphQLObjectType, nodes: Nodes, objects: Sequence[Any], args: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a connection of objects in memory."""
        page = page_of(objects, args)
        return render_connection(self.context, kind, nodes, page, self.value)

    def object(
        self, parent: GraphQLObjectType, nodes: Nodes, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the selection of an object from values by field name."""
        response: dict[str, Any] = {}
        for key, group in self.context.fields(parent, nodes).items():
            name = group[0].name.value
            if name == "__typename":
                response[key] = parent.name
            else:
                kind = named_type(parent.fields[name])
                response[key] = self.value(kind, group, values.get(name))
        return response

    def value(self, kind: Any, nodes: Nodes, value: Any) -> Any:
        """Return the response of a value; an id or key is resolved to its object."""
        if value is None or not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            return value
        if isinstance(value, Mapping):
            assert isinstance(kind, GraphQLObjectType)
            return self.object(kind, nodes, cast("Mapping[str, Any]", value))
        values = cast("list[Any]", value if isinstance(value, list) else [])
        if isinstance(value, list) and (not values or isinstance(values[0], Mapping)):
            return [self.value(kind, nodes, each) for each in values]
        target = self.catalog.by_type(kind.name)
        assert target is not None
        if isinstance(value, list):
            objects = self.by_keys(target, nodes, values)
            return [objects.get(each) for each in values]
        if isinstance(value, tuple):
            key = cast("tuple[Any, ...]", value)
            return self.by_key(target, nodes, dict(zip(key_columns(target), key, strict=True)))
        return self.by_keys(target, nodes, [value]).get(value)


def _constant(value: Any) -> FieldResolver:
    def resolve(rows: Rows) -> list[Any]:
        return [value] * len(rows)

    return resolve
