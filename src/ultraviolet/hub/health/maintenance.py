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
from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db.tables.sync import maintenance

NOTE_SECONDS = 5.0
UNMAINTAINED_SECONDS = 20.0
"""Age of a record after which an integration is not maintained; a takeover takes some seconds."""
EVENTS_WAIT_SECONDS = 10.0
"""How long an event may wait to be applied; most take milliseconds."""

_NOTE = text(
    """INSERT INTO maintenance (integration_id, noted_at, problem)
    VALUES (:integration, :now, :problem)
    ON CONFLICT (integration_id) DO UPDATE
    SET noted_at = excluded.noted_at, problem = excluded.problem"""
)
_EXISTING = text("SELECT id FROM integrations")
_ACTIVE = text(
    """SELECT i.id, i.name, i.updated_at, m.noted_at FROM integrations AS i
    LEFT JOIN maintenance AS m ON m.integration_id = i.id WHERE i.paused = :paused ORDER BY i.id"""
)
_WAITS = text(
    """SELECT received_at FROM events
    WHERE integration_id = :integration AND outcome IS NULL AND webhook_url_id <> 0
    ORDER BY seq LIMIT 1"""
)
"""An imported event has the time at which another hub received it."""


def note(connection: Connection, problems: Mapping[int, str | None]) -> None:
    """Record that these integrations are maintained, with the latest ION error of each or None."""
    existing = set(connection.execute(_EXISTING).scalars())
    rows = [
        {"integration": id_, "problem": problem, "now": now_rfc3339()}
        for id_, problem in sorted(problems.items())
        if id_ in existing
    ]
    if rows:
        connection.execute(_NOTE, rows)


def problem_of(connection: Connection, integration_id: int) -> str | None:
    """Return the latest ION error of the process that maintains the integration."""
    query = select(maintenance.c.problem).where(maintenance.c.integration_id == integration_id)
    return connection.execute(query).scalar()


def unmaintained_since(connection: Connection, integration_id: int, changed_at: str) -> str | None:
    """Return since when no process has maintained an integration, or None while one does.

    `changed_at` is when it was added, resumed or changed last; a process needs time to take it.
    """
    query = select(maintenance.c.noted_at).where(maintenance.c.integration_id == integration_id)
    return _since(connection.execute(query).scalar(), changed_at)


def waits_since(connection: Connection, integration_id: int) -> str | None:
    """Return when the oldest event that is not applied was received."""
    return connection.execute(_WAITS, {"integration": integration_id}).scalar()


class Trouble(msgspec.Struct, frozen=True):
    """An active integration that is not maintained, or whose events are not applied."""

    name: str
    unmaintained_since: str | None
    waits_since: str | None

    def __str__(self) -> str:
        found: list[str] = []
        if self.unmaintained_since:
            found.append(f"no process has maintained “{self.name}” since {self.unmaintained_since}")
        if self.waits_since:
            found.append(f"events of “{self.name}” have not been applied since {self.waits_since}")
        return "; ".join(found)


def troubles(connection: Connection) -> list[Trouble]:
    """Return the active integrations that are not maintained, or whose events are not applied."""
    late = as_text(utc_now() - timedelta(seconds=EVENTS_WAIT_SECONDS))
    found: list[Trouble] = []
    for row in connection.execute(_ACTIVE, {"paused": False}):
        since, waits = _since(row.noted_at, row.updated_at), waits_since(connection, row.id)
        if since or (waits and waits < late):
            found.append(Trouble(row.name, since, waits if waits and waits < late else None))
    return found


def _since(noted_at: str | None, changed_at: str) -> str | None:
    since = max(noted_at or "", changed_at)
    return since if since < as_text(utc_now() - timedelta(seconds=UNMAINTAINED_SECONDS)) else None
