"""The heartbeat: record that a hub runs, so that downtime is known afterwards."""

from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy import Connection, text

from ultraviolet.clock import CLOCK, now_rfc3339, utc_now
from ultraviolet.db.dialect import is_postgresql
from ultraviolet.db.locks import is_synced
from ultraviolet.db.stored_facts import read_fact, replace_older_fact, save_fact
from ultraviolet.hub.core.finding import Finding
from ultraviolet.hub.health.resource_freshness import age

INTERVAL_SECONDS = 30.0
_MIN_DOWNTIME = timedelta(seconds=90)
"""A longer gap between two heartbeats counts as downtime."""

log = structlog.get_logger()

_MAX_DOWNTIMES = 20
_NEWEST = text(
    """SELECT max(at) FROM (
      SELECT value AS at FROM settings WHERE name = 'alive_at'
      UNION ALL SELECT proven_at FROM watermarks
      UNION ALL SELECT max(started_at) FROM fetches WHERE state <> 'running'
      UNION ALL SELECT received_at FROM events WHERE seq = (SELECT max(seq) FROM events)
      UNION ALL SELECT observed_at FROM versions
        WHERE seq = (SELECT max(seq) FROM versions)) AS seen"""
)

_LAST_ALIVE = text(
    """SELECT max(at) FROM (
      SELECT value AS at FROM settings WHERE name = 'alive_at'
      UNION ALL SELECT recorded_at FROM controller_status) AS seen"""
)
"""The controllers record their status more often than the heartbeat."""


class Downtime(msgspec.Struct, frozen=True):
    """A period in which no hub ran on this database."""

    since: str
    until: str


def record_heartbeat(
    connection: Connection, moment: str | None = None, *, starts: bool = False
) -> str:
    """Record a heartbeat, and the downtime before it; return its time. `starts`: the first one."""
    last = alive_at(connection)
    moment = moment or now_rfc3339()
    if last and starts:
        kept = [*without_hub(connection), Downtime(last, moment)][-_MAX_DOWNTIMES:]
        save_fact(connection, "without_hub", msgspec.json.encode(kept).decode())
    if last and utc_now() - datetime.fromisoformat(last) > _MIN_DOWNTIME:
        save_fact(connection, "last_down", msgspec.json.encode(Downtime(last, moment)).decode())
    # Clocks of processes differ: the newest heartbeat stays, so that an older one shows a restore.
    replace_older_fact(connection, "alive_at", moment, moment)
    return moment


def alive_at(connection: Connection) -> str | None:
    """Return the last heartbeat of a hub on this database."""
    return read_fact(connection, "alive_at")


def find_no_hub(connection: Connection, start: str) -> Finding | None:
    """Return the finding that no hub runs on this database; for commands only.

    `start` is the command that starts one. On PostgreSQL, a hub may run on another machine.
    """
    if is_postgresql(connection) and is_synced(connection):
        return None
    last = connection.execute(_LAST_ALIVE).scalar()
    seen = f"the last one was alive {age(last, utc_now())}" if last else "none has run yet"
    return Finding("unmaintained", "error", f"No hub is running; {seen}", f"`{start}` starts one")


def without_hub(connection: Connection) -> list[Downtime]:
    """Return the periods without a hub before the last starts, as far as this database records."""
    found = read_fact(connection, "without_hub")
    return msgspec.json.decode(found, type=list[Downtime]) if found else []


def last_down(connection: Connection) -> Downtime | None:
    """Return the last period in which no hub ran."""
    found = read_fact(connection, "last_down")
    return msgspec.json.decode(found, type=Downtime) if found else None


def latest_known_time(connection: Connection) -> datetime | None:
    """Return the latest time that any hub has recorded here, within one heartbeat."""
    found = connection.execute(_NEWEST).scalar()
    return datetime.fromisoformat(found) if found else None


def advance_clock(connection: Connection) -> None:
    """Continue from the time of the previous hub if the machine's clock was set back since.

    Otherwise new observations would count as older than known ones until the clock catches up.
    """
    last = latest_known_time(connection)
    if last is None or last <= utc_now():
        return
    period = timedelta(seconds=INTERVAL_SECONDS)
    jumped = last - utc_now() > period  # a smaller difference is the clock of another machine
    CLOCK.advance_to(last + period if jumped else last)
    log.warning("clock.behind", seconds=round(CLOCK.seconds_ahead()), goes_on_from=now_rfc3339())
