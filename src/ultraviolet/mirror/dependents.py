"""Find dependents: objects with values that ION computes from other objects, or shows of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, text

from ultraviolet.db import bulk
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import is_id
from ultraviolet.ion.model import Dependent
from ultraviolet.mirror.object_state import STAMPS, ObjectState
from ultraviolet.mirror.observation import Mark

_REFERRERS = """SELECT l.id, l.target_id FROM link_kinds AS k JOIN links AS l ON l.kind = k.id
  WHERE k.resource = :resource AND k.field = :field AND k.target_resource = :target
    AND l.integration_id = :integration AND l.target_id IN :ids"""
_ALL_OBJECTS = text(
    """SELECT id FROM objects
    WHERE integration_id = :integration AND resource = :resource AND deleted_at IS NULL"""
)


class _Search(msgspec.Struct, frozen=True):
    """A search for dependents by the objects to which they refer."""

    resource: str
    field: str
    target: str
    all_objects: bool = False


def find_dependents(
    connection: Connection, catalog: Catalog, integration_id: int, news: Sequence[ObjectState]
) -> list[Mark]:
    """Return marks for the dependents of changed objects, with the time since they may differ."""
    marks: dict[tuple[str, str], Mark] = {}
    for state in news:
        for dependent in catalog.dependents(state.resource):
            for target in _ids_in_document(state, dependent):
                _add(
                    marks,
                    Mark(dependent.resource, target, f"{state.resource} changed", _since(state)),
                )
    stored = {name: _stored_fields(catalog, name) for name in {s.resource for s in news}}
    causes = [s for s in news if not stored[s.resource].isdisjoint(s.changed_fields())]
    changed = {state.ref for state in causes}
    for cause, search, targets in _group_searches(catalog, causes):
        for id_, target in _find(connection, integration_id, search, list(targets)):
            if (cause, id_) not in changed or search.resource != cause:
                _add(marks, Mark(search.resource, id_, f"{cause} changed", targets[target]))
    return list(marks.values())


def _group_searches(
    catalog: Catalog, changed: Sequence[ObjectState]
) -> Iterable[tuple[str, _Search, dict[str, str]]]:
    """Return the searches for each changed resource, with target ids and times of change."""
    grouped: defaultdict[tuple[str, _Search], dict[str, str]] = defaultdict(dict)
    for state in changed:
        for dependent in catalog.dependents(state.resource):
            for search, target in _searches(state, dependent):
                grouped[state.resource, search][target] = _since(state)
    return ((cause, search, targets) for (cause, search), targets in grouped.items())


def objects_sharing(
    connection: Connection, integration_id: int, resource: str, field: str, values: Iterable[str]
) -> list[str]:
    """Return the objects of a resource with one of these values in a shared field."""
    search = _Search(resource, field, f"{resource}.{field}")
    return [id_ for id_, _ in _find(connection, integration_id, search, list(values))]


def _stored_fields(catalog: Catalog, resource: str) -> frozenset[str]:
    """Return the stored fields of a resource; ION does not compute other values from computed ones.

    Otherwise a change of a part's quantity, the sum of its inventory, would mark all its inventory.
    """
    return frozenset(f.name for f in catalog.resources[resource].fields if f.stored) - STAMPS


def _since(state: ObjectState) -> str:
    """Return the time since which dependents may differ.

    A heal follows a mark from before its read, so dependents read in the same round include the
    cause. A change found by a fetch may have happened until the response arrived.
    """
    observation = state.observation or state.unchanged_event
    assert observation
    if observation.origin.kind == "heal" and observation.read_started_at:
        return observation.read_started_at
    return observation.observed_at


def _ids_in_document(state: ObjectState, dependent: Dependent) -> set[str]:
    found: list[Any] = []
    for doc in (state.before or {}, state.doc):
        if dependent.own_key:
            found.append(doc.get(dependent.own_key))
        if dependent.own_ids and isinstance(listed := doc.get(dependent.own_ids), list):
            found += (
                cast("dict[str, Any]", entry).get("id") if isinstance(entry, dict) else entry
                for entry in cast("list[Any]", listed)
            )
    return {str(id_) for id_ in found if is_id(id_)}


def _searches(state: ObjectState, dependent: Dependent) -> Iterable[tuple[_Search, str]]:
    if dependent.their_key:
        yield _Search(dependent.resource, dependent.their_key, state.resource), state.id
    if dependent.their_list:
        yield _Search(dependent.resource, dependent.their_list, state.resource), state.id
    if dependent.shared:
        field = dependent.shared
        search = _Search(dependent.resource, field, f"{dependent.resource}.{field}")
        for doc in (state.before or {}, state.doc):
            if doc.get(field) is not None:
                yield search, str(doc[field])

    if dependent == Dependent(dependent.resource):
        yield _Search(dependent.resource, "", "", all_objects=True), ""


def _find(
    connection: Connection, integration_id: int, search: _Search, targets: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the ids of dependents, each with the target by which it was found."""
    given = {"integration": integration_id, "resource": search.resource}
    if search.all_objects:
        return [(row.id, "") for row in connection.execute(_ALL_OBJECTS, given)]
    parameters = given | {"field": search.field, "target": search.target, "ids": targets}
    return [(id_, target) for id_, target in bulk.fetch_rows(connection, _REFERRERS, parameters)]


def _add(marks: dict[tuple[str, str], Mark], mark: Mark) -> None:
    known = marks.get(mark.ref)
    if known is None or known.at < mark.at:
        marks[mark.ref] = mark
