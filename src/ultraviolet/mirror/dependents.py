"""Who must be read again when objects change: carriers of computed values, and links to the unknown."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection, bindparam, text

from ultraviolet.ion.catalog import Catalog, Dependent
from ultraviolet.mirror.observation import Mark
from ultraviolet.mirror.state import STAMPS, State

_CHUNK = 400

_REFERRERS = text(
    """SELECT id FROM links
    WHERE integration_id = :integration AND target_resource = :target AND target_id IN :ids
      AND resource = :resource AND field = :field"""
).bindparams(bindparam("ids", expanding=True))


def dependents_of(
    connection: Connection, catalog: Catalog, integration_id: int, changed: Sequence[State]
) -> list[Mark]:
    """Give the marks that follow from changes: each says since when the dependent may be wrong."""
    marks: dict[tuple[str, str], Mark] = {}
    referred: defaultdict[tuple[str, Dependent], dict[str, str]] = defaultdict(dict)
    for state in changed:
        if state.origin is None or state.origin.first:
            continue
        at = _since(state)
        stored = _stored_changed(catalog, state)
        for dependent in catalog.dependents(state.resource):
            if dependent.their_key and stored:
                referred[state.resource, dependent][state.id] = at
            for target in _named(state, dependent):
                _keep(marks, Mark(dependent.resource, target, f"{state.resource} changed", at))
    for (resource, dependent), ids in referred.items():
        for target, at in _referrers(connection, integration_id, resource, dependent, ids):
            _keep(marks, Mark(dependent.resource, target, f"{resource} changed", at))
    return list(marks.values())


def _stored_changed(catalog: Catalog, state: State) -> bool:
    """Whether a field of its own changed; what ION computes for it is not what others are computed from.

    Without this a part's quantity, summed over its inventory, would send all of that inventory to be read again.
    """
    fields = catalog.resources[state.resource].fields
    stored = {f.name for f in fields if f.stored} - STAMPS
    return bool(stored.intersection(state.changed_fields()))


def _since(state: State) -> str:
    """Since when dependents may be wrong.

    A heal follows news that came before its read began, so a dependent read in the same round has seen the
    cause already. What a fetch finds without news may have happened until the answer came.
    """
    assert state.seen
    if state.seen.origin.kind == "heal" and state.seen.read_started_at:
        return state.seen.read_started_at
    return state.seen.observed_at


def _named(state: State, dependent: Dependent) -> set[str]:
    found: set[str] = set()
    for doc in (state.before or {}, state.doc):
        if dependent.own_key and doc.get(dependent.own_key) is not None:
            found.add(str(doc[dependent.own_key]))
        if dependent.own_ids:
            found.update(_id(entry) for entry in doc.get(dependent.own_ids) or ())
    return found


def _id(entry: Any) -> str:
    return str(cast("dict[str, Any]", entry)["id"] if isinstance(entry, dict) else entry)


def _referrers(
    connection: Connection, integration_id: int, resource: str, dependent: Dependent, ids: dict[str, str]
) -> list[tuple[str, str]]:
    latest = max(ids.values())
    names = list(ids)
    found: list[tuple[str, str]] = []
    for start in range(0, len(names), _CHUNK):
        rows = connection.execute(
            _REFERRERS,
            {
                "integration": integration_id,
                "target": resource,
                "ids": names[start : start + _CHUNK],
                "resource": dependent.resource,
                "field": dependent.their_key,
            },
        )
        found += [(row.id, latest) for row in rows]
    return found


def _keep(marks: dict[tuple[str, str], Mark], mark: Mark) -> None:
    known = marks.get(mark.ref)
    if known is None or known.at < mark.at:
        marks[mark.ref] = mark
