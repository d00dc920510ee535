"""Typed columns of resources, and the values to compare them with."""

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Literal

import msgspec
from sqlalchemy import BigInteger, ColumnElement, literal

from ultraviolet.clock import normalize_rfc3339, utc_now
from ultraviolet.ion.attributes import attribute_name, field_value
from ultraviolet.ion.labels import Format, field_label
from ultraviolet.ion.model import Field, Link, Resource
from ultraviolet.text import did_you_mean

Kind = Literal["text", "number", "flag", "time", "choice", "link", "other"]
_MIN_LABEL_SIMILARITY = 0.75
_NUMBER_TYPES = {"Int", "Float", "Decimal"}
_LEADING_FIELDS = (
    "title",
    "name",
    "partNumber",
    "serialNumber",
    "status",
    "description",
    "revision",
    "quantity",
    "type",
    "partType",
)
TECHNICAL_FIELDS = frozenset(
    ("id", "_etag", "Etag", "LastSessionId", "entityId", "prettyStr", "_deleted", "Deleted")
)
"""Fields that pages show last, and lists only if a user asks for them."""
_TRAILING_PREFIXES = ("_", "Last", "createdBy", "updatedBy", "entityId", "thumbnail", "prettyStr")


class Column(msgspec.Struct, frozen=True):
    """One column; `link` is set if it contains the id of another object."""

    name: str
    """ION's name of the field; of a custom attribute, its column of the SQL view."""
    kind: Kind
    type: str
    """The column type of the SQL view: integer, real, boolean, time, text, id or json."""
    place: str
    """The field with the value; of a custom attribute, `attributes.` and its name in ION."""
    label: str
    format: Format = ""
    link: Link | None = None

    @property
    def is_attribute(self) -> bool:
        """Whether it is a custom attribute."""
        return attribute_name(self.place) is not None

    def value_in(self, document: Mapping[str, Any]) -> Any:
        """Return the value in a document."""
        return field_value(document, self.place, self.type)


def columns(resource: Resource) -> dict[str, Column]:
    """Return all columns of a resource, the most informative ones first."""
    keys = {link.key: link for link in resource.links}
    fields = sorted(resource.fields, key=lambda field: _column_rank(field, keys))
    return {
        field.name: Column(
            field.name,
            _column_kind(field, keys),
            resource.kinds[field.name],
            field.place,
            field.label or field_label(field.name).label,
            field_label(field.name).format,
            keys.get(field.name),
        )
        for field in fields
    }


def own_column(resource: Resource, known: Mapping[str, Column], name: str) -> Column | None:
    """Return a column of a resource by its name, or a custom attribute as `attributes.Priority`."""
    field = resource.field(name) if attribute_name(name) is not None else None
    return known.get(field.name if field else name)


def did_you_mean_field(name: str, resource: Resource, others: Iterable[str] = ()) -> str:
    """Return a suggestion for an unknown field, by its label on pages or by a similar name.

    It begins with a space and is empty without a match. `others` are further possible names.
    """
    known = columns(resource)
    labels: dict[str, list[str]] = {}
    for column in known.values():
        labels.setdefault(column.label.casefold(), []).append(column.name)
    for link in resource.links:
        labels.setdefault(field_label(link.key).label.casefold(), []).append(link.field)
    label = name.replace("_", " ").casefold()
    named = list(dict.fromkeys(labels.get(label, ())))
    if named:
        return f" “{name}” on the pages is {' or '.join(named)}."
    near = did_you_mean(name, [*others, *known])
    if near:
        return near
    for close in get_close_matches(label, labels, 1, _MIN_LABEL_SIMILARITY):
        return did_you_mean(labels[close][0], labels[close])
    return ""


def bind(value: Any) -> ColumnElement[Any]:
    """Return a value as a bound parameter; integers may have 64 bits."""
    return literal(value, BigInteger()) if isinstance(value, int) else literal(value)


def parse_operand(kind: str, given: Any) -> Any:
    """Return the value to compare a field of a column type with.

    Raise ValueError if it does not fit.
    """
    match kind:
        case "integer" | "id" | "real":
            return _parse_number(given, whole=kind != "real")
        case "boolean":
            return _BOOLEANS[str(given).lower()]
        case "time":
            return parse_relative_time(str(given)) or parse_microseconds(str(given))
        case _:
            return str(given)


_BOOLEANS = {"true": 1, "yes": 1, "1": 1, "false": 0, "no": 0, "0": 0}
_MAX_INTEGER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RELATIVE_TIME = re.compile(r"(now|today)(?:([+ -])(\d{1,5})([smhdw]))?")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def _parse_number(given: Any, *, whole: bool) -> float:
    """Return a number; one too large for an integer column becomes a float beyond its range."""
    if isinstance(given, bool):
        raise ValueError(given)  # noqa: TRY004  handled like any other wrong type
    with suppress(ValueError):
        exact = int(given) if not isinstance(given, float) or given.is_integer() else None
        if whole and exact is not None and abs(exact) <= _MAX_INTEGER:
            return exact
    number = float(given)
    if math.isnan(number):
        raise ValueError(given)
    return number


def parse_relative_time(written: str) -> int | None:
    """Return `now` or `today`, with an offset such as `today+14d`, as microseconds since 1970.

    `today` is midnight in UTC. A space counts as a plus sign, which a URL may contain unescaped.
    Return None for any other text; raise OverflowError outside the years 1 to 9999.
    """
    found = _RELATIVE_TIME.fullmatch(written)
    if not found:
        return None
    start, sign, number, unit = found.groups()
    moment = utc_now()
    if start == "today":
        moment = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if sign:
        offset = timedelta(seconds=int(number) * _UNIT_SECONDS[unit])
        moment = moment - offset if sign == "-" else moment + offset
    return (moment - _EPOCH) // timedelta(microseconds=1)


def parse_microseconds(written: str) -> int:
    """Return a time as microseconds since 1970; raise ValueError if it is invalid."""
    return (datetime.fromisoformat(normalize_rfc3339(written)) - _EPOCH) // timedelta(
        microseconds=1
    )


def _column_kind(field: Field, keys: dict[str, Link]) -> Kind:
    if field.list or field.type in ("JSONString", "SlateContent", "ScalarValue"):
        return "other"
    if field.name in keys:
        return "link"
    if field.enum:
        return "choice"
    named: dict[str, Kind] = {"Boolean": "flag", "DateTime": "time"}
    return named.get(field.type, "number" if field.type in _NUMBER_TYPES else "text")


def _column_rank(field: Field, keys: dict[str, Link]) -> tuple[int, ...]:
    if field.name in _LEADING_FIELDS:
        return 0, _LEADING_FIELDS.index(field.name)
    if field.name.startswith(_TRAILING_PREFIXES) or not field.stored:
        return (3 if field.enum else 4,)
    return (1 if field.enum or field.name in keys else 2,)
