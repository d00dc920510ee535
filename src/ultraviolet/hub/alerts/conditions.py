"""What needs a person now: read from what freshness, watchdog and verifications have found, one need a topic."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.db.tables.sync import differences, drift, verifications
from ultraviolet.hub.health.freshness import Cause, Freshness

Topic: TypeAlias = Literal["connection", "credentials", "receiver", "freshness", "drift", "disk"]

_TOPICS: dict[str, Topic] = {
    "credentials": "credentials",
    "unreachable": "connection",
    "ion_fails": "connection",
    "receiver": "receiver",
    "silent": "receiver",
    "forged": "receiver",
    "unreadable": "freshness",
    "hopeless": "freshness",
    "behind": "freshness",
    "unmaintained": "freshness",
    "events_wait": "freshness",
    "restored": "freshness",
    "overdue": "freshness",
}
"""By kind of cause. A pause and healing that is switched off are somebody's will; what was missed while the hub was
down the next fetch confirms."""
_EXPLAIN_THE_REST: tuple[Topic, ...] = ("credentials", "connection")
"""While one of these stands, that nothing is confirmed needs no telling."""
_NOT_UNDERSTOOD = 10
"""Events of an hour that could not be understood, from which ION is taken to have changed what it sends."""


class AlertCondition(msgspec.Struct, frozen=True):
    """One thing that needs a person; another sentence on the same topic is the same need."""

    integration_id: int | None
    topic: Topic
    sentence: str
    next_step: str


def integration_conditions(connection: Connection, freshness: Freshness) -> list[AlertCondition]:
    """Return what an integration that is not paused needs a person for."""
    by_topic: defaultdict[Topic, list[Cause]] = defaultdict(list)
    for cause in freshness.causes:
        topic = _TOPICS.get(cause.kind)
        if topic and (cause.red or cause.kind == "forged"):
            by_topic[topic].append(cause)
    if any(topic in by_topic for topic in _EXPLAIN_THE_REST):
        by_topic.pop("freshness", None)
    found = [_need(freshness.integration_id, topic, causes) for topic, causes in by_topic.items()]
    return [*found, *_drift(connection, freshness.integration_id)]


def disk_conditions(free: int, scarce: int) -> list[AlertCondition]:
    """Return what the disk of the data folder needs a person for."""
    if free >= scarce:
        return []
    says = f"There are {free / 1e9:.1f} GB left where the hub keeps its data; without room it takes no deliveries"
    return [AlertCondition(None, "disk", says, "Make room there, or move the hub to a larger disk")]


def _need(integration_id: int, topic: Topic, causes: Sequence[Cause]) -> AlertCondition:
    first, more = causes[0], len(causes) - 1
    says = first.says.rstrip(".") + (f", and {more} more" if more else "")
    return AlertCondition(integration_id, topic, says, first.next_step.rstrip("."))


def _drift(connection: Connection, integration_id: int) -> list[AlertCondition]:
    """Look at the last finished verification, then at events that cannot be understood."""
    last = select(func.max(verifications.c.id)).where(
        verifications.c.integration_id == integration_id, verifications.c.state == "done"
    )
    number = connection.execute(last).scalar()
    wrong = select(func.count()).where(
        differences.c.verification_id == number, differences.c.state == "confirmed"
    )
    if number is not None and (count := connection.execute(wrong).scalar_one()):
        says = f"Verification {number} found {count} objects on which mirror and ION differ"
        return [AlertCondition(integration_id, "drift", says, f"ultraviolet verify show {number}")]
    lost = select(func.count()).where(
        drift.c.integration_id == integration_id,
        drift.c.cause == "event_not_understood",
        drift.c.healed_at > format_rfc3339(utc_now() - timedelta(hours=1)),
    )
    if (count := connection.execute(lost).scalar_one()) >= _NOT_UNDERSTOOD:
        says = f"{count} changes of the last hour came with events that could not be understood"
        return [
            AlertCondition(
                integration_id, "drift", says, "ultraviolet event list --outcome not_understood"
            )
        ]
    return []
