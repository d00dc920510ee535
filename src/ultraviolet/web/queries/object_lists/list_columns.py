"""The columns of a list of objects, and their values."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.db import sql
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.web.queries.columns import TECHNICAL_FIELDS, Column, columns
from ultraviolet.web.queries.field_paths import (
    FieldPath,
    currency_path,
    find_path,
    order_of,
    read_currencies,
    read_linked,
)
from ultraviolet.web.queries.object_lists.order import Order
from ultraviolet.web.queries.objects import ObjectDetail

CURRENCY = "currency"
"""A column that exports have on request: the currency of the amounts, as lists show it."""


_MAX_DEFAULT_COLUMNS = 7


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


_MAX_READ_OBJECTS = 2_000
_MAX_KNOWN_VALUES = 200


def known_values(
    connection: Connection, integration_id: int, resource: Resource, column: Column
) -> list[str]:
    """Return the texts in a column of the objects that changed last."""
    value = sql.value_of(connection, objects, column.place, column.type).label("value")
    here = (objects.c.integration_id == integration_id, objects.c.resource == resource.name)
    recent = select(value).where(*here, BY_CHANGE).order_by(objects.c.changed_at.desc())
    found = recent.limit(_MAX_READ_OBJECTS).subquery()
    query = select(found.c.value).where(found.c.value.is_not(None)).distinct()
    return list(connection.execute(query.limit(_MAX_KNOWN_VALUES)).scalars())
