"""Timelines: which entries of the audit log a filter lets through."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.ion.catalog import Resource
from ultraviolet.local_ion.store.audit_log import LoggedAction
from ultraviolet.times import canonical


def wanted(action: LoggedAction, resource: Resource, filters: Mapping[str, Any] | None) -> bool:
    """Tell whether an entry passes a timeline's filter; a column is looked at as the entry left it (assumed)."""
    row = action.new_row or action.old_row or {}
    return all(
        value is None or _passes(name, value, action, resource, row)
        for name, value in (filters or {}).items()
    )


def _passes(name: str, value: Any, action: LoggedAction, resource: Resource, row: Mapping[str, Any]) -> bool:
    if name == "includeSelfSimilarRelationships":
        return True
    if name == "eventType":
        return _holds(action.action, value)
    if name == "actor":
        return all(_holds(action.actor_id, each) for key, each in value.items() if key == "id")
    if name in {"Created", "Updated"}:
        return _holds(action.action_tstamp, {k: _time(v) for k, v in value.items()})
    field = resource.field(name)
    if field is None:
        return True
    found = row.get(field.column)
    return _holds(str(found).upper() if field.enum and found is not None else found, value)


def _holds(found: Any, operators: Mapping[str, Any]) -> bool:
    return all(_OPERATORS[name](found, operand) for name, operand in operators.items() if name in _OPERATORS)


def _same(found: Any, operand: Any) -> bool:
    return found == operand or (found is not None and str(found) == str(operand))


def _like(flags: int) -> Callable[[Any, Any], bool]:
    def like(found: Any, pattern: Any) -> bool:
        expression = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in str(pattern))
        return found is not None and re.fullmatch(expression, str(found), flags | re.DOTALL) is not None

    return like


def _time(value: Any) -> Any:
    return canonical(value) if isinstance(value, str) else value


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda found, operand: found is not None and compare(found, type(found)(operand))


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": _same,
    "neq": lambda found, operand: not _same(found, operand),
    "in": lambda found, operands: any(_same(found, each) for each in operands),
    "isnull": lambda found, operand: (found is None) is operand,
    "gt": _ordered(lambda a, b: a > b),
    "gte": _ordered(lambda a, b: a >= b),
    "lt": _ordered(lambda a, b: a < b),
    "lte": _ordered(lambda a, b: a <= b),
    "like": _like(0),
    "ilike": _like(re.IGNORECASE),
    "notlike": lambda found, operand: not _like(0)(found, operand),
    "notilike": lambda found, operand: not _like(re.IGNORECASE)(found, operand),
}
