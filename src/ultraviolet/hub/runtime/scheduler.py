"""Find the integrations with due work, for all integrations with the same few statements.

A check each second wakes their controllers. An integration without due work costs no statement. The
next check makes up for a lost wake, so correctness does not depend on wakes.
"""

from collections.abc import Callable, Collection

from sqlalchemy import Connection, text

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.hub.runtime.fetch_schedule import due_fetches

_CHECKS_PER_SCHEDULE_CHECK = 5
"""Checks between two checks of the schedules; a cron expression has no seconds."""

_DUE = {
    "apply": "SELECT 1 FROM events AS e WHERE e.integration_id = i.id AND e.outcome IS NULL",
    "heal": "SELECT 1 FROM stale AS s WHERE s.integration_id = i.id AND s.next_attempt_at <= :now",
    "fetch": """SELECT 1 FROM fetches AS f WHERE f.integration_id = i.id AND f.state = 'running'
      AND f.started_at <= :now""",
    "verify": """SELECT 1 FROM verifications AS v
      WHERE v.integration_id = i.id AND v.state = 'running'""",
}
_QUERIES = {
    name: text(f"SELECT i.id FROM integrations AS i WHERE EXISTS ({due})")
    for name, due in _DUE.items()
}


class Scheduler:
    """Wakes the controllers of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._checks = 0

    async def wake_due(
        self, leased: Collection[int], wake: Callable[[int, str], None], *, new: bool = False
    ) -> None:
        """Wake controllers of leased integrations with due work; `new`: some are just leased."""
        if not leased:
            return
        schedules = new or self._checks % _CHECKS_PER_SCHEDULE_CHECK == 0
        self._checks += 1

        def find_due(connection: Connection) -> dict[str, set[int]]:
            given = {name: {"now": now_rfc3339()} for name in ("heal", "fetch")}
            found = {
                name: set(connection.execute(query, given.get(name, {})).scalars())
                for name, query in _QUERIES.items()
            }
            if schedules:
                found["fetch"] |= {due.integration_id for due in due_fetches(connection)}
            return found

        found = await self._database.read(find_due)
        for name, ids in found.items():
            for id_ in ids.intersection(leased):
                wake(id_, name)
