"""Objects of the mirror, with their state and their links resolved."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
)

from ultraviolet.db import sql, text_index
from ultraviolet.db.representation import invalid_values
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.db.tables.sync import stale
from ultraviolet.errors import NotFoundError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import search_index
from ultraviolet.text import did_you_mean
from ultraviolet.web.queries.links import LinkValue, object_title, read_link_titles, resource_title

State = Literal["fresh", "stale", "partial", "deleted"]
STATES: tuple[State, ...] = get_args(State)
_STATE = case(
    (objects.c.deleted_at.is_not(None), "deleted"),
    (objects.c.completeness == "partial", "partial"),
    (stale.c.id.is_not(None), "stale"),
    else_="fresh",
)


class ResourceCount(msgspec.Struct, frozen=True):
    """A resource with its number of objects in the mirror."""

    resource: str
    title: str
    objects: int
    stale: int
    deleted: int
    changed_at: str | None


class ObjectDetail(msgspec.Struct, frozen=True):
    """The current state of one object in the mirror."""

    integration_id: int
    resource: str
    id: str
    title: str | None
    fields: dict[str, Any]
    links: dict[str, LinkValue]
    state: State
    version: int
    observed_at: str
    changed_at: str
    source_time: str | None
    origin: dict[str, Any]
    invalid_fields: list[str]
    """Fields whose value does not fit their column type; filters, views and exports use null."""
    confirmed_at: str | None
    """Start time of the last full read that confirmed this content."""
    linked: dict[str, Any]
    """Values of the requested columns of linked objects, by path, such as `supplier.name`."""


class ObjectFilter(msgspec.Struct, frozen=True):
    """The objects of a resource to list; without a state, all that are not deleted."""

    integration_id: int
    resource: Resource
    text: str | None = None
    state: str | None = None


def count_by_resource(
    connection: Connection, catalog: Catalog, integration_id: int
) -> list[ResourceCount]:
    """Return the numbers of objects by resource, ordered by title."""
    here = objects.c.integration_id == integration_id
    query = select(objects.c.resource, func.count(), func.max(objects.c.changed_at)).where(
        here, BY_CHANGE
    )
    deleted_query = (
        select(objects.c.resource, func.count())
        .where(here, objects.c.deleted_at.is_not(None))
        .group_by(objects.c.resource)
    )
    deleted: dict[str, int] = {row[0]: row[1] for row in connection.execute(deleted_query)}
    stale_query = (
        select(stale.c.resource, func.count())
        .where(stale.c.integration_id == integration_id)
        .group_by(stale.c.resource)
    )
    stale_counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(stale_query)}
    counts = [
        ResourceCount(
            name,
            resource_title(catalog, name),
            total - deleted.get(name, 0),
            stale_counts.get(name, 0),
            deleted.get(name, 0),
            changed,
        )
        for name, total, changed in connection.execute(query.group_by(objects.c.resource))
    ]
    return sorted(counts, key=lambda count: count.title.casefold())


def get_object(
    connection: Connection, integration_id: int, resource: Resource, id_: str
) -> ObjectDetail:
    """Return one object; raise NotFoundError if the mirror does not have it."""
    query = select_objects(connection, ObjectFilter(integration_id, resource, state="any")).where(
        objects.c.id == id_
    )
    found = read_objects(connection, resource, query)
    if not found:
        kind = resource_label(resource.name).singular
        raise NotFoundError(
            f"The mirror has no {kind.lower()} with the ID {id_}."
            " Check the ID in ION, or start a sync.",
            subject=f"{kind} {id_}",
        )
    return found[0]


def find_resource(catalog: Catalog, name: str, *, field: str = "") -> Resource:
    """Return a resource by any of its names; raise NotFoundError, for a field if one has the name."""
    resource = catalog.resolve(name)
    if resource is None:
        near = did_you_mean(name, [one.name for one in catalog.mirrored])
        raise NotFoundError(
            f"ION has no resource “{name}”.{near or ' The list of objects has all resources.'}",
            field=field,
        )
    return resource


def resource_name(catalog: Catalog, given: str | None) -> str | None:
    """Return the name of the resource that a filter selects by any of its names; None for all.

    Raise NotFoundError.
    """
    return find_resource(catalog, given, field="resource").name if given else None


def select_objects(
    connection: Connection, object_filter: ObjectFilter, *, indexed: bool = True
) -> Select[Any]:
    """Return a query for the objects of a resource with their states.

    Without `indexed`, the query finds text by scanning instead of in the search index.
    """
    joined = and_(
        stale.c.integration_id == objects.c.integration_id,
        stale.c.resource == objects.c.resource,
        stale.c.id == objects.c.id,
    )
    query = (
        select(objects, _STATE.label("state"))
        .select_from(objects.outerjoin(stale, joined))
        .where(
            objects.c.integration_id == object_filter.integration_id,
            objects.c.resource == sql.sql_literal(object_filter.resource.name),
        )
    )
    if object_filter.state is None:
        query = query.where(objects.c.deleted_at.is_(None))
    elif object_filter.state != "any":
        query = query.where(_STATE == object_filter.state)  # noqa: SIM300  a column, not a constant
        if object_filter.state == "deleted":  # so that indexes find the few
            query = query.where(objects.c.deleted_at.is_not(None))
        elif object_filter.state == "stale":
            stale_ids = select(stale.c.id).where(
                stale.c.integration_id == object_filter.integration_id,
                stale.c.resource == object_filter.resource.name,
            )
            query = query.where(objects.c.id.in_(stale_ids))
    text = (object_filter.text or "").replace("\0", "")
    if text:
        query = query.where(matches_text(connection, text))
        if indexed and len(text) >= text_index.GRAM_CHARACTERS:
            scope = (object_filter.integration_id, object_filter.resource)
            query = query.where(search_index.may_contain(connection, *scope, text))
    return query


def matches_text(connection: Connection, text: str) -> ColumnElement[bool]:
    """Return the condition that an object has this id, or this text in any field."""
    in_field = sql.any_field_contains(connection).bindparams(said=f"%{text.lower()}%")
    stored = json.dumps(text, ensure_ascii=False)[1:-1]
    in_document = cast(objects.c.doc, Text).icontains(stored, autoescape=True)
    return or_(objects.c.id == text, and_(in_document, in_field))


def read_objects(
    connection: Connection, resource: Resource, query: Select[Any]
) -> list[ObjectDetail]:
    """Return the objects of a query by `select_objects`, with their links resolved."""
    rows = connection.execute(query).mappings().all()
    if not rows:
        return []
    contents: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (row["doc"], row["invalid_values"] or {}) for row in rows
    ]
    targets = read_link_titles(connection, resource, rows[0]["integration_id"], contents)
    return [_to_object(row, resource, targets) for row in rows]


def with_past_contents(
    connection: Connection,
    resource: Resource,
    found: Sequence[ObjectDetail],
    documents: Mapping[str, dict[str, Any]],
) -> list[ObjectDetail]:
    """Return objects with earlier documents, by id.

    Links have the current names of the objects that they led to, also of deleted ones.
    """
    if not found:
        return []
    contents = [
        (document, invalid_values(resource.kinds, document))
        for document in (documents[one.id] for one in found)
    ]
    targets = read_link_titles(
        connection, resource, found[0].integration_id, contents, with_deleted=True
    )
    return [
        msgspec.structs.replace(
            one,
            title=object_title(document),
            fields=document,
            links=_resolve(resource, document, invalid, targets),
            invalid_fields=sorted(invalid),
        )
        for one, (document, invalid) in zip(found, contents, strict=True)
    ]


def _resolve(
    resource: Resource,
    doc: Mapping[str, Any],
    invalid: Mapping[str, Any],
    targets: Mapping[tuple[str, str], str | None],
) -> dict[str, LinkValue]:
    """Return the links of a document by field."""
    resolved: dict[str, LinkValue] = {}
    for link in resource.links:
        if doc.get(link.key) is not None and link.key not in invalid:
            target = (link.resource, str(doc[link.key]))
            resolved[link.field] = LinkValue(*target, targets.get(target), found=target in targets)
    return resolved


def _to_object(
    row: RowMapping, resource: Resource, targets: Mapping[tuple[str, str], str | None]
) -> ObjectDetail:
    doc: dict[str, Any] = row["doc"]
    invalid: dict[str, Any] = row["invalid_values"] or {}
    values = {
        name: row[name]
        for name in (
            "integration_id",
            "resource",
            "id",
            "state",
            "version",
            "observed_at",
            "changed_at",
            "source_time",
        )
    }
    return ObjectDetail(
        **values,
        title=object_title(doc),
        fields=doc,
        links=_resolve(resource, doc, invalid, targets),
        origin=row["origin"],
        invalid_fields=sorted(invalid),
        confirmed_at=row["read_at"],
        linked={},
    )
