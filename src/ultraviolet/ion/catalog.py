"""The contract as data: resources, fields, links, relations; the only place that knows ION's entities."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from typing import Literal

from graphql import FieldDefinitionNode, GraphQLSchema, ObjectTypeDefinitionNode, print_schema
from graphql.language import NonNullTypeNode
from msgspec import Struct

from ultraviolet.ion import contract

_SPECIAL_COLUMNS = {("PartInventory", "Cost"): "_cost", ("IssuedPartInventory", "Cost"): "_cost"}
_STAMP_COLUMNS = {
    "Created": "_created",
    "Updated": "_updated",
    "Etag": "_etag",
    "LastSessionId": "last_session_id",
}


class Field(Struct, frozen=True):
    """A scalar, enum or list of them on an object type."""

    name: str
    column: str
    type: str
    enum: bool
    list: bool
    required: bool
    stored: bool
    sources: tuple[str, ...] = ()
    """Relations and links whose objects ION computes it from."""
    listed_in: str = ""
    """The field of another object of this resource that lists who is computed from it."""
    sharing: str = ""
    """The field whose value the objects of this resource share that it is computed from."""
    every_of: tuple[str, ...] = ()
    """Resources any object of which it may be computed from."""


class Link(Struct, frozen=True):
    """A to-one link: `field` shows the object whose id is in `key`."""

    field: str
    key: str
    column: str
    type: str
    resource: str


class Join(Struct, frozen=True):
    """A table between two types."""

    table: str
    own_column: str
    other_column: str


class Relation(Struct, frozen=True):
    """A to-many relation; `column` is the foreign key on the other table."""

    field: str
    type: str
    resource: str
    kind: Literal["foreign_key", "join", "entity", "none"]
    column: str = ""
    key: str = ""
    join: Join | None = None
    kept: bool = False
    """The ids on the other side are part of the object's document in the mirror: no foreign key tells them."""


class Dependent(Struct, frozen=True):
    """Who must be read again when an object of a resource changed.

    `own_key`: the changed object's foreign key names it. `own_ids`: its list of ids does. `their_key`: its own foreign
    key names the changed one. `their_list`: its document shows the changed one in that list. `shared`: both have the
    same value there. None of them: it is every object.
    """

    resource: str
    own_key: str = ""
    own_ids: str = ""
    their_key: str = ""
    their_list: str = ""
    shared: str = ""


class Resource(Struct, frozen=True):
    """A kind of ION object, or the rows of a table that only ties objects together."""

    name: str
    kind: Literal["object", "attribute", "join"]
    subscribable: bool
    type: str
    title: str
    key: tuple[str, ...]
    single: str | None = None
    list: str | None = None
    filters: str | None = None
    sort: str | None = None
    create: str | None = None
    update: str | None = None
    delete: str | None = None
    fields: tuple[Field, ...] = ()
    links: tuple[Link, ...] = ()
    relations: tuple[Relation, ...] = ()
    attributes: str | None = None
    owner: str | None = None
    owner_key: str | None = None
    has_entity: bool = False
    domain: str = ""
    """The part of ION it belongs to, such as purchasing."""

    def field(self, name: str) -> Field | None:
        """Find a field by its GraphQL or its column name."""
        return next((f for f in self.fields if name in (f.name, f.column)), None)


