"""Conditions that need a person now: one per integration and topic.

They derive from the results of freshness, watchdog and verifications.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.command_text import command
from ultraviolet.db.tables.sync import differences, drift, verifications
from ultraviolet.hub.core.finding import Finding, Kind
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.text import counted

Topic: TypeAlias = Literal["connection", "credentials", "receiver", "freshness", "drift", "disk"]

_TOPICS: dict[Kind, Topic] = {
    "credentials": "credentials",
    "permission": "credentials",
    "unreachable": "connection",
    "ion_fails": "connection",
    "rate_limit": "connection",
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
"""The topic of an alert by kind of finding.

A pause and disabled healing are intentional and have no topic. The next fetch confirms changes
missed while the hub was down.
"""
_ROOT_CAUSES: tuple[Topic, ...] = ("credentials", "connection")
"""Topics that explain missing freshness, which then gets no alert of its own."""
_MIN_NOT_UNDERSTOOD_PER_HOUR = 10
"""Uninterpretable events that indicate a change of ION's webhooks."""


Conditions: TypeAlias = Mapping[tuple[int | None, Topic], Finding]
"""Findings that need a person, by integration (None: the hub itself) and topic."""


def integration_conditions(connection: Connection, freshness: Freshness) -> Conditions:
    """Return the conditions of an active integration."""
    by_topic: defaultdict[Topic, list[Finding]] = defaultdict(list)
    for finding in freshness.findings:
        topic = _TOPICS.get(finding.kind)
        if topic and (finding.severity == "error" or finding.kind == "forged"):
            by_topic[topic].append(finding)
    if any(topic in by_topic for topic in _ROOT_CAUSES):
        by_topic.pop("freshness", None)
    if drifted := _find_drift(connection, freshness.integration_id):
        by_topic["drift"].append(drifted)
    found: dict[tuple[int | None, Topic], Finding] = {}
    for topic, (first, *others) in by_topic.items():
        message = first.message.rstrip(".") + (f", and {len(others)} more" if others else "")
        found[freshness.integration_id, topic] = msgspec.structs.replace(
            first, message=message, next_step=first.next_step.rstrip(".")
        )
    return found


def disk_conditions(free_bytes: int, min_free_bytes: int) -> Conditions:
    """Return the condition of the data folder's disk."""
    if free_bytes >= min_free_bytes:
        return {}
    message = (
        f"The disk of the hub's data has {free_bytes / 1e9:.1f} GB left;"
        " the hub refuses deliveries when it is full"
    )
    step = "Free disk space, or move the hub to a larger disk"
    return {(None, "disk"): Finding("disk", "error", message, step)}


def _find_drift(connection: Connection, integration_id: int) -> Finding | None:
    """Return the differences of the last verification, or else events without interpretation."""
    last = select(func.max(verifications.c.id)).where(
        verifications.c.integration_id == integration_id, verifications.c.state == "done"
    )
    verification_id = connection.execute(last).scalar()
    confirmed = select(func.count()).where(
        differences.c.verification_id == verification_id, differences.c.state == "confirmed"
    )
    if verification_id is not None and (count := connection.execute(confirmed).scalar_one()):
        message = (
            f"Verification {verification_id} found {counted(count, 'object')} that differ from ION"
        )
        return Finding("differs", "error", message, command("verify show", str(verification_id)))
    not_understood = select(func.count()).where(
        drift.c.integration_id == integration_id,
        drift.c.cause == "event_not_understood",
        drift.c.healed_at > format_rfc3339(utc_now() - timedelta(hours=1)),
    )
    if (count := connection.execute(not_understood).scalar_one()) >= _MIN_NOT_UNDERSTOOD_PER_HOUR:
        message = (
            f"The hub could not interpret the events of {counted(count, 'change')} in the last hour"
        )
        step = command("event list", outcome="not_understood")
        return Finding("not_understood", "error", message, step)
    return None
