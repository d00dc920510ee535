"""Watermarks: the time up to which each resource is complete, and the last proof of equality."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.db.tables.sync import watermarks
from ultraviolet.mirror.observation import Observation

OVERLAP = timedelta(seconds=60)
"""How long after its `_updated` a change may become visible in ION, in a long transaction."""
_MAX_AHEAD = timedelta(days=1)
"""How far ION's clock may be ahead of the clock of the hub."""
_RAISE_WATERMARK = text(
    """INSERT INTO watermarks (integration_id, resource, updated)
    VALUES (:integration, :resource, :updated)
    ON CONFLICT (integration_id, resource) DO UPDATE SET
      updated = CASE WHEN watermarks.updated IS NULL OR watermarks.updated < excluded.updated
        THEN excluded.updated ELSE watermarks.updated END"""
)
_RECORD_PROOF = text(
    """INSERT INTO watermarks (integration_id, resource, proven_at, proven_by, skipped)
    VALUES (:integration, :resource, :at, :by, :skipped)
    ON CONFLICT (integration_id, resource) DO UPDATE SET
      proven_at = coalesce(excluded.proven_at, watermarks.proven_at),
      proven_by = coalesce(excluded.proven_by, watermarks.proven_by), skipped = excluded.skipped"""
)


class Watermark(msgspec.Struct, frozen=True):
    """The watermark of a resource and its last proof."""

    updated: str | None = None
    proven_at: str | None = None


def watermark(connection: Connection, integration_id: int, resource: str) -> Watermark:
    """Return the watermark of a resource."""
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
    """Record when and how a resource was proven equal to ION, or why it is skipped."""
    given = {
        "integration": integration_id,
        "resource": resource,
        "at": at,
        "by": by,
        "skipped": skipped,
    }
    connection.execute(_RECORD_PROOF, given)


def raise_watermark(
    connection: Connection, integration_id: int, resource: str, updated: str | None
) -> None:
    """Move the watermark of a resource forward, never back, and never far into the future.

    An object with a change time years ahead would stop the incremental fetches of its resource.
    """
    if updated and updated <= format_rfc3339(utc_now() + _MAX_AHEAD):
        given = {"integration": integration_id, "resource": resource, "updated": updated}
        connection.execute(_RAISE_WATERMARK, given)


def changed_since_filter(updated: str | None, overlap: timedelta) -> dict[str, Any] | None:
    """Return a filter of changes since a watermark less an overlap, or None without a watermark."""
    if updated is None:
        return None
    return {"_updated": {"gte": format_rfc3339(datetime.fromisoformat(updated) - overlap)}}


def after_filter(last: Observation) -> dict[str, Any]:
    """Return a filter of what follows an object in order of change and id."""
    same = {"_updated": {"eq": last.source_time}, "id": {"gt": last.id}}
    return {"or_": [{"_updated": {"gt": last.source_time}}, same]}
