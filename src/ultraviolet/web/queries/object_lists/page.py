"""Pages of a list of objects: keyset pagination in both directions."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, tuple_

from ultraviolet.db import sql, text_index
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import search_index
from ultraviolet.mirror.linked_order import Position, first_ids
from ultraviolet.web.queries.columns import bind, columns, own_column
from ultraviolet.web.queries.ion_filters import Filter, FilterCompiler, search_text
from ultraviolet.web.queries.object_lists.order import (
    ObjectQuery,
    Order,
    decode_position,
    linked_field,
    sort_key,
)
from ultraviolet.web.queries.objects import ObjectDetail, ObjectFilter, read_objects, select_objects

_MAX_SCANNED_OBJECTS = 2_000
"""Filters scan this many objects in order of change before they use an index."""


class TablePage(msgspec.Struct, frozen=True):
    """One page of a table, with the positions after and before which others follow."""

    rows: list[ObjectDetail]
    next: str | None
    previous: str | None = None


def read_page(
    connection: Connection,
    catalog: Catalog,
    query: ObjectQuery,
    position: str | None,
    limit: int,
    *,
    backwards: bool = False,
) -> TablePage:
    """Return the page after a position, or before it; positions are those of other pages."""
    by = msgspec.structs.replace(query.by, down=query.by.down != backwards)
    wanted, in_direction = query.objects, ObjectQuery(query.objects, query.fields, by)
    last = decode_position(query, position) if position else None
    ids = _read_ids(connection, catalog, in_direction, last, limit + 1)
    more = len(ids) > limit
    shown = list(ids[:limit])
    if backwards:
        shown.reverse()
    rows = select_objects(connection, ObjectFilter(*_scope(wanted), state="any"))
    selected = rows.where(objects.c.id.in_(shown))
    by_id = {one.id: one for one in read_objects(connection, wanted.resource, selected)}
    has_next, has_previous = (True, more) if backwards else (more, last is not None)
    ends: dict[str, str] = {}
    if shown:
        key = sort_key(connection, query).label("sort_key")
        is_end = objects.c.id.in_((shown[0], shown[-1]))
        keys = select(objects.c.id, key).where(*_is_object_of(wanted), is_end)
        ends = {id_: json.dumps([value, id_]) for id_, value in connection.execute(keys)}
    return TablePage(
        [by_id[id_] for id_ in shown],
        ends[shown[-1]] if shown and has_next else None,
        ends[shown[0]] if shown and has_previous else None,
    )


def _read_ids(
    connection: Connection,
    catalog: Catalog,
    query: ObjectQuery,
    last: tuple[Any, str] | None,
    limit: int,
) -> Sequence[str]:
    """Return the first ids after a position, in order."""
    wanted, by, linked = query.objects, query.by, linked_field(query)
    is_filtered = bool(query.fields or wanted.text)
    if linked and not wanted.state and linked.is_listed:
        number = _MAX_SCANNED_OBJECTS if is_filtered else limit
        scope, after = wanted.integration_id, Position(*last) if last else None
        first = first_ids(connection, scope, linked, after, number, down=by.down)
        if not is_filtered:
            return first
        selected = _select_ids(connection, catalog, query, last, indexed=False)
        selected = selected.where(objects.c.id.in_(first))
        ids = connection.execute(selected.limit(limit)).scalars().all()
        if len(ids) == limit or len(first) < number:
            return ids
    narrowed = by.by == "changed" and is_filtered
    if narrowed:
        first = _first_by_change(connection, wanted, by, last)
        selected = _select_ids(connection, catalog, query, last, indexed=False)
        ids = connection.execute(selected.where(*first).limit(limit)).scalars().all()
        if len(ids) == limit:
            return ids
    # Few objects remain; the expression keeps the planner from scanning the index of the order.
    selected = _select_ids(connection, catalog, query, last, by_expression=narrowed)
    return connection.execute(selected.limit(limit)).scalars().all()


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


def select_ids(connection: Connection, catalog: Catalog, query: ObjectQuery) -> Select[Any]:
    """Return a query for the ids of all objects of a query, in any order."""
    unordered = ObjectQuery(query.objects, query.fields, Order("id"))
    return _select_ids(connection, catalog, unordered, None).order_by(None)


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
    key = sort_key(connection, query)
    selected = select_objects(connection, wanted, indexed=indexed)
    if query.fields:
        is_current = wanted.state not in ("deleted", "any")
        links_of = wanted.integration_id if indexed and is_current else None
        compiler = FilterCompiler(connection, catalog, links_of)
        selected = selected.where(compiler.compile(resource, query.fields))
    if query.fields and indexed:
        selected = selected.where(*_contained_texts(connection, wanted, query.fields))
    if by.by == "changed" and not by_expression:
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


def _contained_texts(
    connection: Connection, wanted: ObjectFilter, fields: Filter
) -> list[ColumnElement[bool]]:
    """Return conditions on the search index that each object of a filter meets."""
    known = columns(wanted.resource)
    found: list[ColumnElement[bool]] = []
    for name, given in fields.items():
        if name in ("and_", "or_"):
            parts = [_contained_texts(connection, wanted, part) for part in given]
            if name == "and_":
                found += [condition for part in parts for condition in part]
            elif all(parts):
                found.append(or_(*(and_(*part) for part in parts)))
        elif column := own_column(wanted.resource, known, name):
            texts = [search_text(column, operator, operand) for operator, operand in given.items()]
            found += [
                search_index.may_contain(connection, *_scope(wanted), text)
                for text in texts
                if len(text) >= text_index.GRAM_CHARACTERS
            ]
    return found


def _scope(wanted: ObjectFilter) -> tuple[int, Resource]:
    return wanted.integration_id, wanted.resource


def _is_object_of(object_filter: ObjectFilter) -> tuple[ColumnElement[bool], ...]:
    return (
        objects.c.integration_id == object_filter.integration_id,
        objects.c.resource == sql.sql_literal(object_filter.resource.name),
    )
