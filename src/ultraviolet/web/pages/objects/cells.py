"""Values of objects with their labels and formats, as the pages show them."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from ultraviolet.ion.attributes import attribute_name
from ultraviolet.ion.labels import FieldLabel, Format, field_label
from ultraviolet.mirror.object_state import SET_BY_ION
from ultraviolet.web.queries.columns import Column
from ultraviolet.web.queries.field_paths import FieldPath, LinkedValue
from ultraviolet.web.queries.links import LinkValue
from ultraviolet.web.queries.objects import ObjectDetail
from ultraviolet.web.queries.versions import FieldChange

_NAME_FIELDS = ("value", "name", "title", "filename")
"""Fields that name an object in a list."""


class Cell(msgspec.Struct, frozen=True):
    """One value of an object.

    `unit` is the currency of an amount, `invalid_type` the type that the value does not match, and
    `items` the resource whose ids are listed.
    """

    name: str
    label: str
    value: Any
    kind: str
    format: Format = ""
    link: LinkValue | None = None
    unit: str = ""
    invalid_type: str | None = None
    items: str = ""

    @property
    def empty(self) -> bool:
        """Whether ION has no value."""
        return self.value is None or self.value in ("", [], {})


def cells(
    known: Mapping[str, Column],
    detail: ObjectDetail,
    names: Iterable[str],
    currency: str,
) -> list[Cell]:
    """Return the values of these fields.

    `known` are the columns of the resource, which the caller builds once for all its objects.
    """
    values = detail.fields
    return [
        _cell(
            known.get(name),
            name,
            known[name].value_in(values) if name in known else values.get(name),
            detail,
            currency,
        )
        for name in names
    ]


def list_cells(
    known: Mapping[str, Column],
    detail: ObjectDetail,
    paths: Iterable[FieldPath],
    linked: Mapping[str, LinkedValue],
    currency: str,
) -> list[Cell]:
    """Return the values of an object's row in a list, also those of linked objects."""
    return [
        Cell(
            path.name,
            path.label,
            linked[path.name].value,
            path.column.kind,
            path.column.format,
            linked[path.name].link,
        )
        if path.links
        else cells(known, detail, [path.name], currency)[0]
        for path in paths
    ]


def _cell(
    column: Column | None, name: str, value: Any, detail: ObjectDetail, currency: str
) -> Cell:
    label = FieldLabel(column.label, column.format) if column else field_label(name)
    link = detail.links.get(column.link.field) if column and column.link else None
    return Cell(
        name,
        label.label,
        value,
        column.kind if column else "other",
        label.format,
        link if link and link.id == str(value) else None,
        currency if label.format == "money" else "",
        column.type if column and column.place in detail.invalid_fields else None,
    )


def item_names(value: Any) -> list[str]:
    """Return the names of the objects in a list, such as labels, or else their ids."""
    try:
        items = msgspec.convert(value, list[dict[str, Any]])
    except msgspec.ValidationError:
        return []
    found = [
        next(
            (item[key] for key in _NAME_FIELDS if isinstance(item.get(key), str) and item[key]),
            str(item.get("id", "")),
        )
        for item in items
    ]
    return found if all(found) else []


def is_plain_list(value: Any) -> bool:
    """Return whether a value is a list of texts or numbers."""
    return isinstance(value, list) and all(
        isinstance(item, str | int | float) for item in cast("list[Any]", value)
    )


class _Attribute(msgspec.Struct, frozen=True):
    """A custom attribute in a document, as `ion/queries.py` stores it."""

    type: str = "STRING"
    value: Any = None


def attribute_cells(attributes: Any) -> list[Cell]:
    """Return the custom attributes of an object, by key; none if their form is unknown."""
    kinds = {"BOOLEAN": "flag", "DATETIME": "time", "NUMBER": "number"}
    try:
        known = msgspec.convert(attributes or {}, dict[str, _Attribute])
    except msgspec.ValidationError:
        return []
    return [
        Cell(key, key, each.value, kinds.get(each.type, "text"))
        for key, each in sorted(known.items())
    ]


class Change(msgspec.Struct, frozen=True):
    """The old and the new value of a field or custom attribute; `by_ion` if ION set it by itself."""

    name: str
    label: str
    old: Any
    new: Any
    by_ion: bool


def changes(
    fields: Iterable[FieldChange], names: Mapping[str, Mapping[str, str]] | None = None
) -> list[Change]:
    """Return the changed values with the names of fields and attributes, those by ION itself last.

    `names` are those of linked objects, by the field with the id and by the id.
    """
    found: list[Change] = []
    for each in fields:
        known = (names or {}).get(each.name, {})
        old, new = (known.get(str(value), value) for value in (each.old, each.new))
        label = attribute_name(each.name) or field_label(each.name).label
        found.append(Change(each.name, label, old, new, each.name in SET_BY_ION))
    return sorted(found, key=lambda change: change.by_ion)
