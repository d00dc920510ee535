"""The structures of the contract: resources, fields, links, relations, dependents."""

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from msgspec import Raw, Struct

from ultraviolet.ion.naming import plain

VALUE_COLUMNS: Mapping[str, str] = {
    "string": "_string_value",
    "number": "_number_value",
    "boolean": "_boolean_value",
    "datetime": "_datetime_value",
    "select": "_select_value",
    "multiselect": "_multiselect_values",
}
"""The columns behind a field `value`, by type (public warehouse models of 2023)."""
AUTHOR_KEYS = frozenset({"createdById", "updatedById"})
"""The keys of links to the users who created a row and changed it last."""
VALUE_NAMES = frozenset(plain(column) for column in VALUE_COLUMNS.values())


class Field(Struct, frozen=True, omit_defaults=True):
    """A scalar, enum or list of them on an object type."""

    name: str
    column: str
    type: str
    enum: bool = False
    list: bool = False
    required: bool = False
    stored: bool = False
    sources: tuple[str, ...] = ()
    """Relations and links to the objects from which ION computes it."""
    listed_in: str = ""
    """The field of this resource that lists the objects computed from an object."""
    sharing: str = ""
    """The field that has the same value in all objects from which ION computes it."""
    every_of: tuple[str, ...] = ()
    """Resources from whose objects ION computes it, in a way the contract does not describe."""
    attribute: str = ""
    """The name of the custom attribute that the field is (see `attributes.py`)."""
    label: str = ""
    """The name for people of a custom attribute."""

    @property
    def place(self) -> str:
        """The field of the document with the value, or `attributes.` and the attribute's name."""
        return f"attributes.{self.attribute}" if self.attribute else self.name


class Link(Struct, frozen=True):
    """A to-one link: `field` is the object whose id is in `key`."""

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


class Relation(Struct, frozen=True, omit_defaults=True):
    """A to-many relation; `column` is the foreign key on the other table."""

    field: str
    type: str
    resource: str
    kind: Literal["foreign_key", "join", "entity", "none"]
    column: str = ""
    key: str = ""
    join: Join | None = None
    kept: bool = False
    """Whether the document holds the ids of the related objects, because no foreign key does."""


class Dependent(Struct, frozen=True):
    """A resource whose objects must be read again after an object of another resource changed.

    The dependent objects are those
    - whose id is in the foreign key `own_key` or in the list `own_ids` of the changed object,
    - whose foreign key `their_key` or list `their_list` contains the id of the changed object,
    - that have the same value in the field `shared`,
    - or all of them, if no attribute is set.
    """

    resource: str
    own_key: str = ""
    own_ids: str = ""
    their_key: str = ""
    their_list: str = ""
    shared: str = ""


class Resource(Struct, frozen=True, dict=True, omit_defaults=True):
    """A type of ION object, or the rows of a join table."""

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
    """The part of ION to which it belongs, such as purchasing."""

    @cached_property
    def numbered(self) -> bool:
        """Whether object ids are integers; those of datagrid values are strings."""
        own = self.field("id")
        return own is None or own.type != "String"

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """The value type of each field: integer, real, boolean, time, text, id or json."""
        keys = {link.key for link in self.links}
        kinds: dict[str, str] = {}
        for field in self.fields:
            kind = "json" if field.list else _KINDS.get(field.type, "text")
            is_id = kind == "integer" and (field.name in keys or field.name == "id")
            kinds[field.name] = "id" if is_id else kind
        return kinds

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """The fields of its own key, its foreign keys, and the key of its owner."""
        owner = (self.owner_key,) if self.owner_key else ()
        return tuple(dict.fromkeys((*self.key, *(link.key for link in self.links), *owner)))

    def field(self, name: str) -> Field | None:
        """Return a field by its GraphQL name or column name."""
        return self._fields.get(name)

    def field_called(self, name: str) -> Field | None:
        """Return a field by any of its names or the name of its link, in any case and style."""
        return self.fields_by_plain_name.get(plain(name))

    @cached_property
    def _fields(self) -> Mapping[str, Field]:
        return {
            name: field
            for field in reversed(self.fields)
            for name in (field.column, field.name, field.place)
        }

    @cached_property
    def fields_by_plain_name(self) -> Mapping[str, Field]:
        """The fields by the plain forms of all their names, and of the names of their links."""
        keys = {
            plain(link.field): field
            for link in reversed(self.links)
            if (field := self.field(link.key))
        }
        values = {
            name: field
            for field in self.fields
            if (field.name, field.type) == ("value", "ScalarValue")
            for name in VALUE_NAMES
        }
        return {
            **keys,
            **values,
            **{
                plain(name): field
                for field in reversed(self.fields)
                for name in (field.column, field.name)
            },
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


class ParsedContract(Struct, frozen=True):
    """The content of the contract, as generated into `contract/catalog.json`."""

    resources: dict[str, Resource]
    types: Raw
