"""Healing: objects known to differ are read from ION, many in a request, until none is left.

An object marked fifty times is one read. One that cannot be read waits longer each time, alone, and holds up
nobody. There is no queue: what is to be done is what the table of stale objects says.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, bindparam, text

from ultraviolet.crash_points import crash_point
from ultraviolet.hub.reader import REQUEST
from ultraviolet.hub.site import Site
from ultraviolet.ion.catalog import Link, Resource
from ultraviolet.mirror.observation import Mark, Origin, Ref
from ultraviolet.times import now
from ultraviolet.times import text as as_text

_ROUND = 4 * REQUEST
_LONE = 8
"""Objects that failed before, read one by one, a round."""
_LONGEST_WAIT = 300.0
_NEVER_OFFERED = 3600.0

log = structlog.get_logger()

_DUE = text(
    """SELECT resource, id, reason, attempts FROM stale
    WHERE integration_id = :integration AND next_attempt_at <= :now ORDER BY attempts > 0, since LIMIT :limit"""
)
_NEXT = text("SELECT min(next_attempt_at) FROM stale WHERE integration_id = :integration")
_POSTPONE = text(
    """UPDATE stale SET attempts = attempts + 1, next_attempt_at = :next, error = :error
    WHERE integration_id = :integration AND resource = :resource AND id = :id"""
)
_CHILDREN = text(
    """SELECT id FROM links WHERE integration_id = :integration AND resource = :resource AND field = :field
      AND target_resource = :target AND target_id IN :ids"""
).bindparams(bindparam("ids", expanding=True))


class Round(msgspec.Struct, frozen=True):
    """What one round of healing did."""

    due: int
    read: int
    failed: int
    full: bool
    """There may be more to do at once."""


class Healer:
    """Makes the stale objects of one integration fresh."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._store = site.store
        self._catalog = site.catalog
        self._reader = site.reader
        self._id = site.id

    async def round(self) -> Round:
        """Read what is due; raises what keeps ION from answering at all."""
        given = {"integration": self._id, "now": now(), "limit": _ROUND}
        due = await self._store.read(lambda c: c.execute(_DUE, given).all())
        if not due:
            return Round(0, 0, 0, full=False)
        groups, hopeless = self._plan(due)
        attempts = {(row.resource, row.id): row.attempts for row in due}
        if hopeless:
            await self._postpone(
                dict.fromkeys(hopeless, "This ION does not offer it"), attempts, _NEVER_OFFERED
            )
        results = await asyncio.gather(
            *(self._read(group, attempts) for group in groups),
            self._read_children(due),
            return_exceptions=True,
        )
        problems = [r for r in results if isinstance(r, BaseException)]
        if problems:
            raise problems[0]
        failed = sum(r for r in results if isinstance(r, int))
        return Round(len(due), len(due) - failed - len(hopeless), failed, full=len(due) == _ROUND)

    async def next_due(self) -> str | None:
        """When the next stale object is due."""
        return await self._store.read(lambda c: c.execute(_NEXT, {"integration": self._id}).scalar())

    def _plan(self, due: Sequence[Row[Any]]) -> tuple[list[list[Ref]], list[Ref]]:
        """Put objects that never failed together, and each that did alone, so that it can harm no other."""
        readable = {r.name for r in self._catalog.mirrored if self._reader.reads(r)}
        hopeless = [(row.resource, row.id) for row in due if not _readable(row, readable)]
        fresh = sorted((row.resource, row.id) for row in due if _readable(row, readable) and not row.attempts)
        lone = [[(row.resource, row.id)] for row in due if _readable(row, readable) and row.attempts]
        groups = [fresh[start : start + REQUEST] for start in range(0, len(fresh), REQUEST)]
        return groups + lone[:_LONE], hopeless

    async def _read(self, group: Sequence[Ref], attempts: dict[Ref, int]) -> int:
        answer = await self._reader.by_ids(group, Origin("heal"))
        crash_point("heal.read")
        applied = await self._site.apply(answer.observations)
        crash_point("heal.applied")
        failed = dict(answer.failed)
        for observation, outcome in zip(answer.observations, applied.outcomes, strict=True):
            if outcome == "older":
                failed[observation.ref] = "ION answered an older content than it had announced"
        if failed:
            await self._postpone(failed, attempts, None)
        return len(failed)

    async def _read_children(self, due: Sequence[Row[Any]]) -> None:
        """Read the silent children of objects that an event was about: a new line is seen with its order."""
        for child in self._catalog.silent:
            required = {f.name for f in child.fields if f.required}
            for link in child.links:
                told = [row for row in due if row.resource == link.resource and row.reason == "event"]
                owners = [row.id for row in told if row.id.isdecimal()]
                if owners and _owns(link, required) and self._reader.reads(child):
                    await self._read_children_of(child, link.key, link.resource, owners)

    async def _read_children_of(self, child: Resource, key: str, parent: str, owners: list[str]) -> None:
        found = await self._reader.children(child, key, owners, Origin("poll"))
        seen = {o.id for o in found}
        given = {
            "integration": self._id,
            "resource": child.name,
            "field": key,
            "target": parent,
            "ids": owners,
        }
        known = await self._store.read(lambda c: {row.id for row in c.execute(_CHILDREN, given)})
        gone = [Mark(child.name, id_, "not listed", now()) for id_ in known - seen]
        await self._site.apply(found, gone)

    async def _postpone(self, failed: dict[Ref, str], attempts: dict[Ref, int], wait: float | None) -> None:
        rows = [
            {
                "integration": self._id,
                "resource": ref[0],
                "id": ref[1],
                "error": error[:500],
                "next": _after(wait or _wait(attempts.get(ref, 0))),
            }
            for ref, error in failed.items()
        ]
        log.warning("heal.postponed", integration_id=self._id, count=len(rows), error=rows[0]["error"])
        await self._store.write(lambda c: c.execute(_POSTPONE, rows) and None)


def _owns(link: Link, required: set[str]) -> bool:
    """Whether a link names the owner of a row rather than something it refers to or who wrote it."""
    return link.key in required and link.type != "User" and link.key != "entityId"


def _readable(row: Row[Any], readable: set[str]) -> bool:
    return row.resource in readable and row.id.isdecimal()


def _wait(attempts: int) -> float:
    return min(_LONGEST_WAIT, 0.5 * 2**attempts) * random.uniform(0.8, 1.2)  # noqa: S311


def _after(seconds: float) -> str:
    return as_text(datetime.now(UTC) + timedelta(seconds=seconds))
