"""Conditions that need a person now: one per integration and topic.

They derive from the results of freshness, watchdog and verifications.
"""

from collections import defaultdict
from datetime import timedelta
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.command_text import command
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
"""Topic by kind of cause.

A pause and disabled healing are intentional and have no topic. The next fetch confirms changes
missed while the hub was down.
"""
_ROOT_CAUSES: tuple[Topic, ...] = ("credentials", "connection")
"""Topics that explain missing freshness, which then gets no alert of its own."""
_MIN_NOT_UNDERSTOOD_PER_HOUR = 10
"""Uninterpretable events that indicate a change of ION's webhooks."""


class AlertCondition(msgspec.Struct, frozen=True):
    """A problem that needs a person, identified by integration and topic."""

    integration_id: int | None
    topic: Topic
    sentence: str
    next_step: str


def integration_conditions(connection: Connection, freshness: Freshness) -> list[AlertCondition]:
    """Return the conditions of an active integration."""
    by_topic: defaultdict[Topic, list[Cause]] = defaultdict(list)
    for cause in freshness.causes:
        topic = _TOPICS.get(cause.kind)
        if topic and (cause.red or cause.kind == "forged"):
            by_topic[topic].append(cause)
    if any(topic in by_topic for topic in _ROOT_CAUSES):
        by_topic.pop("freshness", None)
    found: list[AlertCondition] = []
    for topic, (first, *others) in by_topic.items():
        more = f", and {len(others)} more" if others else ""
        sentence, next_step = first.says.rstrip(".") + more, first.next_step.rstrip(".")
        found.append(AlertCondition(freshness.integration_id, topic, sentence, next_step))
    return [*found, *_drift_conditions(connection, freshness.integration_id)]


def disk_conditions(free_bytes: int, min_free_bytes: int) -> list[AlertCondition]:
    """Return the condition of the data folder's disk."""
    if free_bytes >= min_free_bytes:
        return []
    sentence = (
        f"The disk of the hub's data has {free_bytes / 1e9:.1f} GB left;"
        " the hub refuses deliveries when it is full"
    )
    next_step = "Free disk space, or move the hub to a larger disk"
    return [AlertCondition(None, "disk", sentence, next_step)]


def _drift_conditions(connection: Connection, integration_id: int) -> list[AlertCondition]:
    """Return the differences of the last verification, or else events without interpretation."""
    last = select(func.max(verifications.c.id)).where(
        verifications.c.integration_id == integration_id, verifications.c.state == "done"
    )
    verification_id = connection.execute(last).scalar()
    confirmed = select(func.count()).where(
        differences.c.verification_id == verification_id, differences.c.state == "confirmed"
    )
    if verification_id is not None and (count := connection.execute(confirmed).scalar_one()):
        sentence = f"Verification {verification_id} found {count} objects that differ from ION"
        next_step = command("verify show", str(verification_id))
        return [AlertCondition(integration_id, "drift", sentence, next_step)]
    not_understood = select(func.count()).where(
        drift.c.integration_id == integration_id,
        drift.c.cause == "event_not_understood",
        drift.c.healed_at > format_rfc3339(utc_now() - timedelta(hours=1)),
    )
    if (count := connection.execute(not_understood).scalar_one()) >= _MIN_NOT_UNDERSTOOD_PER_HOUR:
        sentence = f"The hub could not interpret the events of {count} changes in the last hour"
        next_step = command("event list", outcome="not_understood")
        return [AlertCondition(integration_id, "drift", sentence, next_step)]
    return []
