"""Titles of objects and the links between them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    and_,
    func,
    select,
)

from ultraviolet.db.tables.mirror import link_kinds, links, objects
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource

TITLE_FIELDS = (
    "title",
    "name",
    "partNumber",
    "serialNumber",
    "lotNumber",
    "value",
    "email",
    "prettyStr",
    "type",
)


class LinkValue(msgspec.Struct, frozen=True):
    """The target of a link; `found` is true if the mirror has it."""

    resource: str
    id: str
    title: str | None
    found: bool


class LinkKind(msgspec.Struct, frozen=True):
    """A field of a resource with the ids of other objects, as the table `link_kinds` has it."""

    id: int
    resource: str
    field: str


class LinkedFrom(msgspec.Struct, frozen=True):
    """Objects of one resource that link to an object by one field; `some` has the first ones."""

    resource: str
    title: str
    field: str
    count: int
    some: list[LinkValue]


MAX_EXAMPLES = 10
_MAX_COUNTED_LINKS = 100_000
_MAX_SORTED_LINKS = 1_000
"""The examples of a larger group are any of its objects, because sorting would read all."""


def list_linked_from(
    connection: Connection, catalog: Catalog, integration_id: int, resource: Resource, id_: str
) -> list[LinkedFrom]:
    """Return the objects that link to an object, by resource and field, most frequent first."""
    kinds = {kind.id: kind for kind in list_kinds(connection, resource)}
    to_object = (links.c.integration_id == integration_id, links.c.target_id == id_)
    count = func.count().label("count")
    counted = (
        select(links.c.kind)
        .where(*to_object, links.c.kind.in_(kinds))
        .limit(_MAX_COUNTED_LINKS)
        .subquery()
    )
    groups = connection.execute(
        select(counted.c.kind, count).group_by(counted.c.kind).order_by(count.desc())
    ).all()
    return [
        LinkedFrom(
            kind.resource,
            resource_title(catalog, kind.resource),
            kind.field,
            total,
            _first_linked(connection, to_object, kind, total),
        )
        for kind_id, total in groups
        for kind in [kinds[kind_id]]
    ]


def list_kinds(connection: Connection, target: Resource) -> list[LinkKind]:
    """Return the kinds of links to the objects of a resource."""
    query = select(link_kinds).where(link_kinds.c.target_resource == target.name)
    return [LinkKind(row.id, row.resource, row.field) for row in connection.execute(query)]


def _first_linked(
    connection: Connection, to_object: Sequence[Any], kind: LinkKind, total: int
) -> list[LinkValue]:
    joined = and_(
        objects.c.integration_id == links.c.integration_id,
        objects.c.resource == kind.resource,
        objects.c.id == links.c.id,
    )
    query = (
        select(objects.c.id, objects.c.doc)
        .where(*to_object, joined, links.c.kind == kind.id)
        .limit(MAX_EXAMPLES)
    )
    if total <= _MAX_SORTED_LINKS:
        query = query.order_by(func.length(objects.c.id), objects.c.id)
    return [
        LinkValue(kind.resource, row.id, object_title(row.doc), found=True)
        for row in connection.execute(query)
    ]


def resource_title(catalog: Catalog, name: str) -> str:
    """Return the title of a resource, or its name if the catalog does not have it."""
    resource = catalog.resources.get(name)
    return resource.title if resource else name


def read_link_titles(
    connection: Connection,
    resource: Resource,
    integration_id: int,
    contents: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    *,
    with_deleted: bool = False,
) -> dict[tuple[str, str], str | None]:
    """Return the titles of the objects that documents link to, by resource and id.

    Each document is given with its invalid values, which are no links.
    """
    targets = {
        (link.resource, str(document[link.key]))
        for document, invalid in contents
        for link in resource.links
        if document.get(link.key) is not None and link.key not in invalid
    }
    return read_titles(connection, integration_id, targets, with_deleted=with_deleted)


def read_titles(
    connection: Connection,
    integration_id: int,
    targets: Collection[tuple[str, str]],
    *,
    with_deleted: bool,
) -> dict[tuple[str, str], str | None]:
    """Return the titles of the objects with these resources and ids that the mirror has."""
    found: dict[tuple[str, str], str | None] = {}
    for name in sorted(
        {name for name, _ in targets}
    ):  # per resource, because SQLite scans the table for (resource, id) pairs
        ids = sorted(id_ for resource_name, id_ in targets if resource_name == name)
        query = select(objects.c.id, objects.c.doc).where(
            objects.c.integration_id == integration_id,
            objects.c.resource == name,
            objects.c.id.in_(ids),
        )
        if not with_deleted:
            query = query.where(objects.c.deleted_at.is_(None))
        found |= {(name, row.id): object_title(row.doc) for row in connection.execute(query)}
    return found


def object_name(resource: str, id_: str, title: str | None = None) -> str:
    """Return the name by which lists show an object: its title, or such as `Purchase order 15`."""
    return title or f"{resource_label(resource).singular} {id_}"


def object_title(doc: Mapping[str, Any]) -> str | None:
    """Return the title of an object: its first field with a value that identifies it to people."""
    return next((str(doc[name]) for name in TITLE_FIELDS if doc.get(name)), None)
