"""Build GraphQL queries from the catalog, and normalize ION's responses.

An ION may be older or newer than the contract, so every query selects only fields that both have.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, cast

from msgspec import Struct

from ultraviolet.clock import valid_time
from ultraviolet.ion.catalog import SHOWN, Catalog
from ultraviolet.ion.model import Relation, Resource
from ultraviolet.ion.naming import constant

INTROSPECTION = """query Offered { __schema { queryType { name } mutationType { name }
  types { kind name fields(includeDeprecated: true) { name } inputFields { name }
    enumValues(includeDeprecated: true) { name } } } }"""
"""Reads only the names of ION's types and fields."""
BUILD_REQUIREMENTS = "buildRequirements"
"""The field of an inventory with its installations; a newer ION has no lists of them."""
_REQUIREMENT = ("id", "partId", "quantity")
_INSTALLATION = ("partInventoryId", "quantity")
_ATTRIBUTE = ("id", "key", "type", "value")


class OfferedSchema(Struct, frozen=True):
    """The schema of an ION: the field names or enum values of each type."""

    types: Mapping[str, frozenset[str]]

    @classmethod
    def whole(cls, catalog: Catalog) -> Self:
        """Return the schema of the contract."""
        return cls(catalog.types())

    @classmethod
    def from_introspection(cls, data: Mapping[str, Any]) -> Self:
        """Return the schema in a response to INTROSPECTION. Raise KeyError if it is invalid."""
        types: dict[str, frozenset[str]] = {}
        for kind in data["__schema"]["types"]:
            members = [
                *(kind.get("fields") or ()),
                *(kind.get("inputFields") or ()),
                *(kind.get("enumValues") or ()),
            ]
            types[str(kind["name"])] = frozenset(str(m["name"]) for m in members)
        return cls(types)

    def has(self, type_name: str, field: str) -> bool:
        """Return whether a type has a field, or an enum a value."""
        return field in self.types.get(type_name, ())

    def reads(self, resource: Resource) -> bool:
        """Return whether the resource can be listed in this ION."""
        return bool(resource.list) and self.has("Query", resource.list or "")


def selection(resource: Resource, offered: OfferedSchema) -> str:
    """Return the selection of a full read of an object."""
    scalars = [
        f.name for f in resource.fields if is_read(f.name) and offered.has(resource.type, f.name)
    ]
    parts = [*scalars, *(s for r in resource.relations if (s := _nested(resource, r, offered)))]
    inner = [f for f in _REQUIREMENT if offered.has("BuildRequirement", f)]
    if offered.has(resource.type, BUILD_REQUIREMENTS) and "id" in inner:
        known = [f for f in _INSTALLATION if offered.has("AbomInstallation", f)]
        if known:
            inner.append(f"abomInstallations {{ {' '.join(known)} }}")
        parts.append(f"{BUILD_REQUIREMENTS} {{ {' '.join(inner)} }}")
    return " ".join(parts)


def is_keyed(resource: Resource, offered: OfferedSchema) -> bool:
    """Return whether ION lists a resource in order of id; datagrid values it does not."""
    return offered.has(resource.sort or "", "ID_ASC")


def _stable_order(resource: Resource, offered: OfferedSchema) -> str:
    """Return an order in which later objects come last, for lists without an order of id."""
    keys = (f"{constant(link.key)}_ASC" for link in resource.links)
    names = ["_CREATED_ASC", *(k for k in keys if "BY_ID" not in k)]
    return ", ".join(name for name in names if offered.has(resource.sort or "", name))


def _unkeyed_page(resource: Resource, fields: str, order: str) -> str:
    return (
        f"query Page($filters: {resource.filters}, $first: Int, $after: String)"
        f" {{ page: {resource.list}(filters: $filters, sort: [{order}], first: $first,"
        f" after: $after) {{ edges {{ node {{ {fields} }} }}"
        f" pageInfo {{ hasNextPage totalCount endCursor }} }} }}"
    )


def page_query(resource: Resource, offered: OfferedSchema) -> str:
    """Return the query of a page in order of id, with variables `filters` and `first`.

    Without an order of id, the order is that of creation, and `after` is a third variable.
    """
    if not is_keyed(resource, offered):
        order = _stable_order(resource, offered)
        return _unkeyed_page(resource, selection(resource, offered), order)
    return (
        f"query Page($filters: {resource.filters}, $first: Int)"
        f" {{ page: {resource.list}(filters: $filters, sort: [ID_ASC], first: $first)"
        f" {{ edges {{ node {{ {selection(resource, offered)} }} }}"
        f" pageInfo {{ hasNextPage totalCount }} }} }}"
    )


def changes_query(resource: Resource, offered: OfferedSchema) -> str:
    """Return the query of a page in order of change, with variables `filters` and `first`."""
    if not is_keyed(resource, offered):
        order = f"_UPDATED_ASC, {_stable_order(resource, offered)}"
        return _unkeyed_page(resource, selection(resource, offered), order)
    return page_query(resource, offered).replace("sort: [ID_ASC]", "sort: [_UPDATED_ASC, ID_ASC]")


