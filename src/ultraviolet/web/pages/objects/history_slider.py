"""The life of an object on a slider: from its first version to now, with a mark at each version."""

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

from ultraviolet.clock import normalize_rfc3339
from ultraviolet.errors import InvalidError
from ultraviolet.web.http.params import TIME_EXAMPLES
from ultraviolet.web.queries.versions import VersionStart

_STEPS = 200
"""So many steps of the slider are a whole life."""
_WIDTH = 1000


class Mark(msgspec.Struct, frozen=True):
    """Where on the slider a version began."""

    x: float
    version: int


class HistorySlider(msgspec.Struct, frozen=True):
    """A slider in seconds since 1970, and the versions before and after the shown one."""

    start: int
    end: int
    step: int
    value: int
    marks: list[Mark]
    earlier: VersionStart | None
    later: VersionStart | None


def history_slider(
    moments: Sequence[VersionStart], shown: int, at: str | None, now: datetime
) -> HistorySlider:
    """Lay the versions out over the time they span; `shown` is the version that the page shows, as of `at`."""
    start = math.floor(_seconds(moments[0].observed_at))
    span = max(1, math.ceil(now.timestamp()) - start)
    step = max(1, span // _STEPS)
    end = start + math.ceil(span / step) * step
    marks = [
        Mark(round((_seconds(each.observed_at) - start) / (end - start) * _WIDTH, 1), each.version)
        for each in moments
    ]
    value = end if at is None else min(end, max(start, math.floor(_seconds(at))))
    before = [each for each in moments if each.version < shown]
    after = [each for each in moments if each.version > shown]
    return HistorySlider(
        start, end, step, value, marks, before[-1] if before else None, after[0] if after else None
    )


def moment(given: str | None) -> str | None:
    """Read a time as an address has it, in UTC; one to the second or minute means the end of that, so that it shows what happened in it."""
    if not given:
        return None
    try:
        read = datetime.fromisoformat(given.replace(" ", "+"))
        if "." not in given:
            whole_minute = given.partition("T")[2].count(":") == 1 and not read.tzinfo
            read = read.replace(second=59 if whole_minute else read.second, microsecond=999_999)
        return normalize_rfc3339(read.isoformat())
    except ValueError as error:
        raise InvalidError(f"“{given}” is not a valid time. {TIME_EXAMPLES}", field="at") from error


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
