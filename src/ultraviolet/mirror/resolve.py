"""Decide what an observation changes about an object: the rules of truth as pure functions.

Times of ION and of the hub are never compared with each other. An observation is newer than the
mirror if ION's `_updated` says so, or if its read began after the last full read.
"""

from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from ultraviolet.clock import format_rfc3339, valid_time
from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Observation
from ultraviolet.mirror.stale_reasons import DELETION, NOT_SHOWN, SHOWN_AGAIN

Outcome: TypeAlias = Literal["changed", "same", "marked", "older", "unproven"]

LAG = timedelta(seconds=60)
"""Time after which no replica of ION lags.

Only a read that began this long after the last observation may replace a newer `_updated` by an
older one. Then ION itself has gone back, because it was restored from a backup.
"""

CREATION_LAG = timedelta(seconds=5)
"""Time for which a new object may be missing from ION's reads, so that absence proves nothing."""


def resolve(state: ObjectState, observation: Observation) -> Outcome:
    """Change the state of an object as an observation requires; return the outcome."""
    if observation.kind == "partial":
        return _resolve_event(state, observation)
    if observation.read_started_at is None:
        msg = f"the read of {observation.resource} {observation.id} has no start time"
        raise ValueError(msg)
    if observation.kind == "full":
        return _resolve_read(state, observation, observation.read_started_at)
    return _resolve_absence(state, observation, observation.read_started_at)


def _resolve_event(state: ObjectState, event: Observation) -> Outcome:
    """Merge the fields of an event if it is newer; in any case, require a read to confirm it.

    | the event                                        | the mirror             | outcome |
    | ------------------------------------------------ | ---------------------- | ------- |
    | is older than the last full read                 | stays                  | same    |
    | is about a deleted object                        | stays, becomes stale   | marked  |
    | is not provably newer than a full document       | stays, becomes stale   | marked  |
    | is older than an object known only from events   | gains missing fields   | changed |
    | else                                             | takes the event fields | changed |
    """
    updated = _updated(event)
    newer = _is_before(state.source_time, updated)
    # A newer event was not visible to the last read, because a replica lagged.
    marked_at = max(event.observed_at, state.read_at or "") if newer else event.observed_at
    if not state.mark(event.origin.kind, marked_at):
        return "same"
    if state.deleted_at or (state.completeness == "full" and not newer):
        return "marked"
    if not newer and state.known and _is_before(updated, state.source_time):
        return state.set_content({**event.fields, **state.doc}, event, state.source_time)
    return state.set_content({**state.doc, **event.fields}, event, updated or state.source_time)


def _resolve_read(state: ObjectState, read: Observation, began: str) -> Outcome:
    """Replace the document unless the read is older than the mirror; confirm the object.

    | the read                                              | the mirror           | outcome |
    | ----------------------------------------------------- | -------------------- | ------- |
    | shows an older state than the mirror                  | stays                | older   |
    | shows a deleted object unchanged, soon after deletion | stays, becomes stale | older   |
    | is older than events of an object never read          | gains missing fields | changed |
    | else                                                  | takes the document   | changed |
    """
    updated = _updated(read)
    if state.known and _is_outdated(state, updated, began):
        return "older"
    unchanged = None not in (updated, state.source_time) and not _is_before(
        state.source_time, updated
    )
    if state.deleted_at and unchanged and began < _later(state.observed_at, LAG):
        if state.marked_at is None:
            state.mark(SHOWN_AGAIN, read.observed_at)
        return "older"
    doc = read.fields
    never_read = state.known and state.completeness == "partial" and not state.deleted_at
    if never_read and state.marked_after(began) and _is_before(updated, state.source_time):
        doc, updated = {**read.fields, **state.doc}, state.source_time
    outcome = state.set_content(doc, read, updated)
    state.completeness = "full"
    state.read_at = max(state.read_at or "", began)
    state.settle(began)
    return outcome


def _resolve_absence(state: ObjectState, read: Observation, began: str) -> Outcome:
    """Delete an object that ION did not return, if this is proven.

    | the read                                           | the mirror           | outcome  |
    | -------------------------------------------------- | -------------------- | -------- |
    | began before the last mark or the last full read   | stays                | older    |
    | began soon after the first event of the object     | stays                | older    |
    | has no other evidence of the deletion              | stays, becomes stale | unproven |
    | is about an unknown or deleted object              | stays                | same     |
    | else                                               | deletes the object   | changed  |
    """
    if state.marked_after(began) or (state.read_at and began < state.read_at):
        return "older"
    if state.known and not state.read_at and began < _later(state.observed_at, CREATION_LAG):
        return "older"
    # Without other evidence, the API key may only have lost the permission to read the object. The
    # event of the deletion may have arrived before that of the creation and been settled since.
    event_time = state.deletion_event_time
    has_event = event_time is not None and not _is_before(event_time, state.source_time)
    is_proven = read.origin.kind == "fetch" or state.reason == DELETION or has_event
    if state.known and not state.deleted_at and not is_proven:
        if state.marked_at is None:
            state.mark(NOT_SHOWN, read.observed_at)
        return "unproven"
    state.settle(began)
    if not state.known or state.deleted_at:
        return "same"
    state.read_at = began
    return state.delete(read)


def _is_outdated(state: ObjectState, updated: str | None, began: str) -> bool:
    """Return whether a full read shows an older state than the mirror."""
    began_earlier = state.read_at is not None and began < state.read_at
    if state.deleted_at:
        return began_earlier
    if state.completeness == "partial":
        return False
    if _is_before(updated, state.source_time):
        return began < _later(state.observed_at, LAG)
    return began_earlier and not _is_before(state.source_time, updated)


def _updated(observation: Observation) -> str | None:
    """Return the row's own `_updated`; None if it is missing or not a time.

    The time of an entry in ION's audit log comes from another clock and is not used.
    """
    fields = observation.fields
    return valid_time(fields.get("_updated") or fields.get("Updated"))


def _is_before(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one < other


def _later(moment: str, by: timedelta) -> str:
    return format_rfc3339(datetime.fromisoformat(moment) + by)
