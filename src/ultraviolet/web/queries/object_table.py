"""Object tables: sorting, keyset pagination in both directions and the rows of exports."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, tuple_

from ultraviolet.db import sql, text_index
from ultraviolet.db.sql_views import ViewColumn
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.errors import InvalidError, OtherListCursorError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import choice_label, field_label, resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.ion.naming import constant
from ultraviolet.mirror import export, field_indexes, linked_order, search_index
from ultraviolet.mirror.linked_order import LinkedField, Position, first_ids
from ultraviolet.web.queries.columns import (
    TECHNICAL_FIELDS,
    Column,
    bind,
    columns,
    did_you_mean_field,
    own_column,
)
from ultraviolet.web.queries.field_paths import (
    FieldPath,
    currency_path,
    find_path,
    order_of,
    read_currencies,
    read_linked,
)
from ultraviolet.web.queries.ion_filters import (
    Filter,
    FilterCompiler,
    is_indexable,
    required_comparisons,
    search_text,
)
from ultraviolet.web.queries.objects import ObjectDetail, ObjectFilter, read_objects, select_objects

_MAX_DEFAULT_COLUMNS = 7
_MAX_SCANNED_OBJECTS = 2_000
"""Filters scan this many objects in order of change before they use an index."""
_MAX_KNOWN_VALUES = 200
CURRENCY = "currency"
"""A column that exports have on request: the currency of the amounts, as lists show it."""
_LABELS = {
    "id": "ID",
    CURRENCY: "Currency",
    export.STATE.name: "Sync state",
    "mirror_changed_at": "Changed",
}
"""The labels of columns that are no fields, as lists show them."""


class Order(msgspec.Struct, frozen=True):
    """The sort column and direction; `changed` is the time of the last change."""

    by: str = "changed"
    down: bool = True
    path: FieldPath | None = None
    """The field, also of a linked object; None for `changed` and `id`."""

    def __str__(self) -> str:
        """Return the form used in URLs."""
        return f"{'-' if self.down else ''}{self.by}"


class ObjectQuery(msgspec.Struct, frozen=True):
    """The objects that a list shows or an export contains, and their order."""

    objects: ObjectFilter
    fields: Filter
    by: Order


class ExportColumns(msgspec.Struct, frozen=True):
    """The columns of an export, and the paths of those that need linked objects.

    Formats for people have `labels`, also for the values of the columns at the places `choices`.
    """

    columns: tuple[ViewColumn, ...]
    linked: tuple[FieldPath, ...]
    labels: tuple[str, ...]
    choices: frozenset[int]


class TablePage(msgspec.Struct, frozen=True):
    """One page of a table, with the positions after and before which others follow."""

    rows: list[ObjectDetail]
    next: str | None
    previous: str | None = None


def selected_columns(
    catalog: Catalog, resource: Resource, names: Sequence[str], by: Order
) -> list[FieldPath]:
    """Return the requested or default columns, always including the sort column.

    Raise InvalidError for an unknown column.
    """
    known = columns(resource)
    requested = [find_path(catalog, resource, name) for name in dict.fromkeys(names)]
    labels = resource_label(resource.name)
    usual = [known[name] for name in labels.columns if name in known and name != "id"]
    others = [
        column
        for column in known.values()
        if column.name not in TECHNICAL_FIELDS and column.kind != "other"
    ]
    default = usual or others[:_MAX_DEFAULT_COLUMNS]
    shown = requested or [FieldPath(column.name, (), column) for column in default]
    visible = {name for path in shown for name in (path.name, order_of(catalog, path))}
    if by.path and by.path.name not in visible:
        shown.append(by.path)
    return shown


def parse_order(catalog: Catalog, resource: Resource, written: str | None) -> Order:
    """Parse `field`, `-field` or ION's `FIELD_ASC` and `FIELD_DESC`; raise InvalidError.

    A field can be that of a linked object, such as `supplier.name`.
    """
    if not written:
        return Order()
    by, down = written.removeprefix("-"), written.startswith("-")
    name, _, direction = written.rpartition("_")
    known = {field.name for field in resource.fields}
    if "." in by:
        try:
            path = find_path(catalog, resource, by)
        except InvalidError as error:
            raise InvalidError(str(error), field="sort") from error
        return Order(path.name, down, path)
    if written not in known and direction in ("ASC", "DESC"):
        by = next((one for one in known if constant(one).lstrip("_") == name.lstrip("_")), written)
        down = direction == "DESC"
    if by in ("changed", "id"):
        return Order(by, down)
    if by not in known:
        near = did_you_mean_field(by, resource, ["changed"])
        raise InvalidError(f"{resource.title} cannot be sorted by {written}.{near}", field="sort")
    return Order(by, down, find_path(catalog, resource, by))


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
    last = _decode_position(query, position) if position else None
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
        key = _sort_key(connection, query).label("sort_key")
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
    wanted, by, linked = query.objects, query.by, _linked_field(query)
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


def list_columns(
    catalog: Catalog, resource: Resource, names: Sequence[str]
) -> tuple[list[FieldPath], bool]:
    """Return the columns of a list of the API, and whether it has the currency of the amounts.

    Raise InvalidError for an unknown column.
    """
    has_currency = CURRENCY in names and currency_path(catalog, resource) is not None
    fields = [name for name in names if not (has_currency and name == CURRENCY)]
    return [find_path(catalog, resource, name) for name in fields], has_currency


def with_currencies(
    connection: Connection, catalog: Catalog, resource: Resource, rows: Sequence[ObjectDetail]
) -> list[ObjectDetail]:
    """Return objects with the currency of their amounts among the linked values."""
    if not rows:
        return []
    documents = [row.fields for row in rows]
    scope = rows[0].integration_id
    currencies = read_currencies(connection, catalog, scope, resource, documents)
    return [
        msgspec.structs.replace(row, linked={**row.linked, CURRENCY: currency or None})
        for row, currency in zip(rows, currencies, strict=True)
    ]


def with_columns(
    connection: Connection, rows: Sequence[ObjectDetail], paths: Sequence[FieldPath]
) -> list[ObjectDetail]:
    """Return objects with only these fields, and the values of those of linked objects."""
    if not rows or not paths:
        return list(rows)
    own = [path.column for path in paths if not path.links]
    linked_paths = [path for path in paths if path.links]
    documents = [row.fields for row in rows]
    return [
        msgspec.structs.replace(
            row,
            fields={
                column.name: column.value_in(row.fields)
                for column in own
                if column.is_attribute or column.name in row.fields
            },
            linked={**row.linked, **{name: each.value for name, each in linked.items()}},
        )
        for row, linked in zip(
            rows,
            read_linked(connection, rows[0].integration_id, documents, linked_paths),
            strict=True,
        )
    ]


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
    shown: ExportColumns,
    ids: Sequence[str],
) -> list[list[Any]]:
    """Return the cells of these objects in their order; an object that was purged is left out."""
    query = select_objects(connection, ObjectFilter(*_scope(scope), state="any"))
    found = connection.execute(query.where(objects.c.id.in_(ids))).mappings().all()
    documents = [row["doc"] for row in found]
    linked = read_linked(connection, scope.integration_id, documents, shown.linked)
    by_id: dict[str, dict[str, Any]] = {}
    for row, values in zip(found, linked, strict=True):
        # The values of linked objects and the names of link targets, by field of the column.
        cells = {path.name: values[path.name].value for path in shown.linked if path.links}
        cells |= {
            title.field: values[path.name].shown
            for path in shown.linked
            if (title := path.title_column)
        }
        by_id[row["id"]] = dict(row) | {"doc": row["doc"] | cells}
    return [
        export.row_cells(shown.columns, integration_name, by_id[id_]) for id_ in ids if id_ in by_id
    ]


def export_columns(catalog: Catalog, resource: Resource, names: Sequence[str]) -> ExportColumns:
    """Return the columns with these names, or all of the SQL view; raise InvalidError.

    A link, named as a field of ION, has two columns: the name of the object, as lists show it, and
    its id. The name of a column of the SQL view is that column alone. `currency` is the currency of
    the amounts.
    """
    every = {column.name for column in export.columns(catalog, resource)}
    paths: list[FieldPath] = []
    wanted: list[str] = []
    linked: dict[str, ViewColumn] = {}
    currency = currency_path(catalog, resource)
    for name in names:
        if name == CURRENCY and currency and currency.title_column:
            linked[name] = msgspec.structs.replace(currency.title_column, name=name)
            paths.append(currency)
            wanted.append(name)
            continue
        is_path = "." in name or (resource.field(name) is not None and name not in every)
        path = find_path(catalog, resource, name) if is_path else None
        title = path.title_column if path else None
        if path and title:
            linked[title.field] = title
            wanted.append(title.field)
        if path and path.links:
            linked[name] = path.export_column
        if path and (title or path.links):
            paths.append(path)
        wanted.append(name)
    shown = export.columns(catalog, resource, wanted, linked)
    fields = {each.place: FieldPath(each.place, (), each) for each in columns(resource).values()}
    fields |= {path.name: path for path in paths}
    titles = {title.field: path.label for path in paths if (title := path.title_column)}
    labels = [_export_label(column, fields.get(column.field), titles) for column in shown]
    return ExportColumns(
        shown,
        tuple(paths),
        tuple(
            label if labels.count(label) == 1 else f"{label} ({column.name})"
            for label, column in zip(labels, shown, strict=True)
        ),
        frozenset(
            place
            for place, column in enumerate(shown)
            if (path := fields.get(column.field)) and path.column.kind == "choice"
        ),
    )


def _export_label(column: ViewColumn, path: FieldPath | None, titles: Mapping[str, str]) -> str:
    """Return the label of a column as lists show it; that of the id of a link ends in “ID”."""
    known = _LABELS.get(column.name) or titles.get(column.field)
    if known:
        return known
    if path:
        return f"{path.label} ID" if path.column.link else path.label
    words = column.name.removeprefix("mirror_").replace("_", " ").capitalize()
    label = field_label(column.field).label
    return label if label != column.field else words


def with_choice_labels(shown: ExportColumns, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return rows of an export with the labels of enum values."""
    return [
        [
            choice_label(value) if place in shown.choices and isinstance(value, str) else value
            for place, value in enumerate(row)
        ]
        for row in rows
    ]


