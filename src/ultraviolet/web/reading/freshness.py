"""How much the mirror can be trusted now: what is stale, and what was proven when."""

from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.mirror.tables import events, fetches, objects, stale, watermarks


class Summary(msgspec.Struct, frozen=True):
    """One integration at a glance."""

    integration_id: int
    objects: int
    stale: int
    waiting_events: int
    last_event_at: str | None
    last_fetch_at: str | None
    proven_at: str | None
    stale_since: str | None = None
    """The first mark of what is stale longest."""


def summary(connection: Connection, integration_id: int) -> Summary:
    """Read the figures that tell whether an integration lives."""

    def value(query: Any) -> Any:
        return connection.execute(query).scalar_one()

    count = func.count()
    here = objects.c.integration_id == integration_id
    gone = value(select(count).where(here, objects.c.deleted_at.is_not(None)))
    unsure = select(count, func.min(stale.c.since)).where(stale.c.integration_id == integration_id)
    waiting, since = connection.execute(unsure).one()
    return Summary(
        integration_id=integration_id,
        objects=value(select(count).where(here)) - gone,
        stale=waiting,
        stale_since=since,
        waiting_events=value(
            select(count).where(
                events.c.integration_id == integration_id,
                events.c.outcome.is_(None),
            )
        ),
        last_event_at=connection.execute(
            select(events.c.received_at)
            .where(events.c.integration_id == integration_id)
            .order_by(events.c.seq.desc())
            .limit(1)
        ).scalar_one_or_none(),
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


class Freshness(msgspec.Struct, frozen=True):
    """How much one resource of the mirror can be trusted now."""

    resource: str
    stale: int
    failing: int
    proven_at: str | None
    proven_by: str | None
    watermark: str | None
    skipped: str | None


def by_resource(connection: Connection, integration_id: int) -> list[Freshness]:
    """Read, for each resource, when it was last shown to be right and what is not confirmed."""
    count = select(stale.c.resource, func.count(), func.count(stale.c.error)).group_by(stale.c.resource)
    waiting = {
        resource: (total, failing)
        for resource, total, failing in connection.execute(
            count.where(stale.c.integration_id == integration_id)
        )
    }
    query = select(watermarks).where(watermarks.c.integration_id == integration_id)
    known = {row["resource"]: row for row in connection.execute(query).mappings()}
    return [
        Freshness(name, *waiting.get(name, (0, 0)), *_proof(known.get(name)))
        for name in sorted(known.keys() | waiting.keys())
    ]


def _proof(row: Any) -> tuple[str | None, ...]:
    return (
        tuple(row[name] for name in ("proven_at", "proven_by", "updated", "skipped")) if row else (None,) * 4
    )
