"""Conversion between values of the API and SQLite columns."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from graphql import GraphQLError

from ultraviolet.clock import normalize_rfc3339
from ultraviolet.ion.model import Field, Resource

Storage = Literal["integer", "real", "boolean", "text", "enum", "time", "json"]
"""How a column stores values: booleans as 0 and 1, lists as JSON, enums in lower case."""

_JSON_TYPES = {"SlateContent", "ScalarValue", "JSONString", "DataGrid", "DataGridRow"}
_SCALAR_STORAGE: dict[str, Storage] = {
    "Int": "integer",
    "Float": "real",
    "Boolean": "boolean",
    "DateTime": "time",
    "Decimal": "real",
}


def storage(field: Field) -> Storage:
    """Return how a field's values are stored."""
    if field.list or field.type in _JSON_TYPES:
        return "json"
    if field.enum:
        return "enum"
    if field.type == "ID" or (field.type == "Float" and field.column.endswith("_id")):
        return "integer"
    return _SCALAR_STORAGE.get(field.type, "text")


def affinity(kind: Storage) -> str:
    """Return the declared SQLite type of a column."""
    if kind in {"integer", "boolean"}:
        return "INTEGER"
    return "REAL" if kind == "real" else "TEXT"


def encode(field: Field, value: Any) -> Any:
    """Convert an API value to its column value; raise GraphQLError if it cannot be stored."""
    if field.type == "JSONString":
        value = parse_json_string(value)
    if value is None:
        return None
    kind = storage(field)
    try:
        return _ENCODERS[kind](value)
    except (ValueError, TypeError, OverflowError) as error:
        expected = _EXPECTED.get(kind, f"a {field.type}")
        message = f"{value!r} is not a valid value of {field.name}: expected {expected}."
        raise GraphQLError(message) from error


def encode_input(resource: Resource, values: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Split an input into column values and its other members."""
    fields = {f.name: f for f in resource.fields if f.stored}
    row: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            extra[name] = value
        else:
            row[field.column] = encode(field, value)
    return row, extra


def parse_json_string(value: Any) -> Any:
    """Parse a JSONString: JSON inside a string, as graphene writes it; pass other values through."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise GraphQLError(f"{value!r} is not valid JSON: {error}.") from error


def dump_json(value: Any) -> str:
    """Encode JSON as the columns store it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def decoder(field: Field) -> Callable[[Any], Any] | None:
    """Return the function that converts a column value to its API value; None for no conversion."""
    if field.type == "ID":
        decode: Callable[[Any], Any] | None = str
    elif field.type == "JSONString":
        decode = None
    else:
        decode = _DECODERS.get(storage(field))
    if decode is None:
        return None

    def decode_nullable(value: Any) -> Any:
        return None if value is None else decode(value)

    return decode_nullable


def _encode_time(value: Any) -> Any:
    """Convert a time to its canonical form; a time without a zone is UTC (assumed)."""
    if value == "":
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="microseconds")
    return normalize_rfc3339(str(value))


def encode_integer(value: Any) -> int:
    """Return a whole number that SQLite can store; raise ValueError or TypeError."""
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(value)
    return number


def _encode_real(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):  # SQLite would store null
        raise ValueError(value)
    return number


_EXPECTED: Mapping[Storage, str] = {
    "integer": "a whole number",
    "real": "a number",
    "time": "a time such as 2026-01-31T12:00:00Z",
}
_ENCODERS: dict[Storage, Callable[[Any], Any]] = {
    "integer": encode_integer,
    "real": _encode_real,
    "boolean": lambda value: int(bool(value)),
    "text": str,
    "enum": lambda value: str(value).lower(),
    "time": _encode_time,
    "json": dump_json,
}
_DECODERS: dict[Storage, Callable[[Any], Any]] = {
    "boolean": bool,
    "enum": str.upper,
    "json": json.loads,
}
