"""Past states of objects, and comparisons of two times."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from ultraviolet.clock import readable
from ultraviolet.db import sql
from ultraviolet.db.tables.mirror import links, objects, versions
from ultraviolet.errors import NotFoundError
from ultraviolet.ion.model import Resource
from ultraviolet.web.queries.columns import bind
from ultraviolet.web.queries.links import LinkKind, object_title
from ultraviolet.web.queries.versions import (
    FieldChange,
    VersionDetail,
    complete_since,
    field_changes,
    list_versions,
)

Clock = Literal["hub", "ion"]
"""`hub`: time of the mirror. `ion`: time of the change in ION."""
_BATCH_SIZE = 500
_MAX_VERSIONS = 1000
_MAX_LINKED = 200
_MAX_DELETED = 500


class ObjectAt(msgspec.Struct, frozen=True):
    """The state of one object at a time."""

    resource: str
    id: str
    title: str | None
    fields: dict[str, Any]
    version: int
    deleted: bool
    source_time: str | None
    """ION's time of this content."""
    observed_at: str
    """Time at which the mirror received this content."""
    origin: dict[str, Any]


class Comparison(msgspec.Struct, frozen=True):
    """One object at two times, its differences, and the versions in between, newest first."""

    before: ObjectAt | None
    after: ObjectAt | None
    changes: list[FieldChange]
    versions: list[VersionDetail]


class Difference(msgspec.Struct, frozen=True):
    """The change of one object between two times."""

    id: str
    change: Literal["created", "changed", "deleted"]
    changes: list[FieldChange]


class ResourceScope(msgspec.Struct, frozen=True):
    """A resource of an integration, and the clock that times refer to."""

    integration_id: int
    resource: Resource
    clock: Clock = "hub"


def object_at(connection: Connection, scope: ResourceScope, id_: str, moment: str) -> ObjectAt:
    """Return one object at a time; raise NotFoundError if the mirror did not have it."""
    found = _read_states(connection, scope, [id_], moment).get(id_)
    if found is None:
        _check_retained(connection, scope, moment)
        raise _not_there(connection, scope, id_, moment)
    return found


def objects_at(
    connection: Connection, scope: ResourceScope, moment: str, after: str | None, limit: int
) -> list[ObjectAt]:
    """Return the objects of a resource that existed at a time, ordered by id.

    Raise NotFoundError if part of the history of that time has been purged.
    """
    _check_retained(connection, scope, moment)
    known = select(objects.c.id).where(*_is_object_in(scope))
    found: list[ObjectAt] = []
    while len(found) < limit:
        ids = _next_ids(connection, known, objects.c.id, after)
        states = _read_states(connection, scope, ids, moment)
        found += [states[id_] for id_ in ids if id_ in states and not states[id_].deleted]
        if len(ids) < _BATCH_SIZE:
            break
        after = ids[-1]
    return found[:limit]


def list_linked_then(
    connection: Connection, scope: ResourceScope, kind: LinkKind, id_: str, moment: str
) -> list[ObjectAt] | None:
    """Return the objects of a resource that linked to an object at a time, ordered by id.

    They are among those that link to it today or are deleted now; those that link to another object
    today are not found, because no index has past links. Return None if too many link to it.
    """
    ids = _linked_today(connection, scope.integration_id, kind, id_)
    if len(ids) > _MAX_LINKED:
        return None
    ids |= _deleted_since(connection, scope, kind.field, id_, moment)
    states = _read_states(connection, scope, sorted(ids), moment) if ids else {}
    found = [
        state
        for state in states.values()
        if not state.deleted and _contains_id(state.fields.get(kind.field), id_)
    ]
    return sorted(found, key=lambda state: (len(state.id), state.id))


def _linked_today(
    connection: Connection, integration_id: int, kind: LinkKind, id_: str
) -> set[str]:
    """Return the ids of at most one more object than can be examined."""
    query = select(links.c.id).where(
        links.c.integration_id == integration_id, links.c.kind == kind.id, links.c.target_id == id_
    )
    return set(connection.execute(query.limit(_MAX_LINKED + 1)).scalars())


def _deleted_since(
    connection: Connection, scope: ResourceScope, field: str, id_: str, moment: str
) -> set[str]:
    """Return the ids of the objects deleted after a time, whose last content links to an object."""
    if scope.resource.kinds.get(field) not in ("id", "integer") or not id_.isdecimal():
        return set()
    deleted = (
        select(objects.c.id)
        .where(
            *_is_object_in(scope), objects.c.deleted_at.is_not(None), objects.c.deleted_at > moment
        )
        .limit(_MAX_DELETED)
    )
    target = sql.value_of(connection, objects, field, "id")
    query = select(objects.c.id).where(
        *_is_object_in(scope), objects.c.id.in_(deleted), target == bind(int(id_))
    )
    return set(connection.execute(query).scalars())


def _is_object_in(scope: ResourceScope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        objects.c.integration_id == scope.integration_id,
        objects.c.resource == scope.resource.name,
    )