class Catalog:
    """All resources, by name and by type."""

    def __init__(self, resources: Mapping[str, Resource], followed: frozenset[str] | None = None) -> None:
        """Take all resources, and the names of those to mirror where it is not all that can be."""
        self.resources = resources
        self._followed = followed
        self._by_type = {r.type: r for r in resources.values() if r.type}
        self._names = _name_index(resources)

    @property
    def schema(self) -> GraphQLSchema:
        """The complete GraphQL schema, derived types included."""
        return contract.schema()

    def sdl(self) -> str:
        """Print the complete schema."""
        return print_schema(self.schema)

    def by_type(self, name: str) -> Resource | None:
        """Find the resource of a GraphQL object type."""
        return self._by_type.get(name)

    def resolve(self, name: str) -> Resource | None:
        """Find a resource by any of its names: any case and style, singular, plural, table or type."""
        return self._names.get(_plain(name))

    def following(self, names: Iterable[str] | None) -> "Catalog":
        """Give the catalog of who mirrors only these resources; None means all that can be."""
        return self if names is None else _following(self, frozenset(names))

    def follows(self, name: str) -> bool:
        """Tell whether a resource is mirrored."""
        return name in self._mirrored_names

    @cached_property
    def _mirrored_names(self) -> frozenset[str]:
        return frozenset(r.name for r in self.mirrored)

    @cached_property
    def mirrored(self) -> tuple[Resource, ...]:
        """What is mirrored: everything that can be, unless fewer were chosen."""
        return tuple(r for r in self.mirrorable if self._followed is None or r.name in self._followed)

    @cached_property
    def mirrorable(self) -> tuple[Resource, ...]:
        """What a hub can mirror: objects that can be listed and paged by their id, except ION's own plumbing.

        Rows with a composite key are not mirrored themselves; their events make the objects they tie stale.
        """
        return tuple(
            r
            for r in self.resources.values()
            if r.kind == "object"
            and r.list
            and r.filters
            and r.key == ("id",)
            and r.name not in _NOT_MIRRORED
        )

    @cached_property
    def _dependents(self) -> Mapping[str, tuple[Dependent, ...]]:
        found: dict[str, dict[Dependent, None]] = defaultdict(dict)
        mirrored = {r.name for r in self.mirrored}
        for resource in self.mirrored:
            for field in resource.fields:
                for source in field.sources:
                    _depend(found, self.resources, resource, source)
                if field.listed_in:
                    found[resource.name][Dependent(resource.name, own_ids=field.listed_in)] = None
                if field.sharing:
                    found[resource.name][Dependent(resource.name, shared=field.sharing)] = None
                for other in field.every_of:
                    found[other][Dependent(resource.name)] = None
            for relation in resource.relations:
                if relation.kept and relation.field in SHOWN:
                    found[relation.resource][Dependent(resource.name, their_list=relation.field)] = None
        return {name: tuple(d for d in deps if d.resource in mirrored) for name, deps in found.items()}

    def dependents(self, resource: str) -> tuple[Dependent, ...]:
        """Give who carries values that ION computes from objects of this resource."""
        return self._dependents.get(resource, ())

    @cached_property
    def shared(self) -> Mapping[str, frozenset[str]]:
        """Give, by resource, the fields by whose common value objects depend on each other."""
        return {r.name: frozenset(f.sharing for f in r.fields if f.sharing) for r in self.mirrored}

    @cached_property
    def silent(self) -> tuple[Resource, ...]:
        """Resources whose creations ION does not announce (Violet Labs, known limitations)."""
        return tuple(r for r in self.mirrored if r.name == "purchase_order_lines")


SHOWN: Mapping[str, str] = {
    "labels": "id value",
    "requirements": "id title",
    "fileAttachments": "id filename contentType",
    "assets": "id filename contentType",
}
"""Kept relations of which a document shows more than the ids: what it shows."""

_NOT_MIRRORED = {
    "api_keys",
    "webhook_events",
    "webhook_receivers",
    "webhook_headers",
    "webhook_subscriptions",
}


@cache
def _following(whole: Catalog, names: frozenset[str]) -> Catalog:
    """Make it once for each choice: many integrations may have made the same."""
    return Catalog(whole.resources, names)


@cache
def load() -> Catalog:
    """Read the contract; costs a quarter of a second once a process."""
    return Catalog(_Reader().resources())


def _depend(
    found: dict[str, dict[Dependent, None]], others: Mapping[str, Resource], resource: Resource, source: str
) -> None:
    link = next((x for x in resource.links if x.field == source), None)
    if link:
        found[link.resource][Dependent(resource.name, their_key=link.key)] = None
        return
    relation = next(x for x in resource.relations if x.field == source)
    if relation.kind == "foreign_key":
        found[relation.resource][Dependent(resource.name, own_key=relation.key)] = None
    elif relation.join:
        if relation.join.table in others:  # the rows between are objects themselves
            between = Dependent(resource.name, own_key=_camel(relation.join.own_column))
            found[relation.join.table][between] = None
        for back in others[relation.resource].relations:
            if back.join and back.join.table == relation.join.table and back.kept:
                found[relation.resource][Dependent(resource.name, own_ids=back.field)] = None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _name_index(resources: Mapping[str, Resource]) -> dict[str, Resource]:
    index: dict[str, Resource] = {}
    for r in resources.values():
        for name in (r.name, r.type, r.list or "", r.single or "", contract.plural(r.type) if r.type else ""):
            index.setdefault(_plain(name), r)
    for r in resources.values():
        index.setdefault(_plain(r.name.removesuffix("s")), r)
    index.pop("", None)
    return index


