"""The SQL of the door: load what a batch touches, write what became of it, a statement a table."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, text

from ultraviolet.ion.catalog import SHOWN, Catalog
from ultraviolet.mirror import arrivals, dialect
from ultraviolet.mirror.drift import Drift
from ultraviolet.mirror.observation import Ref
from ultraviolet.mirror.state import State
from ultraviolet.times import now

_CHUNK = 400

_LOAD = text(
    """SELECT id, doc, version, completeness, deleted_at, source_time, observed_at, read_at FROM objects
    WHERE integration_id = :integration AND resource = :resource AND id IN :ids"""
).bindparams(bindparam("ids", expanding=True))

_LOAD_STALE = text(
    """SELECT id, since, marked_at, reason, marks, error FROM stale
    WHERE integration_id = :integration AND resource = :resource AND id IN :ids"""
).bindparams(bindparam("ids", expanding=True))

_LOAD_DELETIONS = text(
    """SELECT object_id, max(coalesce(source_time, received_at)) AS told FROM events
    WHERE integration_id = :integration AND resource = :resource AND object_id IN :ids AND action = 'DELETE'
    GROUP BY object_id"""
).bindparams(bindparam("ids", expanding=True))

_PUT_OBJECT = text(
    """INSERT INTO objects (integration_id, resource, id, doc, version, completeness, deleted_at, source_time,
      observed_at, read_at, changed_at, origin)
    VALUES (:integration, :resource, :id, :doc, :version, :completeness, :deleted_at, :source_time,
      :observed_at, :read_at, :observed_at, :origin)
    ON CONFLICT (integration_id, resource, id) DO UPDATE SET doc = excluded.doc, version = excluded.version,
      completeness = excluded.completeness, deleted_at = excluded.deleted_at, source_time = excluded.source_time,
      observed_at = excluded.observed_at, read_at = excluded.read_at, changed_at = excluded.changed_at,
      origin = excluded.origin"""
)

_TOUCH_OBJECT = text(
    """UPDATE objects SET completeness = :completeness, source_time = :source_time, observed_at = :observed_at,
      read_at = :read_at WHERE integration_id = :integration AND resource = :resource AND id = :id"""
)

_ADD_VERSION = text(
    """INSERT INTO versions (integration_id, resource, id, version, change, doc, changed, source_time,
      observed_at, origin)
    VALUES (:integration, :resource, :id, :version, :change, :doc, :changed, :source_time, :observed_at, :origin)"""
)

_DROP_LINKS = text(
    "DELETE FROM links WHERE integration_id = :integration AND resource = :resource AND id = :id"
)

_ADD_LINK = text(
    """INSERT INTO links (integration_id, resource, id, field, target_resource, target_id)
    VALUES (:integration, :resource, :id, :field, :target_resource, :target_id)"""
)

_PUT_STALE = text(
    """INSERT INTO stale (integration_id, resource, id, reason, since, marked_at, marks, attempts, next_attempt_at)
    VALUES (:integration, :resource, :id, :reason, :since, :marked_at, :marks, 0, :marked_at)
    ON CONFLICT (integration_id, resource, id) DO UPDATE SET marked_at = excluded.marked_at, marks = excluded.marks,
      reason = excluded.reason, next_attempt_at = CASE WHEN stale.reason = excluded.reason
        THEN stale.next_attempt_at ELSE excluded.next_attempt_at END"""
)

_DROP_STALE = text(
    "DELETE FROM stale WHERE integration_id = :integration AND resource = :resource AND id = :id"
)

_ADD_DRIFT = text(
    """INSERT INTO drift (integration_id, resource, id, cause, fields, healed_by, source_time, wrong_since, seconds, healed_at)
    VALUES (:integration, :resource, :id, :cause, :fields, :healed_by, :source_time, :wrong_since, :seconds,
      :healed_at)"""
)


def load(connection: Connection, integration_id: int, refs: Iterable[Ref]) -> dict[Ref, State]:
    """Give the state of every object asked for, known or not."""
    states = {ref: State(*ref) for ref in refs}
    by_resource: defaultdict[str, list[str]] = defaultdict(list)
    for resource, id_ in states:
        by_resource[resource].append(id_)
    for resource, ids in by_resource.items():
        for start in range(0, len(ids), _CHUNK):
            given = {"integration": integration_id, "resource": resource, "ids": ids[start : start + _CHUNK]}
            for row in connection.execute(_LOAD, given):
                _fill(states[resource, row.id], row)
            for row in connection.execute(_LOAD_STALE, given):
                state = states[resource, row.id]
                state.since, state.marked_at, state.reason, state.marks = (
                    row.since,
                    row.marked_at,
                    row.reason,
                    row.marks,
                )
                state.announced, state.trouble = row.reason, row.error
    return states


def load_deletions(connection: Connection, integration_id: int, states: Iterable[State]) -> None:
    """Note of each object when an event last told that it was deleted, if any did."""
    by_resource: defaultdict[str, dict[str, State]] = defaultdict(dict)
    for state in states:
        by_resource[state.resource][state.id] = state
    for resource, found in by_resource.items():
        ids = list(found)
        for start in range(0, len(ids), _CHUNK):
            given = {"integration": integration_id, "resource": resource, "ids": ids[start : start + _CHUNK]}
            for row in connection.execute(_LOAD_DELETIONS, given):
                found[row.object_id].deletion_told = row.told


def write(connection: Connection, catalog: Catalog, integration_id: int, states: Sequence[State]) -> None:
    """Write every object once: its content and version if it changed, else only that it was seen."""
    changed = [s for s in states if s.change]
    for state in changed:
        state.version += 1
    dialect.many(connection, _PUT_OBJECT, [_object(integration_id, s) for s in changed])
    dialect.many(connection, _ADD_VERSION, [_version(integration_id, s) for s in changed])
    seen = [s for s in states if s.touched and not s.change]
    dialect.many(connection, _TOUCH_OBJECT, [_object(integration_id, s, doc=False) for s in seen])
    _write_links(connection, catalog, integration_id, changed)


def write_stale(connection: Connection, integration_id: int, states: Sequence[State]) -> None:
    """Write and drop marks."""
    dropped = [_key(integration_id, s) for s in states if s.settled and s.marked_at is None]
    kept = [
        _key(integration_id, s)
        | {"reason": s.reason, "since": s.since, "marked_at": s.marked_at, "marks": s.marks}
        for s in states
        if s.marked and s.marked_at
    ]
    dialect.many(connection, _DROP_STALE, dropped)
    dialect.many(connection, _PUT_STALE, kept)


def write_drift(connection: Connection, integration_id: int, drifts: Sequence[Drift]) -> None:
    """Append what was found wrong and put right; of what events told, one of a kind a batch."""
    told = {
        (d.state.resource, d.cause): d for d in drifts if d.state.origin and d.state.origin.kind == "event"
    }
    kept = [d for d in drifts if d.state.origin and d.state.origin.kind != "event"]
    moment = now()
    dialect.many(connection, _ADD_DRIFT, [_drift(integration_id, d, moment) for d in [*kept, *told.values()]])


def _fill(state: State, row: Any) -> None:
    state.doc = msgspec.json.decode(row.doc)
    state.version, state.completeness, state.deleted_at = row.version, row.completeness, row.deleted_at
    state.source_time, state.observed_at, state.read_at = row.source_time, row.observed_at, row.read_at
    state.was_full = row.completeness == "full"


def _key(integration_id: int, state: State) -> dict[str, Any]:
    return {"integration": integration_id, "resource": state.resource, "id": state.id}


def _object(integration_id: int, state: State, *, doc: bool = True) -> dict[str, Any]:
    seen = {
        "completeness": state.completeness,
        "source_time": state.source_time,
        "observed_at": state.observed_at,
        "read_at": state.read_at,
    }
    if not doc:
        return _key(integration_id, state) | seen
    content = {
        "doc": _json(state.doc),
        "version": state.version,
        "deleted_at": state.deleted_at,
        "origin": _origin(state),
    }
    return _key(integration_id, state) | seen | content


def _version(integration_id: int, state: State) -> dict[str, Any]:
    return _key(integration_id, state) | {
        "version": state.version,
        "change": state.change,
        "doc": _json(state.doc),
        "changed": _json(state.changed_fields()),
        "source_time": state.seen.source_time if state.seen else None,
        "observed_at": state.observed_at,
        "origin": _origin(state),
    }


def _drift(integration_id: int, drift: Drift, moment: str) -> dict[str, Any]:
    state = drift.state
    return _key(integration_id, state) | {
        "cause": drift.cause,
        "fields": _json(drift.fields),
        "healed_by": _origin(state),
        "source_time": state.source_time,
        "wrong_since": drift.since,
        "seconds": arrivals.seconds(drift.since, moment) if drift.since else None,
        "healed_at": moment,
    }


def _write_links(
    connection: Connection, catalog: Catalog, integration_id: int, changed: Sequence[State]
) -> None:
    dropped: list[dict[str, Any]] = []
    added: list[dict[str, Any]] = []
    for state in changed:
        before = _links(catalog, state.resource, state.before or {})
        after = {} if state.deleted_at else _links(catalog, state.resource, state.doc)
        if before == after and state.change == "update":
            continue
        key = _key(integration_id, state)
        if state.change != "create":
            dropped.append(key)
        added += [
            key | {"field": f, "target_resource": resource, "target_id": target}
            for f, (resource, target) in after.items()
        ]
    dialect.many(connection, _DROP_LINKS, dropped)
    dialect.many(connection, _ADD_LINK, added)


def _links(catalog: Catalog, resource: str, doc: dict[str, Any]) -> dict[str, Ref]:
    """Give whom a document names, and, to be found by them, whose values it shows or shares (dependents.py)."""
    known = catalog.resources.get(resource)
    if known is None:
        return {}
    found = {
        link.key: (link.resource, str(doc[link.key])) for link in known.links if doc.get(link.key) is not None
    }
    for name in catalog.shared.get(resource, ()):
        if doc.get(name) is not None:
            found[name] = (f"{resource}.{name}", str(doc[name]))
    for relation in known.relations:
        if relation.kept and relation.field in SHOWN:
            for row in doc.get(relation.field) or ():
                found[f"{relation.field}/{row['id']}"] = (relation.resource, str(row["id"]))
    return found


def _origin(state: State) -> str:
    assert state.origin
    return _json({"kind": state.origin.kind, "ref": state.origin.ref})


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
