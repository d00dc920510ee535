"""Heal stale objects: read them from ION by id, many in one request.

An object that is marked many times is read once. Recently viewed objects come first, then the
oldest marks. Objects of a failed request are read again in smaller requests, until a bad object is
alone; it then waits longer after each failure and delays no other. The table of stale objects is
the queue.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, Row, text

from ultraviolet import tracing
from ultraviolet.clock import format_rfc3339, now_rfc3339, utc_now
from ultraviolet.db import bulk
from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.db.driver_errors import first_line
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.sync.context import SyncContext, version_names
from ultraviolet.hub.sync.ion_access import ONCE
from ultraviolet.hub.sync.object_reader import REQUEST
from ultraviolet.ion.deliveries import is_id
from ultraviolet.ion.errors import (
    IonError,
    IonInterceptedError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
)
from ultraviolet.mirror import stale_reasons
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.dependents import LinkSearch, find_dependents, find_referrers
from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Applied, Mark, Observation, Origin, Ref

_MAX_BATCH_OBJECTS = 4 * REQUEST
_MAX_PARALLEL_REQUESTS = 6
"""Requests at the same time; the rate limiter decides the speed."""
_MAX_OBJECTS_IN_MEMORY = _MAX_PARALLEL_REQUESTS * REQUEST
"""Objects that are being read or wait for a request; the others wait in the table."""
_BATCH_WAIT_SECONDS = 1.0
"""Time a batch waits for its requests; slower ones continue during the next batch."""
_SPLIT_FACTOR = 4
"""Each failure of an object divides the size of its next request by this."""
_MAX_RETRY_REQUESTS = 8
"""Requests of one batch for objects that failed a certain number of times."""
_MAX_OLDER_ANSWERS = 5
"""Answers older than the mirror that are not an error, in about 15 seconds: a replica may lag."""
_MAX_RETRY_SECONDS = 300.0
_NOT_OFFERED_RETRY_SECONDS = 3600.0
_MAX_ERROR_CHARACTERS = 500

log = structlog.get_logger()

_SELECT_DUE = text(
    """SELECT resource, id, reason, attempts FROM stale
    WHERE integration_id = :integration AND next_attempt_at <= :now
    ORDER BY attempts > 0, since LIMIT :limit"""
)
_SELECT_VIEWED = text(
    """SELECT resource, id, reason, attempts FROM stale
    WHERE integration_id = :integration AND resource = :resource AND id = :id
      AND (attempts = 0 OR next_attempt_at <= :now)"""
)
_SELECT_NEXT = "SELECT min(next_attempt_at) FROM stale WHERE integration_id = :integration"
_POSTPONE = text(
    """UPDATE stale SET attempts = attempts + 1, next_attempt_at = :next, error = :error
    WHERE integration_id = :integration AND resource = :resource AND id = :id"""
)
_DELETE_OLDER_MARK = text(
    """DELETE FROM stale
    WHERE integration_id = :integration AND resource = :resource AND id = :id
      AND marked_at < :began"""
)
_DELETE_MARK = text(
    "DELETE FROM stale WHERE integration_id = :integration AND resource = :resource AND id = :id"
)

_OUTCOME_ERRORS = {
    "older": "ION answered with older content than it had announced",
    "unproven": "ION does not show it and reported no deletion; a full sync decides",
}


class HealBatch(msgspec.Struct, frozen=True):
    """The result of one batch."""

    due: int
    full: bool
    """Whether more objects may be due."""


class Healer:
    """Heals the stale objects of one integration."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._database = context.database
        self._catalog = context.catalog
        self._reader = context.reader
        self._id = context.id
        self.running: dict[asyncio.Task[None], frozenset[Ref]] = {}
        self._problem: Exception | None = None
        self._semaphore = asyncio.Semaphore(_MAX_PARALLEL_REQUESTS)

    async def heal_batch(self) -> HealBatch:
        """Start reading due objects; raise the error of an ION that does not answer at all."""
        busy = frozenset(ref for refs in self.running.values() for ref in refs)
        limit = min(_MAX_BATCH_OBJECTS, max(0, _MAX_OBJECTS_IN_MEMORY - len(busy)))
        due = await self._database.read(self._select_due, busy, limit)
        full = len(due) >= limit
        if due:
            groups, unreadable = self._plan(due)
            dropped = [
                ref
                for ref in unreadable
                if not (self._catalog.follows(ref[0]) and self._is_valid(ref))
            ]
            if dropped:
                log.warning(
                    "heal.dropped", integration_id=self._id, count=len(dropped), first=dropped[0]
                )
                marks = [
                    {"integration": self._id, "resource": name, "id": id_} for name, id_ in dropped
                ]
                await self._database.write(bulk.execute_many, _DELETE_MARK, marks)
                unreadable = [ref for ref in unreadable if ref not in dropped]
            if unreadable:
                errors = dict.fromkeys(unreadable, "This ION does not offer it")
                await self._postpone(errors, {}, _NOT_OFFERED_RETRY_SECONDS)
            attempts = {(row.resource, row.id): row.attempts for row in due}
            viewed = set(self._context.recently_viewed.refs())
            for group in groups:
                read = partial(self._read, group, attempts)
                self._start(read, group, queued=viewed.isdisjoint(group))
            self._start(partial(self._read_children, due), ())
        if self.running and (due or full):
            await asyncio.wait(self.running, timeout=_BATCH_WAIT_SECONDS)
        problem, self._problem = self._problem, None
        if problem:
            raise problem
        return HealBatch(len(due), full)

    async def next_due(self) -> str | None:
        """Return when the next stale object is due, or None while objects are being read."""
        if self.running:
            return None
        given = {"integration": self._id}
        [(due,)] = await self._database.read(bulk.fetch_rows, _SELECT_NEXT, given)
        return due

    async def stop(self) -> None:
        """Cancel running requests; their objects remain stale."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    def _start(
        self, work: Callable[[], Awaitable[None]], refs: Iterable[Ref], *, queued: bool = True
    ) -> None:
        async def guarded() -> None:
            try:
                async with self._semaphore if queued else nullcontext():
                    await work()
            except Exception as error:  # noqa: BLE001  raised by the next batch
                self._problem = error

        task = asyncio.create_task(guarded())
        self.running[task] = frozenset(refs)
        task.add_done_callback(self.running.pop)

    def _select_due(
        self, connection: Connection, busy: Collection[Ref], limit: int
    ) -> list[Row[Any]]:
        """Return due objects that are not being read: viewed ones, then the oldest ones."""
        given = {"integration": self._id, "now": now_rfc3339()}
        viewed = [
            row
            for resource, id_ in self._context.recently_viewed.refs()
            for row in connection.execute(_SELECT_VIEWED, given | {"resource": resource, "id": id_})
            if (resource, id_) not in busy
        ]
        oldest = (
            connection.execute(_SELECT_DUE, given | {"limit": limit + len(busy)}) if limit else ()
        )
        waiting = [row for row in oldest if (row.resource, row.id) not in busy]
        return list({(row.resource, row.id): row for row in (*viewed, *waiting[:limit])}.values())

    def _plan(self, due: Sequence[Row[Any]]) -> tuple[list[list[Ref]], list[Ref]]:
        """Return groups to read together, smaller after failures, and unreadable objects."""
        readable = {r.name for r in self._catalog.mirrorable if self._reader.answers_for(r)}
        viewed = set(self._context.recently_viewed.refs())
        unreadable: list[Ref] = []
        by_attempts: defaultdict[int, list[Ref]] = defaultdict(list)
        for row in due:
            ref = (row.resource, row.id)
            if row.resource not in readable or not self._is_valid(ref):
                unreadable.append(ref)
            else:
                priority = -1 if ref in viewed and not row.attempts else row.attempts
                by_attempts[priority].append(ref)
        groups: list[list[Ref]] = []
        for attempts, refs in sorted(by_attempts.items()):
            size = max(1, REQUEST // _SPLIT_FACTOR ** max(0, attempts))
            # Each chunk is sorted, so that a request has one list of ids per resource.
            chunks = [sorted(refs[i : i + size]) for i in range(0, len(refs), size)]
            groups += chunks if attempts <= 0 else chunks[:_MAX_RETRY_REQUESTS]
        return groups, unreadable

    def _is_valid(self, ref: Ref) -> bool:
        """Return whether an object can exist: whether its id is valid."""
        resource, id_ = ref
        return is_id(id_) or not self._catalog.resources[resource].numbered

    async def _read(self, group: Sequence[Ref], attempts: dict[Ref, int]) -> None:
        with tracing.span("heal", root=True, integration_id=self._id, objects=len(group)) as span:
            try:
                answer = await self._reader.by_ids(group, Origin("heal"), retries=ONCE)
            except (IonUnauthorizedError, IonRateLimitedError, IonInterceptedError):
                raise  # not caused by an object
            except IonError as error:
                await self._reader.answers()  # if ION answers, an object of the group is the cause
                await self._divide(group, attempts, str(error))
                return
            failpoint("heal.read")
            followed = [o for o in answer.observations if self._catalog.follows(o.resource)]
            unselected = [o for o in answer.observations if not self._catalog.follows(o.resource)]
            try:
                applied = await self._context.apply(
                    followed, write_after=partial(self._mark_dependents, unselected)
                )
            except StoreUnavailableError:
                raise
            except Exception as error:  # recorded with the object
                log.warning(
                    "heal.not_kept", integration_id=self._id, error=first_line(error), exc_info=True
                )
                await self._divide(
                    group, attempts, f"The mirror cannot store it: {first_line(error)}"
                )
                return
            failpoint("heal.applied")
            span.set_attributes(versions=version_names(applied.changes))
            failed: dict[Ref, str | None] = dict(answer.failed)
            for observation, outcome in zip(followed, applied.outcomes, strict=True):
                if outcome in _OUTCOME_ERRORS:
                    lags = (
                        outcome == "older" and attempts.get(observation.ref, 0) < _MAX_OLDER_ANSWERS
                    )
                    failed[observation.ref] = None if lags else _OUTCOME_ERRORS[outcome]
            if failed:
                await self._postpone(failed, attempts, None)

    def _mark_dependents(
        self, unselected: Sequence[Observation], connection: Connection, _applied: Applied
    ) -> None:
        """Mark objects stale whose values ION computes from unselected objects."""
        states = [
            ObjectState(o.resource, o.id, doc=o.fields, change="delete", unchanged_event=o)
            for o in unselected
            if o.kind == "full"
        ]
        mark_stale(
            connection, self._id, find_dependents(connection, self._catalog, self._id, states)
        )
        for o in unselected:
            given = {"integration": self._id, "resource": o.resource, "id": o.id}
            connection.execute(_DELETE_OLDER_MARK, given | {"began": o.read_started_at})

    async def _read_children(self, due: Sequence[Row[Any]]) -> None:
        """Read children that ION creates without an event, such as lines, after one of a parent."""
        changed: defaultdict[str, list[str]] = defaultdict(list)
        for row in due:
            if row.reason in (stale_reasons.EVENT, stale_reasons.DELETION) and is_id(row.id):
                changed[row.resource].append(row.id)
        owned = [
            (child, link, changed[link.resource])
            for child in filter(self._reader.reads, self._catalog.silent)
            for link in child.links
            if link.type != "User" and link.key != "entityId"  # authors and other references
            if changed[link.resource]
            and any(f.name == link.key and f.required for f in child.fields)
        ]
        for child, link, owners in owned:
            try:
                page = await self._reader.children(child, link.key, owners, Origin("poll"))
            except IonRefusedError as error:
                log.warning("heal.children_unreadable", resource=child.name, error=str(error))
                continue  # the poll and the next fetch read them, too
            search = LinkSearch(child.name, link.key, link.resource)
            children = await self._database.read(find_referrers, self._id, search, owners)
            unlisted = {id_ for id_, _ in children} | page.unreadable.keys()
            unlisted -= {o.id for o in page.observations}
            marks = [
                Mark(child.name, id_, stale_reasons.NOT_LISTED, now_rfc3339()) for id_ in unlisted
            ]
            await self._context.apply_and_mark(page.observations, marks)

    async def _divide(self, group: Sequence[Ref], attempts: dict[Ref, int], error: str) -> None:
        """Read a failed group again in smaller groups; delay a single object."""
        await self._postpone(
            dict.fromkeys(group, error), attempts, None if len(group) == 1 else 0.0
        )

    async def _postpone(
        self, failed: Mapping[Ref, str | None], attempts: dict[Ref, int], wait: float | None
    ) -> None:
        """Delay objects by a time that grows with each failure, or by `wait` seconds."""
        now = utc_now()
        rows: list[dict[str, Any]] = []
        for ref, error in failed.items():
            seconds = wait
            if seconds is None:
                seconds = min(_MAX_RETRY_SECONDS, 0.5 * 2 ** attempts.get(ref, 0))
                seconds *= random.uniform(0.8, 1.2)  # noqa: S311
            rows.append(
                {
                    "integration": self._id,
                    "resource": ref[0],
                    "id": ref[1],
                    "error": error and error[:_MAX_ERROR_CHARACTERS],
                    "next": format_rfc3339(now + timedelta(seconds=seconds)),
                }
            )
        errors = [row["error"] for row in rows if row["error"]]
        if errors:
            log.warning(
                "heal.postponed", integration_id=self._id, count=len(errors), error=errors[0]
            )
        await self._database.write(bulk.execute_many, _POSTPONE, rows)
