"""Filters of timelines."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.clock import normalize_rfc3339
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.store.audit_log import LoggedAction


def passes_filter(
    action: LoggedAction, resource: Resource, filters: Mapping[str, Any] | None
) -> bool:
    """Return whether an action passes a filter; columns have the value after it (assumed)."""
    return all(
        value is None or _passes_member(name, value, action, resource)
        for name, value in (filters or {}).items()
    )


def _passes_member(name: str, value: Any, action: LoggedAction, resource: Resource) -> bool:
    if name == "includeSelfSimilarRelationships":
        return True
    if name == "eventType":
        return _compare(action.action, value)
    if name == "actor":
        return "id" not in value or _compare(action.actor_id, value["id"])
    if name in {"Created", "Updated"}:
        times = {k: normalize_rfc3339(v) if isinstance(v, str) else v for k, v in value.items()}
        return _compare(action.action_tstamp, times)
    field = resource.field(name)
    if field is None:
        return True
    found = (action.new_row or action.old_row or {}).get(field.column)
    return _compare(str(found).upper() if field.enum and found is not None else found, value)


def _compare(found: Any, operators: Mapping[str, Any]) -> bool:
    return all(
        _OPERATORS[name](found, operand)
        for name, operand in operators.items()
        if name in _OPERATORS
    )


def _equals(found: Any, operand: Any) -> bool:
    return found == operand or (found is not None and str(found) == str(operand))


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare_as_type_of_found(found: Any, operand: Any) -> bool:
        return found is not None and compare(found, type(found)(operand))

    return compare_as_type_of_found


def _like(*, ignore_case: bool = False, negated: bool = False) -> Callable[[Any, Any], bool]:
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)

    def like(found: Any, pattern: Any) -> bool:
        expression = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in str(pattern))
        matches = found is not None and re.fullmatch(expression, str(found), flags) is not None
        return matches is not negated

    return like


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": _equals,
    "neq": lambda found, operand: not _equals(found, operand),
    "in": lambda found, operands: any(_equals(found, each) for each in operands),
    "isnull": lambda found, operand: (found is None) is operand,
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "like": _like(),
    "ilike": _like(ignore_case=True),
    "notlike": _like(negated=True),
    "notilike": _like(ignore_case=True, negated=True),
}
