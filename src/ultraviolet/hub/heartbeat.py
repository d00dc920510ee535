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
_BEAT = text(
    """INSERT INTO settings (name, value) VALUES ('alive_at', :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value > settings.value"""
)
"""The clocks of several processes differ: the newest sign of life stays, so that an older one shows a restored backup."""
_SPANS = 20
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


def beat(connection: Connection, moment: str | None = None, *, starts: bool = False) -> str:
    """Note that a hub lives, and since when none did; return the moment. `starts`: it begins to."""
    last = alive_at(connection)
    moment = moment or now()
    if last and starts:
        kept = [*without_hub(connection), Down(last, moment)][-_SPANS:]
        connection.execute(
            _PUT, {"name": "without_hub", "value": msgspec.json.encode(kept).decode()}
        )
    if last and present() - datetime.fromisoformat(last) > _DOWN:
        down = msgspec.json.encode(Down(last, moment)).decode()
        connection.execute(_PUT, {"name": "last_down", "value": down})
    connection.execute(_BEAT, {"value": moment})
    return moment


def alive_at(connection: Connection) -> str | None:
    """Return the last sign of life of a hub on this database."""
    return connection.execute(_GET, {"name": "alive_at"}).scalar()


def without_hub(connection: Connection) -> list[Down]:
    """Return the times before the last starts in which this database knows of no hub; a sign of life is kept each beat."""
    found = connection.execute(_GET, {"name": "without_hub"}).scalar()
    return msgspec.json.decode(found, type=list[Down]) if found else []


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
