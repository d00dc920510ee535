"""Object tables: conditions of pages, sorting, keyset pagination and the ids of exports."""

import json
from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from ultraviolet.db import sql, text_index
from ultraviolet.db.sql_views import ViewColumn
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.ion.naming import constant
from ultraviolet.mirror import export, field_indexes, search_index
from ultraviolet.text import did_you_mean
from ultraviolet.web.queries.columns import Column, bind, columns
from ultraviolet.web.queries.ion_filters import (
    Filter,
    FilterCompiler,
    escape_pattern,
    is_indexable,
    required_comparisons,
    search_text,
)
from ultraviolet.web.queries.objects import ObjectDetail, ObjectFilter, read_objects, select_objects

Operator = Literal["is", "not", "has", "from", "to", "empty"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
_MAX_DEFAULT_COLUMNS = 7
_MAX_SCANNED_OBJECTS = 2_000
"""Filters scan this many objects in order of change before they use an index."""


class Condition(msgspec.Struct, frozen=True):
    """A condition on a field, written `field:operator:value` in a URL."""

    field: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        """Return the form used in URLs."""
        return f"{self.field}:{self.operator}:{self.value}"

    def to_filter(self, resource: Resource) -> Filter:
        """Return the condition in ION's filter language; texts are compared without case."""
        kind = columns(resource)[self.field].kind
        is_text = kind in ("text", "choice", "other")
        pattern, absent = escape_pattern(self.value), {"isnull": True}
        equal = {"ilike": pattern} if is_text else {"eq": self.value}
        different = {"notilike": pattern} if is_text else {"neq": self.value}
        compared: dict[Operator, list[Any]] = {
            "is": [equal],
            "not": [absent, different],
            "has": [{"ilike": f"%{pattern}%"}],
            "from": [{"gte": self.value}],
            "to": [{"lte": self.value}],
            "empty": [absent, {"ilike": ""}] if is_text else [absent],
        }
        first, *others = ({self.field: each} for each in compared[self.operator])
        return {"or_": [first, *others]} if others else first


class Order(msgspec.Struct, frozen=True):
    """The sort column and direction; `changed` is the time of the last change."""

    by: str = "changed"
    down: bool = True

    def __str__(self) -> str:
        """Return the form used in URLs."""
        return f"{'-' if self.down else ''}{self.by}"


class ObjectQuery(msgspec.Struct, frozen=True):
    """The objects that a list shows or an export contains, and their order."""

    objects: ObjectFilter
    fields: Filter
    by: Order


class TablePage(msgspec.Struct, frozen=True):
    """One page of a table; `next` is the position of the next page."""

    rows: list[ObjectDetail]
    next: str | None


def selected_columns(resource: Resource, names: Sequence[str], by: Order) -> list[Column]:
    """Return the requested or default columns, always including the sort column."""
    known = columns(resource)
    requested = [known[name] for name in names if name in known]
    labels = resource_label(resource.name)
    usual = [known[name] for name in labels.columns if name in known and name != "id"]
    others = [column for column in known.values() if column.name != "id" and column.kind != "other"]
    shown = requested or usual or others[:_MAX_DEFAULT_COLUMNS]
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


def page_filter(resource: Resource, conditions: Sequence[Condition]) -> Filter:
    """Return the filter that all conditions hold."""
    return {"and_": [each.to_filter(resource) for each in conditions]} if conditions else {}


def read_page(
    connection: Connection, catalog: Catalog, query: ObjectQuery, after: str | None, limit: int
) -> TablePage:
    """Return a page of a table; `after` is the `next` of the previous page."""
    wanted, by = query.objects, query.by
    key = _sort_key(connection, query)
    last = _decode_position(query, after) if after else None
    ids: Sequence[str] = []
    narrowed = by.by == "changed" and bool(query.fields or wanted.text)
    if narrowed:
        first = _first_by_change(connection, wanted, by, last)
        selected = _select_ids(connection, catalog, query, last, indexed=False).where(*first)
        ids = connection.execute(selected.limit(limit + 1)).scalars().all()
    if len(ids) <= limit:
        # Few objects remain; the expression keeps the planner from scanning the index of the order.
        selected = _select_ids(connection, catalog, query, last, by_expression=narrowed)
        ids = connection.execute(selected.limit(limit + 1)).scalars().all()
    rows = select_objects(connection, ObjectFilter(*_scope(wanted), state="any"))
    selected = rows.where(objects.c.id.in_(ids))
    by_id = {one.id: one for one in read_objects(connection, wanted.resource, selected)}
    found = [by_id[id_] for id_ in ids]
    if len(found) <= limit:
        return TablePage(found, None)
    id_ = found[limit - 1].id
    value = connection.execute(
        select(key.label("sort_key")).where(*_is_object_of(wanted), objects.c.id == id_)
    ).scalar_one()
    return TablePage(found[:limit], json.dumps([value, id_]))


def read_all_ids(
    connection: Connection, catalog: Catalog, query: ObjectQuery, batch: int
) -> list[str]:
    """Return the ids of all objects of a query in order, in batches of ids joined with commas.

    So joined, a million ids take 8 MB.
    """
    options = {"yield_per": batch}
    found = connection.execute(
        _select_ids(connection, catalog, query, None), execution_options=options
    )
    return [",".join(ids) for ids in found.scalars().partitions()]


def read_export_rows(
    connection: Connection,
    scope: ObjectFilter,
    integration_name: str,
    shown: Sequence[ViewColumn],
    ids: Sequence[str],
) -> list[list[Any]]:
    """Return the cells of these objects in their order; an object that was purged is left out."""
    query = select_objects(connection, ObjectFilter(*_scope(scope), state="any"))
    found = connection.execute(query.where(objects.c.id.in_(ids))).mappings()
    by_id = {row["id"]: row for row in found}
    return [export.row_cells(shown, integration_name, by_id[id_]) for id_ in ids if id_ in by_id]


def indexable_fields(resource: Resource, fields: Filter, by: Order) -> list[tuple[str, str]]:
    """Return the fields that are sorted or compared, with their column types."""
    compared = [each[0] for each in required_comparisons(resource, fields) if is_indexable(*each)]
    sorting = columns(resource).get(by.by)
    used = [sorting, *compared] if sorting and sorting.kind != "flag" else compared
    return list(dict.fromkeys((column.name, column.type) for column in used))


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


def _select_ids(
    connection: Connection,
    catalog: Catalog,
    query: ObjectQuery,
    last: tuple[Any, str] | None,
    *,
    indexed: bool = True,
    by_expression: bool = False,
) -> Select[Any]:
    """Return a query for the ids after a position, in order.

    Sorting is faster without the documents, which are read later.
    """
    wanted, by, resource = query.objects, query.by, query.objects.resource
    key = _sort_key(connection, query)
    selected = select_objects(connection, wanted, indexed=indexed)
    if query.fields:
        compiler = FilterCompiler(connection, catalog)
        selected = selected.where(compiler.compile(resource, query.fields))
    for comparison in required_comparisons(resource, query.fields) if indexed else ():
        text = search_text(*comparison)
        if len(text) >= text_index.GRAM_CHARACTERS:
            may_contain = search_index.may_contain(connection, *_scope(wanted), text)
            selected = selected.where(may_contain)
    if by.by == "changed":
        selected = selected.where(BY_CHANGE)
    tie_breaker = (func.length(objects.c.id), objects.c.id)
    if last:
        value, id_ = last
        position = tuple_(key, *tie_breaker)
        last_position = tuple_(bind(value), len(id_), id_)
        selected = selected.where(
            position < last_position if by.down else position > last_position,
            key <= bind(value) if by.down else key >= bind(value),
        )
    order = (func.coalesce(key, "") if by_expression else key, *tie_breaker)
    selected = selected.order_by(*(each.desc() if by.down else each for each in order))
    return selected.with_only_columns(objects.c.id)


def _scope(wanted: ObjectFilter) -> tuple[int, Resource]:
    return wanted.integration_id, wanted.resource


def _is_object_of(object_filter: ObjectFilter) -> tuple[ColumnElement[bool], ...]:
    return (
        objects.c.integration_id == object_filter.integration_id,
        objects.c.resource == sql.sql_literal(object_filter.resource.name),
    )


_SORT_TYPES = {"real": float, **dict.fromkeys(("integer", "id", "time", "boolean"), int)}
"""The type by which the values of a column type are sorted; all others are sorted as text."""


def _decode_position(query: ObjectQuery, after: str) -> tuple[Any, str]:
    """Return the sort value and the id of the last object of the previous page."""
    kinds: dict[str, Any] = {"changed": str, "id": int}
    by = query.by.by
    kind: Any = kinds.get(by) or _SORT_TYPES.get(query.objects.resource.kinds[by], str)
    try:
        value, id_ = msgspec.json.decode(after, type=tuple[Any, str])
        return msgspec.convert(value, kind), id_
    except msgspec.MsgspecError as error:
        raise InvalidError(
            "This cursor belongs to another list. Repeat the request without a cursor.",
            field="cursor",
        ) from error


def _sort_key(connection: Connection, query: ObjectQuery) -> ColumnElement[Any]:
    """Return the sort expression; in ascending order, objects without a value come first."""
    by = query.by.by
    if by == "changed":
        return objects.c.changed_at
    if by == "id":
        return func.length(objects.c.id)
    return field_indexes.sort_key(connection, by, query.objects.resource.kinds[by])
