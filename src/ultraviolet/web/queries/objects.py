"""Objects as the edge shows them: with their state, their links resolved, and their history."""

import json
from collections.abc import Mapping, Sequence
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
from ultraviolet.db.tables.integrations import retention
from ultraviolet.db.tables.mirror import BY_CHANGE, link_kinds, links, objects, versions
from ultraviolet.db.tables.sync import stale
from ultraviolet.errors import NotFoundError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import search_index
from ultraviolet.text import did_you_mean
from ultraviolet.web.queries import authors
from ultraviolet.web.queries.authors import Author

State = Literal["fresh", "stale", "partial", "deleted"]
_TITLES = (
    "title",
    "name",
    "partNumber",
    "serialNumber",
    "lotNumber",
    "value",
    "email",
    "prettyStr",
    "type",
)
_STALE = stale.c.id.is_not(None)
_STATE = case(
    (objects.c.deleted_at.is_not(None), "deleted"),
    (objects.c.completeness == "partial", "partial"),
    (_STALE, "stale"),
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


class LinkValue(msgspec.Struct, frozen=True):
    """What a link leads to; `found` tells whether the mirror has it."""

    resource: str
    id: str
    title: str | None
    found: bool


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


class FieldChange(msgspec.Struct, frozen=True):
    """One field that became different."""

    name: str
    old: Any
    new: Any


class VersionDetail(msgspec.Struct, frozen=True):
    """One content an object had, and how it differs from the one before."""

    version: int
    change: str
    changed: list[str]
    changes: list[FieldChange]
    fields: dict[str, Any]
    source_time: str | None
    observed_at: str
    origin: dict[str, Any]
    by: Author | None = None
    """Who made the change in ION; null where nobody told, as of computed values."""


class ObjectFilter(msgspec.Struct, frozen=True):
    """Which objects of a resource to list; without a state, all that are not deleted."""

    integration_id: int
    resource: Resource
    said: str | None = None
    state: str | None = None


def counts(connection: Connection, catalog: Catalog, integration_id: int) -> list[ResourceCount]:
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
            _title_of(catalog, name),
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
    query = list_objects(connection, wanted).where(BY_CHANGE)
    query = query.order_by(objects.c.changed_at.desc(), objects.c.id).limit(limit)
    return present_objects(connection, wanted.resource, query)


def get_object(
    connection: Connection, integration_id: int, resource: Resource, id_: str
) -> ObjectDetail:
    """Read one object; raises NotFoundError."""
    query = list_objects(connection, ObjectFilter(integration_id, resource, state="any")).where(
        objects.c.id == id_
    )
    found = present_objects(connection, resource, query)
    if not found:
        raise NotFoundError(
            f"The mirror has no {resource.name} {id_}; run a fetch, or check the id in ION."
        )
    return found[0]


def history(
    connection: Connection,
    integration_id: int,
    resource: Resource,
    id_: str,
    before: int | None,
    limit: int,
) -> list[VersionDetail]:
    """Read the versions of one object, newest first; `before` is the version to go on from."""
    query = (
        select(versions)
        .where(*_versions_of(integration_id, resource, id_))
        .order_by(versions.c.version.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(versions.c.version < before)
    rows = connection.execute(query).mappings().all()
    docs: list[Mapping[str, Any] | None] = [row["doc"] for row in rows[1:]]
    docs.append({} if rows and rows[-1]["version"] == 1 else None)
    made = [_version(row, older) for row, older in zip(rows, docs, strict=True)][:limit]
    by = authors.find_authors(connection, integration_id, made)
    return [msgspec.structs.replace(one, by=by.get(one.version)) for one in made]


def history_since(connection: Connection, integration_id: int) -> str | None:
    """Tell since when the history of an integration is whole; None: from the beginning."""
    query = select(retention.c.history_since).where(retention.c.integration_id == integration_id)
    return connection.execute(query).scalar()


class Provenance(msgspec.Struct, frozen=True):
    """Where the present value of a field comes from."""

    version: int
    observed_at: str
    origin: dict[str, Any]


class LinkedFrom(msgspec.Struct, frozen=True):
    """Objects of one resource that link here by one field; `some` are the first of them."""

    resource: str
    title: str
    field: str
    count: int
    some: list[LinkValue]


_NEWEST = 500
_SOME = 8
_COUNTED = 100_000


def provenance(
    connection: Connection, integration_id: int, resource: Resource, id_: str
) -> dict[str, Provenance]:
    """Tell for each field which of the newest versions gave it its present value."""
    query = (
        select(versions.c.version, versions.c.observed_at, versions.c.origin, versions.c.changed)
        .where(*_versions_of(integration_id, resource, id_))
        .order_by(versions.c.version.desc())
        .limit(_NEWEST)
    )
    found: dict[str, Provenance] = {}
    for row in connection.execute(query):
        for name in row.changed:
            found.setdefault(name, Provenance(row.version, row.observed_at, row.origin))
    return found


def as_of(
    connection: Connection, integration_id: int, resource: Resource, id_: str, version: int
) -> VersionDetail | None:
    """Read the content an object had in one of its versions."""
    found = history(connection, integration_id, resource, id_, version + 1, 1)
    return found[0] if found else None


class HistoryMoment(msgspec.Struct, frozen=True):
    """When a version began."""

    version: int
    observed_at: str


def moments(
    connection: Connection, integration_id: int, resource: Resource, id_: str
) -> list[HistoryMoment]:
    """Return when the newest versions began, oldest first; with the first that is kept, where life begins."""
    of_object = _versions_of(integration_id, resource, id_)
    query = select(versions.c.version, versions.c.observed_at).where(*of_object)
    newest = [
        HistoryMoment(*row)
        for row in connection.execute(query.order_by(versions.c.version.desc()).limit(_NEWEST))
    ]
    first = [
        HistoryMoment(*row)
        for row in connection.execute(query.order_by(versions.c.version).limit(1))
    ]
    return [*(one for one in first if one not in newest), *reversed(newest)]


def version_at(
    connection: Connection, integration_id: int, resource: Resource, id_: str, moment: str
) -> int | None:
    """Return which version an object had at a time; None before its first."""
    query = select(func.max(versions.c.version)).where(
        *_versions_of(integration_id, resource, id_), versions.c.observed_at <= moment
    )
    return connection.execute(query).scalar()


def linked_from(
    connection: Connection, catalog: Catalog, integration_id: int, resource: Resource, id_: str
) -> list[LinkedFrom]:
    """Follow links backwards: who names this object, most first."""
    named = select(link_kinds).where(link_kinds.c.target_resource == resource.name)
    kinds = {row.id: (row.resource, row.field) for row in connection.execute(named)}
    here = (links.c.integration_id == integration_id, links.c.target_id == id_)
    count = func.count().label("count")
    found = select(links.c.kind).where(*here, links.c.kind.in_(kinds)).limit(_COUNTED).subquery()
    groups = connection.execute(
        select(found.c.kind, count).group_by(found.c.kind).order_by(count.desc())
    ).all()
    return [
        LinkedFrom(name, _title_of(catalog, name), key, total, _some(connection, here, kind, name))
        for kind, total in groups
        for name, key in [kinds[kind]]
    ]


def _some(connection: Connection, here: Sequence[Any], kind: int, resource: str) -> list[LinkValue]:
    joined = and_(
        objects.c.integration_id == links.c.integration_id,
        objects.c.resource == resource,
        objects.c.id == links.c.id,
    )
    query = (
        select(objects.c.id, objects.c.doc).where(*here, joined, links.c.kind == kind).limit(_SOME)
    )
    return [
        LinkValue(resource, row.id, title(row.doc), found=True) for row in connection.execute(query)
    ]


def _versions_of(integration_id: int, resource: Resource, id_: str) -> tuple[Any, ...]:
    return (
        versions.c.integration_id == integration_id,
        versions.c.resource == resource.name,
        versions.c.id == id_,
    )


def resource_of(catalog: Catalog, name: str) -> Resource:
    """Find a resource by any of its names; raises NotFoundError."""
    resource = catalog.resolve(name)
    if resource is None:
        near = did_you_mean(name, [one.name for one in catalog.mirrored])
        raise NotFoundError(
            f"ION has no resource {name}.{near or ' `GET /api/v1/objects` lists those with objects.'}"
        )
    return resource


def _title_of(catalog: Catalog, name: str) -> str:
    resource = catalog.resources.get(name)
    return resource.title if resource else name


def list_objects(
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
        if indexed and len(said) >= text_index.GRAM_CHARACTERS:
            place = (wanted.integration_id, wanted.resource)
            query = query.where(search_index.may_contain(connection, *place, said))
    return query


def matches_text(connection: Connection, said: str) -> ColumnElement[bool]:
    """Choose the objects that have this id, or this text in any field, by reading them."""
    in_field = sql.any_field_contains(connection).bindparams(said=f"%{said.lower()}%")
    stored = json.dumps(said, ensure_ascii=False)[1:-1]
    somewhere = cast(objects.c.doc, Text).icontains(stored, autoescape=True)
    return or_(objects.c.id == said, and_(somewhere, in_field))


def present_objects(
    connection: Connection, resource: Resource, query: Select[Any]
) -> list[ObjectDetail]:
    """Read what a `listing` selects, links resolved."""
    rows = connection.execute(query).mappings().all()
    targets = _targets(connection, resource, rows)
    return [_object(row, resource, targets) for row in rows]


def _targets(
    connection: Connection, resource: Resource, rows: Sequence[RowMapping]
) -> dict[tuple[str, str], str | None]:
    """Read the titles of everything that these objects link to."""
    if not rows:
        return {}
    asked = {
        (link.resource, str(row["doc"][link.key]))
        for row in rows
        for link in resource.links
        if row["doc"].get(link.key) is not None and link.key not in (row["invalid_values"] or {})
    }
    found: dict[tuple[str, str], str | None] = {}
    for name in sorted(
        {name for name, _ in asked}
    ):  # one resource at a time: SQLite looks pairs up by scanning
        ids = sorted(id_ for asked_of, id_ in asked if asked_of == name)
        query = select(objects.c.id, objects.c.doc).where(
            objects.c.integration_id == rows[0]["integration_id"],
            objects.c.resource == name,
            objects.c.id.in_(ids),
            objects.c.deleted_at.is_(None),
        )
        found |= {(name, row.id): title(row.doc) for row in connection.execute(query)}
    return found


def title(doc: Mapping[str, Any]) -> str | None:
    """Return the words by which people know an object."""
    return next((str(doc[name]) for name in _TITLES if doc.get(name)), None)


def _object(
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
        title=title(doc),
        fields=doc,
        links=resolved,
        origin=row["origin"],
        invalid_fields=sorted(invalid),
        confirmed_at=row["read_at"],
    )


def _version(row: RowMapping, older: Mapping[str, Any] | None) -> VersionDetail:
    """Show a version beside the one before; where that is no longer kept, nothing is said of the old values."""
    doc: dict[str, Any] = row["doc"]
    changed: list[str] = row["changed"]
    left: Mapping[str, Any] = {} if row["change"] == "delete" else doc
    return VersionDetail(
        version=row["version"],
        change=row["change"],
        changed=changed,
        changes=[]
        if older is None
        else [FieldChange(name, older.get(name), left.get(name)) for name in changed],
        fields=doc,
        source_time=row["source_time"],
        observed_at=row["observed_at"],
        origin=row["origin"],
    )
