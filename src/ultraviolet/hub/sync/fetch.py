"""Fetching: a pass over a whole integration, resource by resource, that goes on where it stopped.

A full fetch pages by key and reads by id what it did not see before it lets go of it. An incremental one
reads in order of change, from the watermark less an overlap. What was read, the place to go on from and the
watermark move in one transaction.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, exists, func, insert, select, text, update

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.sync import fetch_steps, fetches
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core import findings
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.fetch_resource import Mode, ResourceFetch, ResumePoint, judge_whole_pass
from ultraviolet.hub.sync.page_writer import PageWriter
from ultraviolet.hub.sync.watermarks import Watermark, behind, since, watermark
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.observation import Applied, Mark, Observation, Origin, Ref

RESOLVED_BY_FULL_FETCH = ("restored", "schema")
"""Kinds of findings that a full fetch resolves which began after them."""
_APART = timedelta(minutes=1)
_AT_ONCE = 6
"""Resources read at the same time; how fast is the budget's to say."""

log = structlog.get_logger()

_LEFT = text(
    """SELECT s.resource, s.cursor, s.started_at, s.error, w.updated, w.proven_at
    FROM fetch_steps AS s LEFT JOIN watermarks AS w ON w.integration_id = :integration AND w.resource = s.resource
    WHERE s.fetch_id = :fetch AND s.state NOT IN ('done', 'skipped', 'failed')"""
)


