"""Key figures of an integration."""

from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import objects
from ultraviolet.db.tables.sync import fetches, stale, watermarks


class Summary(msgspec.Struct, frozen=True):
    """Key figures of an integration."""

    integration_id: int
    objects: int
    stale: int
    waiting_events: int
    last_event_at: str | None
    last_fetch_at: str | None
    proven_at: str | None
    """When the least recently confirmed resource was confirmed; None before the first sync ended."""
    stale_since: str | None = None
    """Since when the oldest stale object is stale."""


def get_summary(connection: Connection, integration_id: int) -> Summary:
    """Return the key figures of an integration."""

    def value(query: Any) -> Any:
        return connection.execute(query).scalar_one()

    count = func.count()
    here = objects.c.integration_id == integration_id
    deleted = value(select(count).where(here, objects.c.deleted_at.is_not(None)))
    stale_query = select(count, func.min(stale.c.since)).where(
        stale.c.integration_id == integration_id
    )
    stale_count, since = connection.execute(stale_query).one()
    last_fetch_at = value(
        select(func.max(fetches.c.finished_at)).where(
            fetches.c.integration_id == integration_id, fetches.c.state == "done"
        )
    )
    return Summary(
        integration_id=integration_id,
        objects=value(select(count).where(here)) - deleted,
        stale=stale_count,
        stale_since=since,
        waiting_events=value(
            select(count).where(
                events.c.integration_id == integration_id, events.c.outcome.is_(None)
            )
        ),
        last_event_at=connection.execute(
            select(events.c.received_at)
            .where(
                events.c.integration_id + 0 == integration_id
            )  # + 0 keeps SQLite from sorting all events
            .order_by(events.c.seq.desc())
            .limit(1)
        ).scalar_one_or_none(),
        last_fetch_at=last_fetch_at,
        proven_at=last_fetch_at
        and value(
            select(func.min(watermarks.c.proven_at)).where(
                watermarks.c.integration_id == integration_id, watermarks.c.skipped.is_(None)
            )
        ),
    )
