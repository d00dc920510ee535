"""Fields of an object and of the objects it links to, such as `supplier.name`, and their values."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.db.sql_views import ViewColumn
from ultraviolet.db.tables.mirror import objects
from ultraviolet.errors import InvalidError
from ultraviolet.ion.attributes import FIELD
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.currencies import CURRENCY_KEY, currency_link
from ultraviolet.ion.labels import field_label
from ultraviolet.ion.model import Link, Resource
from ultraviolet.ion.naming import plain, snake
from ultraviolet.text import did_you_mean
from ultraviolet.web.queries.columns import Column, columns, did_you_mean_field
from ultraviolet.web.queries.links import TITLE_FIELDS, LinkValue, object_name, object_title

_TITLE = ".title"
"""Follows the path of a link in the key of the title of its object."""
MAX_LINKS = 2
"""Maximum number of links that a path follows."""

Documents = dict[tuple[str, str], Mapping[str, Any]]
"""Documents by resource and id."""


class FieldPath(msgspec.Struct, frozen=True):
    """A field, and the links from an object to the object that has it; none for an own field."""

    name: str
    """Link fields and field, with dots."""
    links: tuple[Link, ...]
    column: Column

    @property
    def label(self) -> str:
        """The name for people, such as `Purchase order › Supplier`."""
        labels = [field_label(link.key).label for link in self.links]
        return " › ".join([*labels, self.column.label])

    @property
    def export_column(self) -> ViewColumn:
        """The column of exports, named like those of the SQL views."""
        steps = (*(link.field for link in self.links), self.column.name)
        name = ".".join(snake(step).strip("_") for step in steps)
        return ViewColumn(name, self.column.type, self.name, self.label)

    @property
    def title_column(self) -> ViewColumn | None:
        """The column of exports with the name of the object that a link leads to."""
        if not self.column.link:
            return None
        steps = (*(link.field for link in self.links), self.column.link.field)
        name = ".".join(snake(step).strip("_") for step in steps)
        return ViewColumn(name, "text", f"{self.name}{_TITLE}", self.label)


class LinkedValue(msgspec.Struct, frozen=True):
    """The value of a linked object's field; `link` is set if it is the id of another object."""

    value: Any
    link: LinkValue | None = None

    @property
    def shown(self) -> str | None:
        """The name of the linked object as lists show it, such as `Purchase order 15`."""
        link = self.link
        if link is None:
            return None
        return object_name(link.resource, link.id, link.title)


def find_path(catalog: Catalog, resource: Resource, name: str) -> FieldPath:
    """Return the path of this name, in any case and style; raise InvalidError."""
    links: list[Link] = []
    at, last = resource, name
    while at.field(last) is None and "." in last:
        step, _, rest = last.partition(".")
        if step == FIELD:
            near = did_you_mean(rest, [field.attribute for field in at.fields if field.attribute])
            raise InvalidError(f"{at.title} have no attribute “{rest}”.{near}", field="column")
        link = next((one for one in at.links if plain(one.field) == plain(step)), None)
        if link is None or len(links) == MAX_LINKS:
            near = did_you_mean(step, [one.field for one in at.links])
            reason = f"{at.title} have no link “{step}”" if link is None else "The path is too long"
            raise InvalidError(
                f"“{name}” is not a field: {reason[0].lower()}{reason[1:]}.{near}", field="column"
            )
        links.append(link)
        last = rest
        at = catalog.resources[link.resource]
    known = columns(at)
    field = at.field(last) or (at.field_called(last) if links else None)
    if field is None or field.name not in known:
        near = did_you_mean_field(last, at)
        raise InvalidError(f"{at.title} have no field “{last}”.{near}", field="column")
    path = ".".join([*(link.field for link in links), field.name])
    return FieldPath(path, tuple(links), known[field.name])


