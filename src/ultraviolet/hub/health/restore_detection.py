"""A database that was restored from a backup: noticed, reported, and read from ION in full.

Three things tell of it. A hub keeps its last sign of life in the database and, once that is committed, in its data
folder and its memory: a database whose own is older has lost what came between. On PostgreSQL the database and its
tables have numbers that no dump contains. And ION's record has deliveries that were acknowledged when, by this
database, no hub ran (`gaps.py`), which needs no file of the hub.
"""

from pathlib import Path

import structlog
from sqlalchemy import Connection, delete, insert, select, text, update

from ultraviolet.clock import normalize_rfc3339, now_rfc3339
from ultraviolet.db import dialect
from ultraviolet.db.tables.integrations import integrations, settings
from ultraviolet.db.tables.sync import fetches
from ultraviolet.hub.core import findings
from ultraviolet.hub.core.findings import NewFinding
from ultraviolet.hub.health import heartbeat
from ultraviolet.hub.sync import fetch

KIND = "restored"
IDENTITY = "identity"
"""The setting that says which database this is; it stays behind when a hub is copied."""
ASKED = "restored"
"""The setting with which `db restore` says so."""
_FILE = "alive_at"
_MOST_BYTES = 100
_IS = text(
    """SELECT d.oid || '/' || CAST(CAST('settings' AS regclass) AS oid) FROM pg_database AS d
    WHERE d.datname = current_database()"""
)

log = structlog.get_logger()


def last_seen(data: Path) -> str | None:
    """Return the last sign of life that a hub of this data folder has committed."""
    try:
        with (data / _FILE).open() as file:
            return normalize_rfc3339(file.read(_MOST_BYTES).strip())
    except (OSError, ValueError):
        return None


def note_seen(data: Path, moment: str) -> None:
    """Keep a sign of life that is committed; a disk that takes none is reported elsewhere."""
    part = data / f"{_FILE}.part"
    try:
        part.write_text(moment)
        part.replace(data / _FILE)
    except OSError as error:
        log.warning("heartbeat.not_noted", error=str(error))


def check(connection: Connection, seen: str | None) -> bool:
    """Look whether the database was restored since a sign of life was `seen`; if so, begin to read everything.

    Called before the next sign of life is written.
    """
    last = heartbeat.alive_at(connection)
    why = _why(connection, last, seen)
    _identify(connection)
    if why is None:
        return False
    connection.execute(delete(settings).where(settings.c.name == ASKED))
    log.warning("database.restored", reason=why, newest=last)
    for id_ in connection.execute(
        select(integrations.c.id).where(~integrations.c.removed)
    ).scalars():
        begin(connection, id_, f"The database was restored from a backup ({why})")
    return True


def begin(connection: Connection, integration_id: int, sentence: str) -> None:
    """Report a restored database and ask for a full fetch; one that began before the backup proves nothing."""
    begun = update(fetches).where(
        fetches.c.integration_id == integration_id, fetches.c.state == "running"
    )
    connection.execute(begun.values(state="cancelled", finished_at=now_rfc3339()))
    step = "nothing: a full fetch reads everything from ION; `ultraviolet fetch list` shows how far it is"
    says = f"{sentence}. What changed since is read from ION again"
    findings.add_findings(connection, integration_id, [NewFinding(KIND, "database", says, step)])
    fetch.request_fetch(connection, integration_id, "full", "restored database")


def ask(connection: Connection) -> None:
    """Have the next hub on this database take it as restored."""
    connection.execute(delete(settings).where(settings.c.name == ASKED))
    connection.execute(insert(settings).values(name=ASKED, value=now_rfc3339()))


def _why(connection: Connection, last: str | None, seen: str | None) -> str | None:
    if last and seen and last < seen:
        return f"it ends at {last[:19]}Z, though a hub wrote to it until {seen[:19]}Z"
    if _setting(connection, ASKED):
        return f"it ends at {last[:19]}Z" if last else "by `ultraviolet db restore`"
    before = _setting(connection, IDENTITY)
    if before and before != _identity(connection):
        return f"it is another database than the one it was written in, and ends at {(last or '')[:19]}Z"
    return None


def _identify(connection: Connection) -> None:
    found = _identity(connection)
    if found and found != _setting(connection, IDENTITY):
        connection.execute(delete(settings).where(settings.c.name == IDENTITY))
        connection.execute(insert(settings).values(name=IDENTITY, value=found))


def _identity(connection: Connection) -> str | None:
    return connection.execute(_IS).scalar() if dialect.is_postgresql(connection) else None


def _setting(connection: Connection, name: str) -> str | None:
    return connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()
