"""Watermarks: how far each resource has been read, when it was last proven right, and how to go on from there."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import utc_now
from ultraviolet.db.tables.sync import watermarks
from ultraviolet.mirror.observation import Observation

OVERLAP = timedelta(seconds=60)
"""How long after its `_updated` a change may still become visible in ION (a long transaction)."""
_MAX_AHEAD = timedelta(days=1)
"""How far ION's clock may be ahead of the hub's."""
_PUT_WATERMARK = text(
    """INSERT INTO watermarks (integration_id, resource, updated) VALUES (:integration, :resource, :updated)
    ON CONFLICT (integration_id, resource) DO UPDATE SET
      updated = CASE WHEN watermarks.updated IS NULL OR watermarks.updated < excluded.updated
        THEN excluded.updated ELSE watermarks.updated END"""
)
_PROVE = text(
    """INSERT INTO watermarks (integration_id, resource, proven_at, proven_by, skipped)
    VALUES (:integration, :resource, :at, :by, :skipped)
    ON CONFLICT (integration_id, resource) DO UPDATE SET
      proven_at = coalesce(excluded.proven_at, watermarks.proven_at),
      proven_by = coalesce(excluded.proven_by, watermarks.proven_by), skipped = excluded.skipped"""
)


class Watermark(msgspec.Struct, frozen=True):
    """How far a resource has been read."""

    updated: str | None = None
    proven_at: str | None = None


def watermark(connection: Connection, integration_id: int, resource: str) -> Watermark:
    """Read how far a resource has been read."""
    row = connection.execute(
        select(watermarks.c.updated, watermarks.c.proven_at).where(
            watermarks.c.integration_id == integration_id, watermarks.c.resource == resource
        )
    ).one_or_none()
    return Watermark(row.updated, row.proven_at) if row else Watermark()


def record_proof(
    connection: Connection,
    integration_id: int,
    resource: str,
    *,
    at: str | None,
    by: str | None,
    skipped: str | None = None,
) -> None:
    """Note when and by what a resource was last shown to be right, or why it is not mirrored."""
    given = {
        "integration": integration_id,
        "resource": resource,
        "at": at,
        "by": by,
        "skipped": skipped,
    }
    connection.execute(_PROVE, given)


def raise_watermark(
    connection: Connection, integration_id: int, resource: str, updated: str | None
) -> None:
    """Move the watermark of a resource forward, never back, and never far into the future.

    An object that claims to be changed years from now would end all incremental fetches of its resource.
    """
    if updated and updated <= as_text(utc_now() + _MAX_AHEAD):
        given = {"integration": integration_id, "resource": resource, "updated": updated}
        connection.execute(_PUT_WATERMARK, given)


def since(updated: str | None, overlap: timedelta) -> dict[str, Any] | None:
    """Filter what changed from a watermark on, less an overlap."""
    if updated is None:
        return None
    return {"_updated": {"gte": as_text(datetime.fromisoformat(updated) - overlap)}}


def behind(last: Observation) -> dict[str, Any]:
    """Filter what comes behind an object in order of change, objects changed at the same moment included."""
    same = {"_updated": {"eq": last.source_time}, "id": {"gt": last.id}}
    return {"or_": [{"_updated": {"gt": last.source_time}}, same]}
