"""Fetch a whole integration, resource by resource, and resume an interrupted fetch.

A full fetch reads pages in order of key, and reads unlisted objects by id before it deletes them.
An incremental fetch reads in order of change, from the watermark less an overlap. Objects, cursor
and watermark are saved in one transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, exists, func, insert, select, update

from ultraviolet.clock import format_rfc3339, now_rfc3339
from ultraviolet.db import bulk
from ultraviolet.db.tables.sync import fetch_steps, fetches
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.sync.absence import check_pass
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.fetch_progress import Mode, ResumePoint, insert_steps
from ultraviolet.hub.sync.fetch_resource import ResourceFetch
from ultraviolet.hub.sync.page_writer import PageWriter
from ultraviolet.hub.sync.watermarks import Watermark, changed_since_filter, watermark
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.observation import Mark, Observation, Origin
from ultraviolet.mirror.stale_reasons import NOT_READABLE
from ultraviolet.text import counted

RESOLVED_BY_FULL_FETCH = ("restored", "schema")
"""Kinds of findings that a full fetch resolves if it started after them."""
_FOLLOWUP_INTERVAL = timedelta(minutes=1)
_MAX_PARALLEL_RESOURCES = 6
"""Resources read at the same time; the rate limiter decides the speed."""

log = structlog.get_logger()

_SELECT_UNFINISHED_STEPS = """SELECT s.resource, s.cursor, s.started_at, s.error, w.updated,
    w.proven_at
  FROM fetch_steps AS s
    LEFT JOIN watermarks AS w ON w.integration_id = :integration AND w.resource = s.resource
  WHERE s.fetch_id = :fetch AND s.state NOT IN ('done', 'skipped', 'failed')"""


def request_fetch(
    connection: Connection,
    integration_id: int,
    mode: Mode,
    requested_by: str,
    *,
    accept_absence: bool = False,
) -> int:
    """Return the unfinished fetch of a mode, or create one.

    `accept_absence` allows the fetch to delete any number of objects that ION no longer lists.
    """
    running = connection.execute(
        select(fetches.c.id, fetches.c.started_at)
        .where(
            fetches.c.integration_id == integration_id,
            fetches.c.mode == mode,
            fetches.c.state == "running",
        )
        .order_by(fetches.c.id)
    ).first()
    if running is None:
        started_at = now_rfc3339()
        return _insert_fetch(
            connection, integration_id, mode, requested_by, started_at, accept_absence
        )
    values: dict[str, Any] = {"accept_absence": True} if accept_absence else {}
    if running.started_at > now_rfc3339():
        values["started_at"] = now_rfc3339()
    if values:
        connection.execute(update(fetches).where(fetches.c.id == running.id).values(**values))
    return running.id


def request_followup_fetch(connection: Connection, integration_id: int, requested_by: str) -> None:
    """Make sure that an incremental fetch is waiting to start; start these a minute apart."""
    mine = fetches.c.integration_id == integration_id
    started = exists().where(fetch_steps.c.fetch_id == fetches.c.id)
    unfinished = select(fetches.c.id).where(
        mine, fetches.c.mode == "incremental", fetches.c.state == "running"
    )
    if waiting := connection.execute(unfinished.where(~started)).scalar():
        now = now_rfc3339()
        moved = update(fetches).where(fetches.c.id == waiting, fetches.c.started_at < now)
        connection.execute(moved.values(started_at=now))
        return
    latest = select(func.max(fetches.c.started_at)).where(mine, fetches.c.mode == "incremental")
    last = connection.execute(latest.where(fetches.c.requested_by == requested_by)).scalar()
    moment = now_rfc3339()
    if last:
        moment = max(moment, format_rfc3339(datetime.fromisoformat(last) + _FOLLOWUP_INTERVAL))
    _insert_fetch(connection, integration_id, "incremental", requested_by, moment)


def _insert_fetch(
    connection: Connection,
    integration_id: int,
    mode: Mode,
    requested_by: str,
    started_at: str,
    accept_absence: bool = False,
) -> int:
    row = {
        "integration_id": integration_id,
        "mode": mode,
        "state": "running",
        "requested_by": requested_by,
        "started_at": started_at,
        "accept_absence": accept_absence,
    }
    return connection.execute(insert(fetches).values(row).returning(fetches.c.id)).scalar_one()


def is_running(connection: Connection, fetch_id: int) -> bool:
    """Return whether a fetch is unfinished."""
    query = select(fetches.c.state).where(fetches.c.id == fetch_id)
    return connection.execute(query).scalar() == "running"


def fail(connection: Connection, fetch_id: int, why: str) -> None:
    """Mark a fetch as failed."""
    change = update(fetches).where(fetches.c.id == fetch_id, fetches.c.state == "running")
    connection.execute(change.values(state="failed", finished_at=now_rfc3339(), error=why))


def unfinished_fetch(connection: Connection, integration_id: int) -> tuple[int, Mode] | None:
    """Return the oldest unfinished fetch whose start time has passed."""
    mine = fetches.c.integration_id == integration_id, fetches.c.state == "running"
    row = connection.execute(
        select(fetches.c.id, fetches.c.mode)
        .where(*mine, fetches.c.started_at <= now_rfc3339())
        .order_by(fetches.c.id)
        .limit(1)
    ).one_or_none()
    return (row.id, row.mode) if row else None


class Fetcher:
    """Runs the fetches of one integration."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context

    async def run(self, fetch_id: int, mode: Mode) -> None:
        """Run a fetch to its end; raise if ION does not answer, so that the fetch is resumed later.

        Resources whose creation ION does not announce are read first. The poll finds later
        creations, and values that ION computes from them are read after them.
        """
        context = self._context
        await context.database.write(insert_steps, context.catalog, fetch_id)
        failpoint("fetch.prepared")
        silent = context.catalog.silent
        others = [resource for resource in context.catalog.mirrored if resource not in silent]
        steps = await self._read_resources(fetch_id, mode, silent)
        steps += await self._read_resources(fetch_id, mode, others)
        proving = [step for step in steps if step.is_proving]
        if proving:  # delete what no list and no read by id shows, unless it is too much
            pass_error = await context.database.read(check_pass, context.id, fetch_id)
            await _run_all(partial(step.prove, pass_error) for step in proving)
        failpoint("fetch.steps_done")
        state = await context.database.write(finish, fetch_id)
        context.changes.publish("fetch", context.id, id=fetch_id)
        log.info(
            "fetch.finished", integration_id=context.id, fetch_id=fetch_id, mode=mode, state=state
        )

    async def poll(self, resource: Resource, overlap: timedelta) -> int:
        """Read the recent changes of one resource outside of a fetch; return how many changed.

        The overlap is shorter than that of an incremental fetch. The poll therefore leaves the
        watermark unchanged and has its own.
        """
        context = self._context
        mark = await context.database.read(watermark, context.id, resource.name)
        never_fetched = mark.updated is None and mark.proven_at is None
        if never_fetched or not context.reader.dates(resource):
            return 0
        polled = context.polled
        filters = changed_since_filter(
            max(mark.updated or "", polled.get(resource.name, "")) or None, overlap
        )
        changed = 0
        last: Observation | None = None
        after: str | None = None
        while True:
            page = await context.reader.changes(resource, filters, Origin("poll"), last, after)
            last = page.last
            moment = now_rfc3339()
            marks = [Mark(resource.name, id_, NOT_READABLE, moment) for id_ in page.unreadable]
            changed += await context.apply_and_mark(page.observations, marks)
            if last and not page.nameless:
                polled[resource.name] = last.source_time or ""
            if last is None or not page.more or last.source_time is None:
                return changed
            filters, after = context.reader.rest(resource, filters, last, page)

    async def _read_resources(
        self, fetch_id: int, mode: Mode, resources: Sequence[Resource]
    ) -> list[ResourceFetch]:
        context = self._context
        writer = PageWriter(context)
        given = {"integration": context.id, "fetch": fetch_id}
        rows = await context.database.read(bulk.fetch_rows, _SELECT_UNFINISHED_STEPS, given)
        resume_points = {
            name: ResumePoint(cursor, started_at, Watermark(updated, proven_at), error)
            for name, cursor, started_at, error, updated, proven_at in rows
        }
        steps = {
            resource.name: ResourceFetch(context, writer, fetch_id, mode, resource)
            for resource in resources
            if resource.name in resume_points
        }
        try:
            await _run_all(partial(step.run, resume_points[name]) for name, step in steps.items())
        finally:
            await writer.close()
        return list(steps.values())


