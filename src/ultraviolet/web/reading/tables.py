"""A resource as a table: typed columns, filters and an order, a page at a time by key and never by offset."""

import json
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, select, tuple_

from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Field, Link, Resource
from ultraviolet.ion.naming import constant
from ultraviolet.mirror import dialect, field_indexes, search_index
from ultraviolet.mirror.tables import BY_CHANGE, objects
from ultraviolet.near_misses import did_you_mean
from ultraviolet.times import canonical
from ultraviolet.web.reading.objects import ObjectShown, Wanted, listing, shown

Kind = Literal["text", "number", "flag", "time", "choice", "link", "other"]
Operator = Literal["is", "not", "has", "from", "to", "empty"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
_UTC, _ZEROS = "+00:00", "0."
_NUMBERS = {"Int", "Float", "Decimal"}
_FIRST = (
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
_LAST = ("_", "Last", "createdBy", "updatedBy", "entityId", "thumbnail", "prettyStr")
_SHOWN = 7
_LOOKED_AT = 2_000
"""So many objects are looked at one by one before an index is asked which ones match."""


class Column(msgspec.Struct, frozen=True):
    """One column; `link` where it holds the id of another object."""

    name: str
    kind: Kind
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


class Part(msgspec.Struct, frozen=True):
    """A part of a table, and where the next one begins."""

    rows: list[ObjectShown]
    next: str | None


def columns(resource: Resource) -> dict[str, Column]:
    """Give all columns of a resource, in the order people look for them."""
    keys = {link.key: link for link in resource.links}
    fields = sorted(resource.fields, key=lambda field: _rank(field, keys))
    return {field.name: Column(field.name, _kind(field, keys), keys.get(field.name)) for field in fields}


def chosen(resource: Resource, names: Sequence[str], by: Order) -> list[Column]:
    """Give the columns that were asked for, else those that tell most, and always the one that is sorted by."""
    known = columns(resource)
    asked = [known[name] for name in names if name in known]
    telling = [column for column in known.values() if column.name != "id" and column.kind != "other"]
    shown = asked or telling[:_SHOWN]
    sorting = known.get(by.by)
    return [*shown, sorting] if sorting and sorting.name != "id" and sorting not in shown else shown


def condition(resource: Resource, written: str) -> Condition:
    """Read `field:operator:value`; raises InvalidError."""
    field, _, rest = written.partition(":")
    operator, _, value = rest.partition(":")
    if operator not in OPERATORS or not resource.field(field):
        near = "" if resource.field(field) else did_you_mean(field, [one.name for one in resource.fields])
        raise InvalidError(
            f"{written} is not a filter such as status:is:REQUESTED (operators: {', '.join(OPERATORS)}).{near}"
        )
    return Condition(field, operator, value.replace("\0", ""))


def order(resource: Resource, written: str | None) -> Order:
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


def part(
    connection: Connection,
    wanted: Wanted,
    conditions: Sequence[Condition],
    by: Order,
    after: str | None,
    limit: int,
    also: ColumnElement[bool] | None = None,
) -> Part:
    """Read a part of a table; `after` is the `next` of the part before, `also` one more condition."""
    known = columns(wanted.resource)
    key = _key(connection, known, by)
    holds = [_holds(connection, known[each.field], each) for each in conditions]
    if also is not None:
        holds.append(also)
    if by.by == "changed":
        holds.append(BY_CHANGE)
    last = _place(known, by, after) if after else None
    if last:
        holds.append(_behind(key, by, last))
    ids: Sequence[str] = []
    narrowed = by.by == "changed" and (bool(conditions) or wanted.said or also is not None)
    if narrowed:
        query = listing(connection, wanted, indexed=False).where(*holds)
        ids = _ids(connection, query.where(*_among_first(connection, wanted, by, last)), key, by, limit)
    if len(ids) <= limit:
        query = listing(connection, wanted).where(*holds, *_narrowing(connection, wanted, known, conditions))
        # Few are left then: written so, the order does not invite to walk through all by it.
        order = func.coalesce(key, "") if narrowed else key
        ids = _ids(connection, query, order, by, limit)
    rows = listing(connection, msgspec.structs.replace(wanted, state="any", said=None))
    by_id = {one.id: one for one in shown(connection, wanted.resource, rows.where(objects.c.id.in_(ids)))}
    found = [by_id[id_] for id_ in ids]
    if len(found) <= limit:
        return Part(found, None)
    id_ = found[limit - 1].id
    value = connection.execute(
        select(key.label("sort_key")).where(*_of(wanted), objects.c.id == id_)
    ).scalar_one()
    return Part(found[:limit], json.dumps([value, id_]))


def indexable(resource: Resource, conditions: Sequence[Condition], by: Order) -> list[tuple[str, bool]]:
    """Tell which fields an index would help with: those sorted by or compared, and whether they are numbers."""
    known = columns(resource)
    compared = [c.field for c in conditions if c.operator in ("is", "from", "to") and c.field != "id"]
    fields = [by.by, *compared] if by.by in known else compared
    return [(name, _numeric(known[name])) for name in dict.fromkeys(fields) if known[name].kind != "flag"]


def missing_indexes(
    connection: Connection, integration_id: int, resource: Resource, fields: Sequence[tuple[str, bool]]
) -> list[str]:
    """Name the fields of which an index would help and does not exist."""
    return [
        field
        for field, number in fields
        if field_indexes.missing(connection, integration_id, resource, [(field, number)])
    ]


def fields_to_index(resource: Resource, names: Sequence[str]) -> list[tuple[str, bool]]:
    """Check the names of fields to index; return each with whether it is a number."""
    known = columns(resource)
    for name in names:
        if name not in known or known[name].kind == "flag":
            raise InvalidError(f"{resource.title} cannot be indexed by {name!r}.", field="fields")
    return [(name, _numeric(known[name])) for name in dict.fromkeys(names)]


def _among_first(
    connection: Connection, wanted: Wanted, by: Order, last: tuple[Any, str] | None
) -> list[ColumnElement[bool]]:
    """Choose those that come first in the order of changes, by its index: where many match, they are enough."""
    changed = objects.c.changed_at
    query = select(changed).where(*_of(wanted), BY_CHANGE).order_by(changed.desc() if by.down else changed)
    if last:
        value = last[0]
        query = query.where(changed <= value if by.down else changed >= value)
    end = connection.execute(query.offset(_LOOKED_AT).limit(1)).scalar()
    return [] if end is None else [changed >= end if by.down else changed <= end]


def _ids(
    connection: Connection, query: Select[Any], key: ColumnElement[Any], by: Order, limit: int
) -> Sequence[str]:
    """Read first which, then what: sorting many rows is quick while their documents stay where they are."""
    place = (func.length(objects.c.id), objects.c.id)
    direction = key.desc() if by.down else key
    query = query.order_by(direction, *(c.desc() if by.down else c for c in place)).limit(limit + 1)
    return connection.execute(query.with_only_columns(objects.c.id)).scalars().all()


def _narrowing(
    connection: Connection, wanted: Wanted, known: dict[str, Column], conditions: Sequence[Condition]
) -> Iterator[ColumnElement[bool]]:
    """Let the search index say which objects may contain what a condition asks for."""
    for each in conditions:
        says = known[each.field].kind in ("text", "choice") and each.field not in search_index.TECHNICAL
        if each.operator == "has" and says and len(each.value) >= dialect.GRAM:
            place = (wanted.integration_id, wanted.resource)
            yield search_index.may_say(connection, *place, each.value)


def _of(wanted: Wanted) -> tuple[ColumnElement[bool], ...]:
    return (
        objects.c.integration_id == wanted.integration_id,
        objects.c.resource == dialect.same(wanted.resource.name),
    )


def _place(known: dict[str, Column], by: Order, after: str) -> tuple[Any, str]:
    """Read where a part ended: what its last object is sorted by, and its id."""
    kinds: dict[str, Any] = {"changed": str, "id": int}
    kind: Any = kinds.get(by.by) or (float if _numeric(known[by.by]) else str)
    try:
        return msgspec.json.decode(after, type=tuple[kind, str])
    except msgspec.DecodeError as error:
        raise InvalidError(
            "This cursor belongs to another list; begin anew without one.", field="cursor"
        ) from error


def _behind(key: ColumnElement[Any], by: Order, last: tuple[Any, str]) -> ColumnElement[bool]:
    value, id_ = last
    here = tuple_(key, func.length(objects.c.id), objects.c.id)
    there = tuple_(literal(value), len(id_), id_)
    index = key <= value if by.down else key >= value
    return and_(here < there if by.down else here > there, index)


def _key(connection: Connection, known: dict[str, Column], by: Order) -> ColumnElement[Any]:
    """What a column is sorted by; what has no value comes first upwards."""
    if by.by == "changed":
        return objects.c.changed_at
    if by.by == "id":
        return func.length(objects.c.id)
    return field_indexes.key(connection, by.by, number=_numeric(known[by.by]))


def _numeric(column: Column) -> bool:
    return column.kind in ("number", "link")


def _holds(connection: Connection, column: Column, wanted: Condition) -> ColumnElement[bool]:
    text = dialect.written_field(connection, column.name)
    compares = wanted.operator in ("is", "not", "from", "to")
    number, time = _numeric(column) and compares, column.kind == "time" and compares
    value: Any = _number(wanted) if number else wanted.value.lower()

    def compared(how: Callable[[Any, Any], ColumnElement[bool]]) -> ColumnElement[bool]:
        key = field_indexes.key(connection, column.name, number=number)
        if time:
            return _at_time(key, how, text, _time(wanted))
        if number or len(value) < field_indexes.LETTERS:
            return how(key, value)
        whole = func.coalesce(func.lower(text), "")
        return and_(how(key, value[: field_indexes.LETTERS]), how(whole, value))

    match wanted.operator:
        case "is":
            return _same(text, compared(operator.eq), column, value)
        case "not":
            return ~func.coalesce(_same(text, compared(operator.eq), column, value), False)
        case "has":
            return text.icontains(wanted.value, autoescape=True)
        case "from":
            return compared(operator.ge)
        case "to":
            return and_(compared(operator.le), text.is_not(None))
        case "empty":
            return func.coalesce(text, "") == ""


def _same(
    text: ColumnElement[Any], compared: ColumnElement[bool], column: Column, value: Any
) -> ColumnElement[bool]:
    if column.kind == "flag":
        true = {"true": True, "yes": True, "1": True}.get(value, False)
        return func.lower(text).in_(("1", "true") if true else ("0", "false"))
    return compared


def _at_time(
    key: ColumnElement[Any],
    how: Callable[[Any, Any], ColumnElement[bool]],
    text: ColumnElement[Any],
    value: str,
) -> ColumnElement[bool]:
    """Compare a time, and by the index what its text begins with: what ION leaves out of it stands at its end."""
    begins = value.lower()
    near = {operator.ge: key >= begins, operator.le: key <= f"{begins}~"}
    within = near[how] if how in near else key.between(begins, f"{begins}~")
    return and_(within, how(short_time(text), value))


def short_time(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """Give a time in UTC without what ION may leave out: fractions of a second that are 0, and the zone."""
    return func.rtrim(func.replace(text, _UTC, ""), _ZEROS)


def shortened_time(written: str) -> str:
    """Write a time as `short_time` gives it; raises ValueError where it is none."""
    return canonical(written).removesuffix(_UTC).rstrip(_ZEROS)


def _time(wanted: Condition) -> str:
    try:
        return shortened_time(wanted.value)
    except ValueError as error:
        raise InvalidError(f"{wanted.field} is a time, {wanted.value!r} is none.") from error


def _number(wanted: Condition) -> float:
    try:
        return float(wanted.value)
    except ValueError as error:
        raise InvalidError(f"{wanted.field} is a number, {wanted.value!r} is none.") from error


def _kind(field: Field, keys: dict[str, Link]) -> Kind:
    if field.list or field.type in ("JSONString", "SlateContent", "ScalarValue"):
        return "other"
    if field.name in keys:
        return "link"
    if field.enum:
        return "choice"
    named: dict[str, Kind] = {"Boolean": "flag", "DateTime": "time"}
    return named.get(field.type, "number" if field.type in _NUMBERS else "text")


def _rank(field: Field, keys: dict[str, Link]) -> tuple[int, ...]:
    if field.name in _FIRST:
        return 0, _FIRST.index(field.name)
    if field.name.startswith(_LAST) or not field.stored:
        return (3 if field.enum else 4,)
    return (1 if field.enum or field.name in keys else 2,)
