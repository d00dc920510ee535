"""Find dependents: objects with values that ION computes from other objects, or shows of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Connection

from ultraviolet.db import bulk
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import is_id
from ultraviolet.ion.model import Dependent
from ultraviolet.mirror import stale_reasons
from ultraviolet.mirror.object_state import STAMPS, ObjectState
from ultraviolet.mirror.observation import Mark, Ref

_REFERRERS = """SELECT l.id, l.target_id FROM link_kinds AS k JOIN links AS l ON l.kind = k.id
  WHERE k.resource = :resource AND k.field = :field AND k.target_resource = :target
    AND l.integration_id = :integration AND l.target_id IN :ids"""
_ALL_OBJECTS = """SELECT id FROM objects
  WHERE integration_id = :integration AND resource = :resource AND deleted_at IS NULL"""


class LinkSearch(msgspec.Struct, frozen=True):
    """A search for the objects of a resource that refer to targets by a field."""

    resource: str
    field: str
    target: str
    all_objects: bool = False


def find_dependents(
    connection: Connection, catalog: Catalog, integration_id: int, news: Sequence[ObjectState]
) -> list[Mark]:
    """Return marks for the dependents of changed objects, with the time since they may differ."""
    marks: dict[Ref, Mark] = {}
    # By changed resource and search: the targets, each with the last time of a change.
    searches: defaultdict[tuple[str, LinkSearch], dict[str, str]] = defaultdict(dict)
    sources: set[Ref] = set()
    # ION does not compute other values from computed ones: a change of a part's quantity, the sum
    # of its inventory, must not mark all its inventory.
    stored = {
        name: frozenset(f.name for f in catalog.resources[name].fields if f.stored) - STAMPS
        for name in {state.resource for state in news}
    }
    for state in news:
        cause = state.observation or state.unchanged_event
        assert cause
        # A heal follows a mark from before its read, so dependents read in the same round include
        # the cause. A change found by a fetch may have happened until the response arrived.
        healed_at = cause.read_started_at if cause.origin.kind == "heal" else None
        since = healed_at or cause.observed_at
        is_source = not stored[state.resource].isdisjoint(state.changed_fields())
        if is_source:
            sources.add(state.ref)
        for dependent in catalog.dependents(state.resource):
            for id_ in _ids_in_document(state, dependent):
                _add(
                    marks,
                    Mark(dependent.resource, id_, stale_reasons.dependency(state.resource), since),
                )
            if is_source:
                for search, target in _searches(state, dependent):
                    targets = searches[state.resource, search]
                    targets[target] = max(targets.get(target, ""), since)
    for (changed, search), targets in searches.items():
        for id_, target in find_referrers(connection, integration_id, search, list(targets)):
            if search.resource != changed or (changed, id_) not in sources:
                _add(
                    marks,
                    Mark(search.resource, id_, stale_reasons.dependency(changed), targets[target]),
                )
    return list(marks.values())


def objects_sharing(
    connection: Connection, integration_id: int, resource: str, field: str, values: Iterable[str]
) -> list[str]:
    """Return the objects of a resource with one of these values in a shared field."""
    search = LinkSearch(resource, field, f"{resource}.{field}")
    return [id_ for id_, _ in find_referrers(connection, integration_id, search, list(values))]


def find_referrers(
    connection: Connection, integration_id: int, search: LinkSearch, targets: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the ids of the objects that refer to these targets, each with its target."""
    given = {"integration": integration_id, "resource": search.resource}
    if search.all_objects:
        return [(id_, "") for (id_,) in bulk.fetch_rows(connection, _ALL_OBJECTS, given)]
    parameters = given | {"field": search.field, "target": search.target, "ids": targets}
    return [(id_, target) for id_, target in bulk.fetch_rows(connection, _REFERRERS, parameters)]


def _ids_in_document(state: ObjectState, dependent: Dependent) -> set[str]:
    found: list[Any] = []
    for doc in (state.before or {}, *state.intermediate, state.doc):
        if dependent.own_key:
            found.append(doc.get(dependent.own_key))
        if dependent.own_ids and isinstance(listed := doc.get(dependent.own_ids), list):
            found += (
                cast("dict[str, Any]", entry).get("id") if isinstance(entry, dict) else entry
                for entry in cast("list[Any]", listed)
            )
    return {str(id_) for id_ in found if is_id(id_)}


def _searches(state: ObjectState, dependent: Dependent) -> Iterable[tuple[LinkSearch, str]]:
    if dependent.their_key:
        yield LinkSearch(dependent.resource, dependent.their_key, state.resource), state.id
    if dependent.their_list:
        yield LinkSearch(dependent.resource, dependent.their_list, state.resource), state.id
    if dependent.shared:
        field = dependent.shared
        search = LinkSearch(dependent.resource, field, f"{dependent.resource}.{field}")
        for doc in (state.before or {}, *state.intermediate, state.doc):
            if doc.get(field) is not None:
                yield search, str(doc[field])

    if dependent == Dependent(dependent.resource):
        yield LinkSearch(dependent.resource, "", "", all_objects=True), ""


def _add(marks: dict[Ref, Mark], mark: Mark) -> None:
    known = marks.get(mark.ref)
    if known is None or known.at < mark.at:
        marks[mark.ref] = mark
