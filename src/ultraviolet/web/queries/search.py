"""Search across all resources: by id at once, by text through the search index, and what changed beyond it by reading."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Select, Text, and_, cast, select

from ultraviolet.db import text_index
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.mirror import objects, versions
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import search_index
from ultraviolet.web.queries.links import object_title

MAX_HITS = 50
_MAX_SCANNED_OBJECTS = 2_000
"""So many objects are looked through that changed beyond the index, or for a text too short for it."""


class Hit(msgspec.Struct, frozen=True):
    """An object that has what was asked for, and where it says so."""

    integration_id: int
    resource: str
    kind: str
    """The resource's title."""
    id: str
    title: str | None
    field: str
    text: str


class SearchResult(msgspec.Struct, frozen=True):
    """What a search came to; `complete` is false where there may be more, `indexed` where the index is not up to date."""

    hits: list[Hit]
    complete: bool
    indexed: bool = True


def search(connection: Connection, catalog: Catalog, said: str) -> SearchResult:
    """Find objects by their id or by any text in them, without regard to case; those named so come first."""
    said = said.replace(
        "\0", ""
    )  # neither database can be asked for it, and no text in the index has it
    names = [resource.name for resource in catalog.mirrored]
    everyone = list(connection.execute(select(integrations.c.id)).scalars())
    by_id = select(objects).where(
        objects.c.integration_id.in_(everyone), objects.c.resource.in_(names), objects.c.id == said
    )
    rows = connection.execute(by_id.limit(MAX_HITS)).mappings().all()
    hits = {_key(row): _hit(catalog, row, "id", row["id"]) for row in rows}
    fresh: list[RowMapping] = []
    for integration_id in search_index.behind(connection):
        fresh += connection.execute(
            _select_unindexed(integration_id).limit(_MAX_SCANNED_OBJECTS + 1 - len(fresh))
        ).mappings()
    complete = _add_hits(catalog, said, hits, fresh[:_MAX_SCANNED_OBJECTS])
    if len(said) < text_index.GRAM:
        _add_hits(catalog, said, hits, connection.execute(_select_short_text(said)).mappings())
        complete = False
    else:
        complete &= _add_hits(catalog, said, hits, _read_indexed(connection, said))
    ranked = sorted(hits.values(), key=lambda hit: _rank(hit, said.lower()))
    return SearchResult(ranked, complete, indexed=len(fresh) <= _MAX_SCANNED_OBJECTS)


def _read_indexed(connection: Connection, said: str) -> list[RowMapping]:
    """Read the first objects that say so by the index; an outdated entry among them is seen when the object is read."""
    found = text_index.texts_containing(connection, said.lower()).subquery()
    places = connection.execute(select(found).limit(MAX_HITS * 2)).all()
    rows: list[RowMapping] = []
    for integration_id, resource in sorted({(place[0], place[1]) for place in places}):
        ids = [place[2] for place in places if (place[0], place[1]) == (integration_id, resource)]
        query = select(objects).where(
            objects.c.integration_id == integration_id,
            objects.c.resource == resource,
            objects.c.id.in_(ids),
        )
        rows += connection.execute(query).mappings()
    return rows


def _select_unindexed(integration_id: int) -> Select[Any]:
    """Select the objects that changed beyond the index."""
    known = and_(
        objects.c.integration_id == versions.c.integration_id,
        objects.c.resource == versions.c.resource,
        objects.c.id == versions.c.id,
    )
    newer = versions.join(objects, known)
    return select(objects).select_from(newer).where(search_index.beyond(integration_id))


def _select_short_text(said: str) -> Select[Any]:
    """Select documents that have a text too short for the index, out of so many."""
    some = (
        select(objects).where(objects.c.deleted_at.is_(None)).limit(_MAX_SCANNED_OBJECTS).subquery()
    )
    return select(some).where(cast(some.c.doc, Text).icontains(said, autoescape=True))


def _add_hits(
    catalog: Catalog, said: str, hits: dict[tuple[Any, ...], Hit], rows: Iterable[RowMapping]
) -> bool:
    """Add those that say so; false where there is no room for more."""
    for row in rows:
        if len(hits) >= MAX_HITS:
            return False
        wanted = (
            row["deleted_at"] is None
            and _key(row) not in hits
            and row["resource"] in catalog.resources
        )
        if wanted and (field := _matching_field(catalog, row, said)):
            hits[_key(row)] = _hit(catalog, row, *field)
    return True


def _matching_field(catalog: Catalog, row: RowMapping, said: str) -> tuple[str, str] | None:
    wanted = said.lower()
    texts = search_index.saying(catalog.resources[row["resource"]], row["doc"])
    return next(((name, text) for name, text in texts.items() if wanted in text.lower()), None)


def _key(row: RowMapping) -> tuple[Any, ...]:
    return row["integration_id"], row["resource"], row["id"]


def _rank(hit: Hit, said: str) -> tuple[int, str, int, str]:
    named = (hit.title or "").lower()
    how = (
        0 if said in (hit.id, named) else 1 if named.startswith(said) else 2 if said in named else 3
    )
    return how, hit.resource, len(hit.id), hit.id


def _hit(catalog: Catalog, row: RowMapping, field: str, text: str) -> Hit:
    place = (
        row["integration_id"],
        row["resource"],
        catalog.resources[row["resource"]].title,
        row["id"],
    )
    return Hit(*place, object_title(row["doc"]), field, text)
