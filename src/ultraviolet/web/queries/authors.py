"""Who made a change in ION: the actor that an event names, else the person whom the object names for it."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import objects
from ultraviolet.ion.deliveries import actor

_STAMP_FIELDS = {"_updated", "Updated", "_etag", "Etag"}


class Author(msgspec.Struct, frozen=True):
    """Who changed something in ION, as the event says or, where none told, the object itself."""

    id: str
    name: str | None
    told_by: Literal["event", "object"]


class VersionLike(Protocol):
    """What a version has to say about its author."""

    @property
    def version(self) -> int:
        """Its number."""
        ...

    @property
    def changed(self) -> list[str]:
        """The names of the fields that changed."""
        ...

    @property
    def fields(self) -> dict[str, Any]:
        """Its content."""
        ...

    @property
    def origin(self) -> dict[str, Any]:
        """What produced it."""
        ...


def find_authors(
    connection: Connection, integration_id: int, versions: Sequence[VersionLike]
) -> dict[int, Author]:
    """Tell by version who made it; a version whose own time of change is not new has no author."""
    told = _event_actors(connection, versions)
    ids: dict[int, tuple[str, Literal["event", "object"]]] = {}
    for one in versions:
        seq = _event_seq(one)
        named = one.fields.get("updatedById")
        if seq in told:
            ids[one.version] = told[seq], "event"
        elif named is not None and _STAMP_FIELDS.intersection(one.changed):
            ids[one.version] = str(named), "object"
    names = _names(connection, integration_id, {id_ for id_, _ in ids.values()})
    return {version: Author(id_, names.get(id_), by) for version, (id_, by) in ids.items()}


def _event_actors(connection: Connection, versions: Sequence[VersionLike]) -> dict[int, str]:
    seqs = [seq for one in versions if (seq := _event_seq(one))]
    if not seqs:
        return {}
    rows = connection.execute(select(events.c.seq, events.c.body).where(events.c.seq.in_(seqs)))
    return {row.seq: named for row in rows if (named := actor(bytes(row.body)))}


def _event_seq(one: VersionLike) -> int:
    kind, ref = one.origin.get("kind"), one.origin.get("ref")
    return int(ref) if kind == "event" and ref and str(ref).isdecimal() else 0


def _names(
    connection: Connection, integration_id: int, ids: Iterable[str]
) -> dict[str, str | None]:
    query = select(objects.c.id, objects.c.doc).where(
        objects.c.integration_id == integration_id,
        objects.c.resource == "users",
        objects.c.id.in_(list(ids)),
    )
    return {
        row.id: row.doc.get("name") or row.doc.get("email") for row in connection.execute(query)
    }
