"""Find the mirrored objects that an event concerns if its row is not mirrored itself.

Such a row is an attribute, a label, a file or a relation of mirrored objects. They become stale.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, text

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import Envelope, is_id
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.dependents import objects_sharing
from ultraviolet.mirror.observation import Ref

_AUTHOR_KEYS = {"createdById", "updatedById"}
"""Links to the users that wrote a row; the row does not concern them."""
_OBJECTS_OF_ENTITY = text(
    """SELECT k.resource, l.id FROM link_kinds AS k JOIN links AS l ON l.kind = k.id
  WHERE k.target_resource = :target AND k.field = 'entityId'
    AND l.integration_id = :integration AND l.target_id = :entity"""
)


def find_targets(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    resource: Resource,
    envelope: Envelope,
) -> list[Ref]:
    """Return the mirrored objects that a row belongs to or relates, sorted."""
    ids = _ids_by_field(resource, envelope)
    targets = set(_linked_objects(connection, catalog, integration_id, resource, ids))
    if resource.owner and resource.owner_key:
        targets |= {(resource.owner, id_) for id_ in ids[resource.owner_key]}
    targets |= set(_entity_objects(connection, integration_id, resource, envelope))
    return sorted(targets)


def _linked_objects(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    resource: Resource,
    ids: defaultdict[str, set[str]],
) -> Iterable[Ref]:
    """Return the objects that a row links to.

    A link may name a value that several objects share, such as a family of versions.
    """
    for link in resource.links:
        if link.key in catalog.shared.get(link.resource, ()):
            found = objects_sharing(
                connection, integration_id, link.resource, link.key, ids[link.key]
            )
            yield from ((link.resource, id_) for id_ in found)
        elif link.resource in catalog.shared and link.key not in _AUTHOR_KEYS:
            yield from ((link.resource, id_) for id_ in ids[link.key])


def _entity_objects(
    connection: Connection, integration_id: int, resource: Resource, envelope: Envelope
) -> Iterable[Ref]:
    """Return the objects with the entity that a label, file or comment is attached to."""
    target = next((link.resource for link in resource.links if link.key == "entityId"), "entities")
    for values in (envelope.old, envelope.fields):
        entity = values.get("entityId")
        if is_id(entity):
            parameters = {"integration": integration_id, "target": target, "entity": str(entity)}
            rows = connection.execute(_OBJECTS_OF_ENTITY, parameters)
            yield from ((row.resource, row.id) for row in rows)


def _ids_by_field(resource: Resource, envelope: Envelope) -> defaultdict[str, set[str]]:
    """Return all valid ids in an event, old and new, by field."""
    ids: defaultdict[str, set[str]] = defaultdict(set)
    keys = _parse_composite_id(resource, envelope.object_id or "")
    for values in (envelope.old, envelope.fields, envelope.keys, keys):
        for name, value in values.items():
            if is_id(value):
                ids[name].add(str(value))
    return ids


def _parse_composite_id(resource: Resource, id_: str) -> dict[str, Any]:
    """Return the foreign keys in a composite id, or in an attribute's `<owner>-<key>` (assumed)."""
    if resource.owner_key:
        owner, dash, _ = id_.partition("-")
        return {resource.owner_key: owner} if dash and owner.isdecimal() else {}
    parts = id_.split(":")
    if len(parts) == len(resource.key) > 1:
        return dict(zip(resource.key, parts, strict=True))
    return {}
