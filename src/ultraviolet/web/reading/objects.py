"""Objects as the edge shows them: with their state, their links resolved, and their history."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, RowMapping, Select, and_, case, func, or_, select, text, tuple_

from ultraviolet.errors import NotFoundError
from ultraviolet.ion.catalog import Catalog, Resource
from ultraviolet.mirror.tables import objects, stale, versions

State = Literal["fresh", "stale", "partial", "deleted"]
_TITLES = ("title", "name", "partNumber", "serialNumber", "lotNumber", "value", "email", "prettyStr")
_STALE = stale.c.id.is_not(None)
_STATE = case(
    (objects.c.deleted_at.is_not(None), "deleted"),
    (objects.c.completeness == "partial", "partial"),
    (_STALE, "stale"),
    else_="fresh",
)
_SAYS = text("EXISTS (SELECT 1 FROM json_each(objects.doc) WHERE lower(CAST(value AS TEXT)) LIKE :said)")


class Counted(msgspec.Struct, frozen=True):
    """A resource and how much of it the mirror has."""

    resource: str
    title: str
    objects: int
    stale: int
    deleted: int
    changed_at: str | None


class LinkShown(msgspec.Struct, frozen=True):
    """What a link leads to; `found` tells whether the mirror has it."""

    resource: str
    id: str
    title: str | None
    found: bool


class ObjectShown(msgspec.Struct, frozen=True):
    """One object as the mirror has it now."""

    integration_id: int
    resource: str
    id: str
    title: str | None
    fields: dict[str, Any]
    links: dict[str, LinkShown]
    state: State
    version: int
    observed_at: str
    changed_at: str
    source_time: str | None
    origin: dict[str, Any]


class FieldChange(msgspec.Struct, frozen=True):
    """One field that became different."""

    name: str
    old: Any
    new: Any


class VersionShown(msgspec.Struct, frozen=True):
    """One content an object had, and how it differs from the one before."""

    version: int
    change: str
    changed: list[str]
    changes: list[FieldChange]
    fields: dict[str, Any]
    source_time: str | None
    observed_at: str
    origin: dict[str, Any]


class Wanted(msgspec.Struct, frozen=True):
    """Which objects of a resource to list; without a state, all that are not deleted."""

    integration_id: int
    resource: Resource
    said: str | None = None
    state: str | None = None


def counts(connection: Connection, catalog: Catalog, integration_id: int) -> list[Counted]:
    """Count what the mirror has, by resource."""
    here = objects.c.integration_id == integration_id
    query = select(objects.c.resource, func.count(), func.max(objects.c.changed_at)).where(here)
    ended = select(objects.c.resource, func.count()).where(here, objects.c.deleted_at.is_not(None))
    rows = connection.execute(ended.group_by(objects.c.resource))
    gone: dict[str, int] = {row[0]: row[1] for row in rows}
    unsure = select(stale.c.resource, func.count().label("stale")).where(
        stale.c.integration_id == integration_id
    )
    waiting = {row.resource: row.stale for row in connection.execute(unsure.group_by(stale.c.resource))}
    found = [
        Counted(
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


def by_id(connection: Connection, wanted: Wanted, after: str | None, limit: int) -> list[ObjectShown]:
    """List objects in the order of their ids, which stays the same while objects change."""
    query = _listing(wanted).order_by(func.length(objects.c.id), objects.c.id).limit(limit)
    if after is not None:
        place = tuple_(func.length(objects.c.id), objects.c.id)
        query = query.where(place > tuple_(len(after), after))
    return _shown(connection, wanted.resource, query)


def newest(connection: Connection, wanted: Wanted, limit: int) -> list[ObjectShown]:
    """List the objects that changed last."""
    query = _listing(wanted).order_by(objects.c.changed_at.desc(), objects.c.id).limit(limit)
    return _shown(connection, wanted.resource, query)


def one(connection: Connection, integration_id: int, resource: Resource, id_: str) -> ObjectShown:
    """Read one object; raises NotFoundError."""
    query = _listing(Wanted(integration_id, resource, state="any")).where(objects.c.id == id_)
    found = _shown(connection, resource, query)
    if not found:
        raise NotFoundError(f"The mirror has no {resource.name} {id_}; run a fetch, or check the id in ION.")
    return found[0]


def history(
    connection: Connection, integration_id: int, resource: Resource, id_: str, before: int | None, limit: int
) -> list[VersionShown]:
    """Read the versions of one object, newest first; `before` is the version to go on from."""
    query = (
        select(versions)
        .where(
            versions.c.integration_id == integration_id,
            versions.c.resource == resource.name,
            versions.c.id == id_,
        )
        .order_by(versions.c.version.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(versions.c.version < before)
    rows = connection.execute(query).mappings().all()
    docs: list[Mapping[str, Any]] = [*(row["doc"] for row in rows[1:]), {}]
    return [_version(row, older) for row, older in zip(rows, docs, strict=True)][:limit]


def resource_of(catalog: Catalog, name: str) -> Resource:
    """Find a resource by any of its names; raises NotFoundError."""
    resource = catalog.resolve(name)
    if resource is None:
        raise NotFoundError(f"ION has no resource {name}; `GET /api/v1/objects` lists those with objects.")
    return resource


def _title_of(catalog: Catalog, name: str) -> str:
    resource = catalog.resources.get(name)
    return resource.title if resource else name


def _listing(wanted: Wanted) -> Select[Any]:
    joined = and_(
        stale.c.integration_id == objects.c.integration_id,
        stale.c.resource == objects.c.resource,
        stale.c.id == objects.c.id,
    )
    query = (
        select(objects, _STATE.label("state"))
        .select_from(objects.outerjoin(stale, joined))
        .where(objects.c.integration_id == wanted.integration_id, objects.c.resource == wanted.resource.name)
    )
    if wanted.state is None:
        query = query.where(objects.c.deleted_at.is_(None))
    elif wanted.state != "any":
        query = query.where(_STATE == wanted.state)  # noqa: SIM300  a column, not a constant
    if wanted.said:
        said = _SAYS.bindparams(said=f"%{wanted.said.lower()}%")
        query = query.where(or_(objects.c.id == wanted.said, said))
    return query


def _shown(connection: Connection, resource: Resource, query: Select[Any]) -> list[ObjectShown]:
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
        if row["doc"].get(link.key) is not None
    }
    found: dict[tuple[str, str], str | None] = {}
    pairs = sorted(asked)
    for start in range(0, len(pairs), 400):
        query = select(objects.c.resource, objects.c.id, objects.c.doc).where(
            objects.c.integration_id == rows[0]["integration_id"],
            objects.c.deleted_at.is_(None),
            tuple_(objects.c.resource, objects.c.id).in_(pairs[start : start + 400]),
        )
        found |= {(row.resource, row.id): title(row.doc) for row in connection.execute(query)}
    return found


def title(doc: Mapping[str, Any]) -> str | None:
    """Give the words by which people know an object."""
    return next((str(doc[name]) for name in _TITLES if doc.get(name)), None)


def _object(
    row: RowMapping, resource: Resource, targets: Mapping[tuple[str, str], str | None]
) -> ObjectShown:
    doc: dict[str, Any] = row["doc"]
    links: dict[str, LinkShown] = {}
    for link in resource.links:
        if doc.get(link.key) is not None:
            place = (link.resource, str(doc[link.key]))
            links[link.field] = LinkShown(*place, targets.get(place), found=place in targets)
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
    return ObjectShown(**given, title=title(doc), fields=doc, links=links, origin=row["origin"])


def _version(row: RowMapping, older: Mapping[str, Any]) -> VersionShown:
    doc: dict[str, Any] = row["doc"]
    changed: list[str] = row["changed"]
    return VersionShown(
        version=row["version"],
        change=row["change"],
        changed=changed,
        changes=[FieldChange(name, older.get(name), doc.get(name)) for name in changed],
        fields=doc,
        source_time=row["source_time"],
        observed_at=row["observed_at"],
        origin=row["origin"],
    )
