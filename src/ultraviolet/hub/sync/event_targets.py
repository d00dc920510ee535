"""Find the mirrored objects that an event concerns if its row is not mirrored itself.

Such a row is an attribute, a label, a file or a relation of mirrored objects. They become stale.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, text

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import Envelope, is_id
from ultraviolet.ion.model import AUTHOR_KEYS, Resource
from ultraviolet.mirror.dependents import objects_sharing
from ultraviolet.mirror.observation import Ref

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
    targets: set[Ref] = set()
    if resource.owner and resource.owner_key:
        targets |= {(resource.owner, id_) for id_ in ids[resource.owner_key]}
    for link in resource.links:
        found: Collection[str] = ()
        if link.key in catalog.shared.get(link.resource, ()):
            # A link may name a value that several objects share, such as a family of versions.
            found = objects_sharing(
                connection, integration_id, link.resource, link.key, ids[link.key]
            )
        elif link.resource in catalog.shared and link.key not in AUTHOR_KEYS:
            found = ids[link.key]  # the row does not concern its authors
        targets |= {(link.resource, id_) for id_ in found}
    # Objects with the entity that a label, file or comment is attached to.
    target = next((link.resource for link in resource.links if link.key == "entityId"), "entities")
    given = {"integration": integration_id, "target": target}
    for entity in ids["entityId"]:
        rows = connection.execute(_OBJECTS_OF_ENTITY, given | {"entity": entity})
        targets |= {(row.resource, row.id) for row in rows}
    return sorted(targets)


def _ids_by_field(resource: Resource, envelope: Envelope) -> defaultdict[str, set[str]]:
    """Return all valid ids in an event, old and new, by field.

    They include the foreign keys in a composite id, or in an attribute's `<owner>-<key>` (assumed).
    """
    id_ = envelope.object_id or ""
    keys: dict[str, Any] = {}
    parts = id_.split(":")
    if resource.owner_key:
        owner, dash, _ = id_.partition("-")
        keys = {resource.owner_key: owner} if dash and owner.isdecimal() else {}
    elif len(parts) == len(resource.key) > 1:
        keys = dict(zip(resource.key, parts, strict=True))
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for values in (envelope.old, envelope.fields, envelope.keys, keys):
        for name, value in values.items():
            if is_id(value):
                ids[name].add(str(value))
    return ids