async def _run_all(steps: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Run all steps, some at the same time, to their ends; then raise the first error."""
    semaphore = asyncio.Semaphore(_MAX_PARALLEL_RESOURCES)

    async def run(step: Callable[[], Awaitable[None]]) -> None:
        async with semaphore:
            await step()

    for result in await asyncio.gather(*map(run, steps), return_exceptions=True):
        if result is not None:
            raise result


def finish(connection: Connection, fetch_id: int) -> str:
    """Save and return the result of a fetch whose steps have all ended."""
    steps = fetch_steps.c
    query = select(steps.resource, steps.error).where(
        steps.fetch_id == fetch_id, steps.state == "failed"
    )
    failed = connection.execute(query).all()
    state, error = "done", None
    if failed:
        first = failed[0]
        state = "failed"
        error = f"{counted(len(failed), 'resource')} could not be read, first {first.resource}: {first.error}"
    row = connection.execute(select(fetches).where(fetches.c.id == fetch_id)).one()
    if row.mode == "full" and state == "done" and row.state == "running":
        finding_store.resolve_findings(
            connection, row.integration_id, RESOLVED_BY_FULL_FETCH, row.started_at
        )
    change = update(fetches).where(fetches.c.id == fetch_id, fetches.c.state == "running")
    connection.execute(change.values(state=state, finished_at=now_rfc3339(), error=error))
    return state
