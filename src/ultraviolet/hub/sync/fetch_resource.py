"""Fetch one resource: read its pages to the end, then read by id what a full pass did not list.

An object that cannot be read keeps its last content and becomes stale. The fetch of the resource
fails with the name of the object, after everything else was read.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from ultraviolet.clock import format_rfc3339, now_rfc3339
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.sync.absence import IncompleteError, check_resource, list_unlisted
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.fetch_progress import (
    Completion,
    Mode,
    PageCommit,
    PageResult,
    ResumePoint,
    add_deleted,
    complete_step,
    describe_unreadable,
    mark_unreadable,
    set_step,
)
from ultraviolet.hub.sync.ion_reader import Page
from ultraviolet.hub.sync.object_reader import ALIAS
from ultraviolet.hub.sync.page_writer import PageWriter
from ultraviolet.hub.sync.watermarks import (
    OVERLAP,
    changed_since_filter,
    record_proof,
)
from ultraviolet.ion.errors import (
    IonInterceptedError,
    IonRefusedError,
    IonUnreachableError,
    IonUnreadableError,
)
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.observation import Applied, Observation, Origin, Ref

_MAX_UNREADABLE = 200
"""Objects of one resource that may be unreadable; more have a common cause, and the fetch stops."""
_MAX_LOGGED = 10
"""Unreadable objects of one page that are logged."""
_NOT_OFFERED = "This ION does not offer it"

log = structlog.get_logger()


class ResourceFetch:
    """The fetch of one resource."""

    def __init__(
        self,
        context: SyncContext,
        writer: PageWriter,
        fetch_id: int,
        mode: Mode,
        resource: Resource,
    ) -> None:
        self._context = context
        self._writer = writer
        self._fetch_id = fetch_id
        self._mode: Mode = mode
        self._resource = resource
        self._queued: deque[asyncio.Future[PageResult]] = deque()
        self._completed = False
        self._unreadable: dict[str, str] = {}
        self._nameless = 0
        self._earlier_problem: str | None = None
        self._origin = Origin("fetch", str(fetch_id))
        self._completion = Completion("", None, None)
        self.is_proving = False
        """Whether all pages are read, and unlisted objects have to be read by id."""

    async def run(self, resume: ResumePoint) -> None:
        """Read all remaining pages; a refusal by ION fails this resource only."""
        if not self._context.reader.reads(self._resource):
            await self._skip(_NOT_OFFERED)
            return
        self._earlier_problem = resume.error
        try:
            await self._read(resume)
        except IonInterceptedError:
            raise  # not about this resource
        except (IonRefusedError, IncompleteError) as error:
            if not self._context.reader.reads(self._resource):  # ION's schema has changed
                await self._skip(_NOT_OFFERED)
                return
            log.warning("fetch.step_failed", resource=self._resource.name, error=str(error))
            if resume.watermark.proven_at is None and "permission" in str(error).lower():
                await self._skip(str(error))  # the key could never read it
            else:
                await self._set(state="failed", error=str(error), finished_at=now_rfc3339())

    async def prove(self, pass_error: IncompleteError | None) -> None:
        """Read unlisted objects by id and delete absent ones; a refusal fails this resource only.

        `pass_error` is the reason why the fetch may delete nothing, if there is one.
        """
        context, name, started = self._context, self._resource.name, self._completion.started_at
        try:
            await context.database.read(
                check_resource, context.id, self._fetch_id, self._resource, started
            )
            if pass_error:
                raise pass_error
            after = ""
            while ids := await context.database.read(
                list_unlisted, context.id, name, started, after, ALIAS
            ):
                refs = [(name, id_) for id_ in ids if id_ not in self._unreadable]
                answer = await context.reader.each_by_id(refs, self._origin)
                failed = await context.apply_each(
                    answer.observations, partial(self._write_unlisted, answer.failed)
                )
                failpoint("fetch.absence_proven")
                self._add_unreadable(failed)
                after = ids[-1]
            await self._finish()
        except (IonRefusedError, IncompleteError) as error:
            log.warning("fetch.step_failed", resource=self._resource.name, error=str(error))
            await self._set(state="failed", error=str(error), finished_at=now_rfc3339())

    async def _read(self, resume: ResumePoint) -> None:
        first_pass = resume.watermark.proven_at is None
        self._origin = Origin("fetch", str(self._fetch_id), first=first_pass)
        started = resume.started_at or now_rfc3339()
        dated = self._context.reader.dates(self._resource)
        full = self._mode == "full" or first_pass
        proven_by = f"{self._mode} fetch" if full or dated else None
        self._completion = Completion(started, None, proven_by)
        if full:
            await self._read_all(resume, started, dated=dated)
            if not self._completed:
                await self._set(state="proving")
                self.is_proving = True
            return
        if not dated:
            await self._finish()
            return
        if resume.started_at is None:
            await self._set(state="reading", started_at=started)
        # All pages in order of change, from the watermark less an overlap.
        filters = changed_since_filter(resume.cursor or resume.watermark.updated, OVERLAP)
        last: Observation | None = None
        after: str | None = None
        more = True
        while more:
            page = await self._context.reader.changes(
                self._resource, filters, self._origin, last, after
            )
            last = page.last
            if last is None and not page.unreadable and not page.nameless:
                break
            # A row without an id cannot become stale, so the next fetch reads it again from here.
            complete = not (self._nameless or page.nameless)
            moment = last.source_time if last and complete else None
            await self._add(page, cursor=moment, watermark=moment)
            await self._await_written()
            more = page.more and last is not None and last.source_time is not None
            if last:
                filters, after = self._context.reader.rest(self._resource, filters, last, page)
        await self._finish()

    async def _read_all(self, resume: ResumePoint, started: str, *, dated: bool) -> None:
        """Read all pages in order of key, and the next page while earlier ones are written.

        The watermark of a resource that was fetched before is raised at the end of the pass only,
        because half a pass misses earlier changes. A first pass saves it with its first page, so
        that it survives a restart; until the pass is proven, no incremental fetch uses it.
        """
        cursor, begun = resume.cursor, resume.started_at is not None
        watermark: str | None = None
        pages = self._context.reader.pages(self._resource, cursor, self._origin)
        try:
            async with aclosing(pages):
                async for page in pages:
                    first, begun = not begun, True
                    if first and dated:
                        watermark = await self._newest_change(page, started)
                        self._completion = Completion(
                            started, watermark, self._completion.proven_by
                        )
                    cursor = page.after or cursor
                    await self._add(
                        page,
                        cursor=cursor,
                        total=page.total if first and resume.cursor is None else None,
                        begins=started if first else None,
                        watermark=watermark
                        if first and resume.watermark.proven_at is None
                        else None,
                        completion=None if page.more else self._completion,
                    )
        except Exception:
            await self._await_written()  # a page written later would reopen a failed step
            raise
        await self._await_written()

    async def _add(self, page: Page, **progress: Any) -> None:
        """Queue a page to be written with its progress."""
        while self._queued and self._queued[0].done():
            self._unreadable |= self._queued.popleft().result().not_kept
        self._add_unreadable(page.unreadable)
        self._nameless += page.nameless
        commit = PageCommit(
            self._fetch_id,
            self._resource.name,
            page.observations,
            page.unreadable,
            problem=self._problem(),
            **progress,
        )
        self._queued.append(await self._writer.add(commit))

    async def _await_written(self) -> None:
        """Wait until all queued pages are on disk."""
        while self._queued:
            result = await self._queued.popleft()
            self._unreadable |= result.not_kept
            self._completed = result.completed

    async def _newest_change(self, page: Page, started: str) -> str | None:
        """Return ION's newest `_updated` as of the first page of a pass, or None if it is unknown.

        If there are more pages, ION is asked. Changes between the page and that answer lie within
        the overlap of the next incremental fetch.
        """
        if not page.more:
            return max((o.source_time for o in page.observations if o.source_time), default=None)
        try:
            newest = await self._context.reader.newest(self._resource)
        except IonRefusedError:
            return None
        except IonUnreachableError:
            await self._context.reader.answers()  # if ION answers, its newest object is the cause
            return None
        elapsed = datetime.fromisoformat(now_rfc3339()) - datetime.fromisoformat(started)
        if newest is None or elapsed >= OVERLAP / 2:
            return None
        return format_rfc3339(datetime.fromisoformat(newest) - elapsed)

    def _write_unlisted(
        self,
        failed: Mapping[Ref, str],
        connection: Connection,
        applied: Applied,
        not_kept: Mapping[Ref, str],
    ) -> dict[str, str]:
        """Count deletions and mark unreadable objects stale; return why they are unreadable."""
        unreadable = {id_: why for (_, id_), why in {**failed, **not_kept}.items()}
        mark_unreadable(connection, self._context.id, self._resource.name, unreadable)
        deleted = sum(change.change == "delete" for change in applied.changes)
        add_deleted(connection, self._fetch_id, self._resource.name, deleted)
        return unreadable

    def _add_unreadable(self, unreadable: Mapping[str, str]) -> None:
        """Collect unreadable objects; raise IonUnreadableError if there are too many."""
        self._unreadable |= unreadable
        for id_, why in list(unreadable.items())[:_MAX_LOGGED]:
            log.warning("fetch.unreadable", resource=self._resource.name, id=id_, error=why)
        if len(self._unreadable) > _MAX_UNREADABLE:
            raise IonUnreadableError(self._problem() or "")

    def _problem(self) -> str | None:
        """Return a sentence about everything that could not be read, or None."""
        if self._unreadable:
            return describe_unreadable(self._resource.name, self._unreadable)
        if self._nameless:
            title = self._resource.title.lower()
            return (
                f"ION answered null instead of {self._nameless} {title}; nothing was deleted for it"
            )
        return self._earlier_problem

    async def _finish(self) -> None:
        """Complete the step; raise IonUnreadableError if something could not be read."""
        if problem := self._problem():
            raise IonUnreadableError(problem)
        await self._context.database.write(
            complete_step,
            self._context.id,
            self._fetch_id,
            self._resource.name,
            self._completion,
        )
        self._publish()

    async def _skip(self, reason: str) -> None:
        await self._context.database.write(
            record_proof, self._context.id, self._resource.name, at=None, by=None, skipped=reason
        )
        await self._set(state="skipped", error=reason, finished_at=now_rfc3339())

    async def _set(self, **values: Any) -> None:
        await self._context.database.write(set_step, self._fetch_id, self._resource.name, **values)
        self._publish()

    def _publish(self) -> None:
        self._context.changes.publish(
            "fetch", self._context.id, id=self._fetch_id, resource=self._resource.name
        )
