"""How much the mirror can be trusted now: what is stale, what was proven when, what drifted."""

from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.mirror.tables import drift, events, fetches, objects, stale, watermarks


class Summary(msgspec.Struct, frozen=True):
    """One integration at a glance."""

    integration_id: int
    objects: int
    stale: int
    waiting_events: int
    last_event_at: str | None
    last_fetch_at: str | None
    proven_at: str | None


class Drifted(msgspec.Struct, frozen=True):
    """What webhooks alone would have left wrong."""

    seq: int
    integration_id: int
    resource: str
    id: str
    cause: str
    fields: list[str]
    healed_by: dict[str, Any]
    source_time: str | None
    healed_at: str


def summary(connection: Connection, integration_id: int) -> Summary:
    """Read the figures that tell whether an integration lives."""

    def value(query: Any) -> Any:
        return connection.execute(query).scalar_one()

    count = func.count()
    return Summary(
        integration_id=integration_id,
        objects=value(
            select(count).where(objects.c.integration_id == integration_id, objects.c.deleted_at.is_(None))
        ),
        stale=value(select(count).where(stale.c.integration_id == integration_id)),
        waiting_events=value(
            select(count).where(events.c.integration_id == integration_id, events.c.outcome.is_(None))
        ),
        last_event_at=value(
            select(func.max(events.c.received_at)).where(events.c.integration_id == integration_id)
        ),
        last_fetch_at=value(
            select(func.max(fetches.c.finished_at)).where(
                fetches.c.integration_id == integration_id, fetches.c.state == "done"
            )
        ),
        proven_at=value(
            select(func.min(watermarks.c.proven_at)).where(
                watermarks.c.integration_id == integration_id, watermarks.c.skipped.is_(None)
            )
        ),
    )


def drifted(connection: Connection, integration_id: int, before: int | None, limit: int) -> list[Drifted]:
    """Read the newest drift first."""
    query = (
        select(drift)
        .where(drift.c.integration_id == integration_id)
        .order_by(drift.c.seq.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(drift.c.seq < before)
    return [Drifted(**row) for row in connection.execute(query).mappings()]
