"""Values on the command line: a time or an age, and a filter."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from ultraviolet.cli.support.api import Json
from ultraviolet.clock import format_rfc3339, normalize_rfc3339
from ultraviolet.errors import InvalidError

_AGE = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_CONDITION = re.compile(
    r"\s*(attributes\.[^=!<>]+?|[\w.]+)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*", re.DOTALL
)
_RELATIVE_TIME = re.compile(r"(now|today)([+-]\d+[smhdw])?")
_OPERATORS = {"=": "eq", "!=": "neq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_JSON_TYPES = ("integer", "real", "boolean")

FILTER_HELP = (
    "Condition such as status=ORDERED, supplier.name=Acme, needDate<today+14d,"
    " estimatedArrivalDate>@needDate (another field), attributes.Priority=high or supplierId!= (has a value);"
    " also JSON in ION's syntax. Repeatable; all must match."
)
TIME_HELP = "A time such as 2026-11-24T21:00Z, or an age: 90s, 15m, 6h, 7d, 2w."


def parse_time(text: str | None) -> str | None:
    """Return the time in RFC 3339. Raise InvalidError."""
    if text is None:
        return None
    try:
        if found := _AGE.fullmatch(text):
            return format_rfc3339(
                datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
            )
        return normalize_rfc3339(text)
    except (ValueError, OverflowError) as error:  # OverflowError: before the year 1
        raise InvalidError(f"“{text}” is not a valid time. {TIME_HELP}") from error


def parse_filters(filters: Sequence[str], type_of: Callable[[str], str | None]) -> Json | None:
    """Return a filter of the API that all filters match; `type_of` returns the type of a field.

    Raise InvalidError.
    """
    parsed = [_parse_filter(text, type_of) for text in filters]
    return {"and_": parsed} if len(parsed) > 1 else next(iter(parsed), None)


def _parse_filter(text: str, type_of: Callable[[str], str | None]) -> Json:
    found = _CONDITION.fullmatch(text)
    try:
        if found is None:
            return msgspec.json.decode(text, type=Json)
        field, sign, value = found.groups()
        if not value and sign in ("=", "!="):
            return {field: {"isnull": sign == "="}}
        if value.startswith("@"):
            return {field: {_OPERATORS[sign]: {"field": value[1:]}}}
        kind = type_of(field)
        if kind == "time" and _RELATIVE_TIME.fullmatch(value):
            return {field: {_OPERATORS[sign]: value}}
        if kind in _JSON_TYPES:
            return {field: {_OPERATORS[sign]: msgspec.json.decode(value)}}
    except msgspec.DecodeError as error:
        raise InvalidError(f"“{text}” is not a valid filter. {FILTER_HELP}") from error
    return {field: {_OPERATORS[sign]: parse_time(value) if kind == "time" else value}}