def indexable_fields(resource: Resource, fields: Filter, by: Order) -> list[Column]:
    """Return the own fields that are sorted or compared."""
    compared = [each[0] for each in required_comparisons(resource, fields) if is_indexable(*each)]
    sorting = columns(resource).get(by.by)
    used = [sorting, *compared] if sorting and sorting.kind != "flag" else compared
    return list({column.name: column for column in used}.values())


def missing_indexes(
    connection: Connection,
    integration_id: int,
    resource: Resource,
    fields: Sequence[Column],
) -> list[Column]:
    """Return the fields that would benefit from an index and have none."""
    return [
        column
        for column in fields
        if field_indexes.missing_indexes(
            connection, integration_id, resource, [(column.place, column.type)]
        )
    ]


def fields_to_index(resource: Resource, names: Sequence[str]) -> list[Column]:
    """Return the fields to index; raise InvalidError."""
    known = columns(resource)
    found: dict[str, Column] = {}
    for name in names:
        column = own_column(resource, known, name)
        if column is None or column.kind == "flag":
            raise InvalidError(f"{resource.title} cannot be indexed by {name!r}.", field="fields")
        found[column.name] = column
    return list(found.values())


def known_values(
    connection: Connection, integration_id: int, resource: Resource, column: Column
) -> list[str]:
    """Return the texts in a column of the objects that changed last."""
    value = sql.value_of(connection, objects, column.place, column.type).label("value")
    here = (objects.c.integration_id == integration_id, objects.c.resource == resource.name)
    recent = select(value).where(*here, BY_CHANGE).order_by(objects.c.changed_at.desc())
    found = recent.limit(_MAX_SCANNED_OBJECTS).subquery()
    query = select(found.c.value).where(found.c.value.is_not(None)).distinct()
    return list(connection.execute(query.limit(_MAX_KNOWN_VALUES)).scalars())


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


