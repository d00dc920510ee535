"""Deliveries by webhook URL as the pages show them: how many, when, and what became of them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet import clock
from ultraviolet.db.tables.events import delivery_counts

OUTCOMES = {
    "taken": "Taken: on disk before ION was answered.",
    "wrong_signature": "The signature did not fit the shared secret of the receiver, so the delivery was refused (401).",
    "too_large": "The body was larger than a delivery may be, so it was refused (413).",
    "put_off": "The database could not be written, so ION was asked to send it again (503). Nothing was lost by it.",
}
NEXT_STEPS = {
    "wrong_signature": "If somebody changed the receiver's secret in ION, take over the receiver again in the set-up guide; "
    "else somebody who knows this address posts to it: rotate it.",
    "too_large": "Look into ION at what changed then; the next fetch reads it all the same.",
    "put_off": "Look at the disk and the database of the hub.",
}


class DeliveryHour(msgspec.Struct, frozen=True):
    """One hour at one address, by outcome."""

    at: str
    counts: dict[str, int]


def hour_one_day_ago() -> str:
    """Return the hour from which the lists of addresses sum up."""
    return clock.format_rfc3339(clock.utc_now() - timedelta(days=1))


def sum_by_outcome(
    connection: Connection, url_ids: Sequence[int], since: str
) -> dict[int, dict[str, int]]:
    """Sum up what came to addresses since an hour, by outcome."""
    kept = delivery_counts.c
    query = select(kept.webhook_url_id, kept.outcome, func.sum(kept.count)).where(
        kept.webhook_url_id.in_(url_ids), kept.hour >= since[:13]
    )
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for url_id, outcome, count in connection.execute(
        query.group_by(kept.webhook_url_id, kept.outcome)
    ):
        found[url_id][outcome] = count
    return found


def list_hours(connection: Connection, url_id: int, since: str) -> list[DeliveryHour]:
    """Read the hours of one address in which something came."""
    kept = delivery_counts.c
    query = select(kept.hour, kept.outcome, kept.count).where(
        kept.webhook_url_id == url_id, kept.hour >= since[:13]
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for hour, outcome, count in connection.execute(query.order_by(kept.hour)):
        found[hour][outcome] = count
    return [DeliveryHour(at, counts) for at, counts in found.items()]
