"""Compile ION's filter language to SQL conditions on the mirror.

Example: `{"status": {"eq": "ORDERED"}, "supplier": {"name": {"ilike": "%acme%"}}}`. All members
must match. `or_` and `and_` take lists of filters. A link or a list of links takes a filter of
the linked objects. Names come from the contract; values are always bound.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, not_, or_, select, true
from sqlalchemy.sql.selectable import FromClause

from ultraviolet.db import sql
from ultraviolet.db.tables.mirror import link_kinds, links, objects
from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Link, Relation, Resource
from ultraviolet.text import did_you_mean
from ultraviolet.web.queries.object_table import Column, bind, columns, parse_operand

Filter = Mapping[str, Any]
OPERATORS = (
    "eq",
    "neq",
    "in",
    "gt",
    "gte",
    "lt",
    "lte",
    "like",
    "notlike",
    "ilike",
    "notilike",
    "isnull",
)
_MAX_DEPTH = 6
_MAX_PARTS = 100
_GROUPS: dict[str, Callable[..., ColumnElement[bool]]] = {"or_": or_, "and_": and_}
_COMPARISONS: dict[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def parse_filter(written: str) -> Filter:
    """Parse a filter from a query parameter; raise InvalidError."""
    try:
        return msgspec.json.decode(written, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise _filter_error(
            f'Invalid JSON filter: {error}. Example: {{"status": {{"eq": "ORDERED"}}}}'
        ) from error


class FilterCompiler:
    """Compiles a filter to a condition on `objects`; use one instance per statement."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection = connection
        self._catalog = catalog
        self._parts_left = _MAX_PARTS

    def compile(self, resource: Resource, wanted: Filter) -> ColumnElement[bool]:
        """Return the condition that an object matches a filter; raise InvalidError."""
        return self._all(resource, wanted, objects, 1)

    def _all(
        self, resource: Resource, wanted: Any, of: FromClause, depth: int
    ) -> ColumnElement[bool]:
        if not isinstance(wanted, dict) or depth > _MAX_DEPTH:
            raise _filter_error(
                f"A filter of {resource.title} must be a JSON object at most {_MAX_DEPTH} levels deep."
            )
        members = cast("dict[str, Any]", wanted)
        return and_(
            true(), *(self._member(resource, *member, of, depth) for member in members.items())
        )

    def _member(
        self, resource: Resource, name: str, wanted: Any, of: FromClause, depth: int
    ) -> ColumnElement[bool]:
        self._parts_left -= 1
        if self._parts_left < 0:
            raise _filter_error(f"A filter can have at most {_MAX_PARTS} parts.")
        if name in _GROUPS:
            if not isinstance(wanted, list) or not wanted:
                raise _filter_error(f"{name} must be a list of filters.")
            parts = cast("list[Any]", wanted)
            return _GROUPS[name](*(self._all(resource, part, of, depth + 1) for part in parts))
        column = columns(resource).get(name)
        if column:
            return self._field(column, wanted, of)
        link = next((one for one in resource.links if one.field == name), None)
        if link:
            return self._through_link(link, wanted, of, depth)
        relation = next((one for one in resource.relations if one.field == name), None)
        if relation and relation.kind == "foreign_key" and relation.key:
            return self._through_relation(resource, relation, wanted, of, depth)
        near = did_you_mean(
            name,
            [*columns(resource), *(one.field for one in (*resource.links, *resource.relations))],
        )
        raise _filter_error(f"{resource.title} cannot be filtered by {name}.{near}")

    def _field(self, column: Column, wanted: Any, of: FromClause) -> ColumnElement[bool]:
        if not isinstance(wanted, dict):
            raise _filter_error(
                f'{column.name} must be an object of operators, such as {{"eq": …}}.'
            )
        operators = cast("dict[str, Any]", wanted)
        return and_(true(), *(self._operator(column, of, *one) for one in operators.items()))

    def _operator(
        self, column: Column, of: FromClause, name: str, given: Any
    ) -> ColumnElement[bool]:
        if name not in OPERATORS:
            raise _filter_error(
                f"{column.name}: unknown operator {name}. Operators: {', '.join(OPERATORS)}."
            )
        if name == "isnull" and not isinstance(given, bool):
            raise _filter_error(f"{column.name}: isnull must be true or false; {given!r} is not.")
        if name == "isnull" or given is None:
            text = sql.text_of(self._connection, of, column.name, column.type)
            absent = given if name == "isnull" else name == "eq"
            return text.is_(None) if absent else text.is_not(None)
        if column.kind == "other":
            raise _filter_error(f"{column.name} is a list or a document; it supports only isnull.")
        if name.endswith("like"):
            text = sql.text_of(self._connection, of, column.name, column.type)
            return self._like(text, name, _check_pattern(column, given))
        value = sql.value_of(self._connection, of, column.name, column.type)
        if name == "in":
            values = cast("list[Any]", given if isinstance(given, list) else [given])
            return value.in_([bind(_operand(column, each)) for each in values])
        return _COMPARISONS[name](value, bind(_operand(column, given)))

    def _like(self, text: ColumnElement[Any], name: str, pattern: str) -> ColumnElement[bool]:
        if name.endswith("ilike"):
            found = text.ilike(pattern, escape="\\")
        else:
            found = sql.like(self._connection, text, pattern)
        return not_(found) if name.startswith("not") else found

    def _through_link(
        self, link: Link, wanted: Any, of: FromClause, depth: int
    ) -> ColumnElement[bool]:
        target, other = self._catalog.resources[link.resource], objects.alias()
        key = sql.text_of(self._connection, of, link.key, "id")
        return (
            select(other.c.id)
            .where(
                *_is_current(other, of, target),
                other.c.id == key,
                self._all(target, wanted, other, depth + 1),
            )
            .exists()
        )

    def _through_relation(
        self, resource: Resource, relation: Relation, wanted: Any, of: FromClause, depth: int
    ) -> ColumnElement[bool]:
        target = self._catalog.resources[relation.resource]
        other, link = objects.alias(), links.alias()
        kind = select(link_kinds.c.id).where(
            link_kinds.c.resource == target.name,
            link_kinds.c.field == relation.key,
            link_kinds.c.target_resource == resource.name,
        )
        return (
            select(other.c.id)
            .where(
                link.c.integration_id == of.c.integration_id,
                link.c.target_id == of.c.id,
                link.c.kind == kind.scalar_subquery(),
                *_is_current(other, of, target),
                other.c.id == link.c.id,
                self._all(target, wanted, other, depth + 1),
            )
            .exists()
        )


def _is_current(
    other: FromClause, of: FromClause, target: Resource
) -> tuple[ColumnElement[bool], ...]:
    return (
        other.c.integration_id == of.c.integration_id,
        other.c.resource == target.name,
        other.c.deleted_at.is_(None),
    )


def _operand(column: Column, given: Any) -> Any:
    try:
        return parse_operand(column.type, given)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        kinds = {
            "integer": "a number",
            "real": "a number",
            "id": "an id",
            "boolean": "true or false",
        }
        raise _filter_error(
            f"{column.name} must be {kinds.get(column.type, 'a time')}; {given!r} is not."
        ) from error


def _check_pattern(column: Column, given: Any) -> str:
    pattern = str(given)
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise _filter_error(
            f"{column.name}: the backslash at the end of the pattern escapes nothing."
        )
    return pattern


def _filter_error(message: str) -> InvalidError:
    return InvalidError(message, field="filter")
