"""A resource as a table: typed columns, filters and an order, a page at a time by key and never by offset."""

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
"""So many objects are looked at one by one before an index is asked which ones match."""


class Column(msgspec.Struct, frozen=True):
    """One column; `link` where it holds the id of another object."""

    name: str
    kind: Kind
    type: str
    """The kind of its values, as views have it: integer, real, boolean, time, text, id or json."""
    link: Link | None = None


class Condition(msgspec.Struct, frozen=True):
    """What a field must be; written `field:operator:value` in an address."""

    field: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        """Write it as an address has it."""
        return f"{self.field}:{self.operator}:{self.value}"


class Order(msgspec.Struct, frozen=True):
    """By which column, and whether downwards; `changed` is the time of the last change."""

    by: str = "changed"
    down: bool = True

    def __str__(self) -> str:
        """Write it as an address has it."""
        return f"{'-' if self.down else ''}{self.by}"


class TablePage(msgspec.Struct, frozen=True):
    """A part of a table, and where the next one begins."""

    rows: list[ObjectDetail]
    next: str | None


def columns(resource: Resource) -> dict[str, Column]:
    """Return all columns of a resource, in the order people look for them."""
    keys = {link.key: link for link in resource.links}
    fields = sorted(resource.fields, key=lambda field: _column_rank(field, keys))
    return {
        field.name: Column(
            field.name, _column_kind(field, keys), resource.kinds[field.name], keys.get(field.name)
        )
        for field in fields
    }


def selected_columns(resource: Resource, names: Sequence[str], by: Order) -> list[Column]:
    """Return the columns that were asked for, else those that tell most, and always the one that is sorted by."""
    known = columns(resource)
    asked = [known[name] for name in names if name in known]
    telling = [
        column for column in known.values() if column.name != "id" and column.kind != "other"
    ]
    shown = asked or telling[:_MAX_DEFAULT_COLUMNS]
    sorting = known.get(by.by)
    return [*shown, sorting] if sorting and sorting.name != "id" and sorting not in shown else shown


def parse_condition(resource: Resource, written: str) -> Condition:
    """Read `field:operator:value`; raises InvalidError."""
    field, _, rest = written.partition(":")
    operator, _, value = rest.partition(":")
    if operator not in OPERATORS or not resource.field(field):
        near = (
            ""
            if resource.field(field)
            else did_you_mean(field, [one.name for one in resource.fields])
        )
        raise InvalidError(
            f"{written} is not a filter such as status:is:REQUESTED (operators: {', '.join(OPERATORS)}).{near}"
        )
    return Condition(field, operator, value.replace("\0", ""))


def parse_order(resource: Resource, written: str | None) -> Order:
    """Read `field` or `-field`, or as ION writes it `FIELD_ASC` or `FIELD_DESC`; raises InvalidError."""
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
    wanted: ObjectFilter,
    conditions: Sequence[Condition],
    by: Order,
    after: str | None,
    limit: int,
    also: ColumnElement[bool] | None = None,
) -> TablePage:
    """Read a part of a table; `after` is the `next` of the part before, `also` one more condition."""
    known = columns(wanted.resource)
    key = _sort_key(connection, known, by)
    holds = [_compile_condition(connection, known[each.field], each) for each in conditions]
    if also is not None:
        holds.append(also)
    if by.by == "changed":
        holds.append(BY_CHANGE)
    last = _decode_position(known, by, after) if after else None
    if last:
        holds.append(_after_position(key, by, last))
    ids: Sequence[str] = []
    narrowed = by.by == "changed" and (bool(conditions) or wanted.said or also is not None)
    if narrowed:
        query = select_objects(connection, wanted, indexed=False).where(*holds)
        ids = _read_ids(
            connection, query.where(*_first_by_change(connection, wanted, by, last)), key, by, limit
        )
    if len(ids) <= limit:
        query = select_objects(connection, wanted).where(
            *holds, *_search_index_conditions(connection, wanted, known, conditions)
        )
        # Few are left then: written so, the order does not invite to walk through all by it.
        order = func.coalesce(key, "") if narrowed else key
        ids = _read_ids(connection, query, order, by, limit)
    rows = select_objects(connection, msgspec.structs.replace(wanted, state="any", said=None))
    by_id = {
        one.id: one
        for one in read_objects(connection, wanted.resource, rows.where(objects.c.id.in_(ids)))
    }
    found = [by_id[id_] for id_ in ids]
    if len(found) <= limit:
        return TablePage(found, None)
    id_ = found[limit - 1].id
    value = connection.execute(
        select(key.label("sort_key")).where(*_is_object_of(wanted), objects.c.id == id_)
    ).scalar_one()
    return TablePage(found[:limit], json.dumps([value, id_]))


def indexable_fields(
    resource: Resource, conditions: Sequence[Condition], by: Order
) -> list[tuple[str, str]]:
    """Return which fields an index would help with: those sorted by or compared, and the kind of each."""
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
    """Name the fields of which an index would help and does not exist."""
    return [
        field
        for field, kind in fields
        if field_indexes.missing_indexes(connection, integration_id, resource, [(field, kind)])
    ]


def fields_to_index(resource: Resource, names: Sequence[str]) -> list[tuple[str, str]]:
    """Check the names of fields to index; return each with its column type."""
    known = columns(resource)
    for name in names:
        if name not in known or known[name].kind == "flag":
            raise InvalidError(f"{resource.title} cannot be indexed by {name!r}.", field="fields")
    return [(name, known[name].type) for name in dict.fromkeys(names)]


