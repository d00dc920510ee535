"""Fetching: a pass over a whole integration, resource by resource, that goes on where it stopped.

A full fetch pages by key and reads by id what it did not see before it lets go of it. An incremental one
reads in order of change, from the watermark less an overlap. What was read, the place to go on from and the
watermark move in one transaction.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import structlog
from sqlalchemy import Connection, Update, insert, select, text, update

from ultraviolet.crash_points import crash_point
from ultraviolet.errors import UltravioletError
from ultraviolet.hub.reader import ALIAS, Page
from ultraviolet.hub.site import Site
from ultraviolet.ion.catalog import Catalog, Resource
from ultraviolet.ion.problems import IonRefusedError
from ultraviolet.mirror.observation import Applied, Observation, Origin
from ultraviolet.mirror.tables import fetch_steps, fetches, watermarks
from ultraviolet.times import now
from ultraviolet.times import text as as_text

Mode = Literal["incremental", "full"]
OVERLAP = timedelta(seconds=60)
"""How long after its `_updated` a change may still become visible in ION (a long transaction)."""
_AT_ONCE = 6
"""Resources read at the same time; how fast is the budget's to say."""
_TOGETHER = 500
"""Objects in one transaction: as many as keep deliveries waiting for less than a tenth of a second."""
_PATIENCE = 3.0
"""So many times as long as a transaction took, the next one lets deliveries go first while they keep coming."""
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
_LEFT = text(
    """SELECT s.resource, s.cursor, s.started_at, w.updated, w.proven_at
    FROM fetch_steps AS s LEFT JOIN watermarks AS w ON w.integration_id = :integration AND w.resource = s.resource
    WHERE s.fetch_id = :fetch AND s.state NOT IN ('done', 'skipped', 'failed')"""
)
_PUT_WATERMARK = text(
    """INSERT INTO watermarks (integration_id, resource, updated) VALUES (:integration, :resource, :updated)
    ON CONFLICT (integration_id, resource) DO UPDATE SET
      updated = CASE WHEN watermarks.updated IS NULL OR watermarks.updated < excluded.updated
        THEN excluded.updated ELSE watermarks.updated END"""
)
_PROVE = text(
    """INSERT INTO watermarks (integration_id, resource, proven_at, proven_by, skipped)
    VALUES (:integration, :resource, :at, :by, :skipped)
    ON CONFLICT (integration_id, resource) DO UPDATE SET
      proven_at = coalesce(excluded.proven_at, watermarks.proven_at),
      proven_by = coalesce(excluded.proven_by, watermarks.proven_by), skipped = excluded.skipped"""
)


class Watermark(msgspec.Struct, frozen=True):
    """How far a resource has been read."""

    updated: str | None = None
    proven_at: str | None = None


class IncompleteError(UltravioletError):
    """ION did not show everything; nothing was concluded from what it did not show."""

    kind = "incomplete"
    status = 502
    exit_code = 7


def request(
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
        select(fetches.c.id).where(
            fetches.c.integration_id == integration_id, fetches.c.mode == mode, fetches.c.state == "running"
        )
    ).scalar()
    if running is not None:
        if accept_absence:
            change = update(fetches).where(fetches.c.id == running)
            connection.execute(change.values(accept_absence=True))
        return running
    values = {"mode": mode, "state": "running", "requested_by": requested_by, "started_at": now()}
    values |= {"accept_absence": accept_absence}
    made = insert(fetches).values(integration_id=integration_id, **values).returning(fetches.c.id)
    return connection.execute(made).scalar_one()


def unfinished(connection: Connection, integration_id: int) -> tuple[int, Mode] | None:
    """Give the fetch to go on with, the oldest first."""
    row = connection.execute(
        select(fetches.c.id, fetches.c.mode)
        .where(fetches.c.integration_id == integration_id, fetches.c.state == "running")
        .order_by(fetches.c.id)
        .limit(1)
    ).one_or_none()
    return (row.id, row.mode) if row else None


