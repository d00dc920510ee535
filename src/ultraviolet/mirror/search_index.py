"""The search index: texts of objects, updated from the history in the background.

The versions after `search_progress` are still to be indexed, so a crash loses nothing. Changes of
an integration are serialized, so its versions are committed in the order of their numbers.
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
from ultraviolet.ion import attributes
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource

MAX_TEXT_CHARACTERS = 4000
"""Indexed characters of an object, short fields first."""
_MAX_LISTED_IDS = 1_000
UNSEARCHED_FIELDS = {"id", "entityId", "_etag", "Etag", "LastSessionId"}
"""Fields that are not searched."""

_SET_PROGRESS = text(
    """INSERT INTO search_progress (integration_id, seq) VALUES (:integration, :seq)
    ON CONFLICT (integration_id) DO UPDATE SET seq = excluded.seq"""
)


def searchable_values(resource: Resource, doc: Mapping[str, Any]) -> dict[str, Any]:
    """Return the searchable values by field: not times, booleans or ids of other objects.

    Each custom attribute is a field, such as `attributes.Drawing`.
    """
    excluded = UNSEARCHED_FIELDS | {link.key for link in resource.links} | {attributes.FIELD}
    excluded |= {field.name for field in resource.fields if field.type == "DateTime"}
    values = {name: value for name, value in doc.items() if name not in excluded}
    for name, row in attributes.rows(doc):
        if attributes.kind_of(row.get("type")) != "time":
            values[attributes.PREFIX + name] = row.get("value")
    return {
        name: value
        for name, value in values.items()
        if value not in (None, "", [], {}) and not isinstance(value, bool)
    }


def searchable_text(value: Any) -> str:
    """Return the text of a searchable value, which is JSON unless it is a text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def index_versions(
    connection: Connection, catalog: Catalog, integration_id: int, limit: int
) -> int:
    """Index the next versions of an integration, up to a limit; return their number."""
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
        connection.execute(_SET_PROGRESS, {"integration": integration_id, "seq": rows[-1].seq})
    return len(rows)


def outdated_integrations(connection: Connection) -> list[int]:
    """Return the integrations with versions that are not indexed, without reading the history."""
    last = select(func.max(versions.c.seq)).where(versions.c.integration_id == integrations.c.id)
    query = select(integrations.c.id).where(last.scalar_subquery() > _progress(integrations.c.id))
    return list(connection.execute(query).scalars())


def not_indexed(integration_id: int) -> ColumnElement[bool]:
    """Select the versions of an integration that are not indexed."""
    return and_(
        versions.c.integration_id == integration_id, versions.c.seq > _progress(integration_id)
    )


def _progress(integration_id: int | ColumnElement[int]) -> ColumnElement[int]:
    """Return the number of the last indexed version."""
    at = select(search_progress.c.seq).where(search_progress.c.integration_id == integration_id)
    return func.coalesce(at.scalar_subquery(), 0)


def may_contain(
    connection: Connection, integration_id: int, resource: Resource, text: str
) -> ColumnElement[bool]:
    """Select the objects that may contain a text of at least `GRAM_CHARACTERS` characters.

    They are in the index, have versions not yet indexed, or have the text as their id. A short list
    of ids is passed as values; otherwise PostgreSQL would read all documents.
    """
    found = text_index.texts_containing(connection, text.lower()).subquery()
    indexed = select(found.c.object_id).where(
        found.c.integration_id == integration_id, found.c.resource == resource.name
    )
    newer = select(versions.c.id).where(
        not_indexed(integration_id), versions.c.resource == resource.name
    )
    query = indexed.union(newer, select(literal(text, AnyText())))
    ids = connection.execute(query.limit(_MAX_LISTED_IDS + 1)).scalars().all()
    return objects.c.id.in_(ids if len(ids) <= _MAX_LISTED_IDS else query)


def _write(
    connection: Connection, integration_id: int, resource: Resource, ids: Sequence[str]
) -> None:
    texts, current = search_texts.c, objects.c
    query = select(texts.object_id, texts.id, texts.text).where(
        texts.integration_id == integration_id,
        texts.resource == resource.name,
        texts.object_id.in_(ids),
    )
    known = {row.object_id: row for row in connection.execute(query)}
    docs = select(current.id, current.doc).where(
        current.integration_id == integration_id,
        current.resource == resource.name,
        current.id.in_(ids),
    )
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for id_, doc in connection.execute(docs):
        values = sorted(map(searchable_text, searchable_values(resource, doc).values()), key=len)
        joined = "\n".join(values).lower().replace("\0", "")[:MAX_TEXT_CHARACTERS]
        row = known.get(id_)
        if row is None:
            key = {"integration_id": integration_id, "resource": resource.name, "object_id": id_}
            added.append(key | {"text": joined})
        elif row.text != joined:
            changed.append({"row_id": row.id, "new_text": joined})
    if added:
        connection.execute(insert(search_texts), added)
    if changed:
        statement = (
            update(search_texts)
            .where(texts.id == bindparam("row_id"))
            .values(text=bindparam("new_text"))
        )
        connection.execute(statement, changed)
