"""The part of a fetch that reads one resource: page by page to its end, then what a whole pass did not show.

An object that cannot be read keeps its last content. It becomes stale, so that healing reads it again, and the step
fails with its name, after everything else was read.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any, Literal

import msgspec
import structlog
from sqlalchemy import Connection, Row, Update, select, text, update

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.sync import fetch_steps, fetches
from ultraviolet.errors import UltravioletError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.ion_reader import ALIAS, Page
from ultraviolet.hub.sync.page_writer import PageWriter
from ultraviolet.hub.sync.watermarks import (
    OVERLAP,
    Watermark,
    behind,
    raise_watermark,
    record_proof,
    since,
)
from ultraviolet.ion.errors import (
    IonInterceptedError,
    IonRefusedError,
    IonUnreachableError,
    IonUnreadableError,
)
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.observation import Applied, Mark, Observation, Origin

Mode = Literal["incremental", "full"]
_MAY_VANISH = 20
_MAY_VANISH_SHARE = 0.1
"""More objects than these that nobody said were deleted are rather hidden from the key than gone."""


_MAX_UNREADABLE = 200
"""Objects of one resource that a pass may fail to read before it stops: then the reason is no single object."""
_MAX_LOGGED = 10
"""Unreadable objects of one page that are logged."""

log = structlog.get_logger()

_UNSEEN = text(
    """SELECT id FROM objects WHERE integration_id = :integration AND resource = :resource
      AND deleted_at IS NULL AND (read_at IS NULL OR read_at < :started) AND id > :after ORDER BY id LIMIT :limit"""
)
_COUNT_ALL = text(
    """SELECT count(*) AS held, count(*) FILTER (WHERE p.state = 'proving'
        AND (o.read_at IS NULL OR o.read_at < p.started_at) AND coalesce(s.reason, '') <> 'deletion') AS unseen
    FROM objects AS o JOIN fetch_steps AS p ON p.fetch_id = :fetch AND p.resource = o.resource
      LEFT JOIN stale AS s ON s.integration_id = o.integration_id AND s.resource = o.resource AND s.id = o.id
    WHERE o.integration_id = :integration AND o.deleted_at IS NULL AND o.completeness = 'full'"""
)
_COUNT = text(
    """SELECT count(*) AS held, count(*) FILTER (WHERE (o.read_at IS NULL OR o.read_at < :started)
        AND coalesce(s.reason, '') <> 'deletion') AS unseen
    FROM objects AS o LEFT JOIN stale AS s
      ON s.integration_id = o.integration_id AND s.resource = o.resource AND s.id = o.id
    WHERE o.integration_id = :integration AND o.resource = :resource AND o.deleted_at IS NULL
      AND o.completeness = 'full'"""
)
_PROGRESS = text(
    """UPDATE fetch_steps SET state = 'reading', cursor = :cursor, total = coalesce(:total, total),
      read = read + :read, changed = changed + :changed, error = coalesce(error, :error) WHERE fetch_id = :fetch AND resource = :resource"""
)


class IncompleteError(UltravioletError):
    """ION did not show everything; nothing was concluded from what it did not show."""

    kind = "incomplete"
    status = 502
    exit_code = 7


def _is_too_much(counted: Row[Any]) -> bool:
    return counted.unseen > max(_MAY_VANISH, _MAY_VANISH_SHARE * counted.held)


async def _absence_is_accepted(site: SyncContext, fetch_id: int) -> bool:
    accepted = select(fetches.c.accept_absence).where(fetches.c.id == fetch_id)
    return bool(await site.database.read(lambda c: c.execute(accepted).scalar()))


def _incomplete(counted: Row[Any], title: str) -> IncompleteError:
    return IncompleteError(
        f"ION shows {counted.held - counted.unseen} of {counted.held} {title} the mirror has, and told"
        " of no deletions. Nothing was deleted: check what the API key may read; if they are really gone,"
        " run `ultraviolet fetch run --mode full --accept-absence`"
    )


async def judge_whole_pass(site: SyncContext, fetch_id: int) -> IncompleteError | None:
    """Return an error where the lists of a pass together miss more than can be deletions nobody told of.

    A key that sees less than before may miss a few objects of each resource, which no resource shows by itself.
    """
    given = {"integration": site.id, "fetch": fetch_id}
    counted = await site.database.read(lambda c: c.execute(_COUNT_ALL, given).one())
    if not _is_too_much(counted) or await _absence_is_accepted(site, fetch_id):
        return None
    return _incomplete(counted, "objects")


def _unseen_ids(connection: Connection, query: Mapping[str, Any]) -> list[str]:
    return list(connection.execute(_UNSEEN, query).scalars())


class ResumePoint(msgspec.Struct, frozen=True):
    """Where a step of a fetch goes on, and how far its resource had been read before."""

    cursor: str | None
    started_at: str | None
    mark: Watermark
    error: str | None = None
    """What could not be read before a restart."""


class ResourceFetch:
    """The part of a fetch that reads one resource."""

    def __init__(
        self, site: SyncContext, door: PageWriter, fetch_id: int, mode: Mode, resource: Resource
    ) -> None:
        self._site = site
        self._door = door
        self._fetch_id = fetch_id
        self._mode: Mode = mode
        self._resource = resource
        self._over = False
        self._unreadable: dict[str, str] = {}
        self._nameless = 0
        self._error: str | None = None
        self._started = ""
        self._origin = Origin("fetch", str(fetch_id))
        self._newest_change: str | None = None
        self.is_proving = False
        """Whether all pages were read, and the objects that none of them showed have to be read by id."""

    async def run(self, left: ResumePoint) -> None:
        """Read what is left of this resource, except for what no page showed; a refusal fails this step alone."""
        if not self._site.reader.reads(self._resource):
            await self._end("skipped", "This ION does not offer it")
            return
        self._error = left.error
        try:
            await self._read(left)
        except IonInterceptedError:
            raise  # it says nothing of this resource
        except (IonRefusedError, IncompleteError) as error:
            if not self._site.reader.reads(self._resource):  # ION's schema changed meanwhile
                await self._end("skipped", "This ION does not offer it")
                return
            log.warning("fetch.step_failed", resource=self._resource.name, error=str(error))
            never_readable = left.mark.proven_at is None and "permission" in str(error).lower()
            await self._end("skipped" if never_readable else "failed", str(error))

    async def prove(self, whole_pass: IncompleteError | None) -> None:
        """Read by id what the pass did not show, and end the step; a refusal fails this step alone.

        `whole_pass` is why nothing may be deleted because of the pass, if there is a reason.
        """
        try:
            await self._believe_the_list(self._started)
            if whole_pass:
                raise whole_pass
            await self._prove_absence()
            await self._finish(proven=True)
        except (IonRefusedError, IncompleteError) as error:
            log.warning("fetch.step_failed", resource=self._resource.name, error=str(error))
            await self._end("failed", str(error))

    async def _read(self, left: ResumePoint) -> None:
        origin = self._origin = Origin(
            "fetch", str(self._fetch_id), first=left.mark.proven_at is None
        )
        dated = self._site.reader.dates(self._resource)
        self._started = left.started_at or now_rfc3339()
        if self._mode == "full" or left.mark.proven_at is None:
            self._newest_change = await self._read_all(left, self._started, origin, dated=dated)
            if not self._over:
                await self._set(state="proving")
                self.is_proving = True
            return
        if dated:
            if left.started_at is None:
                await self._site.database.write(self._begin, self._started, None)
            await self._read_changes(left.cursor or left.mark.updated, origin)
        await self._finish(proven=dated)

    async def _finish(self, *, proven: bool) -> None:
        """End the step: as done where everything could be read, which proves the mirror as of its beginning."""
        if problem := self._problem():
            raise IonUnreadableError(problem)
        newest = self._newest_change
        await self._site.database.write(self._prove, self._started, newest, proven=proven)
        await self._end("done", None)

    def _problem(self) -> str | None:
        """Say which objects could not be read and why, None where all could."""
        title = self._resource.title.lower()
        if self._unreadable:
            id_, why = next(iter(self._unreadable.items()))
            more = (
                f", nor could {len(self._unreadable) - 1} more" if len(self._unreadable) > 1 else ""
            )
            return f"{self._resource.name} {id_} could not be read{more}, and keeps its last content: {why}"
        if self._nameless:
            return f"ION answered null in the place of {self._nameless} {title}; nothing was deleted for that"
        return self._error

    async def _read_all(
        self, left: ResumePoint, started: str, origin: Origin, *, dated: bool
    ) -> str | None:
        """Read by key, while what was read waits at the door; returns the watermark that the pass is worth, if it is known.

        What was read whole before keeps its own until the pass is over: half a pass has not seen every change up to
        there. What never was is not read by change before that, so its first mark is noted at once and outlives a crash.
        """
        cursor, begun = left.cursor, left.started_at is not None
        newest: str | None = None
        kept: asyncio.Future[None] | None = None
        try:
            async with aclosing(self._site.reader.pages(self._resource, cursor, origin)) as pages:
                async for page in pages:
                    first, begun = not begun, True
                    if first and dated:
                        newest = await self._newest(page, started)
                    cursor = page.after or cursor
                    work = self._whole(left.mark, started, newest, first=first, last=not page.more)
                    kept = await self._keep(
                        page, cursor, total=left.cursor is None and first, also=work
                    )
        except Exception:
            if kept:
                await kept  # it would set the step to reading again after its end
            raise
        if kept:
            await kept
        return newest

    def _whole(
        self, before: Watermark, started: str, newest: str | None, *, first: bool, last: bool
    ) -> Callable[[Connection], None]:
        """Return what a page of a whole pass writes besides: that it began, and, if nothing is unseen, that it is over."""

        def write(connection: Connection) -> None:
            if first:
                self._begin(connection, started, None if before.proven_at else newest)
            self._over = False
            if not last or self._problem():
                return
            query = {
                "integration": self._site.id,
                "resource": self._resource.name,
                "started": started,
            }
            if connection.execute(_UNSEEN, query | {"after": "", "limit": 1}).first() is None:
                self._prove(connection, started, newest, proven=True)
                connection.execute(self._update().values(state="done", finished_at=now_rfc3339()))
                self._over = True

        return write

    async def _newest(self, page: Page, started: str) -> str | None:
        """Return ION's newest `_updated` as of the first page, or None if that cannot be told.

        Where the page is all there is, it says so itself. Else ION is asked, at once: what changes between the page and
        that answer lies within the overlap of the next incremental fetch.
        """
        if not page.more:
            return max((o.source_time for o in page.observations if o.source_time), default=None)
        try:
            newest = await self._site.reader.newest(self._resource)
        except IonRefusedError:
            return None
        except IonUnreachableError:
            await self._site.reader.answers()  # it does: then the newest object is the reason
            return None
        waited = datetime.fromisoformat(now_rfc3339()) - datetime.fromisoformat(started)
        return (
            as_text(datetime.fromisoformat(newest) - waited)
            if newest and waited < OVERLAP / 2
            else None
        )

    async def _read_changes(self, cursor: str | None, origin: Origin) -> None:
        filters = since(cursor, OVERLAP)
        last: Observation | None = None
        while True:
            page = await self._site.reader.changes(self._resource, filters, origin, last)
            last = page.last
            if last is None and not page.unreadable and not page.nameless:
                return
            moment = last.source_time if last else None
            if self._nameless or page.nameless:
                moment = None  # what could not be read has no name to be healed by, so it is read again from there

            def moved(connection: Connection, moment: str | None = moment) -> None:
                raise_watermark(connection, self._site.id, self._resource.name, moment)

            await (await self._keep(page, moment, total=False, also=moved))
            if (
                not page.more or last is None or last.source_time is None
            ):  # no time, no place to continue from
                return
            filters = behind(last)

    async def _keep(
        self, page: Page, cursor: str | None, *, total: bool, also: Callable[[Connection], None]
    ) -> asyncio.Future[None]:
        self._note(page.unreadable)
        self._nameless += page.nameless

        def work(connection: Connection, changed: int, not_kept: Mapping[str, str]) -> None:
            self._unreadable |= not_kept
            self._mark_stale(connection, {**page.unreadable, **not_kept})
            given = {
                "fetch": self._fetch_id,
                "resource": self._resource.name,
                "cursor": cursor,
                "total": page.total if total else None,
                "read": len(page.observations) - len(not_kept),
                "changed": changed,
                "error": self._problem(),
            }
            connection.execute(_PROGRESS, given)
            also(connection)

        return await self._door.take(self._resource.name, page.observations, work)

    def _note(self, unreadable: Mapping[str, str]) -> None:
        """Remember objects that could not be read; raises IonUnreadableError where there are too many to go on."""
        self._unreadable |= unreadable
        for id_, why in list(unreadable.items())[:_MAX_LOGGED]:
            log.warning("fetch.unreadable", resource=self._resource.name, id=id_, error=why)
        if len(self._unreadable) > _MAX_UNREADABLE:
            raise IonUnreadableError(self._problem() or "")

    def _mark_stale(self, connection: Connection, unreadable: Mapping[str, str]) -> None:
        """Have objects that could not be read read again, one by one and later each time."""
        moment = now_rfc3339()
        marks = [Mark(self._resource.name, id_, "not readable", moment) for id_ in unreadable]
        if marks:
            mark_stale(connection, self._site.id, marks)

    async def _prove_absence(self) -> None:
        """Read by id what the whole pass did not show; only what is not there then is deleted."""
        after = ""
        while True:
            given = {
                "integration": self._site.id,
                "resource": self._resource.name,
                "started": self._started,
            }
            query = given | {"after": after, "limit": ALIAS}
            ids = await self._site.database.read(_unseen_ids, query)
            if not ids:
                return
            wanted = [(self._resource.name, id_) for id_ in ids if id_ not in self._unreadable]
            answer = await self._site.reader.each_by_id(wanted, self._origin)
            unreadable = {id_: why for (_, id_), why in answer.failed.items()}
            await self._site.apply_each(
                answer.observations,
                lambda c, applied, not_kept, unreadable=unreadable: self._write_proof(
                    c, applied, {**unreadable, **{id_: why for (_, id_), why in not_kept.items()}}
                ),
            )
            failpoint("fetch.absence_proven")
            self._note(unreadable)
            after = ids[-1]

    def _write_proof(
        self, connection: Connection, applied: Applied, unreadable: Mapping[str, str]
    ) -> None:
        self._unreadable |= unreadable
        self._mark_stale(connection, unreadable)
        gone = sum(change.change == "delete" for change in applied.changes)
        connection.execute(self._update().values(deleted=fetch_steps.c.deleted + gone))

    async def _believe_the_list(self, started: str) -> None:
        """Refuse a pass that misses more than can be deletions nobody told of: rather the key may not see them now."""
        given = {"integration": self._site.id, "resource": self._resource.name, "started": started}
        row = await self._site.database.read(lambda c: c.execute(_COUNT, given).one())
        all_gone = row.unseen == row.held > 1
        if not (all_gone or _is_too_much(row)):
            return
        if not await _absence_is_accepted(self._site, self._fetch_id):
            raise _incomplete(row, self._resource.title.lower())

    def _begin(self, connection: Connection, started: str, newest: str | None) -> None:
        connection.execute(self._update().values(state="reading", started_at=started))
        raise_watermark(connection, self._site.id, self._resource.name, newest)

    def _prove(
        self, connection: Connection, started: str, newest: str | None, *, proven: bool
    ) -> None:
        raise_watermark(connection, self._site.id, self._resource.name, newest)
        by = f"{self._mode} fetch" if proven else None
        record_proof(
            connection, self._site.id, self._resource.name, at=started if proven else None, by=by
        )

    async def _end(self, state: str, error: str | None) -> None:
        if state == "skipped":
            await self._site.database.write(
                record_proof, self._site.id, self._resource.name, at=None, by=None, skipped=error
            )
        await self._set(state=state, error=error, finished_at=now_rfc3339())

    async def _set(self, **values: Any) -> None:
        await self._site.database.write(
            lambda c: c.execute(self._update().values(**values)) and None
        )
        self._tell()

    def _update(self) -> Update:
        steps = fetch_steps.c
        return update(fetch_steps).where(
            steps.fetch_id == self._fetch_id, steps.resource == self._resource.name
        )

    def _tell(self) -> None:
        self._site.changes.publish(
            "fetch", self._site.id, id=self._fetch_id, resource=self._resource.name
        )
