"""Times on the command line: a timestamp or an age."""

import re
from datetime import UTC, datetime, timedelta

from ultraviolet.clock import format_rfc3339, normalize_rfc3339
from ultraviolet.errors import InvalidError

_AGE = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

TIME_HELP = "A time such as 2026-11-24T21:00Z, or an age: 90s, 15m, 6h, 7d, 2w."


def parse_time(text: str | None) -> str | None:
    """Return the time in RFC 3339. Raise InvalidError."""
    if text is None:
        return None
    try:
        if found := _AGE.fullmatch(text):
            return format_rfc3339(
                datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
            )
        return normalize_rfc3339(text)
    except (ValueError, OverflowError) as error:  # OverflowError: before the year 1
        raise InvalidError(f"“{text}” is not a valid time. {TIME_HELP}") from error
