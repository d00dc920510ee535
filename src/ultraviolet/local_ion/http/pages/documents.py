"""GraphQL documents of the pages, built from the contract as an API client would write them."""

from collections.abc import Iterable
from typing import Any, cast

import msgspec
from graphql import (
    GraphQLArgument,
    GraphQLInputObjectType,
    GraphQLObjectType,
    is_leaf_type,
)

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.currencies import currency_link
from ultraviolet.ion.graphql_types import is_list_field, named_type, object_type
from ultraviolet.ion.labels import field_label, resource_label
from ultraviolet.ion.model import Field, Relation, Resource
from ultraviolet.local_ion.graphql.filters import encode_cursor
from ultraviolet.local_ion.http.pages.values import is_shown, link_of, title_fields

PAGE_SIZE = 25
MAX_COLUMNS = 7
MAX_CHILDREN = 10
MAX_ID_DIGITS = 15
_HIDDEN = {"prettyStr", "LastSessionId", "entityId"}
STAMPS = ("_created", "createdById", "_updated", "updatedById", "_etag")
"""The fields that ION sets itself."""
ATTRIBUTE_FIELDS = ("key", "value", "type", "Etag")


class ListRoot(msgspec.Struct, frozen=True):
    """One list of a document: its alias, resource, columns, filters and page."""

    alias: str
    resource: Resource
    columns: tuple[str, ...]
    filters: dict[str, Any] | None = None
    first: int = PAGE_SIZE
    offset: int = 0
    newest_first: bool = True
    extra: str = ""
    """More fields to select."""


def list_document(catalog: Catalog, roots: Iterable[ListRoot]) -> tuple[str, dict[str, Any]]:
    """Return a query of one or more lists, and its variables."""
    declared: list[str] = []
    variables: dict[str, Any] = {}
    fields: list[str] = []
    for root in roots:
        list_ = str(root.resource.list)
        arguments = query_arguments(catalog, list_)
        order = named_type(arguments["sort"]) if "sort" in arguments else None
        column = "ID" if "ID_ASC" in getattr(order, "values", ()) else "_CREATED"
        direction = "DESC" if root.newest_first else "ASC"
        given = [f"first: {root.first}", f"sort: [{column}_{direction}]"]
        if root.filters:
            name = f"{root.alias}Filters"
            declared.append(f"${name}: {_type_text(arguments['filters'])}")
            variables[name] = root.filters
            given.append(f"filters: ${name}")
        if root.offset:
            name = f"{root.alias}After"
            declared.append(f"${name}: String")
            variables[name] = encode_cursor(root.offset - 1)
            given.append(f"after: ${name}")
        node = f"{selection(catalog, root.resource, root.columns)} {root.extra}"
        fields.append(
            f"{root.alias}: {list_}({', '.join(given)})"
            f" {{ pageInfo {{ totalCount }} edges {{ node {{ {node} }} }} }}"
        )
    head = f"query Page({', '.join(declared)})" if declared else "query Page"
    return f"{head} {{ {' '.join(fields)} }}", variables


def _type_text(argument: GraphQLArgument) -> str:
    return str(cast("Any", argument).type)


def query_arguments(catalog: Catalog, field: str) -> dict[str, GraphQLArgument]:
    """Return the arguments of a root field of queries."""
    assert catalog.schema.query_type is not None
    return catalog.schema.query_type.fields[field].args


def selection(catalog: Catalog, resource: Resource, names: Iterable[str]) -> str:
    """Return the selection of these fields, the id, and the titles of links and of the object."""
    kind = catalog.schema.type_map[resource.type]
    assert isinstance(kind, GraphQLObjectType)
    names = tuple(names)
    wanted = dict.fromkeys(["id", *title_fields(resource), *names])
    for name in list(wanted):
        link = link_of(resource, name)
        shown = kind.fields.get(link.field) if link is not None else None
        if link is not None and shown is not None and not is_list_field(shown):
            target = catalog.resources[link.resource]
            titles = " ".join(dict.fromkeys(["id", *title_fields(target)]))
            wanted[f"{link.field} {{ {titles} }}"] = None
    amounts = any(field_label(name).format == "money" for name in names)
    link = currency_link(catalog, resource) if amounts else None
    if link is not None:
        inner = "type" if link.resource == "currencies" else "currency { type }"
        wanted[f"{link.field} {{ {inner} }}"] = None
    return " ".join(wanted)


def list_columns(resource: Resource) -> tuple[str, ...]:
    """Return the columns of a list: those of the contract, or the first fields."""
    chosen = tuple(c for c in resource_label(resource.name).columns if resource.field(c))
    if chosen:
        return chosen
    links = {link.key for link in resource.links}
    status = [f.name for f in resource.fields if f.name == "status"]
    plain = [f.name for f in shown_fields(resource) if f.name not in links]
    keys = [f.name for f in shown_fields(resource) if f.name in links]
    ordered = dict.fromkeys(["id", *title_fields(resource), *status, *plain, *keys])
    return tuple(ordered)[:MAX_COLUMNS]


