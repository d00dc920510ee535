"""Object tables: typed columns, filters, sorting and keyset pagination."""

import json
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    literal,
    select,
    tuple_,
)

from ultraviolet.clock import normalize_rfc3339
from ultraviolet.db import sql, text_index
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.errors import InvalidError
from ultraviolet.ion.model import Field, Link, Resource
from ultraviolet.ion.naming import constant
from ultraviolet.mirror import field_indexes, search_index
from ultraviolet.text import did_you_mean
from ultraviolet.web.queries.objects import ObjectDetail, ObjectFilter, read_objects, select_objects

Kind = Literal["text", "number", "flag", "time", "choice", "link", "other"]
Operator = Literal["is", "not", "has", "from", "to", "empty"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
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
_TRAILING_PREFIXES = ("_", "Last", "createdBy", "updatedBy", "entityId", "thumbnail", "prettyStr")
_MAX_DEFAULT_COLUMNS = 7
_MAX_SCANNED_OBJECTS = 2_000
"""Filters scan this many objects in order of change before they use an index."""


class Column(msgspec.Struct, frozen=True):
    """One column; `link` is set if it contains the id of another object."""

    name: str
    kind: Kind
    type: str
    """The column type of the SQL view: integer, real, boolean, time, text, id or json."""
    link: Link | None = None


class Condition(msgspec.Struct, frozen=True):
    """A condition on a field, written `field:operator:value` in a URL."""

    field: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        """Return the form used in URLs."""
        return f"{self.field}:{self.operator}:{self.value}"


class Order(msgspec.Struct, frozen=True):
    """The sort column and direction; `changed` is the time of the last change."""

    by: str = "changed"
    down: bool = True

    def __str__(self) -> str:
        """Return the form used in URLs."""
        return f"{'-' if self.down else ''}{self.by}"


class TablePage(msgspec.Struct, frozen=True):
    """One page of a table; `next` is the position of the next page."""

    rows: list[ObjectDetail]
    next: str | None


def columns(resource: Resource) -> dict[str, Column]:
    """Return all columns of a resource, the most informative ones first."""
    keys = {link.key: link for link in resource.links}
    fields = sorted(resource.fields, key=lambda field: _column_rank(field, keys))
    return {
        field.name: Column(
            field.name, _column_kind(field, keys), resource.kinds[field.name], keys.get(field.name)
        )
        for field in fields
    }


def selected_columns(resource: Resource, names: Sequence[str], by: Order) -> list[Column]:
    """Return the requested or default columns, always including the sort column."""
    known = columns(resource)
    requested = [known[name] for name in names if name in known]
    defaults = [
        column for column in known.values() if column.name != "id" and column.kind != "other"
    ]
    shown = requested or defaults[:_MAX_DEFAULT_COLUMNS]
    sorting = known.get(by.by)
    return [*shown, sorting] if sorting and sorting.name != "id" and sorting not in shown else shown


def parse_condition(resource: Resource, written: str) -> Condition:
    """Parse `field:operator:value`; raise InvalidError."""
    field, _, rest = written.partition(":")
    operator, _, value = rest.partition(":")
    if operator not in OPERATORS or not resource.field(field):
        near = (
            ""
            if resource.field(field)
            else did_you_mean(field, [one.name for one in resource.fields])
        )
        raise InvalidError(
            f"{written} is not a valid filter. Example: status:is:REQUESTED"
            f" (operators: {', '.join(OPERATORS)}).{near}"
        )
    return Condition(field, operator, value.replace("\0", ""))


def parse_order(resource: Resource, written: str | None) -> Order:
    """Parse `field`, `-field` or ION's `FIELD_ASC` and `FIELD_DESC`; raise InvalidError."""
    if not written:
        return Order()
    by, down = written.removeprefix("-"), written.startswith("-")
    name, _, direction = written.rpartition("_")
    known = {field.name for field in resource.fields}
    if written not in known and direction in ("ASC", "DESC"):
        by = next((one for one in known if constant(one).lstrip("_") == name.lstrip("_")), written)
        down = direction == "DESC"
    if by not in ("changed", "id") and by not in known:
        near = did_you_mean(by, ["changed", *known])
        raise InvalidError(f"{resource.title} cannot be sorted by {written}.{near}", field="sort")
    return Order(by, down)


def read_page(
    connection: Connection,
    object_filter: ObjectFilter,
    conditions: Sequence[Condition],
    by: Order,
    after: str | None,
    limit: int,
    also: ColumnElement[bool] | None = None,
) -> TablePage:
    """Return a page of a table; `after` is the `next` of the previous page."""
    known = columns(object_filter.resource)
    key = _sort_key(connection, known, by)
    where = [_compile_condition(connection, known[each.field], each) for each in conditions]
    if also is not None:
        where.append(also)
    if by.by == "changed":
        where.append(BY_CHANGE)
    last = _decode_position(known, by, after) if after else None
    if last:
        where.append(_after_position(key, by, last))
    ids: Sequence[str] = []
    narrowed = by.by == "changed" and (bool(conditions) or object_filter.text or also is not None)
    if narrowed:
        query = select_objects(connection, object_filter, indexed=False).where(*where)
        ids = _read_ids(
            connection,
            query.where(*_first_by_change(connection, object_filter, by, last)),
            key,
            by,
            limit,
        )
    if len(ids) <= limit:
        query = select_objects(connection, object_filter).where(
            *where, *_search_index_conditions(connection, object_filter, known, conditions)
        )
        # Few objects remain; the expression keeps the planner from scanning the index of the order.
        order = func.coalesce(key, "") if narrowed else key
        ids = _read_ids(connection, query, order, by, limit)
    rows = select_objects(
        connection, msgspec.structs.replace(object_filter, state="any", text=None)
    )
    by_id = {
        one.id: one
        for one in read_objects(
            connection, object_filter.resource, rows.where(objects.c.id.in_(ids))
        )
    }
    found = [by_id[id_] for id_ in ids]
    if len(found) <= limit:
        return TablePage(found, None)
    id_ = found[limit - 1].id
    value = connection.execute(
        select(key.label("sort_key")).where(*_is_object_of(object_filter), objects.c.id == id_)
    ).scalar_one()
    return TablePage(found[:limit], json.dumps([value, id_]))


def indexable_fields(
    resource: Resource, conditions: Sequence[Condition], by: Order
) -> list[tuple[str, str]]:
    """Return the fields that are sorted or compared, with their column types."""
    known = columns(resource)
    compared = [
        c.field for c in conditions if c.operator in ("is", "from", "to") and c.field != "id"
    ]
    fields = [by.by, *compared] if by.by in known else compared
    return [
        (name, known[name].type) for name in dict.fromkeys(fields) if known[name].kind != "flag"
    ]


def missing_indexes(
    connection: Connection,
    integration_id: int,
    resource: Resource,
    fields: Sequence[tuple[str, str]],
) -> list[str]:
    """Return the fields that would benefit from an index and have none."""
    return [
        field
        for field, kind in fields
        if field_indexes.missing_indexes(connection, integration_id, resource, [(field, kind)])
    ]


def fields_to_index(resource: Resource, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the fields to index with their column types; raise InvalidError."""
    known = columns(resource)
    for name in names:
        if name not in known or known[name].kind == "flag":
            raise InvalidError(f"{resource.title} cannot be indexed by {name!r}.", field="fields")
    return [(name, known[name].type) for name in dict.fromkeys(names)]


def _first_by_change(
    connection: Connection, object_filter: ObjectFilter, by: Order, last: tuple[Any, str] | None
) -> list[ColumnElement[bool]]:
    """Return the condition that an object is among the first in order of change.

    If many objects match a filter, these contain a full page, and the index of the order finds
    them.
    """
    changed = objects.c.changed_at
    query = (
        select(changed)
        .where(*_is_object_of(object_filter), BY_CHANGE)
        .order_by(changed.desc() if by.down else changed)
    )
    if last:
        value = last[0]
        query = query.where(changed <= value if by.down else changed >= value)
    end = connection.execute(query.offset(_MAX_SCANNED_OBJECTS).limit(1)).scalar()
    return [] if end is None else [changed >= end if by.down else changed <= end]


def _read_ids(
    connection: Connection, query: Select[Any], key: ColumnElement[Any], by: Order, limit: int
) -> Sequence[str]:
    """Return the ids of a page. Sorting is faster without the documents, which are read later."""
    tie_breaker = (func.length(objects.c.id), objects.c.id)
    direction = key.desc() if by.down else key
    query = query.order_by(direction, *(c.desc() if by.down else c for c in tie_breaker)).limit(
        limit + 1
    )
    return connection.execute(query.with_only_columns(objects.c.id)).scalars().all()


def _search_index_conditions(
    connection: Connection,
    object_filter: ObjectFilter,
    known: dict[str, Column],
    conditions: Sequence[Condition],
) -> Iterator[ColumnElement[bool]]:
    """Yield conditions by which the search index preselects objects."""
    for each in conditions:
        is_indexed = (
            known[each.field].kind in ("text", "choice")
            and each.field not in search_index.UNSEARCHED_FIELDS
        )
        if each.operator == "has" and is_indexed and len(each.value) >= text_index.GRAM_CHARACTERS:
            scope = (object_filter.integration_id, object_filter.resource)
            yield search_index.may_contain(connection, *scope, each.value)


def _is_object_of(object_filter: ObjectFilter) -> tuple[ColumnElement[bool], ...]:
    return (
        objects.c.integration_id == object_filter.integration_id,
        objects.c.resource == sql.sql_literal(object_filter.resource.name),
    )


_SORT_TYPES = {"real": float, **dict.fromkeys(("integer", "id", "time", "boolean"), int)}
"""The type by which the values of a column type are sorted; all others are sorted as text."""


def _decode_position(known: dict[str, Column], by: Order, after: str) -> tuple[Any, str]:
    """Return the sort value and the id of the last object of the previous page."""
    kinds: dict[str, Any] = {"changed": str, "id": int}
    kind: Any = kinds.get(by.by) or _SORT_TYPES.get(known[by.by].type, str)
    try:
        value, id_ = msgspec.json.decode(after, type=tuple[Any, str])
        return msgspec.convert(value, kind), id_
    except msgspec.MsgspecError as error:
        raise InvalidError(
            "This cursor belongs to another list. Repeat the request without a cursor.",
            field="cursor",
        ) from error


def _after_position(
    key: ColumnElement[Any], by: Order, last: tuple[Any, str]
) -> ColumnElement[bool]:
    value, id_ = last
    position = tuple_(key, func.length(objects.c.id), objects.c.id)
    last_position = tuple_(bind(value), len(id_), id_)
    key_bound = key <= bind(value) if by.down else key >= bind(value)
    return and_(position < last_position if by.down else position > last_position, key_bound)


def _sort_key(connection: Connection, known: dict[str, Column], by: Order) -> ColumnElement[Any]:
    """Return the sort expression; in ascending order, objects without a value come first."""
    if by.by == "changed":
        return objects.c.changed_at
    if by.by == "id":
        return func.length(objects.c.id)
    return field_indexes.sort_key(connection, by.by, known[by.by].type)


def _compile_condition(
    connection: Connection, column: Column, condition: Condition
) -> ColumnElement[bool]:
    text = sql.text_of(connection, objects, column.name, column.type)
    value = (
        _condition_operand(column, condition)
        if condition.operator in ("is", "not", "from", "to")
        else None
    )

    def compared(how: Callable[[Any, Any], ColumnElement[bool]]) -> ColumnElement[bool]:
        key = field_indexes.sort_key(connection, column.name, column.type)
        if not isinstance(value, str) or len(value) < field_indexes.INDEXED_CHARACTERS:
            return how(key, bind(value))
        whole = func.coalesce(func.lower(text), "")
        return and_(how(key, value[: field_indexes.INDEXED_CHARACTERS]), how(whole, value))

    match condition.operator:
        case "is":
            return compared(operator.eq)
        case "not":
            return ~func.coalesce(compared(operator.eq), False)
        case "has":
            return text.icontains(condition.value, autoescape=True)
        case "from":
            return compared(operator.ge)
        case "to":
            return and_(compared(operator.le), text.is_not(None))
        case "empty":
            return func.coalesce(text, "") == ""


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
            return parse_microseconds(str(given))
        case _:
            return str(given)


_BOOLEANS = {"true": 1, "yes": 1, "1": 1, "false": 0, "no": 0, "0": 0}
_MAX_INTEGER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def parse_microseconds(written: str) -> int:
    """Return a time as microseconds since 1970; raise ValueError if it is invalid."""
    return (datetime.fromisoformat(normalize_rfc3339(written)) - _EPOCH) // timedelta(
        microseconds=1
    )


def _condition_operand(column: Column, condition: Condition) -> Any:
    try:
        value = parse_operand(column.type, condition.value)
    except (KeyError, OverflowError, ValueError) as error:
        kinds = {"time": "a time", "boolean": "true or false"}
        kind = kinds.get(column.type, "a number")
        raise InvalidError(
            f"{condition.field} must be {kind}; {condition.value!r} is not."
        ) from error
    return value.lower() if isinstance(value, str) else value


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
