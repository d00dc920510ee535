"""Cron expressions in plain words, with the next time they fall due; all in UTC."""

import re
from datetime import datetime

import msgspec
from cronsim import CronSim

from ultraviolet.clock import utc_now

PRESETS = {
    "frequent": {
        "*/5 * * * *": "Every 5 minutes",
        "*/15 * * * *": "Every 15 minutes",
        "0 * * * *": "Every hour",
    },
    "daily": {f"0 {hour} * * *": f"Daily at {hour:02}:00 UTC" for hour in range(24)},
}
"""Usual schedules of incremental and of full syncs, with their words."""
_MINUTES = 60
_INTERVAL = re.compile(r"\*/([2-9]|[1-9][0-9])(?: +\*){4}")
"""A cron expression for each so many minutes."""


class Schedule(msgspec.Struct, frozen=True):
    """When something happens: as written, in words, and when next."""

    cron: str
    words: str
    next: str


def schedule(cron: str, now: datetime | None = None) -> Schedule:
    """Describe a cron expression that was checked before."""
    following = next(CronSim(cron, now or utc_now()))
    return Schedule(cron, describe(cron), following.isoformat())


def describe(cron: str) -> str:
    """Return a cron expression that was checked before in plain words."""
    for usual in PRESETS.values():
        if known := usual.get(cron.strip()):
            return known
    interval = _INTERVAL.fullmatch(cron.strip())
    if interval and _MINUTES % int(interval.group(1)) == 0:
        return f"Every {interval.group(1)} minutes"
    return f"{CronSim(cron, utc_now()).explain()}, in UTC"