def request_fetch(
    connection: Connection,
    integration_id: int,
    mode: Mode,
    requested_by: str,
    *,
    accept_absence: bool = False,
) -> int:
    """Ask for a fetch; one of that mode that has not finished yet is the answer to that.

    `accept_absence` lets it delete however many objects ION does not show any more.
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
        return _add(
            connection,
            integration_id,
            mode,
            requested_by,
            now_rfc3339(),
            accept_absence=accept_absence,
        )
    values: dict[str, Any] = {"accept_absence": True} if accept_absence else {}
    if running.started_at > now_rfc3339():
        values["started_at"] = now_rfc3339()
    if values:
        connection.execute(update(fetches).where(fetches.c.id == running.id).values(**values))
    return running.id


def request_followup_fetch(connection: Connection, integration_id: int, requested_by: str) -> None:
    """Ask for an incremental fetch that has read nothing yet; those asked for in this way begin a minute apart."""
    mine = fetches.c.integration_id == integration_id
    begun = exists().where(fetch_steps.c.fetch_id == fetches.c.id)
    waits = select(fetches.c.id).where(
        mine, fetches.c.mode == "incremental", fetches.c.state == "running"
    )
    if connection.execute(waits.where(~begun)).first():
        return
    asked = select(func.max(fetches.c.started_at)).where(mine, fetches.c.mode == "incremental")
    last = connection.execute(asked.where(fetches.c.requested_by == requested_by)).scalar()
    moment = (
        max(now_rfc3339(), as_text(datetime.fromisoformat(last) + _APART))
        if last
        else now_rfc3339()
    )
    _add(connection, integration_id, "incremental", requested_by, moment)


def _add(
    connection: Connection,
    integration_id: int,
    mode: Mode,
    requested_by: str,
    started_at: str,
    *,
    accept_absence: bool = False,
) -> int:
    values = {
        "mode": mode,
        "state": "running",
        "requested_by": requested_by,
        "started_at": started_at,
    }
    values |= {"accept_absence": accept_absence}
    made = insert(fetches).values(integration_id=integration_id, **values).returning(fetches.c.id)
    return connection.execute(made).scalar_one()


def is_running(connection: Connection, fetch_id: int) -> bool:
    """Return whether a fetch is not finished."""
    query = select(fetches.c.state).where(fetches.c.id == fetch_id)
    return connection.execute(query).scalar() == "running"


def fail(connection: Connection, fetch_id: int, why: str) -> None:
    """End a fetch that cannot go on."""
    change = update(fetches).where(fetches.c.id == fetch_id, fetches.c.state == "running")
    connection.execute(change.values(state="failed", finished_at=now_rfc3339(), error=why))


def unfinished_fetch(connection: Connection, integration_id: int) -> tuple[int, Mode] | None:
    """Return the fetch to go on with, the oldest first, of those whose time has come."""
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

    def __init__(self, site: SyncContext) -> None:
        self._site = site

    async def run(self, fetch_id: int, mode: Mode) -> None:
        """Do what is left of a fetch; raises what keeps ION from answering, and can then be run again.

        Resources whose creations are silent come first: what is created behind that is found by the poll, and
        what is computed from them is read after them.
        """
        site = self._site
        await site.database.write(_prepare, site.catalog, fetch_id)
        failpoint("fetch.prepared")
        silent = site.catalog.silent
        steps = await self._run_steps(fetch_id, mode, silent)
        steps += await self._run_steps(
            fetch_id, mode, [r for r in site.catalog.mirrored if r not in silent]
        )
        await self._prove(fetch_id, [step for step in steps if step.is_proving])
        failpoint("fetch.steps_done")
        state = await site.database.write(finish, fetch_id)
        site.changes.publish("fetch", site.id, id=fetch_id)
        log.info(
            "fetch.finished", integration_id=site.id, fetch_id=fetch_id, mode=mode, state=state
        )

    async def poll(self, resource: Resource, overlap: timedelta) -> int:
        """Read what changed in one resource just now, outside of any fetch; returns how many objects changed.

        It looks back less far than an incremental fetch, so it leaves the watermark to that, and goes on from a mark of
        its own.
        """
        mark = await self._site.database.read(watermark, self._site.id, resource.name)
        if (mark.updated is None and mark.proven_at is None) or not self._site.reader.dates(
            resource
        ):
            return 0
        polled = self._site.polled
        filters = since(max(mark.updated or "", polled.get(resource.name, "")) or None, overlap)
        changed = 0
        last: Observation | None = None
        while True:
            page = await self._site.reader.changes(resource, filters, Origin("poll"), last)
            last = page.last
            counts: list[int] = []
            await self._site.apply_each(
                page.observations, partial(self._note_poll, resource.name, page.unreadable, counts)
            )
            changed += sum(counts)
            if last is None:
                return changed
            if not page.nameless:
                polled[resource.name] = last.source_time or ""
            if not page.more or last.source_time is None:
                return changed
            filters = behind(last)

    def _note_poll(
        self,
        resource: str,
        unreadable: Mapping[str, str],
        counts: list[int],
        connection: Connection,
        applied: Applied,
        not_kept: Mapping[Ref, str],
    ) -> None:
        """Count changes, and have what could not be read or kept read again."""
        counts.append(len(applied.changes))
        ids = {*unreadable, *(id_ for _, id_ in not_kept)}
        marks = [Mark(resource, id_, "not readable", now_rfc3339()) for id_ in ids]
        if marks:
            mark_stale(connection, self._site.id, marks)

    async def _run_steps(
        self, fetch_id: int, mode: Mode, resources: Sequence[Resource]
    ) -> list[ResourceFetch]:
        at_once = asyncio.Semaphore(_AT_ONCE)
        door = PageWriter(self._site)
        left = await self._site.database.read(_left, self._site.id, fetch_id)

        async def one(step: ResourceFetch, left: ResumePoint) -> None:
            async with at_once:
                await step.run(left)

        steps = {
            r.name: ResourceFetch(self._site, door, fetch_id, mode, r)
            for r in resources
            if r.name in left
        }
        try:
            work = (one(step, left[name]) for name, step in steps.items())
            results = await asyncio.gather(*work, return_exceptions=True)
        finally:
            await door.close()
        _raise_first(results)
        return list(steps.values())

    async def _prove(self, fetch_id: int, steps: Sequence[ResourceFetch]) -> None:
        """Delete what no list of the pass showed and no read by id finds, unless that is too much of the whole."""
        if not steps:
            return
        at_once = asyncio.Semaphore(_AT_ONCE)

        whole_pass = await judge_whole_pass(self._site, fetch_id)

        async def one(step: ResourceFetch) -> None:
            async with at_once:
                await step.prove(whole_pass)

        _raise_first(await asyncio.gather(*map(one, steps), return_exceptions=True))


def _raise_first(results: Sequence[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result


def _prepare(connection: Connection, catalog: Catalog, fetch_id: int) -> None:
    """Write down what is to be read, once."""
    steps = fetch_steps.c
    known = set(
        connection.execute(select(steps.resource).where(steps.fetch_id == fetch_id)).scalars()
    )
    rows = [
        {
            "fetch_id": fetch_id,
            "resource": r.name,
            "state": "waiting",
            "read": 0,
            "changed": 0,
            "deleted": 0,
        }
        for r in catalog.mirrored
        if r.name not in known
    ]
    if rows:
        connection.execute(insert(fetch_steps), rows)


def _left(connection: Connection, integration_id: int, fetch_id: int) -> dict[str, ResumePoint]:
    """Return what has not come to an end, by resource."""
    given = {"integration": integration_id, "fetch": fetch_id}
    return {
        row.resource: ResumePoint(
            row.cursor, row.started_at, Watermark(row.updated, row.proven_at), row.error
        )
        for row in connection.execute(_LEFT, given)
    }


def finish(connection: Connection, fetch_id: int) -> str:
    steps = fetch_steps.c
    failed = connection.execute(
        select(steps.resource, steps.error).where(
            steps.fetch_id == fetch_id, steps.state == "failed"
        )
    ).all()
    state = "failed" if failed else "done"
    error = (
        f"{len(failed)} resources could not be read, first {failed[0].resource}: {failed[0].error}"
        if failed
        else None
    )
    one = connection.execute(select(fetches).where(fetches.c.id == fetch_id)).one()
    if one.mode == "full" and state == "done" and one.state == "running":
        findings.resolve_findings(
            connection, one.integration_id, RESOLVED_BY_FULL_FETCH, one.started_at
        )
    change = update(fetches).where(fetches.c.id == fetch_id, fetches.c.state == "running")
    connection.execute(change.values(state=state, finished_at=now_rfc3339(), error=error))
    return state
