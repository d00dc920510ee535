"""Search all resources by id and by text.

Text is found through the search index. Objects that changed since the index was updated are
scanned.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Text, and_, cast, select

from ultraviolet.db import text_index
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.mirror import objects, versions
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import search_index
from ultraviolet.web.queries.links import object_title

MAX_HITS = 50
_MAX_SCANNED_OBJECTS = 2_000
"""Maximum number of objects to scan: those not yet indexed, or for a text too short for the index."""


class Hit(msgspec.Struct, frozen=True):
    """A matching object, and the field that matches."""

    integration_id: int
    resource: str
    kind: str
    """The title of the resource."""
    id: str
    title: str | None
    field: str
    text: str


class SearchResult(msgspec.Struct, frozen=True):
    """Search results.

    `complete` is false if there may be more, `indexed` if the index is outdated.
    """

    hits: list[Hit]
    complete: bool
    indexed: bool = True


def search(
    connection: Connection,
    catalog: Catalog,
    text: str,
    resource: str | None = None,
    integration_id: int | None = None,
) -> SearchResult:
    """Find objects by id or by text, ignoring case; matching titles come first.

    With a resource or an integration, find only its objects.
    """
    text = text.replace("\0", "")  # not allowed in queries, and never part of indexed text
    names = [resource] if resource else [each.name for each in catalog.mirrored]
    integration_ids = [
        id_
        for id_ in connection.execute(select(integrations.c.id)).scalars()
        if integration_id in (None, id_)
    ]
    by_id = select(objects).where(
        objects.c.integration_id.in_(integration_ids),
        objects.c.resource.in_(names),
        objects.c.id == text,
    )
    rows = connection.execute(by_id.limit(MAX_HITS)).mappings().all()
    hits = {_key(row): _hit(catalog, row, "id", row["id"]) for row in rows}
    known = and_(
        objects.c.integration_id == versions.c.integration_id,
        objects.c.resource == versions.c.resource,
        objects.c.id == versions.c.id,
    )
    versioned = select(objects).select_from(versions.join(objects, known))
    unindexed: list[RowMapping] = []
    for outdated_id in search_index.outdated_integrations(connection):
        if outdated_id not in integration_ids:
            continue
        changed = versioned.where(
            search_index.not_indexed(outdated_id), objects.c.resource.in_(names)
        )
        limit = _MAX_SCANNED_OBJECTS + 1 - len(unindexed)
        unindexed += connection.execute(changed.limit(limit)).mappings()
    complete = _add_hits(catalog, text, hits, unindexed[:_MAX_SCANNED_OBJECTS])
    if len(text) < text_index.GRAM_CHARACTERS:
        current = select(objects).where(
            objects.c.deleted_at.is_(None), objects.c.integration_id.in_(integration_ids)
        )
        if resource:
            current = current.where(objects.c.resource == resource)
        some = current.limit(_MAX_SCANNED_OBJECTS).subquery()
        short = select(some).where(cast(some.c.doc, Text).icontains(text, autoescape=True))
        _add_hits(catalog, text, hits, connection.execute(short).mappings())
        complete = False
    else:
        indexed = _read_indexed(connection, text, resource, integration_id)
        complete &= _add_hits(catalog, text, hits, indexed)
    ranked = sorted(hits.values(), key=lambda hit: _rank(hit, text.lower()))
    return SearchResult(ranked, complete, indexed=len(unindexed) <= _MAX_SCANNED_OBJECTS)


def _read_indexed(
    connection: Connection, text: str, resource: str | None, integration_id: int | None
) -> list[RowMapping]:
    """Return the first objects that match by the index; outdated entries are filtered out later."""
    found = text_index.texts_containing(connection, text.lower()).subquery()
    matching = select(found)
    if resource:
        matching = matching.where(found.c.resource == resource)
    if integration_id is not None:
        matching = matching.where(found.c.integration_id == integration_id)
    places = connection.execute(matching.limit(MAX_HITS * 2)).all()
    rows: list[RowMapping] = []
    for found_in, name in sorted({(place[0], place[1]) for place in places}):
        ids = [place[2] for place in places if (place[0], place[1]) == (found_in, name)]
        query = select(objects).where(
            objects.c.integration_id == found_in,
            objects.c.resource == name,
            objects.c.id.in_(ids),
        )
        rows += connection.execute(query).mappings()
    return rows


def _add_hits(
    catalog: Catalog, text: str, hits: dict[tuple[Any, ...], Hit], rows: Iterable[RowMapping]
) -> bool:
    """Add matching rows to the hits; return False if there are more than the maximum."""
    for row in rows:
        if len(hits) >= MAX_HITS:
            return False
        resource = catalog.resources.get(row["resource"])
        if row["deleted_at"] is not None or _key(row) in hits or resource is None:
            continue
        for name, value in search_index.searchable_texts(resource, row["doc"]).items():
            if text.lower() in value.lower():
                hits[_key(row)] = _hit(catalog, row, name, value)
                break
    return True


def _key(row: RowMapping) -> tuple[Any, ...]:
    return row["integration_id"], row["resource"], row["id"]


def _rank(hit: Hit, text: str) -> tuple[int, str, int, str]:
    title = (hit.title or "").lower()
    if text in (hit.id, title):
        match = 0
    elif title.startswith(text):
        match = 1
    else:
        match = 2 if text in title else 3
    return match, hit.resource, len(hit.id), hit.id


def _hit(catalog: Catalog, row: RowMapping, field: str, text: str) -> Hit:
    return Hit(
        row["integration_id"],
        row["resource"],
        catalog.resources[row["resource"]].title,
        row["id"],
        object_title(row["doc"]),
        field,
        text,
    )