def _first_by_change(
    connection: Connection, wanted: ObjectFilter, by: Order, last: tuple[Any, str] | None
) -> list[ColumnElement[bool]]:
    """Choose those that come first in the order of changes, by its index: where many match, they are enough."""
    changed = objects.c.changed_at
    query = (
        select(changed)
        .where(*_is_object_of(wanted), BY_CHANGE)
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
    """Read first which, then what: sorting many rows is quick while their documents stay where they are."""
    place = (func.length(objects.c.id), objects.c.id)
    direction = key.desc() if by.down else key
    query = query.order_by(direction, *(c.desc() if by.down else c for c in place)).limit(limit + 1)
    return connection.execute(query.with_only_columns(objects.c.id)).scalars().all()


def _search_index_conditions(
    connection: Connection,
    wanted: ObjectFilter,
    known: dict[str, Column],
    conditions: Sequence[Condition],
) -> Iterator[ColumnElement[bool]]:
    """Let the search index say which objects may contain what a condition asks for."""
    for each in conditions:
        says = (
            known[each.field].kind in ("text", "choice")
            and each.field not in search_index.TECHNICAL
        )
        if each.operator == "has" and says and len(each.value) >= text_index.GRAM:
            place = (wanted.integration_id, wanted.resource)
            yield search_index.may_say(connection, *place, each.value)


def _is_object_of(wanted: ObjectFilter) -> tuple[ColumnElement[bool], ...]:
    return (
        objects.c.integration_id == wanted.integration_id,
        objects.c.resource == sql.sql_literal(wanted.resource.name),
    )


_SORT_TYPES = {"real": float, **dict.fromkeys(("integer", "id", "time", "boolean"), int)}
"""What values of a kind are sorted by; all others are sorted as text."""


def _decode_position(known: dict[str, Column], by: Order, after: str) -> tuple[Any, str]:
    """Read where a part ended: what its last object is sorted by, and its id."""
    kinds: dict[str, Any] = {"changed": str, "id": int}
    kind: Any = kinds.get(by.by) or _SORT_TYPES.get(known[by.by].type, str)
    try:
        value, id_ = msgspec.json.decode(after, type=tuple[Any, str])
        return msgspec.convert(value, kind), id_
    except msgspec.MsgspecError as error:
        raise InvalidError(
            "This cursor belongs to another list; begin anew without one.", field="cursor"
        ) from error


def _after_position(
    key: ColumnElement[Any], by: Order, last: tuple[Any, str]
) -> ColumnElement[bool]:
    value, id_ = last
    here = tuple_(key, func.length(objects.c.id), objects.c.id)
    there = tuple_(bind(value), len(id_), id_)
    index = key <= bind(value) if by.down else key >= bind(value)
    return and_(here < there if by.down else here > there, index)


def _sort_key(connection: Connection, known: dict[str, Column], by: Order) -> ColumnElement[Any]:
    """What a column is sorted by; what has no value comes first upwards."""
    if by.by == "changed":
        return objects.c.changed_at
    if by.by == "id":
        return func.length(objects.c.id)
    return field_indexes.key(connection, by.by, known[by.by].type)


def _compile_condition(
    connection: Connection, column: Column, wanted: Condition
) -> ColumnElement[bool]:
    text = sql.text_of(connection, objects, column.name, column.type)
    value = (
        _condition_operand(column, wanted)
        if wanted.operator in ("is", "not", "from", "to")
        else None
    )

    def compared(how: Callable[[Any, Any], ColumnElement[bool]]) -> ColumnElement[bool]:
        key = field_indexes.key(connection, column.name, column.type)
        if not isinstance(value, str) or len(value) < field_indexes.LETTERS:
            return how(key, bind(value))
        whole = func.coalesce(func.lower(text), "")
        return and_(how(key, value[: field_indexes.LETTERS]), how(whole, value))

    match wanted.operator:
        case "is":
            return compared(operator.eq)
        case "not":
            return ~func.coalesce(compared(operator.eq), False)
        case "has":
            return text.icontains(wanted.value, autoescape=True)
        case "from":
            return compared(operator.ge)
        case "to":
            return and_(compared(operator.le), text.is_not(None))
        case "empty":
            return func.coalesce(text, "") == ""


def bind(value: Any) -> ColumnElement[Any]:
    """Return a value as a parameter; whole numbers may be long."""
    return literal(value, BigInteger()) if isinstance(value, int) else literal(value)


def parse_operand(kind: str, given: Any) -> Any:
    """Return what a field of a kind is compared with; raises ValueError where it is of another kind."""
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
    """Return a number as its column has it; one that no column can hold is a float beyond all of them."""
    if isinstance(given, bool):
        raise ValueError(given)  # noqa: TRY004  handled like any other value of another kind
    with suppress(ValueError):
        exact = int(given) if not isinstance(given, float) or given.is_integer() else None
        if whole and exact is not None and abs(exact) <= _MAX_INTEGER:
            return exact
    number = float(given)
    if math.isnan(number):
        raise ValueError(given)
    return number


def parse_microseconds(written: str) -> int:
    """Return a time as microseconds since 1970; raises ValueError where it is no time."""
    return (datetime.fromisoformat(normalize_rfc3339(written)) - _EPOCH) // timedelta(
        microseconds=1
    )


def _condition_operand(column: Column, wanted: Condition) -> Any:
    try:
        value = parse_operand(column.type, wanted.value)
    except (KeyError, OverflowError, ValueError) as error:
        kinds = {"time": "a time", "boolean": "true or false"}
        kind = kinds.get(column.type, "a number")
        raise InvalidError(f"{wanted.field} is {kind}, {wanted.value!r} is not.") from error
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
