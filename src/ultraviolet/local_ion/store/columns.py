"""How values of ION's types lie in the columns of SQLite, and back."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from graphql import GraphQLError

from ultraviolet.ion.catalog import Field
from ultraviolet.times import canonical

Storage = Literal["integer", "real", "boolean", "text", "enum", "time", "json"]
"""How a column's values are kept: booleans as 0 and 1, lists and rich values as JSON, enums in lower case."""

_JSON_TYPES = {"SlateContent", "ScalarValue", "JSONString", "DataGrid", "DataGridRow"}
_PLAIN: dict[str, Storage] = {
    "Int": "integer",
    "Float": "real",
    "Boolean": "boolean",
    "DateTime": "time",
    "Decimal": "real",
}


def storage(field: Field) -> Storage:
    """Tell how a field's values are kept."""
    if field.list or field.type in _JSON_TYPES:
        return "json"
    if field.enum:
        return "enum"
    if field.type == "ID" or (field.type == "Float" and field.column.endswith("_id")):
        return "integer"
    return _PLAIN.get(field.type, "text")


def affinity(kind: Storage) -> str:
    """Give the declared type of a column."""
    if kind in {"integer", "boolean"}:
        return "INTEGER"
    return "REAL" if kind == "real" else "TEXT"


def encode(field: Field, value: Any) -> Any:
    """Bring a value of the API into the form its column keeps."""
    return encoder(storage(field))(document(value) if field.type == "JSONString" else value)


def document(value: Any) -> Any:
    """Read a JSONString, which is JSON in a string both ways, as graphene has it; what is no string is taken as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise GraphQLError(f"{value!r} is no JSON: {error}.") from error


def encoder(kind: Storage) -> Callable[[Any], Any]:
    """Give what brings a value of the API into the form of a column."""
    return _ENCODERS[kind]


def decoder(field: Field) -> Callable[[Any], Any] | None:
    """Give what brings a column's value back into the API's form; None where it is that already."""
    kind = storage(field)
    if field.type == "ID":
        return _text
    if field.type == "JSONString":
        return None
    return {"boolean": _boolean, "enum": _upper, "json": _load}.get(kind)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _boolean(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _upper(value: Any) -> str | None:
    return None if value is None else value.upper()


def _load(value: Any) -> Any:
    return None if value is None else json.loads(value)


def _integer(value: Any) -> Any:
    return value if value is None else int(value)


def _real(value: Any) -> Any:
    return value if value is None else float(value)


def _flag(value: Any) -> Any:
    return value if value is None else int(bool(value))


def _lower(value: Any) -> Any:
    return value if value is None else str(value).lower()


def _time(value: Any) -> Any:
    """Bring a time to the one form; a time without a zone is UTC (assumed)."""
    if value is None or value == "":
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="microseconds")
    return canonical(str(value))


def _dump(value: Any) -> Any:
    return None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


_ENCODERS: dict[Storage, Callable[[Any], Any]] = {
    "integer": _integer,
    "real": _real,
    "boolean": _flag,
    "text": _text,
    "enum": _lower,
    "time": _time,
    "json": _dump,
}
