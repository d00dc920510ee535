"""Checks of inputs: existing rows, etags, values of fields and their validations."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from graphql import GraphQLError

from ultraviolet import clock
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.store.transaction import Row, Transaction

STALE_ETAG_MESSAGE = (
    "The etag does not match: the {type} was changed since it was read. Read it again and retry."
)
"""The message for an outdated etag; ION's own text is unknown."""


class ValidationFunction(msgspec.Struct, frozen=True):
    """A comparison of a value with a limit."""

    symbol: str
    compare: Callable[[float, float], bool]


VALIDATION_FUNCTIONS: Mapping[str, ValidationFunction] = {
    "less_than": ValidationFunction("<", operator.lt),
    "greater_than": ValidationFunction(">", operator.gt),
    "equal_to": ValidationFunction("=", operator.eq),
    "at_most": ValidationFunction("≤", operator.le),
    "at_least": ValidationFunction("≥", operator.ge),
}
"""Validation functions by name (assumed)."""


def require_row(tx: Transaction, table: str, key: Any) -> Row:
    """Return a row; raise GraphQLError if it does not exist."""
    row = tx.get(table, key)
    if row is None:
        resource = tx.catalog.resources[table]
        parts: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)  # pyright: ignore[reportUnknownVariableType]
        shown = ":".join(str(part) for part in parts)
        raise GraphQLError(f"{resource.type or table} {shown} does not exist.")
    return row


def check_etag(tx: Transaction, table: str, row: Row, etag: str | None) -> None:
    """Raise GraphQLError for an outdated etag."""
    column = tx.schema.tables[table].etag
    if column is not None and row[column] != etag:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tx.catalog.resources[table].type).lower()
        raise GraphQLError(STALE_ETAG_MESSAGE.format(type=words))


def require_current(
    tx: Transaction, table: str, values: Mapping[str, Any], id_member: str = "id"
) -> Row:
    """Return the row that an input names and check its etag."""
    row = require_row(tx, table, int(values[id_member]))
    check_etag(tx, table, row, values.get("etag"))
    return row


def check_nulls(resource: Resource, values: Mapping[str, Any]) -> None:
    """Raise GraphQLError for a value that is null although its field never is."""
    for field in resource.fields:
        if field.stored and field.required and values.get(field.name, "") is None:
            message = (
                f"{field.name} of {resource.type} must not be null; omit it to keep its value."
            )
            raise GraphQLError(message)


def check_value(name: str, kind: str | None, options: list[Any] | None, value: Any) -> None:
    """Raise GraphQLError for a value of the wrong type; text is not checked (assumed)."""
    if value is None or kind is None:
        return
    if not _has_type(kind.lower(), options or [], value):
        expected = f"one of {', '.join(map(str, options))}" if options else f"a {kind.lower()}"
        raise GraphQLError(f"{value!r} is not a valid value of {name}: expected {expected}.")


def _has_type(kind: str, options: list[Any], value: Any) -> bool:
    match kind:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "select":
            return not options or value in options
        case "multiselect":
            return isinstance(value, list) and (
                not options or all(each in options for each in value)  # pyright: ignore[reportUnknownVariableType]
            )
        case "datetime":
            return clock.valid_time(str(value)) is not None
        case _:
            return True


def validation_result(function: str | None, limit: float | None, value: Any) -> str:
    """Return pass or fail; pending if there is nothing to compare."""
    known = VALIDATION_FUNCTIONS.get(function or "")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if known is None or limit is None or not is_number:
        return "pending"
    return "pass" if known.compare(value, limit) else "fail"
