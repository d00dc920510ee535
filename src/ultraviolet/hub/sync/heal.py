"""Healing: objects known to differ are read from ION, many in a request, until none is left.

An object marked fifty times is one read. What people look at comes first, then what has waited longest. A request
that fails makes its objects part of ever smaller ones, so that one poisonous object is alone in the end, waits
longer each time, and holds up nobody. There is no queue: what is to be done is what the table of stale objects says.
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
from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db import bulk
from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.db.driver_errors import first_line
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.sync.context import SyncContext, version_names
from ultraviolet.hub.sync.ion_reader import ONCE, REQUEST
from ultraviolet.ion.deliveries import is_id
from ultraviolet.ion.errors import (
    IonError,
    IonInterceptedError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
)
from ultraviolet.ion.model import Link, Resource
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.dependents import find_dependents
from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Applied, Mark, Observation, Origin, Ref

_ROUND = 4 * REQUEST
_AT_ONCE = 6
"""Requests under way at the same time; how fast is the budget's to say."""
_MOST = _AT_ONCE * REQUEST
"""Objects being read or waiting for it; the others wait in the table, where they take no memory."""
_PATIENCE = 1.0
"""Seconds a round waits for its requests; what takes longer goes on beside the next round."""
_SHRINK = 4
"""A request of objects that failed n times holds so many times fewer, to the power of n."""
_LONE = 8
"""Requests for objects that failed before, a round."""
_LAGS = 5
"""So many answers older than what is known, within some 15 seconds, are no failure: a replica lags, or a change overtook a
read."""
_LONGEST_WAIT = 300.0
_NEVER_OFFERED = 3600.0

log = structlog.get_logger()

_DUE = text(
    """SELECT resource, id, reason, attempts FROM stale
    WHERE integration_id = :integration AND next_attempt_at <= :now ORDER BY attempts > 0, since LIMIT :limit"""
)
_LOOKED_AT = text(
    """SELECT resource, id, reason, attempts FROM stale
    WHERE integration_id = :integration AND resource = :resource AND id = :id
      AND (attempts = 0 OR next_attempt_at <= :now)"""
)
_NEXT = text("SELECT min(next_attempt_at) FROM stale WHERE integration_id = :integration")
_POSTPONE = text(
    """UPDATE stale SET attempts = attempts + 1, next_attempt_at = :next, error = :error
    WHERE integration_id = :integration AND resource = :resource AND id = :id"""
)
_SETTLED = text(
    """DELETE FROM stale
    WHERE integration_id = :integration AND resource = :resource AND id = :id AND marked_at < :began"""
)
_FORGET = text(
    "DELETE FROM stale WHERE integration_id = :integration AND resource = :resource AND id = :id"
)
_CHILDREN = """SELECT l.id FROM link_kinds AS k JOIN links AS l ON l.kind = k.id
  WHERE k.resource = :resource AND k.field = :field AND k.target_resource = :target
    AND l.integration_id = :integration AND l.target_id IN :ids"""
_WHY = {
    "older": "ION answered an older content than it had announced",
    "unproven": "ION does not show it, and has told of no deletion; a full fetch decides",
}


class HealBatch(msgspec.Struct, frozen=True):
    """What one round of healing did."""

    due: int
    full: bool
    """There may be more to do at once."""


