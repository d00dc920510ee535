"""The heartbeat: the hub notes that it lives, so that afterwards it can tell when it did not."""

from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy import Connection, text

from ultraviolet.clock import CLOCK, now_rfc3339, utc_now

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


class Downtime(msgspec.Struct, frozen=True):
    """A time in which no hub ran on this database."""

    since: str
    until: str


def record_heartbeat(
    connection: Connection, moment: str | None = None, *, starts: bool = False
) -> str:
    """Note that a hub lives, and since when none did; return the moment. `starts`: it begins to."""
    last = alive_at(connection)
    moment = moment or now_rfc3339()
    if last and starts:
        kept = [*without_hub(connection), Downtime(last, moment)][-_SPANS:]
        connection.execute(
            _PUT, {"name": "without_hub", "value": msgspec.json.encode(kept).decode()}
        )
    if last and utc_now() - datetime.fromisoformat(last) > _DOWN:
        down = msgspec.json.encode(Downtime(last, moment)).decode()
        connection.execute(_PUT, {"name": "last_down", "value": down})
    connection.execute(_BEAT, {"value": moment})
    return moment


def alive_at(connection: Connection) -> str | None:
    """Return the last sign of life of a hub on this database."""
    return connection.execute(_GET, {"name": "alive_at"}).scalar()


def without_hub(connection: Connection) -> list[Downtime]:
    """Return the times before the last starts in which this database knows of no hub; a sign of life is kept each beat."""
    found = connection.execute(_GET, {"name": "without_hub"}).scalar()
    return msgspec.json.decode(found, type=list[Downtime]) if found else []


def last_down(connection: Connection) -> Downtime | None:
    """Return the last time in which no hub ran."""
    found = connection.execute(_GET, {"name": "last_down"}).scalar()
    return msgspec.json.decode(found, type=Downtime) if found else None


def latest_known_time(connection: Connection) -> datetime | None:
    """Return the latest moment that any hub has written here, give or take a beat."""
    found = connection.execute(_NEWEST).scalar()
    return datetime.fromisoformat(found) if found else None


def advance_clock(connection: Connection) -> None:
    """Go on from the time of the hub before, where the machine's clock was set back since.

    Else all that ION tells would count as older than what is known, until the clock is where it was.
    """
    last = latest_known_time(connection)
    if last is None or last <= utc_now():
        return
    period = timedelta(seconds=EVERY)
    jumped = last - utc_now() > period  # else it is rather the clock of another machine
    CLOCK.advance_to(last + period if jumped else last)
    log.warning("clock.behind", seconds=round(CLOCK.seconds_ahead()), goes_on_from=now_rfc3339())
