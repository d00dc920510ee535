"""Names of resources and fields for people: `contract/labels.json`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from ultraviolet.text import counted

Format = Literal["", "date", "time", "money", "percent", "seconds", "inches", "boolean"]
UNITS: Mapping[Format, str] = {"percent": "%", "seconds": "s", "inches": "in"}
"""The unit of the numbers of a format."""


class ResourceLabel(msgspec.Struct, frozen=True):
    """Names of a resource, its group in the navigation and its meaning.

    `columns` are the fields that a list shows by default; empty if none are chosen. Pages show
    `main` resources, such as order lines, before others that link to the same object.
    """

    singular: str
    plural: str
    group: str
    description: str
    columns: tuple[str, ...] = ()
    main: bool = False


class FieldLabel(msgspec.Struct, frozen=True):
    """The name of a field, how its values are shown, and what its readers have to know."""

    label: str
    format: Format = ""
    note: str = ""


class _Labels(msgspec.Struct, frozen=True):
    resources: Mapping[str, ResourceLabel]
    fields: Mapping[str, FieldLabel]


@cache
def _labels() -> _Labels:
    content = (files("ultraviolet.ion.contract") / "labels.json").read_bytes()
    return msgspec.json.decode(content, type=_Labels)


def resource_label(name: str) -> ResourceLabel:
    """Return the names of a resource of the contract; another name is its own label."""
    known = _labels().resources.get(name)
    words = name.replace("_", " ").capitalize()
    return known or ResourceLabel(words, words, "Other", "")


def counted_objects(count: int, resource: str) -> str:
    """Return a count of objects of a resource, such as "1 purchase order"."""
    label = resource_label(resource)
    return counted(count, label.singular.lower(), label.plural.lower())


def field_label(name: str) -> FieldLabel:
    """Return the name and format of a field by its GraphQL name; another name is its own label."""
    return _labels().fields.get(name) or FieldLabel(name)


def choice_label(value: str) -> str:
    """Return the label of an enum value: `IN_PROGRESS` is “In progress”."""
    return value.replace("_", " ").capitalize()