class Healer:
    """Makes the stale objects of one integration fresh."""

    def __init__(self, site: SyncContext) -> None:
        self._site = site
        self._database = site.database
        self._catalog = site.catalog
        self._reader = site.reader
        self._id = site.id
        self._under_way: dict[asyncio.Task[None], frozenset[Ref]] = {}
        self._problem: Exception | None = None
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def round(self) -> HealBatch:
        """Read what is due; raises what keeps ION from answering at all."""
        busy = frozenset(ref for refs in self._under_way.values() for ref in refs)
        room = min(_ROUND, max(0, _MOST - len(busy)))
        due = await self._database.read(self._due, busy, room)
        full = len(due) >= room
        if due:
            groups, hopeless = self._plan(due)
            dropped = [
                ref for ref in hopeless if not (self._catalog.follows(ref[0]) and self._names(ref))
            ]
            if dropped:
                log.warning(
                    "heal.dropped", integration_id=self._id, count=len(dropped), first=dropped[0]
                )
                await self._database.write(_drop, self._id, dropped)
                hopeless = [ref for ref in hopeless if ref not in dropped]
            if hopeless:
                refused = dict.fromkeys(hopeless, "This ION does not offer it")
                await self._postpone(refused, {}, _NEVER_OFFERED)
            attempts = {(row.resource, row.id): row.attempts for row in due}
            looked_at = set(self._site.attention.now())
            for group in groups:
                read = partial(self._read, group, attempts)
                self._begin(read, group, waits=looked_at.isdisjoint(group))
            self._begin(partial(self._read_children, due), ())
        if self._under_way and (due or full):
            await asyncio.wait(self._under_way, timeout=_PATIENCE)
        problem, self._problem = self._problem, None
        if problem:
            raise problem
        return HealBatch(len(due), full)

    async def next_due(self) -> str | None:
        """When the next stale object is due; those that are being read are not waited for."""
        given = {"integration": self._id}
        return (
            None
            if self._under_way
            else await self._database.read(lambda c: c.execute(_NEXT, given).scalar())
        )

    async def stop(self) -> None:
        """Let go of what is under way; it is still stale."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin(
        self, work: Callable[[], Awaitable[None]], refs: Iterable[Ref], *, waits: bool = True
    ) -> None:
        async def guarded() -> None:
            try:
                async with self._at_once if waits else nullcontext():
                    await work()
            except Exception as error:  # noqa: BLE001  told by the next round
                self._problem = error

        task = asyncio.create_task(guarded())
        self._under_way[task] = frozenset(refs)
        task.add_done_callback(self._under_way.pop)

    def _due(self, connection: Connection, busy: Collection[Ref], room: int) -> list[Row[Any]]:
        """Return what is due and not being read: what people look at, then as many of the oldest as there is room for."""
        given = {"integration": self._id, "now": now_rfc3339()}
        looked_at = [
            row
            for resource, id_ in self._site.attention.now()
            for row in connection.execute(_LOOKED_AT, given | {"resource": resource, "id": id_})
            if (resource, id_) not in busy
        ]
        oldest = connection.execute(_DUE, given | {"limit": room + len(busy)}) if room else ()
        waiting = [row for row in oldest if (row.resource, row.id) not in busy]
        return list({(row.resource, row.id): row for row in (*looked_at, *waiting[:room])}.values())

    def _plan(self, due: Sequence[Row[Any]]) -> tuple[list[list[Ref]], list[Ref]]:
        """Group what to read: together what never failed, ever fewer together the more often they did."""
        readable = {r.name for r in self._catalog.mirrorable if self._reader.answers_for(r)}
        looked_at = set(self._site.attention.now())
        hopeless: list[Ref] = []
        by_attempts: defaultdict[int, list[Ref]] = defaultdict(list)
        for row in due:
            ref = (row.resource, row.id)
            if row.resource not in readable or not self._names(ref):
                hopeless.append(ref)
            else:
                by_attempts[-1 if ref in looked_at and not row.attempts else row.attempts].append(
                    ref
                )
        groups: list[list[Ref]] = []
        for attempts, refs in sorted(by_attempts.items()):
            made = _chunks(refs, max(1, REQUEST // _SHRINK ** max(0, attempts)))
            groups += made if attempts <= 0 else made[:_LONE]
        return groups, hopeless

    def _names(self, ref: Ref) -> bool:
        """Return whether there can be such an object: an id that is none can never be read."""
        resource, id_ = ref
        return is_id(id_) or not self._catalog.resources[resource].numbered

    async def _read(self, group: Sequence[Ref], attempts: dict[Ref, int]) -> None:
        with tracing.span("heal", root=True, integration_id=self._id, objects=len(group)) as span:
            await self._read_traced(group, attempts, span)

    async def _read_traced(
        self, group: Sequence[Ref], attempts: dict[Ref, int], span: tracing.Span
    ) -> None:
        try:
            answer = await self._reader.by_ids(group, Origin("heal"), retries=ONCE)
        except (IonUnauthorizedError, IonRateLimitedError, IonInterceptedError):
            raise  # no object's fault
        except IonError as error:
            await self._reader.answers()  # it does: then something in this group is the matter
            await self._divide(group, attempts, str(error))
            return
        failpoint("heal.read")
        followed = [o for o in answer.observations if self._catalog.follows(o.resource)]
        beside = [o for o in answer.observations if not self._catalog.follows(o.resource)]
        try:
            applied = await self._site.apply(followed, also=lambda c, _: self._pass_on(c, beside))
        except StoreUnavailableError:
            raise
        except Exception as error:  # whatever it is, it is told with the object that it is about
            log.warning(
                "heal.not_kept", integration_id=self._id, error=first_line(error), exc_info=True
            )
            await self._divide(group, attempts, f"The mirror cannot keep it: {first_line(error)}")
            return
        failpoint("heal.applied")
        span.note(versions=version_names(applied.changes))
        failed: dict[Ref, str | None] = dict(answer.failed)
        for observation, outcome in zip(followed, applied.outcomes, strict=True):
            if outcome in _WHY:
                lags = outcome == "older" and attempts.get(observation.ref, 0) < _LAGS
                failed[observation.ref] = None if lags else _WHY[outcome]
        if failed:
            await self._postpone(failed, attempts, None)

    def _pass_on(self, connection: Connection, beside: Sequence[Observation]) -> None:
        """Keep nothing of what is not followed, but have read again what ION computes from it."""
        states = [
            ObjectState(o.resource, o.id, doc=o.fields, change="delete", unchanged_event=o)
            for o in beside
            if o.kind == "full"
        ]
        mark_stale(
            connection, self._id, find_dependents(connection, self._catalog, self._id, states)
        )
        for o in beside:
            given = {"integration": self._id, "resource": o.resource, "id": o.id}
            connection.execute(_SETTLED, given | {"began": o.read_started_at})

    async def _read_children(self, due: Sequence[Row[Any]]) -> None:
        """Read the silent children of objects that an event was about: a new line is seen with its order."""
        for child in self._catalog.silent:
            required = {f.name for f in child.fields if f.required}
            for link in child.links:
                told = [
                    row
                    for row in due
                    if row.resource == link.resource and row.reason in ("event", "deletion")
                ]
                owners = [row.id for row in told if is_id(row.id)]
                if owners and _owns(link, required) and self._reader.reads(child):
                    await self._read_children_of(child, link.key, link.resource, owners)

    async def _read_children_of(
        self, child: Resource, key: str, parent: str, owners: list[str]
    ) -> None:
        try:
            page = await self._reader.children(child, key, owners, Origin("poll"))
        except IonRefusedError as error:
            log.warning("heal.children_unreadable", resource=child.name, error=str(error))
            return  # the poll and the next fetch read them as well
        seen = {o.id for o in page.observations}
        given = {
            "integration": self._id,
            "resource": child.name,
            "field": key,
            "target": parent,
            "ids": owners,
        }
        known = await self._database.read(
            lambda c: {id_ for (id_,) in bulk.fetch_rows(c, _CHILDREN, given)}
        )
        doubtful = (known | page.unreadable.keys()) - seen
        marks = [Mark(child.name, id_, "not listed", now_rfc3339()) for id_ in doubtful]

        def mark(connection: Connection, _: Applied, not_kept: Mapping[Ref, str]) -> None:
            failed = [Mark(*ref, "not readable", now_rfc3339()) for ref in not_kept]
            mark_stale(connection, self._id, [*marks, *failed])

        await self._site.apply_each(page.observations, mark)

    async def _divide(self, group: Sequence[Ref], attempts: dict[Ref, int], error: str) -> None:
        """Have a group that failed as one read again in smaller ones, and one that is alone wait."""
        await self._postpone(
            dict.fromkeys(group, error), attempts, None if len(group) == 1 else 0.0
        )

    async def _postpone(
        self, failed: Mapping[Ref, str | None], attempts: dict[Ref, int], wait: float | None
    ) -> None:
        """Have objects read again later; those without an error have nothing the matter with them."""
        rows = [
            {
                "integration": self._id,
                "resource": ref[0],
                "id": ref[1],
                "error": error and error[:500],
                "next": _after(_wait(attempts.get(ref, 0)) if wait is None else wait),
            }
            for ref, error in failed.items()
        ]
        errors = [row["error"] for row in rows if row["error"]]
        if errors:
            log.warning(
                "heal.postponed", integration_id=self._id, count=len(errors), error=errors[0]
            )
        await self._database.write(lambda c: c.execute(_POSTPONE, rows) and None)


def _drop(connection: Connection, integration_id: int, refs: Sequence[Ref]) -> None:
    """Forget what is not followed any more, and what is no object."""
    given = [
        {"integration": integration_id, "resource": resource, "id": id_} for resource, id_ in refs
    ]
    connection.execute(_FORGET, given)


def _owns(link: Link, required: set[str]) -> bool:
    """Whether a link names the owner of a row rather than something it refers to or who wrote it."""
    return link.key in required and link.type != "User" and link.key != "entityId"


def _chunks(refs: Sequence[Ref], size: int) -> list[list[Ref]]:
    """Cut in the order given, and sort each part, so that a resource's ids are one list of a request."""
    return [sorted(refs[start : start + size]) for start in range(0, len(refs), size)]


def _wait(attempts: int) -> float:
    return min(_LONGEST_WAIT, 0.5 * 2**attempts) * random.uniform(0.8, 1.2)  # noqa: S311


def _after(seconds: float) -> str:
    return as_text(utc_now() + timedelta(seconds=seconds))
