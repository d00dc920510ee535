"""The structures of the contract: resources, fields, links, relations, dependents."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from msgspec import Raw, Struct

from ultraviolet.ion.naming import plain

if TYPE_CHECKING:
    pass


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


class ParsedContract(Struct, frozen=True):
    """What is read off the contract, as a process notes it for those after it."""

    resources: dict[str, Resource]
    types: Raw
