"""Decide which scheduled fetch of an integration is due."""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from cronsim import CronSim
from sqlalchemy import Connection, text

from ultraviolet.clock import format_rfc3339, now_rfc3339
from ultraviolet.hub.sync.fetch import Mode

_LAST = """(SELECT max(f.started_at) FROM fetches AS f
      WHERE f.integration_id = i.id AND f.mode = '{mode}')"""
_SCHEDULES = f"""SELECT i.id, i.full_schedule, i.incremental_schedule,
      {_LAST.format(mode="full")} AS last_full,
      {_LAST.format(mode="incremental")} AS last_incremental,
      (SELECT max(u.subscribed_at) FROM webhook_urls AS u
        WHERE u.integration_id = i.id AND u.state = 'active') AS subscribed_at
    FROM integrations AS i"""
_ALL = text(_SCHEDULES)
_ONE = text(f"{_SCHEDULES} WHERE i.id = :integration")


class DueFetch(NamedTuple):
    """A fetch that is due, with the reason."""

    integration_id: int
    mode: Mode
    reason: str


def due_fetches(connection: Connection, integration_id: int | None = None) -> Iterator[DueFetch]:
    """Yield the fetch that is due of each integration, or of one."""
    query, given = (_ALL, {}) if integration_id is None else (_ONE, {"integration": integration_id})
    now = now_rfc3339()
    for id_, full, incremental, last_full, last_incremental, subscribed in connection.execute(
        query, given
    ):
        if last_full is None:
            yield DueFetch(id_, "full", "first connection")
        elif subscribed and subscribed > last_full:
            # No event reported the changes between that fetch and the subscription.
            yield DueFetch(id_, "full", "subscribed")
        elif _next_run(full, last_full) <= now:
            yield DueFetch(id_, "full", "schedule")
        elif _next_run(incremental, max(last_full, last_incremental or "")) <= now:
            yield DueFetch(id_, "incremental", "schedule")


@lru_cache(20_000)
def _next_run(schedule: str, last: str) -> str:
    return format_rfc3339(next(CronSim(schedule, datetime.fromisoformat(last))))