def order_of(catalog: Catalog, path: FieldPath) -> str:
    """Return the field by which a list is sorted by a column: of a link, the name it shows."""
    link = path.column.link
    if link is None or len(path.links) == MAX_LINKS:
        return path.name
    target = catalog.resources[link.resource]
    title = next((name for name in TITLE_FIELDS if target.field(name)), None)
    steps = [*(each.field for each in path.links), link.field]
    return ".".join([*steps, title]) if title else path.name


def read_linked(
    connection: Connection,
    integration_id: int,
    documents: Sequence[Mapping[str, Any]],
    paths: Iterable[FieldPath],
) -> list[dict[str, LinkedValue]]:
    """Return the values of paths for each document, by path.

    Each step of all paths is one query per resource. A missing or deleted object has no values.
    """
    linked = list(paths)
    known: Documents = {}
    for depth in range(max((len(path.links) for path in linked), default=0)):
        wanted: defaultdict[str, set[str]] = defaultdict(set)
        for path in linked:
            if depth < len(path.links):
                link = path.links[depth]
                for document in documents:
                    _add_target(wanted, link, _follow(document, path.links[:depth], known))
        _read_documents(connection, integration_id, wanted, known)
    targets: defaultdict[str, set[str]] = defaultdict(set)
    for path in linked:
        if path.column.link:
            for document in documents:
                _add_target(targets, path.column.link, _follow(document, path.links, known))
    _read_documents(connection, integration_id, targets, known)
    return [
        {path.name: _value(path, _follow(document, path.links, known), known) for path in linked}
        for document in documents
    ]


def read_currencies(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    resource: Resource,
    documents: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Return the currency of each document's amounts, such as that of the order for its lines.

    It is empty if neither the object nor an object that it links to names a currency.
    """
    path = currency_path(catalog, resource)
    if path is None:
        return [""] * len(documents)
    found = read_linked(connection, integration_id, documents, [path])
    links = [values[path.name].link for values in found]
    return [(link.title or "") if link else "" for link in links]


def currency_path(catalog: Catalog, resource: Resource) -> FieldPath | None:
    """Return the path to the currency of a resource's amounts; None without amounts or currency."""
    link = currency_link(catalog, resource)
    if link is None:
        return None
    is_own = link.key == CURRENCY_KEY
    return find_path(catalog, resource, CURRENCY_KEY if is_own else f"{link.field}.{CURRENCY_KEY}")


def is_amount(column: Column) -> bool:
    """Return whether a column has amounts of money."""
    return column.format == "money"


def _add_target(
    wanted: dict[str, set[str]], link: Link, document: Mapping[str, Any] | None
) -> None:
    if document is not None and document.get(link.key) is not None:
        wanted[link.resource].add(str(document[link.key]))


def _follow(
    document: Mapping[str, Any], links: Sequence[Link], known: Documents
) -> Mapping[str, Any] | None:
    at: Mapping[str, Any] | None = document
    for link in links:
        at = known.get((link.resource, str(at.get(link.key)))) if at is not None else None
    return at


def _value(path: FieldPath, at: Mapping[str, Any] | None, known: Documents) -> LinkedValue:
    value = path.column.value_in(at) if at is not None else None
    if value is None or path.column.link is None:
        return LinkedValue(value)
    target = (path.column.link.resource, str(value))
    title = object_title(known[target]) if target in known else None
    return LinkedValue(value, LinkValue(*target, title, found=target in known))


def _read_documents(
    connection: Connection, integration_id: int, wanted: Mapping[str, set[str]], known: Documents
) -> None:
    """Add the documents that are not known yet; deleted objects are left out."""
    for resource in sorted(wanted):  # per resource, because SQLite scans for pairs
        ids = sorted(id_ for id_ in wanted[resource] if (resource, id_) not in known)
        query = select(objects.c.id, objects.c.doc).where(
            objects.c.integration_id == integration_id,
            objects.c.resource == resource,
            objects.c.id.in_(ids),
            objects.c.deleted_at.is_(None),
        )
        if ids:
            known |= {(resource, row.id): row.doc for row in connection.execute(query)}