def watermark(connection: Connection, integration_id: int, resource: str) -> Watermark:
    """Read how far a resource has been read."""
    row = connection.execute(
        select(watermarks.c.updated, watermarks.c.proven_at).where(
            watermarks.c.integration_id == integration_id, watermarks.c.resource == resource
        )
    ).one_or_none()
    return Watermark(row.updated, row.proven_at) if row else Watermark()


def prove(
    connection: Connection,
    integration_id: int,
    resource: str,
    *,
    at: str | None,
    by: str | None,
    skipped: str | None = None,
) -> None:
    """Note when and by what a resource was last shown to be right, or why it is not mirrored."""
    given = {"integration": integration_id, "resource": resource, "at": at, "by": by, "skipped": skipped}
    connection.execute(_PROVE, given)


class Fetcher:
    """Runs the fetches of one integration."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def run(self, fetch_id: int, mode: Mode) -> None:
        """Do what is left of a fetch; raises what keeps ION from answering, and can then be run again.

        Resources whose creations are silent come first: what is created behind that is found by the poll, and
        what is computed from them is read after them.
        """
        site = self._site
        await site.store.write(lambda c: _prepare(c, site.catalog, fetch_id))
        crash_point("fetch.prepared")
        silent = site.catalog.silent
        await self._run_steps(fetch_id, mode, silent)
        await self._run_steps(fetch_id, mode, [r for r in site.catalog.mirrored if r not in silent])
        crash_point("fetch.steps_done")
        state = await site.store.write(lambda c: _finish(c, fetch_id))
        site.changes.publish("fetch", site.id, id=fetch_id)
        log.info("fetch.finished", integration_id=site.id, fetch_id=fetch_id, mode=mode, state=state)

    async def poll(self, resource: Resource, overlap: timedelta) -> int:
        """Read what changed in one resource just now, outside of any fetch; gives how many objects changed."""
        mark = await self._site.store.read(lambda c: watermark(c, self._site.id, resource.name))
        if (mark.updated is None and mark.proven_at is None) or not self._site.reader.dates(resource):
            return 0
        filters = _since(mark.updated, overlap)
        changed = 0
        while True:
            page = await self._site.reader.changes(resource, filters, Origin("poll"))
            if page.last is None:
                return changed
            moved = page.last.source_time

            def also(connection: Connection, _applied: Applied, moved: str | None = moved) -> None:
                raise_watermark(connection, self._site.id, resource.name, moved)

            changed += len((await self._site.apply(page.observations, also=also)).changes)
            if not page.more:
                return changed
            filters = _behind(page.last)

    async def _run_steps(self, fetch_id: int, mode: Mode, resources: Sequence[Resource]) -> None:
        at_once = asyncio.Semaphore(_AT_ONCE)
        door = Door(self._site)
        left = await self._site.store.read(lambda c: _left(c, self._site.id, fetch_id))

        async def one(resource: Resource) -> None:
            async with at_once:
                await Step(self._site, door, fetch_id, mode, resource).run(left[resource.name])

        steps = (one(r) for r in resources if r.name in left)
        try:
            results = await asyncio.gather(*steps, return_exceptions=True)
        finally:
            await door.close()
        for result in results:
            if isinstance(result, BaseException):
                raise result


class Left(msgspec.Struct, frozen=True):
    """Where a step of a fetch goes on, and how far its resource had been read before."""

    cursor: str | None
    started_at: str | None
    mark: Watermark


class Kept(msgspec.Struct, frozen=True):
    """A page on its way into the mirror, and what is written in the same transaction."""

    observations: Sequence[Observation]
    also: Callable[[Connection, int], None]
    """Takes how many objects the page changed."""
    done: asyncio.Future[None]


class Door:
    """Lets the pages of several resources into the mirror together: a commit for all that wait, not one for each."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._waiting: list[Kept] = []
        self._at_work: asyncio.Task[None] | None = None

    async def keep(
        self, observations: Sequence[Observation], also: Callable[[Connection, int], None]
    ) -> None:
        """Apply a page; returns when it is on disk."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(Kept(observations, also, done))
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.create_task(self._work())
        await done

    async def close(self) -> None:
        """Finish the transaction that has begun; what still waits is read again."""
        self._waiting.clear()
        if self._at_work:
            await self._at_work

    async def _work(self) -> None:
        loop, store = asyncio.get_running_loop(), self._site.store
        while self._waiting:
            began, kept_for = loop.time(), store.kept_for
            batch = self._batch()
            try:
                await self._apply(batch)
            except Exception as error:  # noqa: BLE001  who waits raises it
                for kept in batch:
                    if not kept.done.done():
                        kept.done.set_exception(error)
            else:
                for kept in batch:
                    if not kept.done.done():
                        kept.done.set_result(None)
            await asyncio.sleep(min(store.kept_for - kept_for, loop.time() - began) * _PATIENCE)

    def _batch(self) -> list[Kept]:
        """Take what waits, in order, as far as the transaction stays short."""
        batch, count = [self._waiting.pop(0)], 0
        while self._waiting and count + len(self._waiting[0].observations) <= _TOGETHER:
            count += len(self._waiting[0].observations)
            batch.append(self._waiting.pop(0))
        return batch

    async def _apply(self, batch: Sequence[Kept]) -> None:
        def also(connection: Connection, applied: Applied) -> None:
            changed = Counter(change.resource for change in applied.changes)
            for kept in batch:
                kept.also(connection, changed[kept.observations[0].resource] if kept.observations else 0)

        await self._site.apply([o for kept in batch for o in kept.observations], also=also)


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
        except (IonRefusedError, IncompleteError) as error:
            log.warning("fetch.step_failed", resource=self._resource.name, error=str(error))
            never_readable = left.mark.proven_at is None and "permission" in str(error).lower()
            await self._end("skipped" if never_readable else "failed", str(error))

    async def _read(self, left: Left) -> None:
        origin = Origin("fetch", str(self._fetch_id), first=left.mark.proven_at is None)
        dated = self._site.reader.dates(self._resource)
        started = left.started_at or now()
        if self._mode == "full" or left.mark.proven_at is None:
            await self._read_all(left, started, origin, dated=dated)
            if self._over:
                return
            await self._prove_absence(started, origin)
        elif dated:
            if left.started_at is None:
                await self._site.store.write(lambda c: self._begin(c, started, left.mark.updated, None))
            await self._read_changes(left.cursor or left.mark.updated, origin)
        await self._site.store.write(lambda c: self._prove(c, started, proven=self._mode == "full" or dated))
        await self._end("done", None)

    async def _read_all(self, left: Left, started: str, origin: Origin, *, dated: bool) -> None:
        """Read by key; the next page is on its way while one is applied."""
        read, cursor, begun = self._site.reader.next_page, left.cursor, left.started_at is not None
        coming = asyncio.create_task(read(self._resource, cursor, origin))
        try:
            more = True
            while more:
                page = await coming
                more = page.more
                if more and page.last:
                    coming = asyncio.create_task(read(self._resource, page.last.id, origin))
                newest = None if begun or not dated else await self._newest(page, started)
                first, begun = not begun, True
                cursor = page.last.id if page.last else cursor
                work = self._whole(started, left.mark.updated, newest, first=first, last=not more)
                await self._keep(page, cursor, total=left.cursor is None and first, also=work)
        finally:
            coming.cancel()

    def _whole(
        self, started: str, before: str | None, newest: str | None, *, first: bool, last: bool
    ) -> Callable[[Connection], None]:
        """Give what a page of a whole pass writes besides: that it began, and, if nothing is unseen, that it is over."""

        def write(connection: Connection) -> None:
            if first:
                self._begin(connection, started, before, newest)
            self._over = False
            if not last:
                return
            query = {"integration": self._site.id, "resource": self._resource.name, "started": started}
            if connection.execute(_UNSEEN, query | {"after": "", "limit": 1}).first() is None:
                self._prove(connection, started, proven=True)
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
        soon = datetime.fromisoformat(now()) - datetime.fromisoformat(started) < OVERLAP / 2
        return newest if soon else None

    async def _read_changes(self, cursor: str | None, origin: Origin) -> None:
        filters = _since(cursor, OVERLAP)
        while True:
            page = await self._site.reader.changes(self._resource, filters, origin)
            last = page.last
            if last is None:
                return

            def moved(connection: Connection, last: Observation = last) -> None:
                raise_watermark(connection, self._site.id, self._resource.name, last.source_time)

            await self._keep(page, last.source_time, total=False, also=moved)
            if not page.more:
                return
            filters = _behind(last)

    async def _keep(
        self, page: Page, cursor: str | None, *, total: bool, also: Callable[[Connection], None]
    ) -> None:
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

        await self._door.keep(page.observations, work)
        crash_point("fetch.page_applied")
        self._tell()

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

    def _begin(self, connection: Connection, started: str, before: str | None, newest: str | None) -> None:
        connection.execute(self._update().values(state="reading", started_at=started))
        if self._mode == "full" or before is None:
            raise_watermark(connection, self._site.id, self._resource.name, newest)

    def _prove(self, connection: Connection, started: str, *, proven: bool) -> None:
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


def raise_watermark(connection: Connection, integration_id: int, resource: str, updated: str | None) -> None:
    """Move the watermark of a resource forward, never back."""
    if updated:
        given = {"integration": integration_id, "resource": resource, "updated": updated}
        connection.execute(_PUT_WATERMARK, given)


def _prepare(connection: Connection, catalog: Catalog, fetch_id: int) -> None:
    """Write down what is to be read, once."""
    steps = fetch_steps.c
    known = set(connection.execute(select(steps.resource).where(steps.fetch_id == fetch_id)).scalars())
    rows = [
        {"fetch_id": fetch_id, "resource": r.name, "state": "waiting", "read": 0, "changed": 0, "deleted": 0}
        for r in catalog.mirrored
        if r.name not in known
    ]
    if rows:
        connection.execute(insert(fetch_steps), rows)


def _left(connection: Connection, integration_id: int, fetch_id: int) -> dict[str, Left]:
    """Give what has not come to an end, by resource."""
    given = {"integration": integration_id, "fetch": fetch_id}
    return {
        row.resource: Left(row.cursor, row.started_at, Watermark(row.updated, row.proven_at))
        for row in connection.execute(_LEFT, given)
    }


def _finish(connection: Connection, fetch_id: int) -> str:
    steps = fetch_steps.c
    failed = connection.execute(
        select(steps.resource, steps.error).where(steps.fetch_id == fetch_id, steps.state == "failed")
    ).all()
    state = "failed" if failed else "done"
    error = (
        f"{len(failed)} resources could not be read, first {failed[0].resource}: {failed[0].error}"
        if failed
        else None
    )
    change = update(fetches).where(fetches.c.id == fetch_id)
    connection.execute(change.values(state=state, finished_at=now(), error=error))
    return state


def _since(updated: str | None, overlap: timedelta) -> dict[str, Any] | None:
    if updated is None:
        return None
    return {"_updated": {"gte": as_text(datetime.fromisoformat(updated) - overlap)}}


def _behind(last: Observation) -> dict[str, Any]:
    """Filter what comes behind an object in order of change, objects changed at the same moment included."""
    same = {"_updated": {"eq": last.source_time}, "id": {"gt": last.id}}
    return {"or_": [{"_updated": {"gt": last.source_time}}, same]}
