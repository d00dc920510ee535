"""Authors of changes in ION: the actor named by the event, else the last editor of the object."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import objects
from ultraviolet.ion.deliveries import actor

_STAMP_FIELDS = {"_updated", "Updated", "_etag", "Etag"}


class Author(msgspec.Struct, frozen=True):
    """The author of a change in ION; `source` is the event or the object that names them."""

    id: str
    name: str | None
    source: Literal["event", "object"]


class VersionLike(Protocol):
    """The attributes of a version that identify its author."""

    @property
    def version(self) -> int:
        """The version number."""
        ...

    @property
    def changed(self) -> list[str]:
        """The names of the fields that changed."""
        ...

    @property
    def fields(self) -> dict[str, Any]:
        """The content."""
        ...

    @property
    def origin(self) -> dict[str, Any]:
        """The origin of the version."""
        ...


def find_authors(
    connection: Connection, integration_id: int, versions: Sequence[VersionLike]
) -> dict[int, Author]:
    """Return the authors by version.

    A version that does not change ION's time stamp has no author.
    """
    seqs = [seq for one in versions if (seq := _event_seq(one))]
    actors: dict[int, str] = {}
    if seqs:
        query = select(events.c.seq, events.c.body).where(events.c.seq.in_(seqs))
        rows = connection.execute(query)
        actors = {row.seq: found for row in rows if (found := actor(bytes(row.body)))}
    ids: dict[int, tuple[str, Literal["event", "object"]]] = {}
    for one in versions:
        seq = _event_seq(one)
        editor = one.fields.get("updatedById")
        if seq in actors:
            ids[one.version] = actors[seq], "event"
        elif editor is not None and _STAMP_FIELDS.intersection(one.changed):
            ids[one.version] = str(editor), "object"
    users = select(objects.c.id, objects.c.doc).where(
        objects.c.integration_id == integration_id,
        objects.c.resource == "users",
        objects.c.id.in_({id_ for id_, _ in ids.values()}),
    )
    names = {
        row.id: row.doc.get("name") or row.doc.get("email") for row in connection.execute(users)
    }
    return {version: Author(id_, names.get(id_), source) for version, (id_, source) in ids.items()}


def _event_seq(one: VersionLike) -> int:
    kind, ref = one.origin.get("kind"), one.origin.get("ref")
    return int(ref) if kind == "event" and ref and str(ref).isdecimal() else 0