class _Reader:
    """Reads resources off the contract's document."""

    def __init__(self) -> None:
        self.document = contract.source()
        self.objects = contract.object_types(self.document)
        self.tables = {
            name: str(mark["name"])
            for name, node in self.objects.items()
            if (mark := contract.directive(node, "table"))
        }
        self.enums = contract.Derivation(self.document).enum_names
        self.resource_enum = self._resource_enum()
        self.queries = list(contract.root_fields(self.document, "Query"))
        self.mutations = {f.name.value: f for f in contract.root_fields(self.document, "Mutation")}
        self.payloads = {
            node.name.value: node
            for node in self.document.definitions
            if isinstance(node, ObjectTypeDefinitionNode) and node.name.value not in self.objects
        }

    def resources(self) -> dict[str, Resource]:
        found = {table: self._resource(name, table) for name, table in self.tables.items()}
        joins = {
            r.join.table: r.join
            for f in found.values()
            for r in f.relations
            if r.join and r.join.table not in found
        }
        for table, join in sorted(joins.items()):
            found[table] = self._join_resource(join, found)
        return found

    def _resource_enum(self) -> set[str]:
        node = next(e for e in contract.Derivation(self.document).enums if e.name.value == "ResourceEnum")
        return {v.name.value for v in node.values or ()}

    def _resource(self, name: str, table: str) -> Resource:
        node = self.objects[name]
        mark = contract.directive(node, "table") or {}
        attribute = table.endswith("_attributes")
        fields = self._fields(name, node)
        roots = self._roots(name)
        owner = self._owner(name) if attribute else None
        return Resource(
            name=table,
            kind="attribute" if attribute else "object",
            subscribable=table.upper() in self.resource_enum,
            type=name,
            title=table.replace("_", " ").capitalize(),
            key=tuple(mark.get("key") or ("id",)),  # type: ignore[arg-type]
            **roots,
            **self._mutations_of(name),
            fields=fields,
            links=self._links(node, fields),
            relations=self._relations(node),
            attributes=self._attributes(node),
            owner=self.tables[owner] if owner else None,
            owner_key=next(
                (f.name for f in fields if owner and f.name.lower() == f"{owner}Id".lower()), None
            ),
            domain=contract.domains().get(name, ""),
            has_entity=any(f.name == "entityId" and f.stored for f in fields) and name != "Comment",
        )

    def _fields(self, name: str, node: ObjectTypeDefinitionNode) -> tuple[Field, ...]:
        stored = {f.name.value for f in contract.stored_scalars(node)}
        return tuple(self._field(name, f, stored) for f in node.fields or () if self._is_scalar(f))

    def _is_scalar(self, field: FieldDefinitionNode) -> bool:
        target = contract.named(field.type)
        return not field.arguments and (target in self.enums or target in _SCALARS)

    def _field(self, owner: str, field: FieldDefinitionNode, stored: set[str]) -> Field:
        name, target = field.name.value, contract.named(field.type)
        column = _SPECIAL_COLUMNS.get((owner, name)) or _STAMP_COLUMNS.get(name) or contract.snake(name)
        computed = contract.directive(field, "computed") or {}
        return Field(
            name=name,
            column=column,
            type=target,
            enum=target in self.enums,
            list=contract.is_list(field.type),
            required=isinstance(field.type, NonNullTypeNode),
            stored=name in stored,
            sources=tuple(computed.get("from") or ()),  # type: ignore[arg-type]
            listed_in=str(computed.get("listedIn") or ""),
            sharing=str(computed.get("sharing") or ""),
            every_of=tuple(computed.get("everyOf") or ()),  # type: ignore[arg-type]
        )

    def _links(self, node: ObjectTypeDefinitionNode, fields: tuple[Field, ...]) -> tuple[Link, ...]:
        stored = {f.name: f for f in fields if f.stored}
        links: list[Link] = []
        for field in node.fields or ():
            target, name = contract.named(field.type), field.name.value
            key = stored.get(f"{name[0].lower()}{name[1:]}Id")
            if target in self.tables and not contract.is_list(field.type) and key:
                links.append(Link(name, key.name, key.column, target, self.tables[target]))
        return tuple(links)

    def _relations(self, node: ObjectTypeDefinitionNode) -> tuple[Relation, ...]:
        return tuple(r for field in node.fields or () if (r := self._relation(field)))

    def _relation(self, field: FieldDefinitionNode) -> Relation | None:
        target = contract.named(field.type)
        if target.endswith("Connection"):
            target = (
                target.removesuffix("Connection").removesuffix("s").replace("DatagridValue", "DatagridValue")
            )
        elif not contract.is_list(field.type):
            return None
        if target not in self.tables:
            return None
        base = (field.name.value, target, self.tables[target])
        if join := contract.directive(field, "join"):
            table, own, other = str(join["table"]), str(join["own"]), str(join["other"])
            between = table not in self.tables.values()  # else its rows are objects with foreign keys
            kept = between and (own == "entity_id" or table.startswith(own.removesuffix("_id")))
            return Relation(*base, "join", join=Join(table, own, other), kept=kept)
        via = contract.directive(field, "via")
        if via and via.get("entity"):
            return Relation(*base, "entity", "entity_id", "entityId")
        if via:
            return Relation(*base, "foreign_key", contract.snake(str(via["key"])), str(via["key"]))
        return Relation(*base, "none")

    def _attributes(self, node: ObjectTypeDefinitionNode) -> str | None:
        for field in node.fields or ():
            target = contract.named(field.type)
            if field.name.value in {"attributes", "Attributes"} and target in self.tables:
                return self.tables[target]
        return None

    def _owner(self, name: str) -> str:
        wanted = name.removesuffix("Attribute").lower()
        return next(n for n in self.tables if n.lower() == wanted)

    def _roots(self, name: str) -> dict[str, str | None]:
        roots: dict[str, str | None] = {"single": None, "list": None, "filters": None, "sort": None}
        for query in self.queries:
            mark = contract.directive(query, "list")
            if mark and mark["of"] == name:
                sort = mark.get("sort")
                roots |= {
                    "list": query.name.value,
                    "filters": str(mark["filters"]),
                    "sort": str(sort) if sort else None,
                }
            elif not mark and contract.named(query.type) == name and query.arguments:
                roots["single"] = query.name.value
        return roots

    def _mutations_of(self, name: str) -> dict[str, str | None]:
        wanted = {"abomitem": "abomitem"}.get(name.lower(), name.lower().removesuffix("object"))
        names = {m.lower(): m for m in self.mutations}
        verbs: dict[str, str | None] = {
            verb: names.get(f"{verb}{wanted}") for verb in ("create", "update", "delete")
        }
        if name in {"RunStepsEdge", "StepsEdge"}:
            short = name.replace("Steps", "Step")
            verbs = {verb: names.get(f"{verb}{short}".lower()) for verb in verbs}
        if name == "PlanInput":
            verbs = {
                "create": "addInputToPlan",
                "update": "updateInputToPlan",
                "delete": "removeInputFromPlan",
            }
        return verbs

    def _join_resource(self, join: Join, found: Mapping[str, Resource]) -> Resource:
        columns = (join.own_column, join.other_column)
        fields = tuple(
            Field(_camel(c), c, "Int", enum=False, list=False, required=True, stored=True) for c in columns
        )
        links: list[Link] = []
        for column, field in zip(columns, fields, strict=True):
            target = self._joined(join.table, column, found)
            if target:
                links.append(
                    Link(field.name.removesuffix("Id"), field.name, column, target.type, target.name)
                )
        return Resource(
            name=join.table,
            kind="join",
            subscribable=join.table.upper() in self.resource_enum,
            type="",
            title=join.table.replace("_", " ").capitalize(),
            key=tuple(f.name for f in fields),
            fields=fields,
            links=tuple(links),
        )

    def _joined(self, table: str, column: str, found: Mapping[str, Resource]) -> Resource | None:
        for resource in found.values():
            for relation in resource.relations:
                if relation.join and relation.join.table == table:
                    if relation.join.own_column == column and column != "entity_id":
                        return resource
                    if relation.join.other_column == column:
                        return found[relation.resource]
        return None


def _camel(column: str) -> str:
    head, *tail = column.split("_")
    return head + "".join(t.capitalize() for t in tail)


_SCALARS = {
    "Boolean",
    "DateTime",
    "Decimal",
    "Float",
    "ID",
    "Int",
    "JSONString",
    "ScalarValue",
    "SlateContent",
    "String",
}
