"""Drift: differences that webhooks alone would have left, and their causes.

The cause follows from how the hub learned of a change, without a request to ION. A change found by
a read had no event, or an incomplete one: it is a correction. A change that an event contained may
be late, or of a kind that the documented integration does not understand: it is understood from the
event, and no correction. `latency.py` counts both; the table `drift` keeps each correction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Connection, bindparam, text

from ultraviolet.db import bulk
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import latency, stale_reasons
from ultraviolet.mirror.object_state import STAMPS, ObjectState

Cause: TypeAlias = Literal[
    "no_event_sent",
    "event_lost",
    "event_not_understood",
    "empty_to_populated",
    "link",
    "partial_create",
    "told_in_part",
    "computed",
    "late",
    "permission",
]
CAUSES: dict[Cause, str] = {
    "no_event_sent": "ION changed the object without an event. A read found the change.",
    "event_lost": "ION recorded an event, but it never arrived. The hub took the change from ION.",
    "event_not_understood": "The event could not be read. The hub read the object instead.",
    "empty_to_populated": "An empty field received its first value, which events do not report"
    " reliably. The hub read the object again.",
    "link": "A field that links to another object changed. The hub read the link from ION.",
    "partial_create": "The event of a new object contained only some fields. The hub read the rest.",
    "told_in_part": "The event contained only some of the changed fields. The hub read the others.",
    "computed": "ION computes this value from other objects and sends no event. The hub read it"
    " after they changed.",
    "late": "The event arrived more than ten seconds late. The hub had read the change before.",
    "permission": "The API key had no permission to read the object for some time.",
}
"""What each cause of a correction means, and what the hub did, in sentences."""

UNDERSTOOD: dict[Cause, str] = {
    "empty_to_populated": "The event contained the first value of an empty field. Receivers that"
    " only update existing values miss such a change.",
    "link": "The event contained only the id of a linked object. Receivers that do not resolve it"
    " miss such a change.",
    "late": "The event contained the change, but arrived more than ten seconds late.",
}
"""What each cause means for a change that an event contained."""

TOLD_BY_EVENT = ("event", "replay")
"""Kinds of origins whose changes an event contained."""

CAUSE_LABELS: dict[Cause, str] = {
    "no_event_sent": "No event sent",
    "event_lost": "Event lost",
    "event_not_understood": "Unreadable event",
    "empty_to_populated": "First value set",
    "link": "Linked field",
    "partial_create": "Incomplete new object",
    "told_in_part": "Incomplete event",
    "computed": "Computed field",
    "late": "Late event",
    "permission": "Missing permission",
}
"""The name of each cause on pages and in the command line."""

WITHOUT_EVENT: frozenset[Cause] = frozenset(
    {"no_event_sent", "event_lost", "event_not_understood", "computed", "permission"}
)
"""Causes without a usable event; with the other causes, an event was late or incomplete."""

LATE_SECONDS = 10.0
"""Seconds from ION's time of a change after which its event counts as late."""
_MAX_CLOCK_DIFFERENCE = timedelta(seconds=60)
"""Tolerated difference between the clocks of ION and the hub."""
_SAME_CHANGE = timedelta(seconds=2)
_IDS_PER_QUERY = 400
_EVENT_REASONS = (stale_reasons.EVENT, stale_reasons.DELETION, stale_reasons.REPLAY)
"""Reasons of stale marks that come from events."""

_NOT_UNDERSTOOD = """SELECT object_id, max(received_at) FROM events
  WHERE integration_id = :integration AND outcome = 'not_understood'
    AND (resource = :resource OR resource IS NULL) AND object_id IN :ids GROUP BY object_id"""
_WITHOUT_EVENT = text(
    """SELECT seq, resource, id, cause, healed_by, wrong_since, seconds, healed_at FROM drift
    WHERE integration_id = :integration AND resource = :resource AND id IN :ids
      AND cause IN ('no_event_sent', 'event_lost')"""
).bindparams(bindparam("ids", expanding=True))
_SET_LATE = text("UPDATE drift SET cause = 'late' WHERE seq = :seq")
_DELETE = text("DELETE FROM drift WHERE seq = :seq")


class Drift(msgspec.Struct, frozen=True):
    """A change that webhooks alone would not have brought into the mirror, or not in time."""

    state: ObjectState
    cause: Cause
    fields: list[str]

    @property
    def is_correction(self) -> bool:
        """Whether ION had to be read: for the object, or for an event that never arrived."""
        origin = self.state.origin
        return self.cause == "event_lost" or not origin or origin.kind not in TOLD_BY_EVENT


