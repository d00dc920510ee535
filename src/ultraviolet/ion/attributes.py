"""Custom attributes of ION's objects as typed fields of their resource.

A document has its attributes by name, each with ION's type and a value. A column contains the values
of one name and kind, so an attribute whose type changed in ION, or that another integration defines
with another type, has a second column.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from msgspec import Struct

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Field

FIELD = "attributes"
"""The field of a document that holds its attributes."""
PREFIX = f"{FIELD}."
"""Before the name of an attribute in the name of its field, as in `attributes.Priority`."""
MAX_ATTRIBUTES = 200
"""Columns of attributes that a resource can have."""
_MAX_NAME_CHARACTERS = 200
_MAX_COLUMN_CHARACTERS = 56
"""PostgreSQL allows 63, and a number may follow."""
_TYPES: Mapping[str, str] = {
    "STRING": "text",
    "SELECT": "text",
    "FILE_ATTACHMENT": "text",
    "NUMBER": "real",
    "BOOLEAN": "boolean",
    "DATETIME": "time",
    "MULTISELECT": "json",
    "ION": "json",
}
"""The kind of column (see `db/representation.py`) of each of ION's types."""
_FIELD_TYPES = {"text": "String", "real": "Float", "boolean": "Boolean", "time": "DateTime"}
_SELECT = "SELECT"
_KIND_WORDS = {"text": "text", "real": "number", "boolean": "yes or no", "time": "time"}


class Attribute(Struct, frozen=True):
    """A custom attribute of a resource: its name, ION's type and its column."""

    resource: str
    name: str
    type: str
    column: str

    @property
    def kind(self) -> str:
        """The kind of its column."""
        return kind_of(self.type)


def kind_of(type_: Any) -> str:
    """Return the kind of column of an attribute type; other types than ION's are JSON."""
    return _TYPES.get(type_, "json") if isinstance(type_, str) else "json"


def types_of(kind: str) -> tuple[str, ...]:
    """Return the attribute types with this kind of column; none for JSON, which takes any."""
    return () if kind == "json" else tuple(name for name, one in _TYPES.items() if one == kind)


def attribute_name(field: str) -> str | None:
    """Return the name of the attribute that a field is; None for other fields."""
    return field.removeprefix(PREFIX) if field.startswith(PREFIX) else None


def rows(document: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Return the attributes of a document as names and rows, which have a type and a value."""
    attributes = document.get(FIELD)
    if not attributes or type(attributes) is not dict:
        return ()
    known = cast("dict[str, Mapping[str, Any]]", attributes)
    return [(name, row) for name, row in known.items() if isinstance(row, dict)]


def add_types(document: Mapping[str, Any], found: set[tuple[str, str]]) -> None:
    """Add the names and types of a document's attributes; it runs for each new document."""
    for name, row in rows(document):
        type_ = row.get("type")
        found.add((name, type_ if type(type_) is str else ""))


def learnable(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the names and types of attributes that can have a column; "" is an unknown type."""
    known = {
        (name, type_ if type_ in _TYPES else "")
        for name, type_ in found
        if len(name) <= _MAX_NAME_CHARACTERS and "\0" not in name
    }
    return sorted(known)


def field_value(document: Mapping[str, Any], field: str, kind: str) -> Any:
    """Return the value of a field, or of an attribute if it has this kind."""
    name = attribute_name(field)
    if name is None:
        return document.get(field)
    row = dict(rows(document)).get(name, {})
    fits = kind == "json" or kind_of(row.get("type")) == kind
    return row.get("value") if fits else None


def new_column(name: str, taken: Collection[str]) -> str:
    """Return the column of a new attribute, such as `attribute_priority`."""
    ascii_ = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "_", f"attribute {ascii_}")[:_MAX_COLUMN_CHARACTERS].strip("_")
    column, number = words, 1
    while column in taken:
        number += 1
        column = f"{words}_{number}"
    return column


def with_attributes(catalog: Catalog, known: Iterable[Attribute]) -> Catalog:
    """Return a catalog whose resources have these attributes as fields."""
    by_resource: defaultdict[str, defaultdict[str, list[Attribute]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for attribute in known:
        if attribute.resource in catalog.resources:
            by_resource[attribute.resource][attribute.column].append(attribute)
    return catalog.with_fields(
        {
            name: tuple(_field(same, columns) for same in columns.values())
            for name, columns in by_resource.items()
        }
    )


def _field(same: list[Attribute], others: Mapping[str, list[Attribute]]) -> Field:
    """Return the field of a column; `same` are its attributes in all integrations."""
    first = same[0]
    is_ambiguous = sum(each[0].name == first.name for each in others.values()) > 1
    word = f" ({_KIND_WORDS.get(first.kind, 'other')})" if is_ambiguous else ""
    return Field(
        first.column,
        first.column,
        _FIELD_TYPES.get(first.kind, "ScalarValue"),
        enum=all(each.type == _SELECT for each in same),
        attribute=first.name,
        label=f"{first.name}{word}",
    )
