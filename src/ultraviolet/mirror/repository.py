"""Load the objects of a batch and save their new states, with one statement per table."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import msgspec
from sqlalchemy import Connection

from ultraviolet.db import attributes, bulk, representation
from ultraviolet.db.tables.mirror import link_kinds, links, objects, versions
from ultraviolet.db.tables.sync import drift, stale
from ultraviolet.ion import attributes as ion_attributes
from ultraviolet.ion.catalog import SHOWN, Catalog
from ultraviolet.ion.deliveries import LONGEST_ID
from ultraviolet.ion.model import AUTHOR_KEYS
from ultraviolet.mirror.drift import Drift
from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Origin, Ref

_LOAD = """SELECT resource, id, doc, version, completeness, deleted_at, source_time, observed_at,
    read_at, invalid_values
  FROM objects
  WHERE integration_id = :integration AND resource = :resource AND id IN :ids"""

_LOAD_STALE = """SELECT resource, id, since, marked_at, reason, marks, error FROM stale
  WHERE integration_id = :integration AND resource = :resource AND id IN :ids"""

_LOAD_DELETIONS = """SELECT resource, object_id, max(coalesce(source_time, received_at))
  FROM events
  WHERE integration_id = :integration AND resource = :resource AND object_id IN :ids
    AND action = 'DELETE'
  GROUP BY resource, object_id"""

_SEEN = ("completeness", "source_time", "observed_at", "read_at")
_KEY = ("integration_id", "resource", "id")
_CONTENT = ("doc", "invalid_values", "version", "deleted_at", "changed_at", "origin", *_SEEN, *_KEY)
_VERSION = (*_KEY, "version", "change", "doc", "changed", "source_time", "observed_at", "origin")
_LINK = ("integration_id", "kind", "target_id", "id")
_DRIFT = (
    *_KEY,
    "cause",
    "fields",
    "healed_by",
    "source_time",
    "wrong_since",
    "seconds",
    "healed_at",
)

_KINDS = "SELECT id, resource, field, target_resource FROM link_kinds WHERE resource IN :ids"

_KIND = ("resource", "field", "target_resource")
_ID_TYPES = frozenset({int, str})
_encode = msgspec.json.Encoder().encode
_STALE = (*_KEY, "reason", "since", "marked_at", "marks", "attempts", "next_attempt_at")
_MARKED_AGAIN = """ON CONFLICT (integration_id, resource, id) DO UPDATE
  SET marked_at = excluded.marked_at, marks = excluded.marks, reason = excluded.reason,
    next_attempt_at = CASE WHEN stale.reason = excluded.reason
      THEN stale.next_attempt_at ELSE excluded.next_attempt_at END"""


def load_states(
    connection: Connection, integration_id: int, refs: Iterable[Ref]
) -> dict[Ref, ObjectState]:
    """Return the state of each object, whether the mirror contains it or not."""
    states = {ref: ObjectState(*ref) for ref in refs}
    ids = _by_resource(states.values())
    for row in bulk.fetch_by_resource(connection, _LOAD, integration_id, ids):
        resource, id_, doc, version, completeness, deleted_at, *seen, invalid = row
        state = states[resource, id_]
        state.doc, state.invalid_values = msgspec.json.decode(doc), invalid
        state.version, state.deleted_at = version, deleted_at
        state.completeness, state.was_full = completeness, completeness == "full"
        state.source_time, state.observed_at, state.read_at = seen
    for row in bulk.fetch_by_resource(connection, _LOAD_STALE, integration_id, ids):
        resource, id_, since, marked_at, reason, marks, error = row
        state = states[resource, id_]
        state.since, state.marked_at, state.reason = since, marked_at, reason
        state.marks, state.stale_reason, state.read_error = marks, reason, error
    return states


def load_deletion_times(
    connection: Connection, integration_id: int, states: Iterable[ObjectState]
) -> None:
    """Load the time of the last deletion event of each object."""
    by_ref = {state.ref: state for state in states}
    ids = _by_resource(by_ref.values())
    for row in bulk.fetch_by_resource(connection, _LOAD_DELETIONS, integration_id, ids):
        resource, id_, event_time = row
        by_ref[resource, id_].deletion_event_time = event_time


def save_states(
    connection: Connection, catalog: Catalog, integration_id: int, states: Sequence[ObjectState]
) -> frozenset[str]:
    """Save changed objects with a new version, and the observation times of unchanged ones.

    Return the resources whose set of values that do not fit their column changed.
    """
    new: list[tuple[Any, ...]] = []
    old: list[tuple[Any, ...]] = []
    history: list[tuple[Any, ...]] = []
    seen: list[tuple[Any, ...]] = []
    changed: list[ObjectState] = []
    invalid_changed: set[str] = set()
    named: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    all_invalid = invalid_values(catalog, [state for state in states if state.change])
    for state in states:
        if not state.touched and not state.change:
            continue
        key = (integration_id, state.resource, state.id)
        here = (state.completeness, state.source_time, state.observed_at, state.read_at, *key)
        if state.change is None:
            seen.append(here)
            continue
        changed.append(state)
        assert state.observation
        state.version += 1
        doc = _encode(state.doc).decode()
        origin = _origin(state.observation.origin)
        invalid = all_invalid.get(state.ref) if all_invalid else None
        if invalid != state.invalid_values or (invalid and state.change != "update"):
            invalid_changed.add(state.resource)
            state.invalid_values = invalid
        content = (doc, invalid, state.version, state.deleted_at, state.observed_at, origin, *here)
        (new if state.version == 1 else old).append(content)
        # The fields of new objects are the same for most of a resource.
        fields = state.doc if state.change == "create" else state.changed_fields()
        names = _sorted_names(tuple(fields))
        if ion_attributes.FIELD in fields:
            ion_attributes.add_types(state.doc, named[state.resource])
        history.append(
            (
                *key,
                state.version,
                state.change,
                doc,
                names,
                state.observation.source_time,
                state.observed_at,
                origin,
            )
        )
    bulk.insert(connection, objects, _CONTENT, new)
    bulk.update(connection, objects, _CONTENT, old)
    bulk.insert(connection, versions, _VERSION, history)
    bulk.update(connection, objects, (*_SEEN, *_KEY), seen)
    _write_links(connection, catalog, integration_id, changed)
    attributes.learn(connection, integration_id, named)
    return frozenset(invalid_changed)


def invalid_values(catalog: Catalog, states: Iterable[ObjectState]) -> dict[Ref, str]:
    """Return the values that do not fit their column, as JSON, of each object with such values."""
    groups: defaultdict[tuple[str, tuple[str, ...]], list[ObjectState]] = defaultdict(list)
    for state in states:
        groups[state.resource, tuple(state.doc)].append(state)
    invalid: dict[Ref, str] = {}
    for (name, fields), group in groups.items():
        resource = catalog.resources.get(name)
        if resource is None:
            continue
        kinds = resource.kinds
        fit = representation.all_fit(kinds, fields, [state.doc for state in group])
        if fit and ion_attributes.FIELD not in fields:
            continue
        for state in group:
            found = (
                representation.invalid_attributes(state.doc)
                if fit
                else representation.invalid_values(kinds, state.doc)
            )
            if found:
                invalid[state.ref] = _encode(found).decode()
    return invalid


def save_stale(connection: Connection, integration_id: int, states: Sequence[ObjectState]) -> None:
    """Save new stale marks and delete settled ones."""
    dropped = [(integration_id, *s.ref) for s in states if s.settled and s.marked_at is None]
    kept = [
        (integration_id, *s.ref, s.reason, s.since, s.marked_at, s.marks, 0, s.marked_at)
        for s in states
        if s.marked and s.marked_at
    ]
    bulk.delete(connection, stale, dropped)
    bulk.upsert(connection, stale, _STALE, kept, _MARKED_AGAIN)


def save_drift(
    connection: Connection, integration_id: int, drifts: Sequence[Drift], now: str
) -> None:
    """Save the corrections. Changes that an event contained are only counted."""
    rows: list[tuple[Any, ...]] = []
    for each in drifts:
        if not each.is_correction:
            continue
        state = each.state
        assert state.origin
        fields, healed_by = _sorted_names(tuple(each.fields)), _origin(state.origin)
        measured = (state.source_time, state.change_time, state.latency_seconds, now)
        rows.append((integration_id, *state.ref, each.cause, fields, healed_by, *measured))
    bulk.insert(connection, drift, _DRIFT, rows)


def _by_resource(states: Iterable[ObjectState]) -> Mapping[str, dict[str, ObjectState]]:
    found: defaultdict[str, dict[str, ObjectState]] = defaultdict(dict)
    for state in states:
        found[state.resource][state.id] = state
    return found


def _write_links(
    connection: Connection, catalog: Catalog, integration_id: int, changed: Sequence[ObjectState]
) -> None:
    """Save changed links in the order of the table, so that neighbours are written together."""
    moved: dict[str, list[ObjectState]] = {}
    fields: dict[str, list[tuple[str, str, bool]]] = {}
    for resource, states in _by_resource(changed).items():
        fields[resource] = _linked_fields(catalog, resource)
        names = {field for field, _, _ in fields[resource]}
        moved[resource] = [
            s
            for s in states.values()
            if names and (s.change != "update" or not names.isdisjoint(s.changed_fields()))
        ]
    wanted = [(r, f, target) for r in moved if moved[r] for f, target, _ in fields[r]]
    if not wanted:
        return
    kinds = _link_kinds(connection, wanted)
    added: list[tuple[Any, ...]] = []
    dropped: list[tuple[Any, ...]] = []
    for resource, found in moved.items():
        before = [(s.id, s.before) for s in found if s.before and s.change != "restore"]
        after = [(s.id, s.doc) for s in found if not s.deleted_at]
        keys = fields[resource] if found else ()
        for kind, field, listed in sorted(  # two links can share a foreign key
            {(kinds[resource, field, target], field, listed) for field, target, listed in keys}
        ):
            old, new = _targets(field, before, listed=listed), _targets(field, after, listed=listed)
            added += [(integration_id, kind, target, id_) for target, id_ in sorted(new - old)]
            dropped += [(integration_id, kind, target, id_) for target, id_ in old - new]
    bulk.delete(connection, links, dropped)
    bulk.insert(connection, links, _LINK, added)


def _linked_fields(catalog: Catalog, resource: str) -> list[tuple[str, str, bool]]:
    """Return the fields that are links, with target resource and whether they are lists.

    Shared fields and lists shown in a document are links too, for `dependents.py`. Authors are
    not: no value depends on them, and nearly every change would move a link to another author.
    """
    known = catalog.resources.get(resource)
    if known is None:
        return []
    named = [
        (link.key, link.resource, False) for link in known.links if link.key not in AUTHOR_KEYS
    ]
    shared = [(name, f"{resource}.{name}", False) for name in catalog.shared.get(resource, ())]
    shown = [
        (relation.field, relation.resource, True)
        for relation in known.relations
        if relation.kept and relation.field in SHOWN
    ]
    return [*named, *shared, *shown]


def _targets(
    field: str, documents: Sequence[tuple[str, Mapping[str, Any]]], *, listed: bool
) -> set[tuple[str, str]]:
    """Return the target ids in a field of documents, each with the id of its document."""
    found: list[tuple[Any, str]] = [
        (value, id_) for id_, doc in documents if (value := doc.get(field)) is not None
    ]
    if listed:
        found = [
            (cast("dict[str, Any]", row).get("id"), id_)
            for rows, id_ in found
            if isinstance(rows, list)
            for row in cast("list[Any]", rows)
            if isinstance(row, dict)
        ]
    return {
        (target, id_)
        for value, id_ in found
        if type(value) in _ID_TYPES and 0 < len(target := str(value)) <= LONGEST_ID
    }


def _link_kinds(
    connection: Connection, wanted: Sequence[tuple[str, str, str]]
) -> Mapping[tuple[str, str, str], int]:
    """Return the ids of link kinds by resource, field and target; create missing ones."""

    def load() -> dict[tuple[str, str, str], int]:
        given = {"ids": list({resource for resource, _, _ in wanted})}
        return {(r, f, t): id_ for id_, r, f, t in bulk.fetch_rows(connection, _KINDS, given)}

    found = load()
    missing = [kind for kind in wanted if kind not in found]
    bulk.upsert(connection, link_kinds, _KIND, missing)
    return load() if missing else found


@lru_cache(64)
def _origin(origin: Origin) -> str:
    return msgspec.json.encode({"kind": origin.kind, "ref": origin.ref}).decode()


@lru_cache(1024)
def _sorted_names(names: tuple[str, ...]) -> str:
    return msgspec.json.encode(sorted(names)).decode()
