"""Progress of a fetch: one row per resource, saved in the transaction of each page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, insert, select, text, update

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.sync import fetch_steps
from ultraviolet.hub.sync.absence import list_unlisted
from ultraviolet.hub.sync.watermarks import Watermark, raise_watermark, record_proof
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.observation import Applied, Mark, Observation, Ref
from ultraviolet.mirror.stale_reasons import NOT_READABLE

Mode = Literal["incremental", "full"]

_ADD_PAGE = text(
    """UPDATE fetch_steps SET state = 'reading', cursor = :cursor, total = coalesce(:total, total),
      read = read + :read, changed = changed + :changed, error = coalesce(error, :error)
    WHERE fetch_id = :fetch AND resource = :resource RETURNING error"""
)


class ResumePoint(msgspec.Struct, frozen=True):
    """The saved progress of one resource."""

    cursor: str | None
    started_at: str | None
    watermark: Watermark
    """The watermark of the resource before this fetch."""
    error: str | None = None
    """Objects that could not be read before a restart."""


class Completion(msgspec.Struct, frozen=True):
    """What a resource is recorded with when everything of it is read."""

    started_at: str
    watermark: str | None
    """The time up to which the resource is complete, if known."""
    proven_by: str | None
    """What proves that the mirror was equal to ION at the start, if it was."""


class PageCommit(msgspec.Struct, frozen=True):
    """A fetched page with the progress to save: everything that one transaction writes."""

    fetch_id: int
    resource: str
    observations: Sequence[Observation]
    unreadable: Mapping[str, str] = {}
    """Objects of the page that could not be read: the reason by id."""
    cursor: str | None = None
    total: int | None = None
    problem: str | None = None
    """Objects of this and earlier pages that could not be read."""
    watermark: str | None = None
    """The time up to which the page completes the resource."""
    begins: str | None = None
    """The start of a full pass, for its first page."""
    completion: Completion | None = None
    """Set on the last page of a full pass."""


class PageResult(msgspec.Struct, frozen=True):
    """The result of a committed page."""

    changed: int
    not_kept: Mapping[str, str]
    """Objects that the mirror could not store: the reason by id."""
    completed: bool = False
    """Whether the page completed its resource: everything is read and nothing is unlisted."""


def insert_steps(connection: Connection, catalog: Catalog, fetch_id: int) -> None:
    """Insert a step for each resource that has none."""
    steps = fetch_steps.c
    query = select(steps.resource).where(steps.fetch_id == fetch_id)
    known = set(connection.execute(query).scalars())
    new = {"fetch_id": fetch_id, "state": "waiting", "read": 0, "changed": 0, "deleted": 0}
    rows = [{**new, "resource": r.name} for r in catalog.mirrored if r.name not in known]
    if rows:
        connection.execute(insert(fetch_steps), rows)


def save_pages(
    integration_id: int,
    pages: Sequence[PageCommit],
    connection: Connection,
    applied: Applied,
    not_kept: Mapping[Ref, str],
) -> list[PageResult]:
    """Save the progress after pages; complete each resource of which nothing is left to do.

    The first page of a resource counts the changes of all its pages.
    """
    changes = Counter(change.resource for change in applied.changes)
    results: list[PageResult] = []
    for page in pages:
        name, changed = page.resource, changes.pop(page.resource, 0)
        lost = {o.id: not_kept[o.ref] for o in page.observations if o.ref in not_kept}
        mark_unreadable(connection, integration_id, name, {**page.unreadable, **lost})
        values = {
            "fetch": page.fetch_id,
            "resource": name,
            "cursor": page.cursor,
            "total": page.total,
            "read": len(page.observations) - len(lost),
            "changed": changed,
            "error": page.problem or describe_unreadable(name, lost),
        }
        problem = connection.execute(_ADD_PAGE, values).scalar()
        if page.begins:
            set_step(connection, page.fetch_id, name, started_at=page.begins)
        raise_watermark(connection, integration_id, name, page.watermark)
        end = page.completion
        completed = (
            end is not None
            and not problem
            and not list_unlisted(connection, integration_id, name, end.started_at, "", limit=1)
        )
        if end and completed:
            complete_step(connection, integration_id, page.fetch_id, name, end)
        results.append(PageResult(changed, lost, completed))
    return results


def mark_unreadable(
    connection: Connection, integration_id: int, resource: str, unreadable: Mapping[str, str]
) -> None:
    """Mark unreadable objects stale, so that healing reads them one by one, with growing delays."""
    moment = now_rfc3339()
    marks = [Mark(resource, id_, NOT_READABLE, moment) for id_ in unreadable]
    if marks:
        mark_stale(connection, integration_id, marks)


def describe_unreadable(resource: str, unreadable: Mapping[str, str]) -> str | None:
    """Return a sentence about objects that could not be read, or None if there are none."""
    if not unreadable:
        return None
    id_, why = next(iter(unreadable.items()))
    others = len(unreadable) - 1
    more = f" ({others} more could not be read either)" if others else ""
    return f"{resource} {id_} could not be read and keeps its last content{more}: {why}"


def complete_step(
    connection: Connection,
    integration_id: int,
    fetch_id: int,
    resource: str,
    completion: Completion,
) -> None:
    """Record that everything of a resource is read."""
    raise_watermark(connection, integration_id, resource, completion.watermark)
    at = completion.started_at if completion.proven_by else None
    record_proof(connection, integration_id, resource, at=at, by=completion.proven_by)
    finished_at = now_rfc3339()
    set_step(connection, fetch_id, resource, state="done", error=None, finished_at=finished_at)


def add_deleted(connection: Connection, fetch_id: int, resource: str, count: int) -> None:
    """Add to the number of objects that a fetch deleted."""
    set_step(connection, fetch_id, resource, deleted=fetch_steps.c.deleted + count)


def set_step(connection: Connection, fetch_id: int, resource: str, **values: Any) -> None:
    """Set columns of the step of one resource."""
    steps = fetch_steps.c
    step = update(fetch_steps).where(steps.fetch_id == fetch_id, steps.resource == resource)
    connection.execute(step.values(**values))
