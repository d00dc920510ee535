"""Values that people fill in: whether one is of its field's type, and whether it passes the field's validations."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from graphql import GraphQLError

FUNCTIONS: Mapping[str, tuple[str, Callable[[float, float], bool]]] = {
    "less_than": ("<", lambda value, limit: value < limit),
    "greater_than": (">", lambda value, limit: value > limit),
    "equal_to": ("=", lambda value, limit: value == limit),
    "at_most": ("≤", lambda value, limit: value <= limit),
    "at_least": ("≥", lambda value, limit: value >= limit),
}
"""Validation functions by name: how they are shown, and whether a value passes (assumed)."""


def check_value(name: str, kind: str | None, options: list[Any] | None, value: Any) -> None:
    """Refuse a value that is not of its field's or attribute's type; text is not checked (assumed)."""
    if value is None or kind is None:
        return
    if not _fits(kind.lower(), options or [], value):
        raise GraphQLError(f"{value!r} is no value of {name}: it takes {_wanted(kind.lower(), options)}.")


def _fits(kind: str, options: list[Any], value: Any) -> bool:
    match kind:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "select":
            return not options or value in options
        case "multiselect":
            return isinstance(value, list) and (not options or all(each in options for each in value))  # pyright: ignore[reportUnknownVariableType]
        case "datetime":
            return _is_time(value)
        case _:
            return True


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _wanted(kind: str, options: list[Any] | None) -> str:
    return f"one of {', '.join(map(str, options))}" if options else f"a {kind}"


def result(function: str | None, limit: float | None, value: Any) -> str:
    """Judge a value by a validation: pass, fail, or pending while there is nothing to judge."""
    known = FUNCTIONS.get(function or "")
    if known is None or limit is None or isinstance(value, bool) or not isinstance(value, int | float):
        return "pending"
    return "pass" if known[1](value, limit) else "fail"