def select_ids(connection: Connection, catalog: Catalog, query: ObjectQuery) -> Select[Any]:
    """Return a query for the ids of all objects of a query, in any order."""
    unordered = ObjectQuery(query.objects, query.fields, Order("id"))
    return _select_ids(connection, catalog, unordered, None).order_by(None)


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


_SORT_TYPES = {"real": float, **dict.fromkeys(("integer", "id", "time", "boolean"), int)}
"""The type by which the values of a column type are sorted; all others are sorted as text."""


def _decode_position(query: ObjectQuery, after: str) -> tuple[Any, str]:
    """Return the sort value and the id of the last object of the previous page."""
    kinds: dict[str, Any] = {"changed": str, "id": int}
    path = query.by.path
    kind: Any = _SORT_TYPES.get(path.column.type, str) if path else kinds[query.by.by]
    try:
        value, id_ = msgspec.json.decode(after, type=tuple[Any, str])
        return msgspec.convert(value, kind), id_
    except msgspec.MsgspecError as error:
        raise OtherListCursorError from error


def _sort_key(connection: Connection, query: ObjectQuery) -> ColumnElement[Any]:
    """Return the sort expression; in ascending order, objects without a value come first."""
    path = query.by.path
    if path is None:
        return objects.c.changed_at if query.by.by == "changed" else func.length(objects.c.id)
    if linked := _linked_field(query):
        return linked_order.sort_key(connection, linked)
    return field_indexes.sort_key(connection, path.column.place, path.column.type)


def _linked_field(query: ObjectQuery) -> LinkedField | None:
    """Return the field of linked objects by which a query is sorted."""
    path = query.by.path
    if path is None or not path.links:
        return None
    name, column = query.objects.resource.name, path.column
    return LinkedField(name, path.links, column.place, column.type)
