"""Cron expressions in plain words, with the next time they fall due; all in UTC."""

from datetime import datetime

import msgspec
from cronsim import CronSim

from ultraviolet.clock import utc_now

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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
    """Write the common forms as people say them; of any other only that it is one."""
    parts = cron.split()
    said = _of_hours(*parts) if len(parts) == 5 else None  # noqa: PLR2004
    return said or "at the times of the expression"


def _of_hours(minute: str, hour: str, day: str, month: str, weekday: str) -> str | None:
    every_day = (day, month, weekday) == ("*", "*", "*")
    if every_day and hour == "*":
        return _within_the_hour(minute)
    if every_day and hour.startswith("*/") and minute.isdecimal():
        return f"every {hour[2:]} hours, at {int(minute)} minutes past"
    if not (minute.isdecimal() and hour.isdecimal()):
        return None
    days = "every day" if every_day else _of_days(day, month, weekday)
    return days and f"{days} at {int(hour):02}:{int(minute):02} UTC"


def _of_days(day: str, month: str, weekday: str) -> str | None:
    if (day, month) == ("*", "*") and weekday.isdecimal() and int(weekday) < len(_DAYS):
        return f"every {_DAYS[int(weekday)]}"
    if (month, weekday) == ("*", "*") and day.isdecimal():
        return f"on day {int(day)} of every month"
    return None


def _within_the_hour(minute: str) -> str | None:
    if minute == "*":
        return "every minute"
    if minute.startswith("*/") and minute[2:].isdecimal():
        return f"every {minute[2:]} minutes"
    return f"every hour, at {int(minute)} minutes past" if minute.isdecimal() else None
