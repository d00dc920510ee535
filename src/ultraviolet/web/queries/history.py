"""The mirror as it was: one object or a whole resource at a time, and two times compared."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, func, select, tuple_

from ultraviolet.db.tables.mirror import objects, versions
from ultraviolet.errors import NotFoundError
from ultraviolet.ion.model import Resource
from ultraviolet.web.queries.links import object_title
from ultraviolet.web.queries.versions import (
    FieldChange,
    VersionDetail,
    complete_since,
    list_versions,
)

Clock = Literal["hub", "ion"]
"""Whose time is meant: when the mirror showed it, or when ION had it."""
_BATCH_SIZE = 500
_MAX_VERSIONS = 1000


class ObjectAt(msgspec.Struct, frozen=True):
    """One object as it was at a time."""

    resource: str
    id: str
    title: str | None
    fields: dict[str, Any]
    version: int
    deleted: bool
    source_time: str | None
    """ION's time of that content."""
    observed_at: str
    """When the mirror learned it."""
    origin: dict[str, Any]


class Comparison(msgspec.Struct, frozen=True):
    """One object at two times, what differs, and every version between them, newest first."""

    before: ObjectAt | None
    after: ObjectAt | None
    changes: list[FieldChange]
    versions: list[VersionDetail]


class Difference(msgspec.Struct, frozen=True):
    """What became of one object of a resource between two times."""

    id: str
    change: Literal["created", "changed", "deleted"]
    changes: list[FieldChange]


class ResourceScope(msgspec.Struct, frozen=True):
    """Which resource, in which integration, by whose clock."""

    integration_id: int
    resource: Resource
    clock: Clock = "hub"


def object_at(connection: Connection, place: ResourceScope, id_: str, moment: str) -> ObjectAt:
    """Read one object as it was; raises NotFoundError where it was not known yet."""
    found = _read_states(connection, place, [id_], moment).get(id_)
    if found is None:
        _check_retained(connection, place, moment)
        raise NotFoundError(f"The mirror knew no {place.resource.name} {id_} at {moment}.")
    return found


def objects_at(
    connection: Connection, place: ResourceScope, moment: str, after: str | None, limit: int
) -> list[ObjectAt]:
    """Read a resource as it was, in the order of ids; what was deleted by then is left out.

    Raises NotFoundError for a time of which not everything is kept any more.
    """
    _check_retained(connection, place, moment)
    found: list[ObjectAt] = []
    while len(found) < limit:
        ids = _next_ids(connection, place, after)
        then = _read_states(connection, place, ids, moment)
        found += [then[id_] for id_ in ids if id_ in then and not then[id_].deleted]
        if len(ids) < _BATCH_SIZE:
            break
        after = ids[-1]
    return found[:limit]


def compare_object(
    connection: Connection, place: ResourceScope, id_: str, since: str, until: str
) -> Comparison:
    """Compare one object at two times; raises NotFoundError where it was known at neither."""
    before = _read_states(connection, place, [id_], since).get(id_)
    after = _read_states(connection, place, [id_], until).get(id_)
    if after is None:
        raise NotFoundError(f"The mirror knew no {place.resource.name} {id_} at {until}.")
    newest = list_versions(
        connection, place.integration_id, place.resource, id_, after.version + 1, _MAX_VERSIONS
    )
    between = [one for one in newest if before is None or one.version > before.version]
    return Comparison(before, after, _field_changes(before, after), between)


def list_differences(
    connection: Connection,
    place: ResourceScope,
    since: str,
    until: str,
    after: str | None,
    limit: int,
) -> list[Difference]:
    """Compare a resource at two times, in the order of ids; what is the same at both is left out.

    Raises NotFoundError for a time of which not everything is kept any more.
    """
    _check_retained(connection, place, min(since, until))
    found: list[Difference] = []
    while len(found) < limit:
        ids = _next_changed_ids(connection, place, since, until, after)
        old, new = (
            _read_states(connection, place, ids, since),
            _read_states(connection, place, ids, until),
        )
        found += [one for id_ in ids if (one := _compare_states(id_, old.get(id_), new.get(id_)))]
        if len(ids) < _BATCH_SIZE:
            break
        after = ids[-1]
    return found[:limit]


def _check_retained(connection: Connection, place: ResourceScope, moment: str) -> None:
    """Refuse to tell of a time of which something was removed: what is left would look like all there was."""
    since = complete_since(connection, place.integration_id)
    if since and moment < since:
        raise NotFoundError(
            f"History is kept since {since}; what was so at {moment} cannot be told any more."
        )


def _compare_states(id_: str, before: ObjectAt | None, after: ObjectAt | None) -> Difference | None:
    was, is_ = before is not None and not before.deleted, after is not None and not after.deleted
    if was and is_:
        changes = _field_changes(before, after)
        return Difference(id_, "changed", changes) if changes else None
    if was == is_:
        return None
    return Difference(id_, "created" if is_ else "deleted", _field_changes(before, after))


def _field_changes(before: ObjectAt | None, after: ObjectAt | None) -> list[FieldChange]:
    old = _fields(before)
    new = _fields(after)
    names = sorted(n for n in old.keys() | new.keys() if old.get(n, ...) != new.get(n, ...))
    return [FieldChange(name, old.get(name), new.get(name)) for name in names]


def _fields(then: ObjectAt | None) -> Mapping[str, Any]:
    return {} if then is None or then.deleted else then.fields


def _read_states(
    connection: Connection, place: ResourceScope, ids: Sequence[str], moment: str
) -> dict[str, ObjectAt]:
    """Read the last version that each of these objects had by then."""
    newest = (
        select(versions.c.id, func.max(versions.c.version).label("version"))
        .where(*_in_scope(place), versions.c.id.in_(ids), _clock_column(place) <= moment)
        .group_by(versions.c.id)
        .subquery()
    )
    same = (versions.c.id == newest.c.id) & (versions.c.version == newest.c.version)
    query = select(versions).join(newest, same).where(*_in_scope(place))
    return {row["id"]: _to_object_at(row) for row in connection.execute(query).mappings()}


def _next_ids(connection: Connection, place: ResourceScope, after: str | None) -> list[str]:
    kept = objects.c
    order = (func.length(kept.id), kept.id)
    query = select(kept.id).where(
        kept.integration_id == place.integration_id, kept.resource == place.resource.name
    )
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(len(after), after))
    return list(connection.execute(query.order_by(*order).limit(_BATCH_SIZE)).scalars())


def _next_changed_ids(
    connection: Connection, place: ResourceScope, since: str, until: str, after: str | None
) -> list[str]:
    order = (func.length(versions.c.id), versions.c.id)
    query = (
        select(*order)
        .where(*_in_scope(place), _clock_column(place) > since, _clock_column(place) <= until)
        .distinct()
    )
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(len(after), after))
    return [row[1] for row in connection.execute(query.order_by(*order).limit(_BATCH_SIZE))]


def _in_scope(place: ResourceScope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        versions.c.integration_id == place.integration_id,
        versions.c.resource == place.resource.name,
    )


def _clock_column(place: ResourceScope) -> ColumnElement[str]:
    if place.clock == "ion":
        return func.coalesce(versions.c.source_time, versions.c.observed_at)
    return versions.c.observed_at


def _to_object_at(row: RowMapping) -> ObjectAt:
    return ObjectAt(
        resource=row["resource"],
        id=row["id"],
        title=object_title(row["doc"]),
        fields=row["doc"],
        version=row["version"],
        deleted=row["change"] == "delete",
        source_time=row["source_time"],
        observed_at=row["observed_at"],
        origin=row["origin"],
    )