def shown_fields(resource: Resource) -> list[Field]:
    """Return the fields of an object's page, without counts of related objects and stamps."""
    return [
        f
        for f in resource.fields
        if f.name not in _HIDDEN and f.name not in STAMPS and not f.name.startswith("_")
    ]


def filter_type(catalog: Catalog, resource: Resource) -> GraphQLInputObjectType | None:
    """Return the type of a list's filters."""
    argument = query_arguments(catalog, str(resource.list)).get("filters")
    kind = named_type(argument) if argument is not None else None
    return kind if isinstance(kind, GraphQLInputObjectType) else None


def id_filter(resource: Resource, id_: str) -> dict[str, Any] | None:
    """Return the filter of one object; None for an id that no object can have."""
    if not resource.numbered:
        return {"id": {"eq": id_}}
    if not (id_.isascii() and id_.isdecimal() and len(id_) <= MAX_ID_DIGITS):
        return None
    return {"id": {"eq": int(id_)}}


def search_filter(catalog: Catalog, resource: Resource, text: str) -> dict[str, Any] | None:
    """Return a filter of the objects in which a text occurs; None for a list without a search.

    The text is searched in the fields of an object and in the titles of its links.
    """
    kind = filter_type(catalog, resource)
    if kind is None or "or_" not in kind.fields:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    pattern = {"ilike": f"%{escaped}%"}
    texts = [f.name for f in shown_fields(resource) if f.stored and f.type == "String"]
    conditions: list[dict[str, Any]] = [{name: pattern} for name in texts if name in kind.fields]
    for name in list_columns(resource):
        link = link_of(resource, name)
        target = catalog.resources[link.resource] if link else None
        if link is None or target is None or link.field not in kind.fields:
            continue
        inner = named_type(kind.fields[link.field])
        assert isinstance(inner, GraphQLInputObjectType)
        titles = [name for name in title_fields(target) if name in inner.fields]
        conditions += [{link.field: {name: pattern}} for name in titles[:1]]
    by_id = id_filter(resource, text.strip().lstrip("#"))
    if by_id is not None and resource.numbered:
        conditions.append(by_id)
    return {"or_": conditions} if conditions else None


def children(catalog: Catalog, resource: Resource) -> list[Relation]:
    """Return the lists of objects that have a foreign key to an object of a resource."""
    found: dict[tuple[str, str], Relation] = {}
    for relation in resource.relations:
        child = catalog.resources[relation.resource]
        if relation.kind != "foreign_key" or not is_shown(child):
            continue
        kind = filter_type(catalog, child)
        if kind is not None and relation.key in kind.fields:
            found.setdefault((child.name, relation.key), relation)
    return list(found.values())


def attributes_selection(catalog: Catalog, resource: Resource) -> str:
    """Return the selection of an object's custom attributes; empty if it has none."""
    kind = catalog.schema.type_map.get(resource.type)
    field = kind.fields.get("attributes") if isinstance(kind, GraphQLObjectType) else None
    item = named_type(field) if field is not None else None
    if not isinstance(item, GraphQLObjectType) or not {*ATTRIBUTE_FIELDS} <= set(item.fields):
        return ""
    return f"attributes {{ {' '.join(ATTRIBUTE_FIELDS)} }}"


def mutation_input(catalog: Catalog, mutation: str) -> tuple[str, GraphQLInputObjectType] | None:
    """Return the name and type of a mutation's only argument."""
    assert catalog.schema.mutation_type is not None
    arguments = catalog.schema.mutation_type.fields[mutation].args
    if len(arguments) != 1:
        return None
    name, argument = next(iter(arguments.items()))
    kind = named_type(argument)
    return (name, kind) if isinstance(kind, GraphQLInputObjectType) else None


def mutation_document(catalog: Catalog, mutation: str, title: str) -> str:
    """Return a mutation with one argument that selects the id of its object."""
    assert catalog.schema.mutation_type is not None
    field = catalog.schema.mutation_type.fields[mutation]
    name, argument = next(iter(field.args.items()))
    payload = object_type(field)
    shown: list[str] = []
    for member, definition in payload.fields.items():
        kind = named_type(definition)
        if isinstance(kind, GraphQLObjectType) and "id" in kind.fields:
            shown.append(f"{member} {{ id }}")
        elif is_leaf_type(kind):
            shown.append(member)
    body = f" {{ {' '.join(shown) or '__typename'} }}"
    return (
        f"mutation {title}(${name}: {_type_text(argument)}) {{ {mutation}({name}: ${name}){body} }}"
    )
