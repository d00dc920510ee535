"""Objects as the edge shows them: with their state, their links resolved, and their history."""

import json
from collections.abc import Mapping
from typing import Any, Literal

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
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.db.tables.sync import stale
from ultraviolet.errors import NotFoundError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import search_index
from ultraviolet.text import did_you_mean
from ultraviolet.web.queries.links import LinkValue, object_title, read_link_titles, resource_title

State = Literal["fresh", "stale", "partial", "deleted"]
_IS_STALE = stale.c.id.is_not(None)
_STATE = case(
    (objects.c.deleted_at.is_not(None), "deleted"),
    (objects.c.completeness == "partial", "partial"),
    (_IS_STALE, "stale"),
    else_="fresh",
)


class ResourceCount(msgspec.Struct, frozen=True):
    """A resource and how much of it the mirror has."""

    resource: str
    title: str
    objects: int
    stale: int
    deleted: int
    changed_at: str | None


class ObjectDetail(msgspec.Struct, frozen=True):
    """One object as the mirror has it now."""

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
    """Fields whose value does not fit the type of their column: filters, views and exports take them for null."""
    confirmed_at: str | None
    """When the last whole read that showed this content began."""


class ObjectFilter(msgspec.Struct, frozen=True):
    """Which objects of a resource to list; without a state, all that are not deleted."""

    integration_id: int
    resource: Resource
    said: str | None = None
    state: str | None = None


def count_by_resource(
    connection: Connection, catalog: Catalog, integration_id: int
) -> list[ResourceCount]:
    """Count what the mirror has, by resource."""
    here = objects.c.integration_id == integration_id
    query = select(objects.c.resource, func.count(), func.max(objects.c.changed_at)).where(
        here, BY_CHANGE
    )
    ended = select(objects.c.resource, func.count()).where(here, objects.c.deleted_at.is_not(None))
    rows = connection.execute(ended.group_by(objects.c.resource))
    gone: dict[str, int] = {row[0]: row[1] for row in rows}
    unsure = select(stale.c.resource, func.count().label("stale")).where(
        stale.c.integration_id == integration_id
    )
    waiting = {
        row.resource: row.stale for row in connection.execute(unsure.group_by(stale.c.resource))
    }
    found = [
        ResourceCount(
            name,
            resource_title(catalog, name),
            total - gone.get(name, 0),
            waiting.get(name, 0),
            gone.get(name, 0),
            changed,
        )
        for name, total, changed in connection.execute(query.group_by(objects.c.resource))
    ]
    return sorted(found, key=lambda one: one.title)


def newest(connection: Connection, wanted: ObjectFilter, limit: int) -> list[ObjectDetail]:
    """List the objects that changed last."""
    query = select_objects(connection, wanted).where(BY_CHANGE)
    query = query.order_by(objects.c.changed_at.desc(), objects.c.id).limit(limit)
    return read_objects(connection, wanted.resource, query)


def get_object(
    connection: Connection, integration_id: int, resource: Resource, id_: str
) -> ObjectDetail:
    """Read one object; raises NotFoundError."""
    query = select_objects(connection, ObjectFilter(integration_id, resource, state="any")).where(
        objects.c.id == id_
    )
    found = read_objects(connection, resource, query)
    if not found:
        raise NotFoundError(
            f"The mirror has no {resource.name} {id_}; run a fetch, or check the id in ION."
        )
    return found[0]


def find_resource(catalog: Catalog, name: str) -> Resource:
    """Find a resource by any of its names; raises NotFoundError."""
    resource = catalog.resolve(name)
    if resource is None:
        near = did_you_mean(name, [one.name for one in catalog.mirrored])
        raise NotFoundError(
            f"ION has no resource {name}.{near or ' `GET /api/v1/objects` lists those with objects.'}"
        )
    return resource


def select_objects(
    connection: Connection, wanted: ObjectFilter, *, indexed: bool = True
) -> Select[Any]:
    """Select the rows of a resource's objects, with the state of each; a text is looked up in the search index or read for."""
    joined = and_(
        stale.c.integration_id == objects.c.integration_id,
        stale.c.resource == objects.c.resource,
        stale.c.id == objects.c.id,
    )
    query = (
        select(objects, _STATE.label("state"))
        .select_from(objects.outerjoin(stale, joined))
        .where(
            objects.c.integration_id == wanted.integration_id,
            objects.c.resource == sql.sql_literal(wanted.resource.name),
        )
    )
    if wanted.state is None:
        query = query.where(objects.c.deleted_at.is_(None))
    elif wanted.state != "any":
        query = query.where(_STATE == wanted.state)  # noqa: SIM300  a column, not a constant
    said = (wanted.said or "").replace("\0", "")
    if said:
        query = query.where(matches_text(connection, said))
        if indexed and len(said) >= text_index.GRAM:
            place = (wanted.integration_id, wanted.resource)
            query = query.where(search_index.may_say(connection, *place, said))
    return query


def matches_text(connection: Connection, said: str) -> ColumnElement[bool]:
    """Choose the objects that have this id, or this text in any field, by reading them."""
    in_field = sql.any_field_contains(connection).bindparams(said=f"%{said.lower()}%")
    stored = json.dumps(said, ensure_ascii=False)[1:-1]
    somewhere = cast(objects.c.doc, Text).icontains(stored, autoescape=True)
    return or_(objects.c.id == said, and_(somewhere, in_field))


def read_objects(
    connection: Connection, resource: Resource, query: Select[Any]
) -> list[ObjectDetail]:
    """Read what a `listing` selects, links resolved."""
    rows = connection.execute(query).mappings().all()
    targets = read_link_titles(connection, resource, rows)
    return [_to_object(row, resource, targets) for row in rows]


def _to_object(
    row: RowMapping, resource: Resource, targets: Mapping[tuple[str, str], str | None]
) -> ObjectDetail:
    doc: dict[str, Any] = row["doc"]
    invalid: dict[str, Any] = row["invalid_values"] or {}
    resolved: dict[str, LinkValue] = {}
    for link in resource.links:
        if doc.get(link.key) is not None and link.key not in invalid:
            place = (link.resource, str(doc[link.key]))
            resolved[link.field] = LinkValue(*place, targets.get(place), found=place in targets)
    given = {
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
        **given,
        title=object_title(doc),
        fields=doc,
        links=resolved,
        origin=row["origin"],
        invalid_fields=sorted(invalid),
        confirmed_at=row["read_at"],
    )
