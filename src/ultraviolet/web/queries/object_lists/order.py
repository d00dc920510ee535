"""The order of a list of objects, and positions in it."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func

from ultraviolet.db.tables.mirror import objects
from ultraviolet.errors import InvalidError, OtherListCursorError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.ion.naming import constant
from ultraviolet.mirror import field_indexes, linked_order
from ultraviolet.mirror.linked_order import LinkedField
from ultraviolet.web.queries.columns import did_you_mean_field
from ultraviolet.web.queries.field_paths import FieldPath, find_path
from ultraviolet.web.queries.ion_filters import Filter
from ultraviolet.web.queries.objects import ObjectFilter


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
        near = (
            did_you_mean_field(by, resource, ["changed"])
            or " Use the name of a field, id or changed."
        )
        raise InvalidError(f"{resource.title} cannot be sorted by “{written}”.{near}", field="sort")
    return Order(by, down, find_path(catalog, resource, by))


def sort_key(connection: Connection, query: ObjectQuery) -> ColumnElement[Any]:
    """Return the sort expression; in ascending order, objects without a value come first."""
    path = query.by.path
    if path is None:
        return objects.c.changed_at if query.by.by == "changed" else func.length(objects.c.id)
    if linked := linked_field(query):
        return linked_order.sort_key(connection, linked)
    return field_indexes.sort_key(connection, path.column.place, path.column.type)


def linked_field(query: ObjectQuery) -> LinkedField | None:
    """Return the field of linked objects by which a query is sorted."""
    path = query.by.path
    if path is None or not path.links:
        return None
    name, column = query.objects.resource.name, path.column
    return LinkedField(name, path.links, column.place, column.type)


def decode_position(query: ObjectQuery, after: str) -> tuple[Any, str]:
    """Return the sort value and the id of the last object of the previous page."""
    kinds: dict[str, Any] = {"changed": str, "id": int}
    path = query.by.path
    kind: Any = _SORT_TYPES.get(path.column.type, str) if path else kinds[query.by.by]
    try:
        value, id_ = msgspec.json.decode(after, type=tuple[Any, str])
        return msgspec.convert(value, kind), id_
    except msgspec.MsgspecError as error:
        raise OtherListCursorError from error


_SORT_TYPES = {"real": float, **dict.fromkeys(("integer", "id", "time", "boolean"), int)}
"""The type by which the values of a column type are sorted; all others are sorted as text."""