def page_of_ids(resource: Resource, offered: OfferedSchema, *, dated: bool) -> str:
    """Return the query of the ids of a page, with the times of change if `dated`."""
    if not is_keyed(resource, offered):
        order = _stable_order(resource, offered)
        if dated:
            return _unkeyed_page(resource, "id _updated", f"_UPDATED_ASC, {order}")
        return _unkeyed_page(resource, "id", order)
    fields, order = ("id _updated", "_UPDATED_ASC, ID_ASC") if dated else ("id", "ID_ASC")
    return (
        f"query Ids($filters: {resource.filters}, $first: Int)"
        f" {{ page: {resource.list}(filters: $filters, sort: [{order}], first: $first)"
        f" {{ edges {{ node {{ {fields} }} }}"
        f" pageInfo {{ hasNextPage totalCount }} }} }}"
    )


def object_query(resource: Resource) -> str:
    """Return the query of one object with all stored fields, with the variable `id`."""
    fields = " ".join(field.name for field in resource.fields if field.stored)
    if resource.single:
        return f"query ($id: ID!) {{ {resource.single}(id: $id) {{ {fields} }} }}"
    return (
        f"query ($id: ID!) {{ {resource.list}(filters: {{id: {{eq: $id}}}}, first: 1)"
        f" {{ edges {{ node {{ {fields} }} }} }} }}"
    )


def by_ids_query(
    wanted: Iterable[tuple[str, Resource, Sequence[str]]], offered: OfferedSchema
) -> tuple[str, dict[str, Any]]:
    """Return a query of objects of several resources by id, with its variables.

    `wanted` has aliases, resources and ids. `first` is the length of the longest list.
    """
    heads = ["$first: Int"]
    bodies: list[str] = []
    variables: dict[str, Any] = {"first": 0}
    for alias, resource, ids in wanted:
        heads.append(f"${alias}: {resource.filters}")
        bodies.append(
            f"{alias}: {resource.list}(filters: ${alias}, first: $first)"
            f" {{ edges {{ node {{ {selection(resource, offered)} }} }}"
            " pageInfo { hasNextPage } }"
        )
        variables["first"] = max(variables["first"], len(ids))
        variables[alias] = {"id": {"in": list(ids)}}
    return f"query ByIds({', '.join(heads)}) {{ {' '.join(bodies)} }}", variables


def object_id(resource: Resource, node: Mapping[str, Any]) -> str:
    """Return the hub's id of an object: its key values, joined by a colon."""
    if len(resource.key) == 1:
        return str(node[resource.key[0]])
    return ":".join(str(node[name]) for name in resource.key)


class DocumentForm(Struct, frozen=True):
    """The fields of a resource that must be normalized."""

    times: tuple[str, ...]
    lists: tuple[str, ...]


def form_of(resource: Resource) -> DocumentForm:
    """Return the time fields and the lists of related objects of a resource."""
    times = tuple(f.name for f in resource.fields if f.type == "DateTime")
    return DocumentForm(
        times, tuple(r.field for r in resource.relations if r.kept and r.field != "attributes")
    )


class UnreadableValueError(ValueError):
    """A field of an object has an invalid form."""


def normalize_document(
    resource: Resource, doc: dict[str, Any], form: DocumentForm | None = None
) -> dict[str, Any]:
    """Turn the content of an object into its document, so that equal content is equal data.

    The content is changed and returned. `form` is `form_of(resource)`, for a caller that converts
    many objects. Nulls in attributes are removed; other lists with nulls stay unchanged. Raise
    UnreadableValueError if a list is not a list, or an entry has no id or key.
    """
    form = form_of(resource) if form is None else form
    for name in form.times:
        if (value := doc.get(name)) and (time := valid_time(value)) and time is not value:
            doc[name] = time
    for name in form.lists:
        if doc.get(name):
            rows = _rows(name, doc[name], "id")
            if len(rows) == len(doc[name]):
                rows.sort(key=lambda row: (len(str(row["id"])), str(row["id"])))
                doc[name] = rows if name in SHOWN else [row["id"] for row in rows]
    if doc.get(BUILD_REQUIREMENTS):
        rows = _rows(BUILD_REQUIREMENTS, doc[BUILD_REQUIREMENTS], "id")
        doc[BUILD_REQUIREMENTS] = sorted(rows, key=lambda row: str(row["id"]).zfill(20))
    if "attributes" in doc:
        rows = _rows("attributes", doc["attributes"], "key") if doc["attributes"] else []
        doc["attributes"] = {str(row["key"]): row for row in rows}
    return doc


def _rows(name: str, value: Any, key: str) -> list[dict[str, Any]]:
    """Return the entries of a list of related objects. Each must have a valid `key`."""
    if not isinstance(value, list):
        raise UnreadableValueError(f"{name} is not a list")
    rows = [row for row in cast("list[Any]", value) if row is not None]
    for index, row in enumerate(rows):
        named: Any = cast("dict[str, Any]", row).get(key) if isinstance(row, dict) else None
        if isinstance(named, bool) or not isinstance(named, int | str):
            raise UnreadableValueError(f"entry {index} of {name} has no {key}")
    return rows


def is_read(name: str) -> bool:
    """Return whether a field is read; counts of relations and display strings are redundant."""
    return name != "prettyStr" and not (name.startswith("_") and name.endswith("Count"))


def _nested(resource: Resource, relation: Relation, offered: OfferedSchema) -> str | None:
    if not offered.has(resource.type, relation.field):
        return None
    if relation.field == "attributes" and relation.resource == resource.attributes:
        fields = [name for name in _ATTRIBUTE if offered.has(relation.type, name)]
        return f"attributes {{ {' '.join(fields)} }}"
    if not relation.kept:
        return None
    inner = [n for n in SHOWN.get(relation.field, "id").split() if offered.has(relation.type, n)]
    return f"{relation.field} {{ {' '.join(inner)} }}"
