"""Deliveries by webhook URL, hour and outcome."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet import clock
from ultraviolet.db.tables.events import delivery_counts

OUTCOMES = {
    "taken": "Received: stored durably before the response to ION.",
    "wrong_signature": "Rejected (401): the signature does not match the shared secret of the receiver.",
    "too_large": "Rejected (413): the body is larger than the limit.",
    "put_off": "Deferred (503): the database was unavailable, and ION sends the event again. No data is lost.",
}
NEXT_STEPS = {
    "wrong_signature": "If the shared secret of the receiver was changed in ION, adopt the receiver again in the "
    "setup guide. Otherwise someone else knows this URL: rotate it.",
    "too_large": "No action needed: the next sync reads the change. ION shows which objects changed.",
    "put_off": "Check the disk and the database of the hub.",
}


class DeliveryHour(msgspec.Struct, frozen=True):
    """Deliveries to one webhook URL in one hour, by outcome."""

    at: str
    counts: dict[str, int]


def hour_one_day_ago() -> str:
    """Return the hour one day ago."""
    return clock.format_rfc3339(clock.utc_now() - timedelta(days=1))


def sum_by_outcome(
    connection: Connection, url_ids: Sequence[int], since: str
) -> dict[int, dict[str, int]]:
    """Return the number of deliveries since an hour, by webhook URL and outcome."""
    counts = delivery_counts.c
    query = select(counts.webhook_url_id, counts.outcome, func.sum(counts.count)).where(
        counts.webhook_url_id.in_(url_ids), counts.hour >= since[:13]
    )
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for url_id, outcome, count in connection.execute(
        query.group_by(counts.webhook_url_id, counts.outcome)
    ):
        found[url_id][outcome] = count
    return found


def list_hours(connection: Connection, url_id: int, since: str) -> list[DeliveryHour]:
    """Return the hours of one webhook URL that have deliveries."""
    counts = delivery_counts.c
    query = select(counts.hour, counts.outcome, counts.count).where(
        counts.webhook_url_id == url_id, counts.hour >= since[:13]
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for hour, outcome, count in connection.execute(query.order_by(counts.hour)):
        found[hour][outcome] = count
    return [DeliveryHour(at, by_outcome) for at, by_outcome in found.items()]