class ReceivedEvent(msgspec.Struct, frozen=True):
    """An event about an object, with ION's time of the change if known."""

    resource: str
    id: str
    received_at: str
    source_time: str | None


def find_drift(
    connection: Connection, catalog: Catalog, integration_id: int, news: Sequence[ObjectState]
) -> list[Drift]:
    """Return the drift among the measured changes of a batch."""
    found = [d for state in news if (d := classify_change(catalog, state))]
    without_event: dict[str, list[str]] = {}
    for each in found:
        if each.cause == "no_event_sent":
            without_event.setdefault(each.state.resource, []).append(each.state.id)
    received: dict[tuple[str, str], str] = {}
    for resource, ids in without_event.items():
        given = {"integration": integration_id, "resource": resource, "ids": ids}
        received |= {
            (resource, id_): at for id_, at in bulk.fetch_rows(connection, _NOT_UNDERSTOOD, given)
        }

    def is_announced(each: Drift) -> bool:
        """Return whether an event arrived that could not be interpreted."""
        at, since = received.get(each.state.ref), each.state.change_time
        if each.cause != "no_event_sent" or at is None:
            return False
        earliest = datetime.fromisoformat(since) - _MAX_CLOCK_DIFFERENCE if since else None
        return earliest is None or datetime.fromisoformat(at) > earliest

    return [
        msgspec.structs.replace(each, cause="event_not_understood") if is_announced(each) else each
        for each in found
    ]


def classify_change(catalog: Catalog, state: ObjectState) -> Drift | None:
    """Return the drift of a change; None if an event announced it completely and in time."""
    fields = [name for name in state.changed_fields() if name not in STAMPS]
    origin = state.origin
    if not fields or not origin:
        return None
    since, cause = state.change_time, None
    if origin.kind not in ("event", "replay"):
        cause = _cause_of_read(catalog, state, fields)
        if state.change == "delete" and cause == "told_in_part":
            return None  # an event announced the deletion, which a read had to confirm
    elif origin.lost:
        cause = "event_lost"
    elif since and latency.seconds_between(since, state.observed_at) > LATE_SECONDS:
        cause = "late"
    elif state.change == "update" and state.was_full:
        cause = _documented_limitation(catalog, state, fields)
    return Drift(state, cause, fields) if cause else None


def mark_late(
    connection: Connection, integration_id: int, received: Sequence[ReceivedEvent]
) -> None:
    """Correct the cause of drift whose event arrived after the read that found it."""
    parse = datetime.fromisoformat
    by_resource: dict[str, dict[str, ReceivedEvent]] = {}
    for event in received:
        by_resource.setdefault(event.resource, {})[event.id] = event
    for resource, events in by_resource.items():
        ids = list(events)
        for start in range(0, len(ids), _IDS_PER_QUERY):
            some = ids[start : start + _IDS_PER_QUERY]
            given = {"integration": integration_id, "resource": resource, "ids": some}
            for row in connection.execute(_WITHOUT_EVENT, given).all():
                event = events[row.id]
                if event.received_at <= row.healed_at or not (
                    event.source_time and row.wrong_since
                ):
                    continue
                apart = parse(event.source_time) - parse(row.wrong_since)
                if abs(apart) >= _SAME_CHANGE:
                    continue  # the event is about another change
                late = latency.seconds_between(row.wrong_since, event.received_at) > LATE_SECONDS
                connection.execute(_SET_LATE if late else _DELETE, {"seq": row.seq})
                latency.recount_drift(connection, integration_id, row, "late" if late else None)


def _cause_of_read(catalog: Catalog, state: ObjectState, fields: Sequence[str]) -> Cause:
    if state.read_error and "permission" in state.read_error.lower():
        return "permission"
    if state.stale_reason in _EVENT_REASONS:
        if state.change == "create":
            return "no_event_sent"  # an event named only a row that belongs to the object
        if not state.was_full and state.change != "delete":
            return "partial_create"
        return _documented_limitation(catalog, state, fields) or "told_in_part"
    if stale_reasons.is_dependency(state.stale_reason):
        return "computed"
    return "no_event_sent"


def _documented_limitation(
    catalog: Catalog, state: ObjectState, fields: Sequence[str]
) -> Cause | None:
    """Return the documented limitation of webhooks that hides a change, if any."""
    resource = catalog.resources.get(state.resource)
    before = state.before or {}
    if resource and any(link.key in fields for link in resource.links):
        return "link"
    filled = any(before.get(name) is None and state.doc.get(name) is not None for name in fields)
    return "empty_to_populated" if filled and state.change == "update" else None
