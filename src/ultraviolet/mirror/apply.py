"""The one door into the mirror: what may change it, and what must not.

`apply` folds a batch of observations into what the mirror holds, object by object, and writes each object
once. It is plain and synchronous; a caller runs it inside its own transaction, so that a cursor or an
outcome moves together with what it stands for.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ultraviolet.clock import format_rfc3339, now_rfc3339
from ultraviolet.db import locks
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.queries import valid_time
from ultraviolet.mirror import activity, drift, latency, repository
from ultraviolet.mirror.dependents import find_dependents
from ultraviolet.mirror.object_state import DELETION, ObjectState
from ultraviolet.mirror.observation import Applied, Change, Mark, Observation, Ref

LAG = timedelta(seconds=60)
"""An older `_updated` than we know is believed only from a read that began this long after we learned the
newer one: by then no replica lags, and ION has truly gone back (restored from a backup)."""

UNSEEN = timedelta(seconds=5)
"""A row that ION has told of may be missing from its own reads for so long; until then that proves no absence."""


def apply(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    observations: Sequence[Observation],
    marks: Sequence[Mark] = (),
) -> Applied:
    """Let observations, then marks, take effect; returns what changed and what came of each observation."""
    locks.lock(connection, "mirror", integration_id)
    states = repository.load_states(
        connection, integration_id, {o.ref for o in observations} | {m.ref for m in marks}
    )
    repository.load_deletion_times(
        connection, integration_id, [states[o.ref] for o in observations if o.kind == "absent"]
    )
    outcomes = [_fold(states[o.ref], o) for o in observations]
    for state in states.values():
        state.forget_no_change()
    changed = [s for s in states.values() if s.change]
    refitted = repository.save_states(connection, catalog, integration_id, list(states.values()))
    news = [s for s in changed if s.seen and not s.seen.origin.first]
    moment = now_rfc3339()
    latency.measure_latency(news, moment)
    drifts = drift.find_drift(connection, catalog, integration_id, news)
    repository.save_drift(connection, integration_id, drifts, moment)
    latency.record_latency(
        connection, integration_id, news, {d.state.ref: d.cause for d in drifts}, moment
    )
    activity.record_activity(connection, integration_id, news, moment)
    told = _told(states, observations)
    follow = [*marks, *find_dependents(connection, catalog, integration_id, [*news, *told])]
    states |= repository.load_states(
        connection, integration_id, {m.ref for m in follow} - states.keys()
    )
    marked = _mark(connection, integration_id, states, follow)
    return Applied([_change(s) for s in changed], outcomes, marked, refitted)


def _told(
    states: Mapping[Ref, ObjectState], observations: Sequence[Observation]
) -> list[ObjectState]:
    """Return what events told of without changing it: a first pass may have read it between its dependents and the event."""
    for seen in observations:
        if seen.kind == "partial" and states[seen.ref].known and not states[seen.ref].change:
            states[seen.ref].told = seen
    return [state for state in states.values() if state.told]


def mark_stale(connection: Connection, integration_id: int, marks: Iterable[Mark]) -> int:
    """Say that objects may differ from the mirror, unless a read that began after the news has settled it."""
    locks.lock(connection, "mirror", integration_id)
    wanted = list(marks)
    return _mark(
        connection,
        integration_id,
        repository.load_states(connection, integration_id, {m.ref for m in wanted}),
        wanted,
    )


def _mark(
    connection: Connection,
    integration_id: int,
    states: dict[Ref, ObjectState],
    marks: Sequence[Mark],
) -> int:
    for mark in marks:
        states[mark.ref].mark(mark.reason, mark.at)
    repository.save_stale(connection, integration_id, list(states.values()))
    return sum(s.marked for s in states.values())


def _fold(state: ObjectState, seen: Observation) -> str:
    if seen.kind == "partial":
        return _partial(state, seen)
    if seen.read_started_at is None:
        msg = f"a read of {seen.resource} {seen.id} does not say when it began"
        raise ValueError(msg)
    return (
        _full(state, seen, seen.read_started_at)
        if seen.kind == "full"
        else _absent(state, seen, seen.read_started_at)
    )


def _partial(state: ObjectState, seen: Observation) -> str:
    """Merge what an event mentions, if it is certainly newer; in any case only a read settles it.

    One that is newer than what a later read showed was not seen by that read: a replica lagged.
    """
    unseen = state.read_at if _newer_row(state, seen) else None
    if not state.mark(seen.origin.kind, max(seen.observed_at, unseen or "")):
        return "same"
    if state.deleted_at or (state.completeness == "full" and not _newer_row(state, seen)):
        return "marked"
    moment = _updated(seen)
    if state.known and _older(moment, state.source_time):  # late: it may add, not replace
        return state.take({**seen.fields, **state.doc}, seen, source_time=state.source_time)
    return state.take({**state.doc, **seen.fields}, seen, source_time=moment or state.source_time)


def _full(state: ObjectState, seen: Observation, began: str) -> str:
    if state.known and _outdated(state, seen, began):
        return "older"
    if state.deleted_at and _lagging(state, seen, began):
        if state.marked_at is None:
            state.mark("shown again", seen.observed_at)
        return "older"
    doc, moment = seen.fields, _updated(seen)
    if _told_newer(state, began, moment):
        doc, moment = {**seen.fields, **state.doc}, state.source_time
    outcome = state.take(doc, seen, source_time=moment)
    state.completeness = "full"
    state.read_at = max(state.read_at or "", began)
    state.settle(began)
    return outcome


def _absent(state: ObjectState, seen: Observation, began: str) -> str:
    if state.marked_after(began) or (state.read_at and began < state.read_at):
        return "older"
    if state.known and not state.read_at and began < _later(state.observed_at, UNSEEN):
        return "older"
    if state.known and not state.deleted_at and not _deletion_told(state, seen):
        if state.marked_at is None:
            state.mark("not shown", seen.observed_at)
        return "unproven"
    state.settle(began)
    if not state.known or state.deleted_at:
        return "same"
    state.read_at = began
    return state.delete(seen)


def _deletion_told(state: ObjectState, seen: Observation) -> bool:
    """Whether anything but this read speaks of a deletion: an event, or a whole pass over the resource.

    A key that has lost the permission to see an object reads the same as if it were deleted. The event of the
    deletion may have come before that of the creation, and have been settled by a read of its own long since.
    """
    told = state.deletion_told is not None and not _older(state.deletion_told, state.source_time)
    return seen.origin.kind == "fetch" or state.reason == DELETION or told


def _outdated(state: ObjectState, seen: Observation, began: str) -> bool:
    """Whether a whole read shows an older content than the mirror holds."""
    read_before = state.read_at is not None and began < state.read_at
    if state.deleted_at:
        return read_before
    if state.completeness == "partial":
        return False
    moment = _updated(seen)
    if _older(moment, state.source_time):
        return began < _later(state.observed_at, LAG)
    return read_before and not _older(state.source_time, moment)


def _lagging(state: ObjectState, seen: Observation, began: str) -> bool:
    """Whether a deleted object is shown as it was so soon that a replica may not know of the deletion yet."""
    moment = _updated(seen)
    as_it_was = moment is not None and state.source_time is not None and moment <= state.source_time
    return as_it_was and began < _later(state.observed_at, LAG)


def _told_newer(state: ObjectState, began: str, moment: str | None) -> bool:
    """Whether events told newer values of an object never read before: then the read only fills in."""
    first = state.known and state.completeness == "partial" and not state.deleted_at
    return first and state.marked_after(began) and _older(moment, state.source_time)


def _newer_row(state: ObjectState, seen: Observation) -> bool:
    """Whether an event's own `_updated` proves it newer."""
    return _older(state.source_time, _updated(seen))


def _updated(seen: Observation) -> str | None:
    """Return when ION last changed the row that was seen, as the row itself says.

    A log entry's time is another clock. What is no time cannot be compared, and counts as not given.
    """
    return valid_time(seen.fields.get("_updated") or seen.fields.get("Updated"))


def _older(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one < other


def _later(moment: str, by: timedelta) -> str:
    return format_rfc3339(datetime.fromisoformat(moment) + by)


def _change(state: ObjectState) -> Change:
    assert state.change
    return Change(state.resource, state.id, state.change, state.version)
