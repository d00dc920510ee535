"""Which integrations are maintained, and their problems, recorded for all processes.

A process records this every few seconds for the integrations whose controllers it runs. Without
records an integration is not maintained: no process runs, none has the lease, or a controller has
ended or hangs.
"""

from collections.abc import Mapping
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, select, text

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339, readable, utc_now
from ultraviolet.db.tables.sync import controller_status

RECORD_SECONDS = 5.0
UNMAINTAINED_SECONDS = 20.0
"""Age of a record after which an integration is not maintained; a takeover takes some seconds."""
EVENTS_WAIT_SECONDS = 10.0
"""How long an event may wait to be applied; most take milliseconds."""

_RECORD = text(
    """INSERT INTO controller_status (integration_id, recorded_at, problem)
    VALUES (:integration, :now, :problem)
    ON CONFLICT (integration_id) DO UPDATE
    SET recorded_at = excluded.recorded_at, problem = excluded.problem"""
)
_EXISTING = text("SELECT id FROM integrations")
_ACTIVE = text(
    """SELECT i.id, i.name, i.updated_at, s.recorded_at FROM integrations AS i
    LEFT JOIN controller_status AS s ON s.integration_id = i.id
    WHERE i.paused = :paused ORDER BY i.id"""
)
_WAITS = text(
    """SELECT received_at FROM events
    WHERE integration_id = :integration AND outcome IS NULL AND webhook_url_id <> 0
    ORDER BY seq LIMIT 1"""
)
"""An imported event has the time at which another hub received it."""


def record(connection: Connection, problems: Mapping[int, str | None]) -> None:
    """Record that these integrations are maintained, with the latest ION error of each or None."""
    existing = set(connection.execute(_EXISTING).scalars())
    rows = [
        {"integration": id_, "problem": problem, "now": now_rfc3339()}
        for id_, problem in sorted(problems.items())
        if id_ in existing
    ]
    if rows:
        connection.execute(_RECORD, rows)


def problem_of(connection: Connection, integration_id: int) -> str | None:
    """Return the latest ION error of the process that maintains the integration."""
    query = select(controller_status.c.problem).where(
        controller_status.c.integration_id == integration_id
    )
    return connection.execute(query).scalar()


def unmaintained_since(connection: Connection, integration_id: int, changed_at: str) -> str | None:
    """Return since when no process has maintained an integration, or None while one does.

    `changed_at` is when it was added, resumed or changed last; a process needs time to take it.
    """
    query = select(controller_status.c.recorded_at).where(
        controller_status.c.integration_id == integration_id
    )
    return _since(connection.execute(query).scalar(), changed_at)


def oldest_waiting_since(connection: Connection, integration_id: int) -> str | None:
    """Return when the oldest event that is not applied was received."""
    return connection.execute(_WAITS, {"integration": integration_id}).scalar()


class IntegrationProblem(msgspec.Struct, frozen=True):
    """An active integration that is not maintained, or whose events are not applied."""

    name: str
    unmaintained_since: str | None
    oldest_waiting_since: str | None

    def __str__(self) -> str:
        found: list[str] = []
        if self.unmaintained_since:
            since = readable(self.unmaintained_since)
            found.append(f"no process has maintained “{self.name}” since {since}")
        if self.oldest_waiting_since:
            since = readable(self.oldest_waiting_since)
            found.append(f"events of “{self.name}” have not been applied since {since}")
        return "; ".join(found)


def find_problems(connection: Connection) -> list[IntegrationProblem]:
    """Return the active integrations that are not maintained, or whose events are not applied."""
    late = as_text(utc_now() - timedelta(seconds=EVENTS_WAIT_SECONDS))
    found: list[IntegrationProblem] = []
    for row in connection.execute(_ACTIVE, {"paused": False}):
        since = _since(row.recorded_at, row.updated_at)
        waiting = oldest_waiting_since(connection, row.id)
        if waiting and waiting >= late:
            waiting = None
        if since or waiting:
            found.append(IntegrationProblem(row.name, since, waiting))
    return found


def _since(recorded_at: str | None, changed_at: str) -> str | None:
    since = max(recorded_at or "", changed_at)
    return since if since < as_text(utc_now() - timedelta(seconds=UNMAINTAINED_SECONDS)) else None
