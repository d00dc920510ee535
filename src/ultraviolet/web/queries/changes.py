"""Every change of an integration's mirror, in the order in which it came about.

Changes of one integration's mirror take turns, and a turn ends only when its transaction is visible (`mirror/apply.py`).
So the numbers of its versions become visible in order, on PostgreSQL too, and a place behind which one has read
everything stays such a place. Across integrations that does not hold; so a cursor belongs to one integration.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from ultraviolet.db.tables.mirror import versions
from ultraviolet.errors import CursorGoneError, InvalidError
from ultraviolet.web.queries.versions import complete_since

NOW = "now"
"""The cursor that stands for the place behind everything there is."""
_MAX_SCANNED_VERSIONS = 20_000
"""So many versions one page looks through at most."""
_END_OF_TIME = "9999"


class ObjectChange(msgspec.Struct, frozen=True):
    """One version that an object got; `cursor` is the place behind it."""

    cursor: str
    integration_id: int
    resource: str
    id: str
    version: int
    change: str
    changed: list[str]
    source_time: str | None
    observed_at: str
    origin: dict[str, Any]


class ChangeCursor(msgspec.Struct, frozen=True):
    """A place between the versions of an integration: behind one of them, or before all."""

    integration_id: int
    seq: int = 0
    observed_at: str = ""
    since: str = ""
    """Since when history was whole as reading began; empty: from the beginning."""

    def __str__(self) -> str:
        """Write it as a cursor has it."""
        return f"{self.integration_id} {self.seq} {self.observed_at} {self.since}"


class Changes(msgspec.Struct, frozen=True):
    """Changes in order, the place behind all that was looked at, and whether there are more by now."""

    items: list[ObjectChange]
    next: ChangeCursor
    more: bool


def resolve_cursor(
    connection: Connection, integration_id: int, written: str | None
) -> ChangeCursor:
    """Find the place that a cursor names; none is the beginning.

    Raises InvalidError for the cursor of another list, CursorGoneError where the version before it is no longer kept,
    or others behind it have gone since.
    """
    since = complete_since(connection, integration_id) or ""
    if not written:
        return ChangeCursor(integration_id, since=since)
    if written == NOW:
        return msgspec.structs.replace(_latest(connection, integration_id), since=since)
    parts = written.split(" ")
    if len(parts) != 4 or parts[0] != str(integration_id) or not parts[1].isdecimal():  # noqa: PLR2004
        raise InvalidError(
            "This cursor belongs to another list; begin anew without one.", field="cursor"
        )
    found = ChangeCursor(integration_id, int(parts[1]), parts[2], parts[3])
    if found.seq:
        same = (versions.c.integration_id == integration_id, versions.c.seq == found.seq)
        at = connection.execute(select(versions.c.observed_at).where(*same)).scalar_one_or_none()
        if at != found.observed_at:
            raise CursorGoneError
    if since > found.since and _next_observed_at(connection, found) <= since:
        raise CursorGoneError
    return msgspec.structs.replace(found, since=since)


def changes_after(
    connection: Connection,
    begin: ChangeCursor,
    resources: Sequence[str],
    limit: int,
    write: Any,
) -> Changes:
    """Read what came behind a place, in a time that does not grow with what is left out; `write` makes cursors."""
    here = (versions.c.integration_id == begin.integration_id, versions.c.seq > begin.seq)
    end = _scan_limit(connection, here) if resources else None
    query = select(versions).where(*here).order_by(versions.c.seq).limit(limit + 1)
    if resources:
        query = query.where(versions.c.resource.in_(resources))
    if end:
        query = query.where(versions.c.seq <= end.seq)
    rows = connection.execute(query).mappings().all()
    places = [
        msgspec.structs.replace(begin, seq=row["seq"], observed_at=row["observed_at"])
        for row in rows[:limit]
    ]
    items = [
        ObjectChange(
            write(str(at)),
            **{name: row[name] for name in ObjectChange.__struct_fields__ if name != "cursor"},
        )
        for at, row in zip(places, rows, strict=False)
    ]
    if len(rows) > limit:
        return Changes(items, places[-1], more=True)
    if end:
        return Changes(items, msgspec.structs.replace(end, since=begin.since), more=True)
    newest = msgspec.structs.replace(_latest(connection, begin.integration_id), since=begin.since)
    return Changes(items, newest if newest.seq > begin.seq else begin, more=False)


def _next_observed_at(connection: Connection, at: ChangeCursor) -> str:
    """Return when the first version that is left behind a place came about; where one went, a later one stays."""
    here = (versions.c.integration_id == at.integration_id, versions.c.seq > at.seq)
    query = select(versions.c.observed_at).where(*here).order_by(versions.c.seq).limit(1)
    return connection.execute(query).scalar() or _END_OF_TIME


def _scan_limit(connection: Connection, here: Sequence[ColumnElement[bool]]) -> ChangeCursor | None:
    """Return the last version that is looked at; None where that is all there are."""
    query = (
        _SELECT_CURSORS.where(*here)
        .order_by(versions.c.seq)
        .offset(_MAX_SCANNED_VERSIONS - 1)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else ChangeCursor(*row)


def _latest(connection: Connection, integration_id: int) -> ChangeCursor:
    query = _SELECT_CURSORS.where(versions.c.integration_id == integration_id)
    row = connection.execute(query.order_by(versions.c.seq.desc()).limit(1)).one_or_none()
    return ChangeCursor(integration_id) if row is None else ChangeCursor(*row)


_SELECT_CURSORS = select(versions.c.integration_id, versions.c.seq, versions.c.observed_at)
