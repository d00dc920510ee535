"""Apply observations: the only code that changes the mirror.

`apply` is synchronous and runs inside the caller's transaction, so that a cursor or an outcome is
committed together with the changes. `resolve.py` holds the rules of truth.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from ultraviolet.clock import now_rfc3339
from ultraviolet.db import locks
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import drift, latency, repository
from ultraviolet.mirror.dependents import find_dependents
from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Applied, Change, Mark, Observation, Ref
from ultraviolet.mirror.resolve import resolve


def apply(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    observations: Sequence[Observation],
    marks: Sequence[Mark] = (),
) -> Applied:
    """Apply observations, then marks; return the changes and the outcome of each observation."""
    locks.lock(connection, "mirror", integration_id)
    refs = [(o.resource, o.id) for o in observations]
    states = repository.load_states(connection, integration_id, {*refs, *(m.ref for m in marks)})
    absent = [states[o.ref] for o in observations if o.kind == "absent"]
    repository.load_deletion_times(connection, integration_id, absent)

    outcomes = [resolve(states[ref], o) for ref, o in zip(refs, observations, strict=True)]

    for state in states.values():
        if state.change == "update" and state.doc == state.before:
            state.change = state.observation = None  # the batch ends with the first content
    changed = [state for state in states.values() if state.change]
    refitted = repository.save_states(connection, catalog, integration_id, list(states.values()))
    changes = [Change(s.resource, s.id, s.change, s.version) for s in changed if s.change]

    # Statistics of all changes, except those of a resource's first fetch.
    news = [s for s in changed if s.observation and not s.observation.origin.first]
    now = now_rfc3339()
    latency.measure_latency(news, now)
    drifts = drift.find_drift(connection, catalog, integration_id, news)
    repository.save_drift(connection, integration_id, drifts, now)
    causes = {each.state.ref: each.cause for each in drifts}
    latency.record_latency(connection, integration_id, news, causes, now)
    latency.record_activity(connection, integration_id, news, now)

    # Dependents must be read too if an event changed nothing: a first fetch may have read the
    # object after its dependents and before the event.
    for observation in observations:
        state = states[observation.ref]
        if observation.kind == "partial" and state.known and not state.change:
            state.unchanged_event = observation
    unchanged = [state for state in states.values() if state.unchanged_event]
    dependents = find_dependents(connection, catalog, integration_id, [*news, *unchanged])
    unloaded = {mark.ref for mark in dependents} - states.keys()
    states |= repository.load_states(connection, integration_id, unloaded)
    marked = _mark(connection, integration_id, states, [*marks, *dependents])
    return Applied(changes, outcomes, marked, refitted)


def mark_stale(connection: Connection, integration_id: int, marks: Iterable[Mark]) -> int:
    """Mark objects as stale unless a later read has confirmed them; return how many were marked."""
    locks.lock(connection, "mirror", integration_id)
    wanted = list(marks)
    states = repository.load_states(connection, integration_id, {mark.ref for mark in wanted})
    return _mark(connection, integration_id, states, wanted)


def _mark(
    connection: Connection,
    integration_id: int,
    states: Mapping[Ref, ObjectState],
    marks: Sequence[Mark],
) -> int:
    for mark in marks:
        states[mark.ref].mark(mark.reason, mark.at)
    repository.save_stale(connection, integration_id, list(states.values()))
    return sum(state.marked for state in states.values())
