"""Cron expressions in plain words, with the next time they fall due; all in UTC."""

from datetime import datetime

import msgspec
from cronsim import CronSim

from ultraviolet.clock import utc_now


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
    return f"{CronSim(cron, utc_now()).explain()}, in UTC"
