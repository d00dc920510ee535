"""The columns and rows of an export of a list of objects."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from ultraviolet.db.sql_views import ViewColumn
from ultraviolet.db.tables.mirror import objects
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import choice_label, field_label
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import export
from ultraviolet.web.queries.columns import columns
from ultraviolet.web.queries.field_paths import FieldPath, currency_path, find_path, read_linked
from ultraviolet.web.queries.object_lists.list_columns import CURRENCY
from ultraviolet.web.queries.objects import ObjectFilter, select_objects

_LABELS = {
    "id": "ID",
    CURRENCY: "Currency",
    export.STATE.name: "Sync state",
    "mirror_changed_at": "Changed",
}
"""The labels of columns that are no fields, as lists show them."""


class ExportColumns(msgspec.Struct, frozen=True):
    """The columns of an export, and the paths of those that need linked objects.

    Formats for people have `labels`, also for the values of the columns at the places `choices`.
    """

    columns: tuple[ViewColumn, ...]
    linked: tuple[FieldPath, ...]
    labels: tuple[str, ...]
    choices: frozenset[int]


def read_export_rows(
    connection: Connection,
    scope: ObjectFilter,
    integration_name: str,
    shown: ExportColumns,
    ids: Sequence[str],
) -> list[list[Any]]:
    """Return the cells of these objects in their order; an object that was purged is left out."""
    query = select_objects(
        connection, ObjectFilter(scope.integration_id, scope.resource, state="any")
    )
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
