"""Values as the pages show them: titles of objects, dates, amounts, states."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ultraviolet.clock import readable
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.currencies import CURRENCY_KEY, currency_link
from ultraviolet.ion.labels import UNITS, Format, choice_label, field_label, resource_label
from ultraviolet.ion.model import Field, Link, Resource
from ultraviolet.text import money_text, number_text

TITLE_FIELDS = (
    "name",
    "title",
    "partNumber",
    "serialNumber",
    "lotNumber",
    "filename",
    "value",
    "key",
    "displayName",
    "type",
)
"""The first of these fields that has a value is the title of an object."""
MAX_CELL_CHARACTERS = 400


class Cell(msgspec.Struct, frozen=True):
    """A value to show: `href` is the page of a linked object, `tone` the color of a state."""

    text: str
    kind: str = "text"
    href: str = ""
    tone: str = ""
    machine: str = ""
    """The exact value of a time."""


_EMPTY = Cell("", "empty")
_BOOLEANS: Mapping[Any, str] = {True: "Yes", False: "No", "true": "Yes", "false": "No"}
_GOOD = {"COMPLETE", "COMPLETED", "RECEIVED", "RESOLVED", "APPROVED", "SUCCEEDED", "AVAILABLE"}
_WARN = {"ON_HOLD", "HOLD", "REQUESTED", "PENDING", "RETRYING", "SENDING", "REDLINE"}
_BAD = {"CANCELED", "CANCELLED", "FAILED", "SCRAPPED", "REJECTED", "UNAVAILABLE"}


def title_fields(resource: Resource) -> list[str]:
    """Return the fields from which the title of an object is taken."""
    fields = [resource.field(name) for name in TITLE_FIELDS]
    return [field.name for field in fields if field is not None and field.type == "String"]


def title(resource: Resource, node: Mapping[str, Any]) -> str:
    """Return the title of an object: its name, or its resource and id."""
    for name in title_fields(resource):
        if node.get(name) not in (None, ""):
            return str(node[name])[:MAX_CELL_CHARACTERS]
    return f"{resource_label(resource.name).singular} {node.get('id', '')}".strip()


def address(resource: str, id_: Any) -> str:
    """Return the address of an object's page."""
    return f"/resources/{resource}/{id_}"


def is_shown(resource: Resource) -> bool:
    """Return whether the objects of a resource have pages: they can be sorted and have an id."""
    return resource.kind == "object" and bool(resource.sort) and resource.key == ("id",)


def field_name(resource: Resource, name: str) -> str:
    """Return the label of a field, as its list and page show it."""
    field = resource.field(name)
    return field_label(field.name if field else name).label


def cell(catalog: Catalog, resource: Resource, node: Mapping[str, Any], name: str) -> Cell:
    """Return a field of an object; a link shows the title of its object."""
    value = node.get(name)
    if value is None or value in ("", []):
        return _EMPTY
    field = resource.field(name)
    link = link_of(resource, name)
    if link is not None:
        target = catalog.resources[link.resource]
        linked = node.get(link.field) or {"id": value}
        href = address(target.name, value) if is_shown(target) else ""
        return Cell(title(target, linked), "link", href)
    if field is None:
        return Cell(str(value)[:MAX_CELL_CHARACTERS])
    if name == "id":
        return Cell(str(value), "id")
    return _scalar_cell(field, value, _currency(catalog, resource, node))


def _scalar_cell(field: Field, value: Any, currency: str) -> Cell:
    format_ = field_label(field.name).format
    if field.enum and isinstance(value, str):
        tones = ((_GOOD, "good"), (_WARN, "warn"), (_BAD, "bad"))
        tone = next((tone for values, tone in tones if value in values), "plain")
        return Cell(choice_label(value), "state", tone=tone)
    if field.type == "Boolean" or format_ == "boolean":
        return Cell(_BOOLEANS.get(value, str(value)), "boolean")
    if field.type == "DateTime" or format_ in {"time", "date"}:
        return time_cell(str(value), format_)
    if isinstance(value, int | float):
        is_money = format_ == "money"
        text = money_text(value) if is_money else number_text(value, field.name)
        return Cell(f"{text} {currency if is_money else UNITS.get(format_, '')}".strip(), "number")
    if field.type == "SlateContent":
        return Cell(rich_text_content(value)[:MAX_CELL_CHARACTERS], "rich")
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return Cell(text[:MAX_CELL_CHARACTERS])


def link_of(resource: Resource, name: str) -> Link | None:
    """Return the link whose key is this field."""
    return next((link for link in resource.links if link.key == name), None)


def _currency(catalog: Catalog, resource: Resource, node: Mapping[str, Any]) -> str:
    """Return the currency of an object's amounts; empty if none is known."""
    link = currency_link(catalog, resource)
    found = node.get(link.field) if link else None
    if found and link and link.key != CURRENCY_KEY:
        found = found.get("currency")
    return str(found.get("type") or "") if found else ""


def time_cell(value: str, format_: Format) -> Cell:
    """Return a date, or a time in UTC."""
    try:
        text = readable(value)
    except ValueError:
        return Cell(value)
    return Cell(value[:10], "date") if format_ == "date" else Cell(text, "time", machine=value)


def rich_text_content(value: Any) -> str:
    """Return the text of a value in ION's rich text format."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, (rich_text_content(each) for each in value)))  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return rich_text_content(value.get("text") or value.get("children") or "")  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    return ""
