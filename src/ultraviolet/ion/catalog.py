"""The contract as data: resources, fields, links, relations; the only place that knows ION's entities."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import DecodeError, Raw, Struct, json

from ultraviolet.ion.naming import camel, plain, plural

if TYPE_CHECKING:
    from graphql import GraphQLSchema


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


class Resource(Struct, frozen=True, dict=True):
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

    @property
    def numbered(self) -> bool:
        """Whether the ids of its objects are numbers; those of datagrid values are texts."""
        own = self.field("id")
        return own is None or own.type != "String"

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """The kind of value of each field, by name: integer, real, boolean, time, text, id or json."""
        keys = {link.key for link in self.links}
        return {field.name: _kind(field, keys) for field in self.fields}

    def field(self, name: str) -> Field | None:
        """Find a field by its GraphQL or its column name."""
        return self._fields.get(name)

    def field_called(self, name: str) -> Field | None:
        """Find a field by any of its names, in any case and style; a link's name stands for its key."""
        return self._fields_plainly.get(plain(name))

    @cached_property
    def _fields(self) -> Mapping[str, Field]:
        return {
            name: field for field in reversed(self.fields) for name in (field.column, field.name)
        }

    @cached_property
    def _fields_plainly(self) -> Mapping[str, Field]:
        keys = {
            plain(link.field): field
            for link in reversed(self.links)
            if (field := self.field(link.key))
        }
        return keys | {
            plain(name): field
            for field in reversed(self.fields)
            for name in (field.column, field.name)
        }


_KINDS = {
    "Int": "integer",
    "Float": "real",
    "Decimal": "real",
    "Boolean": "boolean",
    "DateTime": "time",
    "SlateContent": "json",
    "ScalarValue": "json",
}


def _kind(field: Field, keys: Collection[str]) -> str:
    if field.list:
        return "json"
    kind = _KINDS.get(field.type, "text")
    return "id" if kind == "integer" and (field.name in keys or field.name == "id") else kind


class Catalog:
    """All resources, by name and by type."""

    def __init__(
        self, resources: Mapping[str, Resource], types: Raw, followed: frozenset[str] | None = None
    ) -> None:
        """Take all resources, and the names of those to mirror where it is not all that can be."""
        self.resources = resources
        self._types = types
        self._followed = followed
        self._narrower: dict[frozenset[str], Catalog] = {}
        self._by_type = {r.type: r for r in resources.values() if r.type}
        self._names = _name_index(resources)

    @property
    def schema(self) -> "GraphQLSchema":
        """The complete GraphQL schema, derived types included; only who serves or prints it needs it."""
        from ultraviolet.ion import contract  # noqa: PLC0415  it costs 20 MB and half a second

        return contract.schema()

    def sdl(self) -> str:
        """Print the complete schema."""
        from graphql import print_schema  # noqa: PLC0415  as above

        return print_schema(self.schema)

    def types(self) -> Mapping[str, frozenset[str]]:
        """Give the names of the fields of every type of the schema, the values of enums among them."""
        return json.decode(self._types, type=dict[str, frozenset[str]])

    def by_type(self, name: str) -> Resource | None:
        """Find the resource of a GraphQL object type."""
        return self._by_type.get(name)

    def resolve(self, name: str) -> Resource | None:
        """Find a resource by any of its names: any case and style, singular, plural, table or type."""
        return self._names.get(plain(name))

    def following(self, names: Iterable[str] | None) -> "Catalog":
        """Give the catalog of who mirrors only these resources; None means all that can be."""
        if names is None:
            return self
        chosen = frozenset(names)
        if chosen not in self._narrower:
            # Once for each choice: many integrations may have made the same.
            self._narrower[chosen] = Catalog(self.resources, self._types, chosen)
        return self._narrower[chosen]

    def follows(self, name: str) -> bool:
        """Tell whether a resource is mirrored."""
        return name in self._mirrored_names

    @cached_property
    def _mirrored_names(self) -> frozenset[str]:
        return frozenset(r.name for r in self.mirrored)

    @cached_property
    def mirrored(self) -> tuple[Resource, ...]:
        """What is mirrored: everything that can be, unless fewer were chosen."""
        return tuple(
            r for r in self.mirrorable if self._followed is None or r.name in self._followed
        )

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
                    found[relation.resource][
                        Dependent(resource.name, their_list=relation.field)
                    ] = None
        return {
            name: tuple(d for d in deps if d.resource in mirrored) for name, deps in found.items()
        }

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


class Noted(Struct, frozen=True):
    """What is read off the contract, as a process notes it for those after it."""

    resources: dict[str, Resource]
    types: Raw


@cache
def load() -> Catalog:
    """Read the contract.

    The first process after a change of it parses it and leaves what it read beside the compiled modules, as Python
    does with those; for all others it costs some milliseconds, and no parser of GraphQL.
    """
    folder = Path(__file__).parent
    path = folder / "__pycache__" / f"contract.{_fingerprint(folder)}.json"
    try:
        noted = json.decode(path.read_bytes(), type=Noted)
    except (OSError, DecodeError):
        from ultraviolet.ion.contract.reader import read  # noqa: PLC0415  as above

        noted = read()
        _keep(path, noted)
    return Catalog(noted.resources, noted.types)


def _fingerprint(folder: Path) -> str:
    digest = sha256(Path(__file__).read_bytes())
    for path in (folder / "naming.py", *sorted((folder / "contract").glob("*.[gp]*"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _keep(path: Path, noted: Noted) -> None:
    with suppress(OSError):  # an installation that may not be written is read anew each time
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.glob("contract.*.json"):
            old.unlink(missing_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_bytes(json.encode(noted))
        new.chmod(
            0o644
        )  # the contract is no secret, and other users of this installation need it too
        new.replace(path)


def _depend(
    found: dict[str, dict[Dependent, None]],
    others: Mapping[str, Resource],
    resource: Resource,
    source: str,
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
            between = Dependent(resource.name, own_key=camel(relation.join.own_column))
            found[relation.join.table][between] = None
        for back in others[relation.resource].relations:
            if back.join and back.join.table == relation.join.table and back.kept:
                found[relation.resource][Dependent(resource.name, own_ids=back.field)] = None


def _name_index(resources: Mapping[str, Resource]) -> dict[str, Resource]:
    index: dict[str, Resource] = {}
    for r in resources.values():
        for name in (
            r.name,
            r.type,
            r.list or "",
            r.single or "",
            plural(r.type) if r.type else "",
        ):
            index.setdefault(plain(name), r)
    for r in resources.values():
        index.setdefault(plain(r.name.removesuffix("s")), r)
    index.pop("", None)
    return index
