"""Times as a person writes them on the command line: a moment, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from ultraviolet.clock import format_rfc3339, normalize_rfc3339
from ultraviolet.errors import InvalidError

_AGO = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

HELP = "A moment such as 2026-11-24T21:00Z, or how long ago: 90s, 15m, 6h, 7d, 2w."


def parse_time(given: str | None) -> str | None:
    """Read one; raises InvalidError."""
    if given is None:
        return None
    try:
        if found := _AGO.fullmatch(given):
            return format_rfc3339(
                datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
            )
        return normalize_rfc3339(given)
    except (ValueError, OverflowError) as error:  # the latter: before the year 1
        raise InvalidError(f"“{given}” is no time. {HELP}") from error
