"""Values as the pages show them: titles of objects, dates, amounts, states."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import Format, field_label, resource_label
from ultraviolet.ion.model import Field, Link, Resource

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
    """A value to show; `href` is the page of a linked object, `tone` the color of a state."""

    text: str
    kind: str = "text"
    href: str = ""
    tone: str = ""
    machine: str = ""
    """The exact value of a time."""


_EMPTY = Cell("", "empty")
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
    return _scalar_cell(field, value)


def _scalar_cell(field: Field, value: Any) -> Cell:
    format_ = field_label(field.name).format
    if field.enum and isinstance(value, str):
        tones = ((_GOOD, "good"), (_WARN, "warn"), (_BAD, "bad"))
        tone = next((tone for values, tone in tones if value in values), "")
        return Cell(enum_label(value), "state", tone=tone)
    if isinstance(value, bool) or value in {"true", "false"}:
        return Cell("Yes" if value in {True, "true"} else "No", "boolean")
    if field.type == "DateTime":
        return time_cell(str(value), format_)
    if isinstance(value, int | float):
        return Cell(number_text(value, format_), "number")
    if field.type == "SlateContent":
        return Cell(rich_text_content(value)[:MAX_CELL_CHARACTERS], "rich")
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return Cell(text[:MAX_CELL_CHARACTERS])


def link_of(resource: Resource, name: str) -> Link | None:
    """Return the link whose key is this field."""
    return next((link for link in resource.links if link.key == name), None)


def time_cell(value: str, format_: Format) -> Cell:
    """Return a time as a date or as a time in UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return Cell(value)
    day = f"{moment:%b} {moment.day}, {moment.year}"
    return Cell(
        day if format_ == "date" else f"{day}, {moment:%H:%M:%S} UTC", "time", machine=value
    )


def number_text(value: float, format_: Format) -> str:
    """Return a number with thousands separators; amounts have two decimals."""
    if format_ == "money":
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def enum_label(value: str) -> str:
    """Return an enum value in words."""
    return value.replace("_", " ").capitalize()


def rich_text_content(value: Any) -> str:
    """Return the text of a value in ION's rich text format."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(filter(None, (rich_text_content(each) for each in value)))  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return rich_text_content(value.get("text") or value.get("children") or "")  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    return ""
