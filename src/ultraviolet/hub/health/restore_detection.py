"""Detect a database that was restored from a backup, report it, and request a full fetch.

There are three signs. A hub records its heartbeat in the database and, after the commit, in its
data folder and memory: a database with an older heartbeat has lost the changes since. On PostgreSQL the
database and its tables have numbers that no dump contains. ION's record of its deliveries contains
deliveries from a time in which, by this database, no hub ran (`missed_deliveries.py`).
"""

import asyncio
import time
from pathlib import Path

import structlog
from sqlalchemy import Connection, select, text, update

from ultraviolet.clock import normalize_rfc3339, now_rfc3339, readable
from ultraviolet.command_text import command
from ultraviolet.db import dialect
from ultraviolet.db.database import Database
from ultraviolet.db.stored_facts import IDENTITY, forget_fact, read_fact, save_fact
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.sync import fetches
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Action, Finding
from ultraviolet.hub.health import heartbeat
from ultraviolet.hub.integrations import service
from ultraviolet.hub.sync import fetch

FINDING_KIND = "restored"
RESTORE_REQUESTED = "restored"
"""The fact by which `db restore` marks a database as restored."""
_FILE = "alive_at"
_MAX_FILE_BYTES = 100
_READ_IDENTITY = text(
    """SELECT d.oid || '/' || CAST(CAST('settings' AS regclass) AS oid) FROM pg_database AS d
    WHERE d.datname = current_database()"""
)

log = structlog.get_logger()


class HeartbeatRecorder:
    """Record heartbeats in the database and the data folder, and detect a restored database."""

    def __init__(self, database: Database, data: Path) -> None:
        self._database = database
        self._data = data
        self._last: str | None = None
        self._recorded = 0.0

    async def start(self) -> None:
        """Record the first heartbeat of this process."""
        self._last = await asyncio.to_thread(last_seen, self._data)
        await self._save(await self._database.write(self._record, starts=True))

    async def record_if_due(self) -> None:
        """Record a heartbeat if the last one is old enough."""
        if time.monotonic() - self._recorded > heartbeat.INTERVAL_SECONDS:
            self._recorded = time.monotonic()
            await self._save(await self._database.write_delivery(self._record))

    def _record(self, connection: Connection, *, starts: bool = False) -> str:
        moment = now_rfc3339()
        detect_restore(connection, self._last)
        return heartbeat.record_heartbeat(connection, moment, starts=starts)

    async def _save(self, moment: str) -> None:
        self._last, self._recorded = moment, time.monotonic()
        await asyncio.to_thread(note_seen, self._data, moment)


def last_seen(data: Path) -> str | None:
    """Return the last heartbeat that a hub with this data folder has committed."""
    try:
        with (data / _FILE).open() as file:
            return normalize_rfc3339(file.read(_MAX_FILE_BYTES).strip())
    except (OSError, ValueError):
        return None


def note_seen(data: Path, moment: str) -> None:
    """Write a committed heartbeat to the data folder; a full disk is reported elsewhere."""
    part = data / f"{_FILE}.part"
    try:
        part.write_text(moment)
        part.replace(data / _FILE)
    except OSError as error:
        log.warning("heartbeat.not_noted", error=str(error))


def detect_restore(connection: Connection, seen: str | None) -> bool:
    """Return whether the database was restored since the heartbeat `seen`; request fetches if so.

    Call this before the next heartbeat is recorded.
    """
    last = heartbeat.alive_at(connection)
    has_identity = dialect.is_postgresql(connection)
    identity = connection.execute(_READ_IDENTITY).scalar() if has_identity else None
    before = read_fact(connection, IDENTITY)
    reason = None
    if last and seen and last < seen:
        reason = f"it ends at {readable(last)}, but a hub wrote to it until {readable(seen)}"
    elif read_fact(connection, RESTORE_REQUESTED):
        reason = f"it ends at {readable(last)}" if last else "by `ultraviolet db restore`"
    elif before and before != identity:
        reason = (
            f"it was copied from another database, last used at {readable(last)}"
            if last
            else "it was copied from another database"
        )
    if identity and identity != before:
        save_fact(connection, IDENTITY, identity)
    if reason is None:
        return False
    forget_fact(connection, RESTORE_REQUESTED)
    log.warning("database.restored", reason=reason, newest=last)
    for id_ in service.list_ids(connection):
        report_restore(connection, id_, f"The database was restored from a backup ({reason})")
    return True


def report_restore(connection: Connection, integration_id: int, sentence: str) -> None:
    """Report a restored database, cancel the running fetch and request a full fetch."""
    cancelled = update(fetches).where(
        fetches.c.integration_id == integration_id, fetches.c.state == "running"
    )
    connection.execute(cancelled.values(state="cancelled", finished_at=now_rfc3339()))
    query = select(integrations.c.name).where(integrations.c.id == integration_id)
    progress = command("fetch list", str(connection.execute(query).scalar_one()))
    step = f"No action needed; `{progress}` shows the progress of the full sync"
    message = f"{sentence}. A full sync reads all later changes from ION again"
    finding = Finding(FINDING_KIND, "error", message, step, Action.SHOW_FETCHES, "database")
    finding_store.add_findings(connection, integration_id, [finding])
    fetch.request_fetch(connection, integration_id, "full", "restored database")


def request_restore_handling(connection: Connection) -> None:
    """Make the next hub on this database treat it as restored."""
    save_fact(connection, RESTORE_REQUESTED, now_rfc3339())
