"""The lookout: which integrations have something to do, found for all of them at once, however many there are.

One look a second wakes the controllers of those; an integration with nothing to do costs no statement of its own. A
wake that was lost is made good by the next look, so nothing depends on wakes.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from cronsim import CronSim
from sqlalchemy import Connection, text

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database

_SCHEDULES_EVERY = 5
"""Looks after which schedules are looked at again; a cron expression knows no seconds."""

_TO_DO = {
    "apply": "SELECT 1 FROM events AS e WHERE e.integration_id = i.id AND e.outcome IS NULL",
    "heal": "SELECT 1 FROM stale AS s WHERE s.integration_id = i.id AND s.next_attempt_at <= :now",
    "fetch": """SELECT 1 FROM fetches AS f WHERE f.integration_id = i.id AND f.state = 'running'
      AND f.started_at <= :now""",
    "verify": "SELECT 1 FROM verifications AS v WHERE v.integration_id = i.id AND v.state = 'running'",
}
_QUERIES = {
    name: text(f"SELECT i.id FROM integrations AS i WHERE EXISTS ({some})")
    for name, some in _TO_DO.items()
}
_LAST = """(SELECT max(f.started_at) FROM fetches AS f WHERE f.integration_id = i.id AND f.mode = '{mode}')"""
_SCHEDULES = text(
    f"""SELECT i.id, i.full_schedule, i.incremental_schedule, {_LAST.format(mode="full")} AS last_full,
      {_LAST.format(mode="incremental")} AS last_incremental,
      (SELECT max(u.subscribed_at) FROM webhook_urls AS u WHERE u.integration_id = i.id AND u.state = 'active')
        AS subscribed_at
    FROM integrations AS i"""
)

Schedule = tuple[str, str]
"""A cron expression, and when it was last followed."""


class Scheduler:
    """Looks for one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks = 0
        self._due: dict[Schedule, str] = {}

    async def look(
        self, mine: Collection[int], wake: Callable[[int, str], None], *, new: bool = False
    ) -> None:
        """Wake what has something to do among `mine`; `new`: some of them were not here before."""
        if not mine:
            return
        schedules = new or self._looks % _SCHEDULES_EVERY == 0
        self._looks += 1
        found = await self._database.read(self._found, schedules=schedules)
        for name, ids in found.items():
            for id_ in ids.intersection(mine):
                wake(id_, name)

    def _found(self, connection: Connection, *, schedules: bool) -> dict[str, set[int]]:
        given = {name: {"now": now_rfc3339()} for name in ("heal", "fetch")}
        found = {
            name: set(connection.execute(query, given.get(name, {})).scalars())
            for name, query in _QUERIES.items()
        }
        if schedules:
            found["fetch"] |= self._scheduled(connection)
        return found

    def _scheduled(self, connection: Connection) -> set[int]:
        moment, seen, due = now_rfc3339(), dict[Schedule, str](), set[int]()
        for id_, full, incremental, last_full, last_incremental, subscribed in connection.execute(
            _SCHEDULES
        ):
            if last_full is None or (subscribed and subscribed > last_full):
                due.add(id_)
                continue
            for schedule in (
                (full, last_full),
                (incremental, max(last_full, last_incremental or "")),
            ):
                seen[schedule] = self._due.get(schedule) or _next(*schedule)
                if seen[schedule] <= moment:
                    due.add(id_)
        self._due = seen
        return due


def _next(expression: str, last: str) -> str:
    return as_text(next(CronSim(expression, datetime.fromisoformat(last))))
