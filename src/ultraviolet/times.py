"""Times as text: RFC 3339 in UTC with microseconds, so that text order is time order."""

from datetime import UTC, datetime


def now() -> str:
    """Give the present moment, such as `2026-11-23T23:40:50.123456+00:00`."""
    return text(datetime.now(UTC))


def text(moment: datetime) -> str:
    """Write a moment in UTC; one without a zone is taken to be UTC already, as ION's are (assumed)."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def canonical(value: str) -> str:
    """Bring any ISO 8601 time to the one form; raises ValueError where it is none."""
    return text(datetime.fromisoformat(value))
