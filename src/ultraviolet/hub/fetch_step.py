"""The part of a fetch that reads one resource: page by page, to its end, and what a whole pass did not show."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Literal

import msgspec
import structlog
from sqlalchemy import Connection, Update, select, text, update

from ultraviolet.crash_points import crash_point
from ultraviolet.errors import UltravioletError
from ultraviolet.hub.fetch_door import Door
from ultraviolet.hub.reader import ALIAS, Page
from ultraviolet.hub.site import Site
from ultraviolet.hub.watermarks import OVERLAP, Watermark, behind, prove, raise_watermark, since
from ultraviolet.ion.catalog import Resource
from ultraviolet.ion.problems import IonInterceptedError, IonRefusedError
from ultraviolet.mirror.observation import Observation, Origin
from ultraviolet.mirror.tables import fetch_steps, fetches
from ultraviolet.times import now
from ultraviolet.times import text as as_text

Mode = Literal["incremental", "full"]
_MAY_VANISH = 20
_MAY_VANISH_SHARE = 0.1
"""More objects than these that nobody said were deleted are rather hidden from the key than gone."""


log = structlog.get_logger()

_UNSEEN = text(
    """SELECT id FROM objects WHERE integration_id = :integration AND resource = :resource
      AND deleted_at IS NULL AND (read_at IS NULL OR read_at < :started) AND id > :after ORDER BY id LIMIT :limit"""
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
      read = read + :read, changed = changed + :changed WHERE fetch_id = :fetch AND resource = :resource"""
)


class IncompleteError(UltravioletError):
    """ION did not show everything; nothing was concluded from what it did not show."""

    kind = "incomplete"
    status = 502
    exit_code = 7


class Left(msgspec.Struct, frozen=True):
    """Where a step of a fetch goes on, and how far its resource had been read before."""

    cursor: str | None
    started_at: str | None
    mark: Watermark


