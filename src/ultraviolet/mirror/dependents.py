"""Who must be read again when objects change: carriers of values that ION computes from them or shows of them."""

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
_EVERY = text(
    "SELECT id FROM objects WHERE integration_id = :integration AND resource = :resource AND deleted_at IS NULL"
)


class _Search(msgspec.Struct, frozen=True):
    """Dependents to be found by what they refer to."""

    resource: str
    field: str
    target: str
    every: bool = False


def find_dependents(
    connection: Connection, catalog: Catalog, integration_id: int, news: Sequence[ObjectState]
) -> list[Mark]:
    """Return the marks that follow from changes and what was told of: each says since when the dependent may be wrong."""
    marks: dict[tuple[str, str], Mark] = {}
    for state in news:
        for dependent in catalog.dependents(state.resource):
            for target in _named(state, dependent):
                _keep(
                    marks,
                    Mark(dependent.resource, target, f"{state.resource} changed", _since(state)),
                )
    own = {name: _stored(catalog, name) for name in {s.resource for s in news}}
    stored = [s for s in news if not own[s.resource].isdisjoint(s.changed_fields())]
    itself = {state.ref for state in stored}
    for cause, search, targets in _searches(catalog, stored):
        for id_, target in _found(connection, integration_id, search, list(targets)):
            if (cause, id_) not in itself or search.resource != cause:
                _keep(marks, Mark(search.resource, id_, f"{cause} changed", targets[target]))
    return list(marks.values())


def _searches(
    catalog: Catalog, changed: Sequence[ObjectState]
) -> Iterable[tuple[str, _Search, dict[str, str]]]:
    """Give, for what changed of each resource, what to look for, and since when what it finds may be wrong."""
    sought: defaultdict[tuple[str, _Search], dict[str, str]] = defaultdict(dict)
    for state in changed:
        for dependent in catalog.dependents(state.resource):
            for search, target in _sought(state, dependent):
                sought[state.resource, search][target] = _since(state)
    return ((cause, search, targets) for (cause, search), targets in sought.items())


def objects_sharing(
    connection: Connection, integration_id: int, resource: str, field: str, values: Iterable[str]
) -> list[str]:
    """Return the objects of a resource that have one of these values in a field by which they depend on each other."""
    search = _Search(resource, field, f"{resource}.{field}")
    return [id_ for id_, _ in _found(connection, integration_id, search, list(values))]


def _stored(catalog: Catalog, resource: str) -> frozenset[str]:
    """Return the fields of a resource's own; what ION computes for it is not what others are computed from.

    Without this a part's quantity, summed over its inventory, would send all of that inventory to be read again.
    """
    return frozenset(f.name for f in catalog.resources[resource].fields if f.stored) - STAMPS


def _since(state: ObjectState) -> str:
    """Since when dependents may be wrong.

    A heal follows news that came before its read began, so a dependent read in the same round has seen the
    cause already. What a fetch finds without news may have happened until the answer came.
    """
    seen = state.seen or state.told
    assert seen
    return (
        seen.read_started_at
        if seen.origin.kind == "heal" and seen.read_started_at
        else seen.observed_at
    )


def _named(state: ObjectState, dependent: Dependent) -> set[str]:
    found: list[Any] = []
    for doc in (state.before or {}, state.doc):
        if dependent.own_key:
            found.append(doc.get(dependent.own_key))
        if dependent.own_ids and isinstance(listed := doc.get(dependent.own_ids), list):
            found += (_id(entry) for entry in cast("list[Any]", listed))
    return {str(id_) for id_ in found if is_id(id_)}


def _sought(state: ObjectState, dependent: Dependent) -> Iterable[tuple[_Search, str]]:
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
        yield _Search(dependent.resource, "", "", every=True), ""


def _id(entry: Any) -> Any:
    return cast("dict[str, Any]", entry).get("id") if isinstance(entry, dict) else entry


def _found(
    connection: Connection, integration_id: int, search: _Search, targets: Sequence[str]
) -> list[tuple[str, str]]:
    """Return pairs of a dependent's id and what it was found by."""
    given = {"integration": integration_id, "resource": search.resource}
    if search.every:
        return [(row.id, "") for row in connection.execute(_EVERY, given)]
    asked = given | {"field": search.field, "target": search.target, "ids": targets}
    return [(id_, target) for id_, target in bulk.fetch_rows(connection, _REFERRERS, asked)]


def _keep(marks: dict[tuple[str, str], Mark], mark: Mark) -> None:
    known = marks.get(mark.ref)
    if known is None or known.at < mark.at:
        marks[mark.ref] = mark
