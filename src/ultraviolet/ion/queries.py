"""GraphQL documents for reading ION, built from the catalog, and ION's answers made comparable.

What a given ION offers may be older or newer than the contract, so every document selects only what both know.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, cast

from msgspec import Struct

from ultraviolet.clock import normalize_rfc3339
from ultraviolet.ion.catalog import SHOWN, Catalog
from ultraviolet.ion.model import Relation, Resource

INTROSPECTION = """query Offered { __schema { queryType { name } mutationType { name }
  types { kind name fields(includeDeprecated: true) { name } inputFields { name } enumValues(includeDeprecated: true) { name } } } }"""
"""Only names: what is needed to know what can be asked."""

_CANONICAL = re.compile(
    r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}\+00:00",
    re.ASCII,
)
"""Times that are in the mirror's form without doubt; those of the 30th and 31st are parsed."""
_ATTRIBUTE = ("id", "key", "type", "value")


class OfferedSchema(Struct, frozen=True):
    """What an ION offers: the field names of each of its types, the values of its enums among them."""

    types: Mapping[str, frozenset[str]]

    @classmethod
    def whole(cls, catalog: Catalog) -> Self:
        """Take the contract itself as what is offered."""
        return cls(catalog.types())

    @classmethod
    def from_introspection(cls, data: Mapping[str, Any]) -> Self:
        """Read the answer to INTROSPECTION; raises KeyError where it is none."""
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
        """Return whether a type has a field (or an enum a value)."""
        return field in self.types.get(type_name, ())

    def reads(self, resource: Resource) -> bool:
        """Return whether the resource can be listed here."""
        return bool(resource.list) and self.has("Query", resource.list or "")


def selection(resource: Resource, offered: OfferedSchema) -> str:
    """Return what a full read of one object selects."""
    scalars = [
        f.name for f in resource.fields if is_read(f.name) and offered.has(resource.type, f.name)
    ]
    parts = [*scalars, *(s for r in resource.relations if (s := _nested(resource, r, offered)))]
    return " ".join(parts)


def page_query(resource: Resource, offered: OfferedSchema) -> str:
    """Build the document that reads one page by key: variables `filters` and `first`."""
    return (
        f"query Page($filters: {resource.filters}, $first: Int) {{ page: {resource.list}(filters: $filters,"
        f" sort: [ID_ASC], first: $first) {{ edges {{ node {{ {selection(resource, offered)} }} }}"
        f" pageInfo {{ hasNextPage totalCount }} }} }}"
    )


def changes_query(resource: Resource, offered: OfferedSchema) -> str:
    """Build the document that reads one page in order of change: variables `filters` and `first`."""
    return page_query(resource, offered).replace("sort: [ID_ASC]", "sort: [_UPDATED_ASC, ID_ASC]")


def page_of_ids(resource: Resource, *, dated: bool) -> str:
    """Build the document that reads only the ids of a page, with or without the times of change."""
    fields, order = ("id _updated", "_UPDATED_ASC, ID_ASC") if dated else ("id", "ID_ASC")
    return (
        f"query Ids($filters: {resource.filters}, $first: Int) {{ page: {resource.list}(filters: $filters,"
        f" sort: [{order}], first: $first) {{ edges {{ node {{ {fields} }} }}"
        f" pageInfo {{ hasNextPage totalCount }} }} }}"
    )


def by_ids_query(
    wanted: Iterable[tuple[str, Resource, Sequence[str]]], offered: OfferedSchema
) -> tuple[str, dict[str, Any]]:
    """Build one document that reads objects of several resources by id, and its variables.

    `wanted` has an alias, a resource and ids. So many are asked for as the longest list has, lest ION cut one short.
    """
    heads = ["$first: Int"]
    bodies: list[str] = []
    variables: dict[str, Any] = {"first": 0}
    for alias, resource, ids in wanted:
        heads.append(f"${alias}: {resource.filters}")
        bodies.append(
            f"{alias}: {resource.list}(filters: ${alias}, first: $first)"
            f" {{ edges {{ node {{ {selection(resource, offered)} }} }} pageInfo {{ hasNextPage }} }}"
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
    """Which fields of a resource ION may write in more ways than one."""

    times: tuple[str, ...]
    lists: tuple[str, ...]


def form_of(resource: Resource) -> DocumentForm:
    """Name the fields that are times, and the lists of related objects."""
    times = tuple(f.name for f in resource.fields if f.type == "DateTime")
    return DocumentForm(
        times, tuple(r.field for r in resource.relations if r.kept and r.field != "attributes")
    )


class UnreadableValueError(ValueError):
    """A field of an object has a form that it cannot have."""


def normalize_document(
    resource: Resource, node: Mapping[str, Any], form: DocumentForm | None = None
) -> dict[str, Any]:
    """Return ION's answer in the one form the mirror keeps, so that equal content is equal data.

    `form` is the resource's, for a caller that converts many objects. A null among attributes is left out; other lists
    with a null stay as they are. Raises UnreadableValueError for a list that is no list, or an entry without an id or
    a key.
    """
    form = form_of(resource) if form is None else form
    doc = dict(node)
    for name in form.times:
        value = doc.get(name)
        if value and isinstance(value, str):
            doc[name] = _time(value)
    for name in form.lists:
        if doc.get(name):
            rows = _rows(name, doc[name], "id")
            doc[name] = _related(name, rows) if len(rows) == len(doc[name]) else doc[name]
    if "attributes" in doc:
        rows = _rows("attributes", doc["attributes"], "key") if doc["attributes"] else []
        doc["attributes"] = {str(row["key"]): row for row in rows}
    return doc


def _rows(name: str, value: Any, key: str) -> list[dict[str, Any]]:
    """Return the entries of a list of related objects; each has a `key` that names it."""
    if not isinstance(value, list):
        raise UnreadableValueError(f"{name} is not a list")
    rows = [row for row in cast("list[Any]", value) if row is not None]
    for place, row in enumerate(rows):
        named: Any = cast("dict[str, Any]", row).get(key) if isinstance(row, dict) else None
        if isinstance(named, bool) or not isinstance(named, int | str):
            raise UnreadableValueError(f"entry {place} of {name} has no {key}")
    return rows


def valid_time(value: object) -> str | None:
    """Return a time that `document` has brought into its one form, or None for any other value."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return _canonical(value)
    except ValueError:
        return None


def _related(name: str, rows: list[dict[str, Any]]) -> list[Any]:
    ordered = sorted(rows, key=lambda row: (len(str(row["id"])), str(row["id"])))
    return ordered if name in SHOWN else [row["id"] for row in ordered]


def _time(value: str) -> str:
    try:
        return _canonical(value)
    except ValueError:
        return value


def _canonical(value: str) -> str:
    if _CANONICAL.fullmatch(value):
        return value  # as it nearly always is
    return normalize_rfc3339(value)


def is_read(name: str) -> bool:
    """Leave out what only repeats: counts of relations and display strings."""
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