def _contains_id(value: Any, id_: str) -> bool:
    """Return whether a value is the id of an object, or a list of objects with that one."""
    if isinstance(value, list):
        return any(
            str(cast("dict[str, Any]", item).get("id")) == id_
            for item in cast("list[Any]", value)
            if isinstance(item, dict)
        )
    return str(value) == id_


def _not_there(
    connection: Connection, scope: ResourceScope, id_: str, moment: str
) -> NotFoundError:
    """Return the error that the mirror did not have an object, with the start of its history."""
    first = select(func.min(versions.c.observed_at)).where(
        versions.c.integration_id == scope.integration_id,
        versions.c.resource == scope.resource.name,
        versions.c.id == id_,
    )
    start = connection.execute(first).scalar()
    since = f" Its history starts at {readable(start)}." if start else ""
    return NotFoundError(
        f"The mirror did not have {scope.resource.name} {id_} at {readable(moment)}.{since}"
    )


def compare_object(
    connection: Connection, scope: ResourceScope, id_: str, since: str, until: str
) -> Comparison:
    """Compare one object at two times; raise NotFoundError if the mirror had it at neither."""
    before = _read_states(connection, scope, [id_], since).get(id_)
    after = _read_states(connection, scope, [id_], until).get(id_)
    if after is None:
        raise _not_there(connection, scope, id_, until)
    newest = list_versions(
        connection, scope.integration_id, scope.resource, id_, after.version + 1, _MAX_VERSIONS
    )
    between = [one for one in newest if before is None or one.version > before.version]
    return Comparison(before, after, _field_changes(before, after), between)


def list_differences(
    connection: Connection,
    scope: ResourceScope,
    since: str,
    until: str,
    after: str | None,
    limit: int,
) -> list[Difference]:
    """Return the objects of a resource that differ between two times, ordered by id.

    Raise NotFoundError if part of the history of that time has been purged.
    """
    _check_retained(connection, scope, min(since, until))
    clock = _clock_column(scope)
    changed = (
        select(func.length(versions.c.id), versions.c.id)
        .where(*_in_scope(scope), clock > since, clock <= until)
        .distinct()
    )
    found: list[Difference] = []
    while len(found) < limit:
        ids = _next_ids(connection, changed, versions.c.id, after)
        old, new = (
            _read_states(connection, scope, ids, since),
            _read_states(connection, scope, ids, until),
        )
        found += [one for id_ in ids if (one := _compare_states(id_, old.get(id_), new.get(id_)))]
        if len(ids) < _BATCH_SIZE:
            break
        after = ids[-1]
    return found[:limit]


def _check_retained(connection: Connection, scope: ResourceScope, moment: str) -> None:
    """Raise NotFoundError if part of the history of a time has been purged."""
    since = complete_since(connection, scope.integration_id)
    if since and moment < since:
        raise NotFoundError(
            f"History is kept since {readable(since)};"
            f" the state at {readable(moment)} is no longer available."
        )


def _compare_states(id_: str, before: ObjectAt | None, after: ObjectAt | None) -> Difference | None:
    existed = before is not None and not before.deleted
    exists = after is not None and not after.deleted
    if existed and exists:
        changes = _field_changes(before, after)
        return Difference(id_, "changed", changes) if changes else None
    if existed == exists:
        return None
    return Difference(id_, "created" if exists else "deleted", _field_changes(before, after))


def _field_changes(before: ObjectAt | None, after: ObjectAt | None) -> list[FieldChange]:
    old, new = _fields(before), _fields(after)
    names = sorted(n for n in old.keys() | new.keys() if old.get(n, ...) != new.get(n, ...))
    return field_changes(old, new, names)


def _fields(found: ObjectAt | None) -> Mapping[str, Any]:
    return {} if found is None or found.deleted else found.fields


def _read_states(
    connection: Connection, scope: ResourceScope, ids: Sequence[str], moment: str
) -> dict[str, ObjectAt]:
    """Return the state of each of these objects at a time."""
    newest = (
        select(versions.c.id, func.max(versions.c.version).label("version"))
        .where(*_in_scope(scope), versions.c.id.in_(ids), _clock_column(scope) <= moment)
        .group_by(versions.c.id)
        .subquery()
    )
    is_newest = (versions.c.id == newest.c.id) & (versions.c.version == newest.c.version)
    query = select(versions).join(newest, is_newest).where(*_in_scope(scope))
    return {
        row["id"]: ObjectAt(
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
        for row in connection.execute(query).mappings()
    }


def _next_ids(
    connection: Connection,
    query: Select[*tuple[Any, ...]],
    id_: ColumnElement[str],
    after: str | None,
) -> list[str]:
    """Return the next ids of a query whose last column is the id."""
    order = (func.length(id_), id_)
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(len(after), after))
    return [row[-1] for row in connection.execute(query.order_by(*order).limit(_BATCH_SIZE))]


def _in_scope(scope: ResourceScope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        versions.c.integration_id == scope.integration_id,
        versions.c.resource == scope.resource.name,
    )


def _clock_column(scope: ResourceScope) -> ColumnElement[str]:
    if scope.clock == "ion":
        return func.coalesce(versions.c.source_time, versions.c.observed_at)
    return versions.c.observed_at
