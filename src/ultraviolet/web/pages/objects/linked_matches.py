"""Filters that a list offers for a searched text: linked objects whose name contains it.

The search of a list covers the objects of the list; a list also shows the names of linked objects.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from ultraviolet.ion.catalog import Catalog
from ultraviolet.web.queries.conditions import join_values
from ultraviolet.web.queries.field_paths import FieldPath
from ultraviolet.web.queries.search import Hit, search

_MAX_OF_COLUMN = 3


class LinkedMatch(msgspec.Struct, frozen=True):
    """A linked object whose name contains the text, and the condition that its column shows it."""

    label: str
    title: str
    condition: str


def find_linked(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    text: str,
    shown: Sequence[FieldPath],
) -> list[LinkedMatch]:
    """Return the first linked objects of each shown column whose name contains the text."""
    targets = {path.column.link.resource for path in shown if path.column.link}
    hits: dict[str, list[Hit]] = {
        name: [
            hit
            for hit in search(connection, catalog, text, name, integration_id).hits
            if text.lower() in (hit.title or "").lower()
        ]
        for name in targets
    }
    return [
        LinkedMatch(
            path.label, hit.title or hit.id, f"{path.name}:is:{join_values('is', [hit.id])}"
        )
        for path in shown
        if path.column.link
        for hit in hits[path.column.link.resource][:_MAX_OF_COLUMN]
    ]
