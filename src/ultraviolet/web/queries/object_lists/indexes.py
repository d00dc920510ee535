"""Indexes that would speed up a list of objects."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import field_indexes
from ultraviolet.web.queries.columns import Column, columns, own_column
from ultraviolet.web.queries.ion_filters import Filter, is_indexable, required_comparisons
from ultraviolet.web.queries.object_lists.order import Order


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
