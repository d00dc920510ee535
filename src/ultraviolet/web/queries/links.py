"""Titles of objects and the links between them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    func,
    select,
)

from ultraviolet.db.tables.mirror import link_kinds, links, objects
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource

_TITLE_FIELDS = (
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
    """What a link leads to; `found` tells whether the mirror has it."""

    resource: str
    id: str
    title: str | None
    found: bool


class LinkedFrom(msgspec.Struct, frozen=True):
    """Objects of one resource that link here by one field; `some` are the first of them."""

    resource: str
    title: str
    field: str
    count: int
    some: list[LinkValue]


_MAX_EXAMPLES = 8
_MAX_COUNTED_LINKS = 100_000


def list_linked_from(
    connection: Connection, catalog: Catalog, integration_id: int, resource: Resource, id_: str
) -> list[LinkedFrom]:
    """Follow links backwards: who names this object, most first."""
    named = select(link_kinds).where(link_kinds.c.target_resource == resource.name)
    kinds = {row.id: (row.resource, row.field) for row in connection.execute(named)}
    here = (links.c.integration_id == integration_id, links.c.target_id == id_)
    count = func.count().label("count")
    found = (
        select(links.c.kind)
        .where(*here, links.c.kind.in_(kinds))
        .limit(_MAX_COUNTED_LINKS)
        .subquery()
    )
    groups = connection.execute(
        select(found.c.kind, count).group_by(found.c.kind).order_by(count.desc())
    ).all()
    return [
        LinkedFrom(
            name,
            resource_title(catalog, name),
            key,
            total,
            _first_linked(connection, here, kind, name),
        )
        for kind, total in groups
        for name, key in [kinds[kind]]
    ]


def _first_linked(
    connection: Connection, here: Sequence[Any], kind: int, resource: str
) -> list[LinkValue]:
    joined = and_(
        objects.c.integration_id == links.c.integration_id,
        objects.c.resource == resource,
        objects.c.id == links.c.id,
    )
    query = (
        select(objects.c.id, objects.c.doc)
        .where(*here, joined, links.c.kind == kind)
        .limit(_MAX_EXAMPLES)
    )
    return [
        LinkValue(resource, row.id, object_title(row.doc), found=True)
        for row in connection.execute(query)
    ]


def resource_title(catalog: Catalog, name: str) -> str:
    resource = catalog.resources.get(name)
    return resource.title if resource else name


def read_link_titles(
    connection: Connection, resource: Resource, rows: Sequence[RowMapping]
) -> dict[tuple[str, str], str | None]:
    """Read the titles of everything that these objects link to."""
    if not rows:
        return {}
    asked = {
        (link.resource, str(row["doc"][link.key]))
        for row in rows
        for link in resource.links
        if row["doc"].get(link.key) is not None and link.key not in (row["invalid_values"] or {})
    }
    found: dict[tuple[str, str], str | None] = {}
    for name in sorted(
        {name for name, _ in asked}
    ):  # one resource at a time: SQLite looks pairs up by scanning
        ids = sorted(id_ for asked_of, id_ in asked if asked_of == name)
        query = select(objects.c.id, objects.c.doc).where(
            objects.c.integration_id == rows[0]["integration_id"],
            objects.c.resource == name,
            objects.c.id.in_(ids),
            objects.c.deleted_at.is_(None),
        )
        found |= {(name, row.id): object_title(row.doc) for row in connection.execute(query)}
    return found


def object_title(doc: Mapping[str, Any]) -> str | None:
    """Return the words by which people know an object."""
    return next((str(doc[name]) for name in _TITLE_FIELDS if doc.get(name)), None)
