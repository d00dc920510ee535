"""Conditions of object lists, as the address of a page contains them, and their filter."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, get_args

import msgspec
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import choice_label
from ultraviolet.ion.model import Resource
from ultraviolet.text import did_you_mean, listed
from ultraviolet.web.queries.columns import Column, Kind, columns, parse_operand
from ultraviolet.web.queries.field_paths import FieldPath, find_path
from ultraviolet.web.queries.ion_filters import (
    Filter,
    FilterCompiler,
    escape_pattern,
    is_comparable,
    unknown_choices,
)

Operator = Literal[
    "is",
    "not",
    "any",
    "none",
    "has",
    "hasnot",
    "starts",
    "ends",
    "lt",
    "gt",
    "from",
    "to",
    "between",
    "today",
    "next",
    "last",
    "overdue",
    "same",
    "differs",
    "above",
    "below",
    "empty",
    "filled",
]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
_BY_NAME: Mapping[str, Operator] = {each: each for each in OPERATORS}
OR = "or"
"""The condition that separates groups, of which one must match."""
WITHOUT_VALUE: frozenset[Operator] = frozenset(("today", "overdue", "empty", "filled"))
_OF_TIMES: frozenset[Operator] = frozenset(("today", "next", "last", "overdue"))
WITH_FIELD: Mapping[Operator, str] = {"same": "eq", "differs": "neq", "above": "gt", "below": "lt"}
"""Operators that compare with another field, with those of the filter language."""
_EMPTINESS: dict[Operator, str] = {"empty": "is empty", "filled": "is not empty"}
_SAMENESS: dict[Operator, str] = {
    "same": "is the same as the field",
    "differs": "differs from the field",
}
LABELS: Mapping[Kind, Mapping[Operator, str]] = {
    "text": {
        "has": "contains",
        "hasnot": "does not contain",
        "is": "is",
        "not": "is not",
        "starts": "starts with",
        "ends": "ends with",
        **_SAMENESS,
        **_EMPTINESS,
    },
    "number": {
        "is": "=",
        "not": "≠",
        "lt": "<",
        "to": "≤",
        "gt": ">",
        "from": "≥",
        "between": "is between",
        "above": "is greater than the field",
        "below": "is less than the field",
        **_SAMENESS,
        **_EMPTINESS,
    },
    "time": {
        "is": "is",
        "lt": "is before",
        "gt": "is after",
        "from": "is on or after",
        "to": "is on or before",
        "between": "is between",
        "today": "is today",
        "next": "is in the next … days",
        "last": "is in the last … days",
        "overdue": "is overdue",
        "above": "is after the field",
        "below": "is before the field",
        **_SAMENESS,
        **_EMPTINESS,
    },
    "choice": {"any": "is any of", "none": "is not any of", **_SAMENESS, **_EMPTINESS},
    "flag": {"is": "is", **_EMPTINESS},
    "link": {"is": "is", "not": "is not", **_SAMENESS, **_EMPTINESS},
    "other": {"has": "contains", "hasnot": "does not contain", **_EMPTINESS},
}
"""The operators that people choose from for each kind of field, the most usual ones first."""
_ALL_LABELS = {name: label for each in reversed(LABELS.values()) for name, label in each.items()}
_NEGATIONS: dict[Operator, Operator] = {
    "not": "is",
    "none": "any",
    "hasnot": "has",
    "empty": "filled",
}
_SEARCHES: dict[Operator, str] = {"has": "%{}%", "starts": "{}%", "ends": "%{}"}
_COMPARISONS: dict[Operator, str] = {"is": "eq", "from": "gte", "to": "lte"}
_TEXTS = ("text", "choice", "other")
_OF_SEVERAL: dict[Operator, Operator] = {"is": "any", "not": "none"}
"""Operators of one value, with those of several."""
_EMPTY_TEXTS = ("", "[]", "{}")
_VALUE = re.compile(r"(?:^|,)((?:[^,\\]|\\.|\\$)*)", re.DOTALL)
_FLAGS = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}
_DAY_OR_MINUTE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d)?")
_MAX_DAYS = 36_500
_BETWEEN = ".."


class InvalidConditionError(InvalidError):
    """A condition of a list is invalid; `place` is its place in the address."""

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message, field="where")
        self.place = place


class Condition(msgspec.Struct, frozen=True):
    """A condition on a field, written `field:operator:value` in a URL."""

    path: FieldPath
    operator: Operator
    value: str
    other: Column | None = None
    """The field to compare with."""

    def __str__(self) -> str:
        """Return the form used in URLs."""
        return f"{self.path.name}:{self.operator}:{self.value}"

    @property
    def values(self) -> list[str]:
        """The values of operators that take several: `a,b` or, for a range, `a..b`."""
        return split_of(self.operator, self.value)

    @property
    def label(self) -> str:
        """The operator in words."""
        return LABELS[kind_of(self.path.column)].get(self.operator) or _ALL_LABELS[self.operator]

    def to_filter(self) -> Filter:
        """Return the condition in the filter language; texts are compared without case."""
        operator, value, kind = self.operator, self.value, self.path.column.kind
        positive = _NEGATIONS.get(operator)
        if positive:  # also matches without a value, and without the linked object
            return {"not_": msgspec.structs.replace(self, operator=positive).to_filter()}
        if operator == "filled":
            absent = _EMPTY_TEXTS if kind == "other" else [""] if kind in _TEXTS else []
            present = [{"isnull": False}, *({"notilike": each} for each in absent)]
            return {"and_": [{self.path.name: each} for each in present]}
        if operator in WITH_FIELD:
            compared: Filter = {WITH_FIELD[operator]: {"field": value}}
        elif operator in _SEARCHES or (kind in _TEXTS and operator == "is"):
            compared = {"ilike": _SEARCHES.get(operator, "{}").format(escape_pattern(value))}
        elif kind == "time":
            compared = _compare_time(operator, self.values)
        elif operator == "any":
            compared = {"in": self.values}
        elif operator == "between":
            compared = {"gte": self.values[0], "lte": self.values[1]}
        else:
            compared = {_COMPARISONS.get(operator, operator): value}
        return {self.path.name: compared}


def split_of(operator: str, written: str) -> list[str]:
    """Return the values of a condition as it is written in a URL."""
    if operator == "between":
        return written.split(_BETWEEN)
    return split_values(written) if operator in ("any", "none") else [written]


def split_values(written: str) -> list[str]:
    """Return the values of `a,b`; a backslash before a comma or a backslash makes it a part."""
    return [re.sub(r"\\([,\\])", r"\1", each) for each in _VALUE.findall(written)]


def join_values(operator: Operator, values: Sequence[str]) -> str:
    """Return the values of a condition as it is written in a URL."""
    if operator == "between":
        return _BETWEEN.join(values)
    if operator in ("any", "none"):  # in the form that `split_values` reads
        values = [re.sub(r"([,\\])", r"\\\1", each) for each in values]
    return ",".join(values)


def _compare_time(operator: Operator, values: Sequence[str]) -> Filter:
    """Return the comparison with a time, or with a whole day or minute in UTC."""
    value = values[0]
    end = _end(value)
    match operator:
        case "is":
            compared = {"gte": value, "lt": end} if end else {"eq": value}
        case "gt":
            compared = {"gte": end} if end else {"gt": value}
        case "to":
            compared = {"lt": end} if end else {"lte": value}
        case "between":
            compared = {"gte": value, **_compare_time("to", values[1:])}
        case "today":
            compared = {"gte": "today", "lt": "today+1d"}
        case "next":
            compared = {"gte": "today", "lt": f"today+{int(value) + 1}d"}
        case "last":
            compared = {"gte": f"today-{value}d", "lte": "now"}
        case "overdue":
            compared = {"lt": "today"}
        case _:
            compared = {_COMPARISONS.get(operator, operator): value}
    return compared


def _end(written: str) -> str:
    """Return the end of a day or of a minute; "" for any other time."""
    found = _DAY_OR_MINUTE.fullmatch(written)
    try:
        unit = timedelta(minutes=1) if found and found[1] else timedelta(days=1)
        return (datetime.fromisoformat(written) + unit).isoformat() if found else ""
    except OverflowError:  # the last one
        return ""


def kind_of(column: Column) -> Kind:
    """Return the kind of a field as people see it; ION has flags that are texts."""
    return "flag" if column.format == "boolean" else column.kind


def comparable_fields(resource: Resource, column: Column) -> list[Column]:
    """Return the fields of a resource that a field can be compared with."""
    return [other for other in columns(resource).values() if is_comparable(column, other)]


def parse_condition(
    connection: Connection, catalog: Catalog, resource: Resource, written: str
) -> Condition:
    """Parse `field:operator:value`; raise InvalidError, whose field is the part that is wrong."""
    field, _, rest = written.partition(":")
    name, _, value = rest.partition(":")
    operator = _BY_NAME.get(name)
    if operator is None:
        near = did_you_mean(name, list(OPERATORS))
        raise InvalidError(
            f"“{written}” is not a valid filter. Example: status:is:REQUESTED"
            f" (operators: {listed(OPERATORS)}).{near}",
            field="operator",
        )
    path = find_path(catalog, resource, field)
    at = catalog.resources[path.links[-1].resource] if path.links else resource
    value = value.replace("\0", "")
    other = None
    if operator in WITH_FIELD:
        comparable = {other.name: other for other in comparable_fields(at, path.column)}
        other = comparable.get(value)
        if other is None:
            raise InvalidError(f"{path.label} cannot be compared with “{value}”.", field="value")
    if path.column.kind == "choice" and not path.column.is_attribute:
        if operator in _OF_SEVERAL:
            operator, value = _OF_SEVERAL[operator], join_values("any", [value])
        if operator in _OF_SEVERAL.values():
            value = join_values("any", _known_choices(connection, catalog, at, path, value))
    elif kind_of(path.column) == "flag" and operator == "is":
        value = _FLAGS.get(value.lower(), value)
    if operator in _OF_TIMES and path.column.kind != "time":
        raise InvalidError(f"{path.label} is not a time.", field="operator")
    condition = Condition(path, operator, value, other)
    check_value(condition)
    FilterCompiler(connection, catalog).compile(resource, condition.to_filter())
    return condition


def _known_choices(
    connection: Connection, catalog: Catalog, at: Resource, path: FieldPath, written: str
) -> list[str]:
    """Return the values of an enum field as ION writes them; raise InvalidError."""
    field = at.field(path.column.place)
    given = split_values(written)
    valid = catalog.enum_values(field) if field else frozenset[str]()
    unknown = unknown_choices(connection, at, path.column, given, valid)
    for each in given if valid else ():
        if each in unknown and each.upper() not in valid:
            labels = sorted(map(choice_label, valid))
            near = did_you_mean(each, labels) or f" Use one of: {listed(labels)}."
            raise InvalidError(f"“{each}” is not a value of {path.label}.{near}", field="value")
    return [each.upper() if each in unknown else each for each in given]


def check_value(condition: Condition) -> None:
    """Raise InvalidError if the value of a condition does not fit its field and operator."""
    column, operator, value = condition.path.column, condition.operator, condition.value
    label = condition.path.label
    if operator in WITHOUT_VALUE or operator in WITH_FIELD:
        return
    if operator in ("next", "last"):
        if not (value.isascii() and value.isdecimal() and int(value) <= _MAX_DAYS):
            raise InvalidError(f"Enter a number of days up to {_MAX_DAYS:,}.", field="value")
        return
    if operator == "between" and len(condition.values) != 2:  # noqa: PLR2004
        raise InvalidError(f"{label}: enter two values, as in 1..10.", field="value")
    if kind_of(column) == "flag" and operator == "is" and value not in _FLAGS.values():
        raise InvalidError(f"{label} must be yes or no; “{value}” is not.", field="value")
    if column.kind in _TEXTS or operator in ("has", "hasnot", "starts", "ends"):
        return
    for each in condition.values:
        try:
            parse_operand(column.type, each)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            kinds = {"time": "a date such as 2026-12-01", "id": "an ID"}
            expected = kinds.get(column.type, "a number")
            raise InvalidError(
                f"{label} must be {expected}; “{each}” is not.", field="value"
            ) from error


def parse_groups(
    connection: Connection, catalog: Catalog, resource: Resource, written: Sequence[str]
) -> list[list[Condition]]:
    """Parse conditions; `or` between them begins a new group. Raise InvalidConditionError."""
    groups: list[list[Condition]] = [[]]
    for place, each in enumerate(written):
        if each == OR:
            groups.append([])
            continue
        try:
            groups[-1].append(parse_condition(connection, catalog, resource, each))
        except InvalidError as error:
            raise InvalidConditionError(str(error), place) from error
    return [group for group in groups if group]


def groups_filter(groups: Sequence[Sequence[Condition]]) -> Filter:
    """Return the filter that all conditions of one of the groups match; {} without groups."""
    parts: list[Filter] = [
        {"and_": [condition.to_filter() for condition in group]} for group in groups
    ]
    if not parts:
        return {}
    return {"or_": parts} if len(parts) > 1 else parts[0]