class Step:
    """The part of a fetch that reads one resource."""

    def __init__(self, site: Site, door: Door, fetch_id: int, mode: Mode, resource: Resource) -> None:
        self._site = site
        self._door = door
        self._fetch_id = fetch_id
        self._mode: Mode = mode
        self._resource = resource
        self._over = False

    async def run(self, left: Left) -> None:
        """Read what is left of this resource; a refusal fails this step alone."""
        if not self._site.reader.reads(self._resource):
            await self._end("skipped", "This ION does not offer it")
            return
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

    async def _read(self, left: Left) -> None:
        origin = Origin("fetch", str(self._fetch_id), first=left.mark.proven_at is None)
        dated = self._site.reader.dates(self._resource)
        started = left.started_at or now()
        newest = None
        if self._mode == "full" or left.mark.proven_at is None:
            newest = await self._read_all(left, started, origin, dated=dated)
            if self._over:
                return
            await self._prove_absence(started, origin)
        elif dated:
            if left.started_at is None:
                await self._site.store.write(lambda c: self._begin(c, started, None))
            await self._read_changes(left.cursor or left.mark.updated, origin)
        proven = self._mode == "full" or dated
        await self._site.store.write(lambda c: self._prove(c, started, newest, proven=proven))
        await self._end("done", None)

    async def _read_all(self, left: Left, started: str, origin: Origin, *, dated: bool) -> str | None:
        """Read by key, while what was read waits at the door; gives the watermark that the pass is worth, if it is known.

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
                    cursor = page.last.id if page.last else cursor
                    work = self._whole(left.mark, started, newest, first=first, last=not page.more)
                    kept = await self._keep(page, cursor, total=left.cursor is None and first, also=work)
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
        """Give what a page of a whole pass writes besides: that it began, and, if nothing is unseen, that it is over."""

        def write(connection: Connection) -> None:
            if first:
                self._begin(connection, started, None if before.proven_at else newest)
            self._over = False
            if not last:
                return
            query = {"integration": self._site.id, "resource": self._resource.name, "started": started}
            if connection.execute(_UNSEEN, query | {"after": "", "limit": 1}).first() is None:
                self._prove(connection, started, newest, proven=True)
                connection.execute(self._update().values(state="done", finished_at=now()))
                self._over = True

        return write

    async def _newest(self, page: Page, started: str) -> str | None:
        """Give ION's newest `_updated` as of the first page, or None if that cannot be told.

        Where the page is all there is, it says so itself. Else ION is asked, at once: what changes between the page and
        that answer lies within the overlap of the next incremental fetch.
        """
        if not page.more:
            return max((o.source_time for o in page.observations if o.source_time), default=None)
        newest = await self._site.reader.newest(self._resource)
        waited = datetime.fromisoformat(now()) - datetime.fromisoformat(started)
        return as_text(datetime.fromisoformat(newest) - waited) if newest and waited < OVERLAP / 2 else None

    async def _read_changes(self, cursor: str | None, origin: Origin) -> None:
        filters = since(cursor, OVERLAP)
        while True:
            page = await self._site.reader.changes(self._resource, filters, origin)
            last = page.last
            if last is None:
                return

            def moved(connection: Connection, last: Observation = last) -> None:
                raise_watermark(connection, self._site.id, self._resource.name, last.source_time)

            await (await self._keep(page, last.source_time, total=False, also=moved))
            if not page.more:
                return
            filters = behind(last)

    async def _keep(
        self, page: Page, cursor: str | None, *, total: bool, also: Callable[[Connection], None]
    ) -> asyncio.Future[None]:
        def work(connection: Connection, changed: int) -> None:
            given = {
                "fetch": self._fetch_id,
                "resource": self._resource.name,
                "cursor": cursor,
                "total": page.total if total else None,
                "read": len(page.observations),
                "changed": changed,
            }
            connection.execute(_PROGRESS, given)
            also(connection)

        return await self._door.take(self._resource.name, page.observations, work)

    async def _prove_absence(self, started: str, origin: Origin) -> None:
        """Read by id what the whole pass did not show; only what is not there then is let go of."""
        await self._set(state="proving")
        await self._believe_the_list(started)
        after = ""
        while True:
            given = {"integration": self._site.id, "resource": self._resource.name, "started": started}
            query = given | {"after": after, "limit": ALIAS}
            ids = await self._site.store.read(
                lambda c, query=query: list(c.execute(_UNSEEN, query).scalars())
            )
            if not ids:
                return
            answer = await self._site.reader.by_ids([(self._resource.name, id_) for id_ in ids], origin)
            if answer.failed:
                raise IonRefusedError(next(iter(answer.failed.values())))
            applied = await self._site.apply(answer.observations)
            crash_point("fetch.absence_proven")
            gone = sum(c.change == "delete" for c in applied.changes)
            await self._site.store.write(
                lambda c, gone=gone: (
                    c.execute(self._update().values(deleted=fetch_steps.c.deleted + gone)) and None
                )
            )
            after = ids[-1]

    async def _believe_the_list(self, started: str) -> None:
        """Refuse a pass that misses more than can be deletions nobody told of: rather the key may not see them now."""
        given = {"integration": self._site.id, "resource": self._resource.name, "started": started}
        row = await self._site.store.read(lambda c: c.execute(_COUNT, given).one())
        most = max(_MAY_VANISH, _MAY_VANISH_SHARE * row.held)
        all_gone = row.unseen == row.held > 1
        if not (all_gone or row.unseen > most):
            return
        accepted = select(fetches.c.accept_absence).where(fetches.c.id == self._fetch_id)
        if not await self._site.store.read(lambda c: c.execute(accepted).scalar()):
            raise IncompleteError(
                f"ION shows {row.held - row.unseen} of {row.held} {self._resource.title.lower()} the mirror has, and told"
                " of no deletions. Nothing was deleted: check what the API key may read; if they are really gone,"
                " run `ultraviolet fetch run --mode full --accept-absence`"
            )

    def _begin(self, connection: Connection, started: str, newest: str | None) -> None:
        connection.execute(self._update().values(state="reading", started_at=started))
        raise_watermark(connection, self._site.id, self._resource.name, newest)

    def _prove(self, connection: Connection, started: str, newest: str | None, *, proven: bool) -> None:
        raise_watermark(connection, self._site.id, self._resource.name, newest)
        by = f"{self._mode} fetch" if proven else None
        prove(connection, self._site.id, self._resource.name, at=started if proven else None, by=by)

    async def _end(self, state: str, error: str | None) -> None:
        if state == "skipped":
            await self._site.store.write(
                lambda c: prove(c, self._site.id, self._resource.name, at=None, by=None, skipped=error)
            )
        await self._set(state=state, error=error, finished_at=now())

    async def _set(self, **values: Any) -> None:
        await self._site.store.write(lambda c: c.execute(self._update().values(**values)) and None)
        self._tell()

    def _update(self) -> Update:
        steps = fetch_steps.c
        return update(fetch_steps).where(
            steps.fetch_id == self._fetch_id, steps.resource == self._resource.name
        )

    def _tell(self) -> None:
        self._site.changes.publish("fetch", self._site.id, id=self._fetch_id, resource=self._resource.name)
