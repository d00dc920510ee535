"""The search index: what each object says, kept up with the history behind the door, so that the door need not wait for it.

What is left to do is what the history has beyond `search_progress`; a crash loses nothing. Changes of one
integration's mirror take turns, so its versions are committed in the order of their numbers.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy import Text as AnyText

from ultraviolet.db import locks, text_index
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.mirror import objects, search_progress, search_texts, versions
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource

MAX_TEXT_CHARACTERS = 4000
"""Characters of an object's text that are looked through, short fields first."""
_FEW = 1_000
UNSEARCHED_FIELDS = {"id", "entityId", "_etag", "Etag", "LastSessionId"}
"""Fields whose content is not searched."""

_NOTE = text(
    """INSERT INTO search_progress (integration_id, seq) VALUES (:integration, :seq)
    ON CONFLICT (integration_id) DO UPDATE SET seq = excluded.seq"""
)


def searchable_texts(resource: Resource, doc: Mapping[str, Any]) -> dict[str, str]:
    """Return what an object says, by field: words, numbers and choices; not times, flags, and ids of others."""
    silent = UNSEARCHED_FIELDS | {link.key for link in resource.links}
    silent |= {field.name for field in resource.fields if field.type == "DateTime"}
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in doc.items()
        if value not in (None, "", [], {}) and not isinstance(value, bool) and name not in silent
    }


def index_versions(
    connection: Connection, catalog: Catalog, integration_id: int, limit: int
) -> int:
    """Follow the history of an integration by so many versions at most; returns how many there were."""
    locks.lock(connection, "search", integration_id)
    query = select(versions.c.seq, versions.c.resource, versions.c.id)
    query = query.where(not_indexed(integration_id))
    rows = connection.execute(query.order_by(versions.c.seq).limit(limit)).all()
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        ids[row.resource].add(row.id)
    for name, changed in ids.items():
        if resource := catalog.resources.get(name):
            _write(connection, integration_id, resource, sorted(changed))
    if rows:
        connection.execute(_NOTE, {"integration": integration_id, "seq": rows[-1].seq})
    return len(rows)


def outdated_integrations(connection: Connection) -> list[int]:
    """Return whose history goes on beyond the index; the end of each is found by its index, else PostgreSQL reads them all."""
    end = select(func.max(versions.c.seq)).where(versions.c.integration_id == integrations.c.id)
    query = select(integrations.c.id).where(end.scalar_subquery() > _known(integrations.c.id))
    return list(connection.execute(query).scalars())


def not_indexed(integration_id: int) -> ColumnElement[bool]:
    """Choose the versions of an integration that the index does not know of yet."""
    return and_(
        versions.c.integration_id == integration_id, versions.c.seq > _known(integration_id)
    )


def _known(integration_id: int | ColumnElement[int]) -> ColumnElement[int]:
    """Return the number of the last version that the index knows of."""
    at = select(search_progress.c.seq).where(search_progress.c.integration_id == integration_id)
    return func.coalesce(at.scalar_subquery(), 0)


def may_contain(
    connection: Connection, integration_id: int, resource: Resource, said: str
) -> ColumnElement[bool]:
    """Choose the objects that may say this, `GRAM` characters at least.

    They are in the index, changed beyond it, or have this for an id. Few are looked up first: PostgreSQL would else
    rather read all documents.
    """
    found = text_index.texts_containing(connection, said.lower()).subquery()
    indexed = select(found.c.object_id).where(
        found.c.integration_id == integration_id, found.c.resource == resource.name
    )
    newer = select(versions.c.id).where(
        not_indexed(integration_id), versions.c.resource == resource.name
    )
    query = indexed.union(newer, select(literal(said, AnyText())))
    ids = connection.execute(query.limit(_FEW + 1)).scalars().all()
    return objects.c.id.in_(ids if len(ids) <= _FEW else query)


def _write(
    connection: Connection, integration_id: int, resource: Resource, ids: Sequence[str]
) -> None:
    kept, here = search_texts.c, objects.c
    query = select(kept.object_id, kept.id, kept.text).where(
        kept.integration_id == integration_id,
        kept.resource == resource.name,
        kept.object_id.in_(ids),
    )
    known = {row.object_id: row for row in connection.execute(query)}
    docs = select(here.id, here.doc).where(
        here.integration_id == integration_id, here.resource == resource.name, here.id.in_(ids)
    )
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for id_, doc in connection.execute(docs):
        texts = sorted(searchable_texts(resource, doc).values(), key=len)
        said = "\n".join(texts).lower().replace("\0", "")[:MAX_TEXT_CHARACTERS]
        row = known.get(id_)
        if row is None:
            place = {"integration_id": integration_id, "resource": resource.name, "object_id": id_}
            added.append(place | {"text": said})
        elif row.text != said:
            changed.append({"which": row.id, "said": said})
    if added:
        connection.execute(insert(search_texts), added)
    if changed:
        renew = (
            update(search_texts).where(kept.id == bindparam("which")).values(text=bindparam("said"))
        )
        connection.execute(renew, changed)
