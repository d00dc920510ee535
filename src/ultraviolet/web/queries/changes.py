"""All changes of the mirror of one integration, in order.

Transactions that change the mirror of an integration are serialized (`mirror/apply.py`), so its
versions become visible in the order of their numbers, also on PostgreSQL. A reader that has read
up to a cursor has therefore missed nothing before it. This does not hold across integrations, so
a cursor is for one integration.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.db.tables.mirror import versions
from ultraviolet.errors import CursorGoneError, OtherListCursorError
from ultraviolet.web.queries.versions import complete_since

NOW = "now"
"""The cursor after all existing changes."""
_MAX_SCANNED_VERSIONS = 20_000
"""One page scans at most this many versions."""


class ObjectChange(msgspec.Struct, frozen=True):
    """A new version of an object; `cursor` is the position after it."""

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
    """A position in the versions of an integration: after one of them, or before all."""

    integration_id: int
    seq: int = 0
    observed_at: str = ""
    since: str = ""
    """Since when the history was complete at the first read; empty if never purged."""

    def __str__(self) -> str:
        """Return the content of a cursor."""
        return f"{self.integration_id} {self.seq} {self.observed_at} {self.since}"


class Changes(msgspec.Struct, frozen=True):
    """Changes in order, the position after the scanned versions, and whether there are more."""

    items: list[ObjectChange]
    next: ChangeCursor
    more: bool


def resolve_cursor(connection: Connection, integration_id: int, cursor: str | None) -> ChangeCursor:
    """Return the position of a cursor; without a cursor, the beginning.

    Raise InvalidError for the cursor of another list. Raise CursorGoneError if its version, or a
    version after it, has been purged.
    """
    since = complete_since(connection, integration_id) or ""
    if not cursor:
        return ChangeCursor(integration_id, since=since)
    if cursor == NOW:
        return msgspec.structs.replace(_latest(connection, integration_id), since=since)
    parts = cursor.split(" ")
    if len(parts) != 4 or parts[0] != str(integration_id) or not parts[1].isdecimal():  # noqa: PLR2004
        raise OtherListCursorError
    found = ChangeCursor(integration_id, int(parts[1]), parts[2], parts[3])
    if found.seq:
        is_version = (versions.c.integration_id == integration_id, versions.c.seq == found.seq)
        at = connection.execute(
            select(versions.c.observed_at).where(*is_version)
        ).scalar_one_or_none()
        if at != found.observed_at:
            raise CursorGoneError
    if since > found.since:  # the first remaining version after the cursor
        is_after = versions.c.integration_id == integration_id, versions.c.seq > found.seq
        query = select(versions.c.observed_at).where(*is_after).order_by(versions.c.seq).limit(1)
        next_at = connection.execute(query).scalar()
        if next_at is not None and next_at <= since:
            raise CursorGoneError
    return msgspec.structs.replace(found, since=since)


def changes_after(
    connection: Connection,
    start: ChangeCursor,
    resources: Sequence[str],
    limit: int,
    encode: Callable[[str], str],
) -> Changes:
    """Return the changes after a cursor.

    The time is bounded, however many other resources changed.
    """
    is_after = (versions.c.integration_id == start.integration_id, versions.c.seq > start.seq)
    end: ChangeCursor | None = None
    if resources:  # the last version to scan
        last = _SELECT_CURSORS.where(*is_after).order_by(versions.c.seq)
        row = connection.execute(last.offset(_MAX_SCANNED_VERSIONS - 1).limit(1)).one_or_none()
        end = ChangeCursor(*row) if row else None
    query = select(versions).where(*is_after).order_by(versions.c.seq).limit(limit + 1)
    if resources:
        query = query.where(versions.c.resource.in_(resources))
    if end:
        query = query.where(versions.c.seq <= end.seq)
    rows = connection.execute(query).mappings().all()
    cursors = [
        msgspec.structs.replace(start, seq=row["seq"], observed_at=row["observed_at"])
        for row in rows[:limit]
    ]
    items = [
        ObjectChange(
            encode(str(cursor)),
            **{name: row[name] for name in ObjectChange.__struct_fields__ if name != "cursor"},
        )
        for cursor, row in zip(cursors, rows, strict=False)
    ]
    if len(rows) > limit:
        return Changes(items, cursors[-1], more=True)
    if end:
        return Changes(items, msgspec.structs.replace(end, since=start.since), more=True)
    latest = msgspec.structs.replace(_latest(connection, start.integration_id), since=start.since)
    return Changes(items, latest if latest.seq > start.seq else start, more=False)


def _latest(connection: Connection, integration_id: int) -> ChangeCursor:
    query = _SELECT_CURSORS.where(versions.c.integration_id == integration_id)
    row = connection.execute(query.order_by(versions.c.seq.desc()).limit(1)).one_or_none()
    return ChangeCursor(integration_id) if row is None else ChangeCursor(*row)


_SELECT_CURSORS = select(versions.c.integration_id, versions.c.seq, versions.c.observed_at)
