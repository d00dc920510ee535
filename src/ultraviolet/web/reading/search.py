"""Search across all resources: by id at once, then by text, as far as the time given reaches."""

import json
import time
from itertools import product
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Select, Text, cast, select

from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import tables
from ultraviolet.mirror.tables import objects
from ultraviolet.web.reading.objects import title

MOST = 50


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


class Found(msgspec.Struct, frozen=True):
    """What a search came to; `complete` is false where time ran out or there is more."""

    hits: list[Hit]
    complete: bool


def search(connection: Connection, catalog: Catalog, said: str, seconds: float = 1.0) -> Found:
    """Find objects by their id or by any text in them, without regard to case."""
    deadline = time.monotonic() + seconds
    names = [resource.name for resource in catalog.mirrored]
    integrations = connection.execute(select(tables.integrations.c.id)).scalars().all()
    by_id = select(objects).where(
        objects.c.integration_id.in_(integrations), objects.c.resource.in_(names), objects.c.id == said
    )
    hits = [_hit(catalog, row, "id", row["id"]) for row in connection.execute(by_id).mappings()]
    for integration_id, name in product(integrations, names):
        for row in connection.execute(_by_text(integration_id, name, said)).mappings():
            field = _saying(row["doc"], said)
            if field:
                hits.append(_hit(catalog, row, field, str(row["doc"][field])))
            if len(hits) >= MOST:
                return Found(hits, complete=False)
        if time.monotonic() > deadline:
            return Found(hits, complete=False)
    return Found(hits, complete=True)


def _by_text(integration_id: int, resource: str, said: str) -> Select[Any]:
    """Narrow to documents whose text has it somewhere; the names of fields are part of that text."""
    stored = json.dumps(said, ensure_ascii=False)[1:-1]
    return select(objects).where(
        objects.c.integration_id == integration_id,
        objects.c.resource == resource,
        objects.c.deleted_at.is_(None),
        objects.c.id != said,
        cast(objects.c.doc, Text).icontains(stored, autoescape=True),
    )


def _saying(doc: dict[str, Any], said: str) -> str | None:
    wanted = said.lower()
    return next((name for name, value in doc.items() if value and wanted in str(value).lower()), None)


def _hit(catalog: Catalog, row: RowMapping, field: str, text: str) -> Hit:
    place = (row["integration_id"], row["resource"], catalog.resources[row["resource"]].title, row["id"])
    return Hit(*place, title(row["doc"]), field, text)
