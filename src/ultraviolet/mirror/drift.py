"""What webhooks alone would have left wrong, and why: told from how a change came to be known.

Nothing here is asked of ION. A change that a read finds was not told, or not whole; one that an event tells may
still be of the kind that the documented integration does not understand, or come late. Each is counted in
`arrivals.py`; what a read found is also kept, object by object, with a sample of the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec
from sqlalchemy import Connection, bindparam, text

from ultraviolet.db import bulk
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import latency
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
    "no_event_sent": "ION sent no event, or none that it records",
    "event_lost": "ION recorded an event, but it never arrived",
    "event_not_understood": "an event arrived, but its body could not be understood",
    "empty_to_populated": "a field that was empty was filled",
    "link": "a field that links to another object changed",
    "partial_create": "the event of a new object told only a part of it",
    "told_in_part": "an event told only a part of what changed",
    "computed": "ION computed the value anew from other objects, which it does not tell",
    "late": "the event came late",
    "permission": "the key was not permitted to read it",
}

LATE_SECONDS = 10.0
"""Seconds from ION's time of a change after which its event counts as late."""
_AROUND = timedelta(seconds=60)
"""How far the clocks of ION and the hub may be apart when an event is looked for beside a change."""
_SAME = timedelta(seconds=2)
_CHUNK = 400
_ANNOUNCED = ("event", "deletion", "replay")
"""Reasons of marks that an event gave."""

_NOT_UNDERSTOOD = """SELECT object_id, max(received_at) FROM events
  WHERE integration_id = :integration AND outcome = 'not_understood'
    AND (resource = :resource OR resource IS NULL) AND object_id IN :ids GROUP BY object_id"""
_UNTOLD = text(
    """SELECT seq, resource, id, cause, healed_by, wrong_since, seconds, healed_at FROM drift
    WHERE integration_id = :integration AND resource = :resource AND id IN :ids
      AND cause IN ('no_event_sent', 'event_lost')"""
).bindparams(bindparam("ids", expanding=True))
_RENAME = text("UPDATE drift SET cause = 'late' WHERE seq = :seq")
_FORGET = text("DELETE FROM drift WHERE seq = :seq")


class Drift(msgspec.Struct, frozen=True):
    """A change that webhooks alone would have left wrong: for good, or until something else put it right."""

    state: ObjectState
    cause: Cause
    fields: list[str]


class ReceivedEvent(msgspec.Struct, frozen=True):
    """An event about an object, as far as it says when ION changed it."""

    resource: str
    id: str
    received_at: str
    source_time: str | None


def find_drift(
    connection: Connection, catalog: Catalog, integration_id: int, news: Sequence[ObjectState]
) -> list[Drift]:
    """Judge the measured changes of a batch."""
    found = [d for state in news if (d := classify_change(catalog, state))]
    return _with_misunderstood(connection, integration_id, found)


def classify_change(catalog: Catalog, state: ObjectState) -> Drift | None:
    """Judge whether a change was announced whole and in time, in part, or not at all."""
    fields = [name for name in state.changed_fields() if name not in STAMPS]
    origin = state.origin
    if not fields or not origin:
        return None
    if origin.kind in ("event", "replay"):
        cause = _of_event(catalog, state, fields)
    else:
        cause = _of_read(catalog, state, fields)
        if state.change == "delete" and cause == "told_in_part":
            return (
                None  # an event announced the deletion; that it waits for a read is no fault of it
            )
    return Drift(state, cause, fields) if cause else None


def mark_late(connection: Connection, integration_id: int, told: Sequence[ReceivedEvent]) -> None:
    """An event came after all, of what a read had found before it: late, or no later than events come."""
    by_resource: dict[str, dict[str, ReceivedEvent]] = {}
    for one in told:
        by_resource.setdefault(one.resource, {})[one.id] = one
    for resource, ones in by_resource.items():
        for ids in _chunks(ones):
            given = {"integration": integration_id, "resource": resource, "ids": ids}
            for row in connection.execute(_UNTOLD, given).all():
                if _tells(ones[row.id], row):
                    _came(connection, integration_id, ones[row.id], row)


def _came(connection: Connection, integration_id: int, told: ReceivedEvent, row: Any) -> None:
    late = latency.seconds_between(row.wrong_since, told.received_at) > LATE_SECONDS
    if late:
        connection.execute(_RENAME, {"seq": row.seq})
    else:
        connection.execute(_FORGET, {"seq": row.seq})
    latency.recount_drift(connection, integration_id, row, "late" if late else None)


def _of_event(catalog: Catalog, state: ObjectState, fields: Sequence[str]) -> Cause | None:
    if state.origin and state.origin.lost:
        return "event_lost"
    if state.news and latency.seconds_between(state.news, state.observed_at) > LATE_SECONDS:
        return "late"
    return _kind(catalog, state, fields) if state.change == "update" and state.was_full else None


def _of_read(catalog: Catalog, state: ObjectState, fields: Sequence[str]) -> Cause:
    if state.trouble and "permission" in state.trouble.lower():
        return "permission"
    if state.announced in _ANNOUNCED:
        if not state.was_full and state.change != "delete":
            return "partial_create"
        return _kind(catalog, state, fields) or "told_in_part"
    if state.announced and state.announced.endswith(" changed"):
        return "computed"
    return "no_event_sent"


def _kind(catalog: Catalog, state: ObjectState, fields: Sequence[str]) -> Cause | None:
    """Tell the changes that the documented integration does not understand."""
    resource = catalog.resources.get(state.resource)
    before = state.before or {}
    if resource and any(link.key in fields for link in resource.links):
        return "link"
    filled = any(before.get(name) is None and state.doc.get(name) is not None for name in fields)
    return "empty_to_populated" if filled and state.change == "update" else None


def _with_misunderstood(
    connection: Connection, integration_id: int, found: list[Drift]
) -> list[Drift]:
    """Find, for what no event seems to tell, whether one came that could not be understood."""
    untold: dict[str, dict[str, Drift]] = {}
    for one in found:
        if one.cause == "no_event_sent":
            untold.setdefault(one.state.resource, {})[one.state.id] = one
    came: dict[tuple[str, str], str] = {}
    for resource, ones in untold.items():
        given = {"integration": integration_id, "resource": resource, "ids": list(ones)}
        came |= {
            (resource, id_): at for id_, at in bulk.fetch_rows(connection, _NOT_UNDERSTOOD, given)
        }
    return [
        msgspec.structs.replace(one, cause="event_not_understood")
        if one.cause == "no_event_sent" and _follows(came.get(one.state.ref), one.state.news)
        else one
        for one in found
    ]


def _follows(received: str | None, since: str | None) -> bool:
    if received is None:
        return False
    return (
        since is None or datetime.fromisoformat(received) > datetime.fromisoformat(since) - _AROUND
    )


def _tells(told: ReceivedEvent, row: Any) -> bool:
    """Whether an event that came later is about the change that a read had found."""
    if told.received_at <= row.healed_at or not told.source_time or not row.wrong_since:
        return False
    apart = datetime.fromisoformat(told.source_time) - datetime.fromisoformat(row.wrong_since)
    return abs(apart) < _SAME


def _chunks(ids: Mapping[str, Any]) -> Iterable[list[str]]:
    names = list(ids)
    return (names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK))
