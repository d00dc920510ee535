"""Forms of the pages: fields of a mutation's input, their controls, and parsing of their values."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec
from graphql import GraphQLEnumType, GraphQLNonNull
from litestar import Request

from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.graphql_types import is_list_field, named_type
from ultraviolet.ion.labels import choice_label, field_label, resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.http.pages.documents import MAX_ID_DIGITS, list_columns, mutation_input
from ultraviolet.local_ion.http.pages.values import is_shown, link_of

Control = Literal["text", "integer", "number", "date", "time", "boolean", "choice", "link", "list"]
MAX_FORM_BYTES = 200_000
MAX_TEXT_CHARACTERS = 10_000
ATTRIBUTE = "attributes."
"""Prefix of the names of custom attributes in forms."""
_ATTRIBUTE_CONTROLS: Mapping[str, Control] = {
    "number": "number",
    "boolean": "boolean",
    "datetime": "time",
    "multiselect": "list",
}
_SCALARS: Mapping[str, Control] = {
    "String": "text",
    "Int": "integer",
    "Float": "number",
    "Decimal": "number",
    "Boolean": "boolean",
    "DateTime": "time",
    "ID": "integer",
}


class FormField(msgspec.Struct, frozen=True):
    """A field to edit; `target` is the resource of a link, `scalar` the type of its input."""

    name: str
    label: str
    control: Control
    scalar: str
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    target: str = ""


def form_fields(catalog: Catalog, resource: Resource, mutation: str | None) -> list[FormField]:
    """Return the fields of a mutation's input that a form can edit."""
    found = mutation_input(catalog, mutation) if mutation else None
    if found is None:
        return []
    _, kind = found
    order = {field.name: place for place, field in enumerate(resource.fields)}
    fields: list[FormField] = []
    for name, member in kind.fields.items():
        if name == "id" or name not in order:
            continue
        named = named_type(member)
        link = link_of(resource, name)
        if is_list_field(member):
            continue
        choices: tuple[tuple[str, str], ...] = ()
        if isinstance(named, GraphQLEnumType):
            control: Control = "choice"
            choices = tuple((str(value), choice_label(str(value))) for value in named.values)
        elif link is not None and is_shown(catalog.resources[link.resource]):
            control = "link"
        elif str(named) in _SCALARS:
            control = _SCALARS[str(named)]
        else:
            continue
        if control == "time" and field_label(name).format == "date":
            control = "date"
        required = isinstance(member.type, GraphQLNonNull)
        target = link.resource if link is not None and control == "link" else ""
        label = field_label(name).label
        fields.append(FormField(name, label, control, str(named), required, choices, target))
    return sorted(fields, key=lambda field: order[field.name])


def field_groups(resource: Resource, fields: Iterable[FormField]) -> dict[str, list[FormField]]:
    """Return the fields by the heading of their group: main fields, dates, others.

    Main fields are those that are required, first, and those that the list shows.
    """
    columns = list_columns(resource)
    groups: dict[str, list[FormField]] = {"Main fields": [], "Dates": [], "Other fields": []}
    for field in sorted(fields, key=lambda field: not field.required):
        if not field.required and field.control in {"date", "time"}:
            groups["Dates"].append(field)
        elif field.required or field.name in columns:
            groups["Main fields"].append(field)
        else:
            groups["Other fields"].append(field)
    return {heading: members for heading, members in groups.items() if members}


def attribute_field(key: str, type_: str | None, options: Iterable[str] = ()) -> FormField:
    """Return the field of a custom attribute; `options` are the values of a selection."""
    kind = (type_ or "").lower()
    choices = tuple((option, option) for option in options) if kind == "select" else ()
    control = "choice" if choices else _ATTRIBUTE_CONTROLS.get(kind, "text")
    return FormField(f"{ATTRIBUTE}{key}", key, control, "ScalarValue", choices=choices)


def parse_value(field: FormField, raw: str) -> Any:
    """Return the value of a control as its mutation takes it; an empty one is null.

    Raise InvalidError.
    """
    text = raw.replace("\r\n", "\n")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidError(f"Enter at most {MAX_TEXT_CHARACTERS:,} characters.", field=field.name)
    if field.control != "text":
        text = text.strip()
    if not text:
        if field.required:
            raise InvalidError(f"{field.label} is required.", field=field.name)
        return None
    parse = _PARSERS.get(field.control)
    return parse(field, text) if parse else text


def _parse_choice(field: FormField, text: str) -> str:
    if text not in {value for value, _ in field.choices}:
        raise InvalidError("Select one of the values.", field=field.name)
    return text


def _parse_boolean(field: FormField, text: str) -> bool:
    if text not in {"true", "false"}:
        raise InvalidError("Select yes or no.", field=field.name)
    return text == "true"


def _parse_link(field: FormField, text: str) -> Any:
    id_ = text.partition(" ")[0].lstrip("#")
    if not (id_.isascii() and id_.isdecimal() and len(id_) <= MAX_ID_DIGITS):
        noun = resource_label(field.target).singular.lower()
        raise InvalidError(f"Enter the ID of a {noun}.", field=field.name)
    return id_ if field.scalar in {"ID", "String"} else int(id_)


def _parse_number(field: FormField, text: str) -> Any:
    try:
        value = int(text) if field.control == "integer" else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) >= 10**MAX_ID_DIGITS:
        wanted = "a whole number" if field.control == "integer" else "a number"
        raise InvalidError(f"Enter {wanted}.", field=field.name)
    return str(value) if field.scalar == "ID" else value


def _parse_time(field: FormField, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidError("Enter a date.", field=field.name) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


_PARSERS: Mapping[Control, Callable[[FormField, str], Any]] = {
    "integer": _parse_number,
    "number": _parse_number,
    "date": _parse_time,
    "time": _parse_time,
    "boolean": _parse_boolean,
    "choice": _parse_choice,
    "link": _parse_link,
    "list": lambda _, text: [part.strip() for part in text.split(",") if part.strip()],
}


def control_value(field: FormField, value: Any) -> str:
    """Return the text with which a control starts."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[Any]", value)))
    if field.control == "date":
        return str(value)[:10]
    if field.control == "time":
        return str(value)[:16]
    return str(value)


async def form_values(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the values of a sent form; raise InvalidError."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise InvalidError("Send a form.")
    try:
        form = await request.form()
    except (ValueError, UltravioletError) as error:
        raise InvalidError("The form is not valid.") from error
    return {str(name): str(value) for name, value in form.items()}
