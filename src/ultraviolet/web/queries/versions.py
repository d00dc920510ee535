"""Versions of an object, with their changes, authors and origins."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    RowMapping,
    func,
    select,
)

from ultraviolet.db.tables.integrations import retention
from ultraviolet.db.tables.mirror import versions
from ultraviolet.ion.attributes import FIELD, PREFIX, rows
from ultraviolet.ion.model import Resource
from ultraviolet.web.queries import authors
from ultraviolet.web.queries.authors import Author


class FieldChange(msgspec.Struct, frozen=True):
    """The old and new value of a field or of a custom attribute, `attributes.Priority`."""

    name: str
    old: Any
    new: Any


def field_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], names: Iterable[str]
) -> list[FieldChange]:
    """Return the changes of fields; a changed custom attribute is `attributes.` and its name."""
    found: list[FieldChange] = []
    for name in names:
        each: list[FieldChange] = []
        if name == FIELD:
            before, after = dict(rows(old)), dict(rows(new))
            values = [
                (key, before.get(key, {}).get("value"), after.get(key, {}).get("value"))
                for key in sorted(before.keys() | after.keys())
            ]
            each = [
                FieldChange(f"{PREFIX}{key}", was, is_) for key, was, is_ in values if was != is_
            ]
        found += each or [FieldChange(name, old.get(name), new.get(name))]
    return found


class VersionDetail(msgspec.Struct, frozen=True):
    """One version of an object and its changes from the previous version."""

    version: int
    change: str
    changed: list[str]
    changes: list[FieldChange]
    fields: dict[str, Any]
    source_time: str | None
    observed_at: str
    origin: dict[str, Any]
    by: Author | None = None
    """Author of the change in ION; null if unknown, as for computed values."""


def list_versions(
    connection: Connection,
    integration_id: int,
    resource: Resource,
    id_: str,
    before: int | None,
    limit: int,
) -> list[VersionDetail]:
    """Return the versions of one object before the version `before`, newest first."""
    query = (
        select(versions)
        .where(*_is_version_of(integration_id, resource, id_))
        .order_by(versions.c.version.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(versions.c.version < before)
    rows = connection.execute(query).mappings().all()
    if not rows:
        return []
    previous: list[Mapping[str, Any] | None] = [row["doc"] for row in rows[1:]]
    previous.append({} if rows[-1]["version"] == 1 else None)
    found = [_to_version(row, older) for row, older in zip(rows, previous, strict=True)][:limit]
    by = authors.find_authors(connection, integration_id, found)
    return [msgspec.structs.replace(one, by=by.get(one.version)) for one in found]


def complete_since(connection: Connection, integration_id: int) -> str | None:
    """Return the time since which the history is complete; None if it was never purged."""
    query = select(retention.c.history_since).where(retention.c.integration_id == integration_id)
    return connection.execute(query).scalar()


class Provenance(msgspec.Struct, frozen=True):
    """The origin of the current value of a field."""

    version: int
    observed_at: str
    origin: dict[str, Any]


_MAX_VERSIONS = 500


def field_provenance(
    connection: Connection, integration_id: int, resource: Resource, id_: str
) -> dict[str, Provenance]:
    """Return the version that set the current value of each field, among the newest versions."""
    query = (
        select(versions.c.version, versions.c.observed_at, versions.c.origin, versions.c.changed)
        .where(*_is_version_of(integration_id, resource, id_))
        .order_by(versions.c.version.desc())
        .limit(_MAX_VERSIONS)
    )
    found: dict[str, Provenance] = {}
    for row in connection.execute(query):
        for name in row.changed:
            found.setdefault(name, Provenance(row.version, row.observed_at, row.origin))
    return found


def get_version(
    connection: Connection, integration_id: int, resource: Resource, id_: str, version: int
) -> VersionDetail | None:
    """Return one version of an object, or None."""
    found = list_versions(connection, integration_id, resource, id_, version + 1, 1)
    return found[0] if found else None


class VersionStart(msgspec.Struct, frozen=True):
    """Start time of a version."""

    version: int
    observed_at: str


def list_version_starts(
    connection: Connection, integration_id: int, resource: Resource, id_: str
) -> list[VersionStart]:
    """Return the start times of the first and the newest versions, oldest first."""
    of_object = _is_version_of(integration_id, resource, id_)
    query = select(versions.c.version, versions.c.observed_at).where(*of_object)
    newest = [
        VersionStart(*row)
        for row in connection.execute(
            query.order_by(versions.c.version.desc()).limit(_MAX_VERSIONS)
        )
    ]
    first = [
        VersionStart(*row)
        for row in connection.execute(query.order_by(versions.c.version).limit(1))
    ]
    return [*(one for one in first if one not in newest), *reversed(newest)]


def find_version_at(
    connection: Connection, integration_id: int, resource: Resource, id_: str, moment: str
) -> int | None:
    """Return the version of an object at a time; None before its first version."""
    query = select(func.max(versions.c.version)).where(
        *_is_version_of(integration_id, resource, id_), versions.c.observed_at <= moment
    )
    return connection.execute(query).scalar()


def _is_version_of(integration_id: int, resource: Resource, id_: str) -> tuple[Any, ...]:
    return (
        versions.c.integration_id == integration_id,
        versions.c.resource == resource.name,
        versions.c.id == id_,
    )


def _to_version(row: RowMapping, older: Mapping[str, Any] | None) -> VersionDetail:
    """Return a version with its changes, which are empty if the previous version was purged."""
    doc: dict[str, Any] = row["doc"]
    changed: list[str] = row["changed"]
    new: Mapping[str, Any] = {} if row["change"] == "delete" else doc
    return VersionDetail(
        version=row["version"],
        change=row["change"],
        changed=changed,
        changes=[] if older is None else field_changes(older, new, changed),
        fields=doc,
        source_time=row["source_time"],
        observed_at=row["observed_at"],
        origin=row["origin"],
    )
