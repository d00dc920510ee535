"""The heartbeat: the hub notes that it lives, so that afterwards it can tell when it did not."""

from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy import Connection, text

from ultraviolet.times import CLOCK, now, present

EVERY = 30.0
"""Seconds between two beats."""
_DOWN = timedelta(seconds=90)
"""A gap longer than this was a time without a hub."""

log = structlog.get_logger()

_GET = text("SELECT value FROM settings WHERE name = :name")
_PUT = text(
    """INSERT INTO settings (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
)
_NEWEST = text(
    """SELECT max(at) FROM (
      SELECT value AS at FROM settings WHERE name = 'alive_at'
      UNION ALL SELECT proven_at FROM watermarks
      UNION ALL SELECT max(started_at) FROM fetches WHERE state <> 'running'
      UNION ALL SELECT received_at FROM events WHERE seq = (SELECT max(seq) FROM events)
      UNION ALL SELECT observed_at FROM versions WHERE seq = (SELECT max(seq) FROM versions)) AS seen"""
)


class Down(msgspec.Struct, frozen=True):
    """A time in which no hub ran on this database."""

    since: str
    until: str


def beat(connection: Connection) -> None:
    """Note that a hub lives; if none has for long, note that too."""
    last = connection.execute(_GET, {"name": "alive_at"}).scalar()
    moment = now()
    if last and present() - datetime.fromisoformat(last) > _DOWN:
        down = msgspec.json.encode(Down(last, moment)).decode()
        connection.execute(_PUT, {"name": "last_down", "value": down})
    connection.execute(_PUT, {"name": "alive_at", "value": moment})


def last_down(connection: Connection) -> Down | None:
    """Give the last time in which no hub ran."""
    found = connection.execute(_GET, {"name": "last_down"}).scalar()
    return msgspec.json.decode(found, type=Down) if found else None


def newest(connection: Connection) -> datetime | None:
    """Give the latest moment that any hub has written here, give or take a beat."""
    found = connection.execute(_NEWEST).scalar()
    return datetime.fromisoformat(found) if found else None


def mind_the_clock(connection: Connection) -> None:
    """Go on from the time of the hub before, where the machine's clock was set back since.

    Else all that ION tells would count as older than what is known, until the clock is where it was.
    """
    last = newest(connection)
    if last is None or last <= present():
        return
    period = timedelta(seconds=EVERY)
    jumped = last - present() > period  # else it is rather the clock of another machine
    CLOCK.not_before(last + period if jumped else last)
    log.warning("clock.behind", seconds=round(CLOCK.ahead()), goes_on_from=now())
