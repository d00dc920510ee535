"""Verifying: compare the mirror with ION now, object by object, and report. It changes nothing in the mirror.

An object that differs is read and compared again after a short wait, so that a change on its way is not
reported as a difference.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import structlog
from sqlalchemy import Connection, bindparam, insert, text, update

from ultraviolet.hub.fetch import prove
from ultraviolet.hub.reader import ALIAS
from ultraviolet.hub.site import Site
from ultraviolet.ion.catalog import Resource
from ultraviolet.ion.problems import IonError, IonRefusedError
from ultraviolet.mirror.observation import Observation, Origin, Ref
from ultraviolet.mirror.tables import verifications
from ultraviolet.times import now

_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
_SAMPLES = 20
_AT_ONCE = 3

log = structlog.get_logger()

_DOCS = text(
    """SELECT id, doc FROM objects WHERE integration_id = :integration AND resource = :resource
      AND id IN :ids AND deleted_at IS NULL"""
).bindparams(bindparam("ids", expanding=True))
_IDS = text(
    """SELECT id FROM objects
    WHERE integration_id = :integration AND resource = :resource AND deleted_at IS NULL"""
)

Kind = Literal["missing", "extra", "different"]


class Difference(msgspec.Struct, frozen=True):
    """Where mirror and ION disagree about one object."""

    resource: str
    id: str
    kind: Kind
    fields: dict[str, Any] = {}
    """By name: what ION says and what the mirror says."""


def begin(connection: Connection, integration_id: int) -> int:
    """Write down that a comparison begins."""
    values: dict[str, Any] = {"state": "running", "started_at": now(), "samples": [], "objects": 0}
    made = insert(verifications).values(integration_id=integration_id, **values)
    return connection.execute(made.returning(verifications.c.id)).scalar_one()


class Verifier:
    """Compares one integration's mirror with its ION."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._objects = 0
        self._differences: list[Difference] = []

    async def run(self, verification_id: int, waits: Sequence[float] = _WAITS) -> None:
        """Compare everything, then again what differed; the result is in the table."""
        started = now()
        try:
            await self._run(verification_id, waits)
        except IonError as error:
            await self._write(verification_id, state="failed", error=str(error))
            log.warning("verify.failed", integration_id=self._site.id, error=str(error))
            return
        await self._site.store.write(lambda c: self._prove(c, started))
        await self._write(verification_id, state="done", error=None)
        log.info("verify.finished", integration_id=self._site.id, differences=len(self._differences))

    async def _run(self, verification_id: int, waits: Sequence[float]) -> None:
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def one(resource: Resource) -> None:
            async with at_once:
                await self._compare(resource)
                await self._write(verification_id, state="running", error=None)

        results = await asyncio.gather(*(one(r) for r in self._site.readable()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for wait in waits:
            if not self._differences:
                break
            await asyncio.sleep(wait)
            await self._compare_again()

    async def _compare(self, resource: Resource) -> None:
        site, after = self._site, None
        given = {"integration": site.id, "resource": resource.name}
        unseen = await site.store.read(lambda c: set(c.execute(_IDS, given).scalars()))
        while True:
            page = await site.reader.page(resource, after, Origin("verify"))
            self._objects += len(page.observations)
            unseen.difference_update(o.id for o in page.observations)
            await self._judge(resource, page.observations)
            if not page.more or page.last is None:
                break
            after = page.last.id
        self._differences += [Difference(resource.name, id_, "extra") for id_ in sorted(unseen)]

    async def _judge(self, resource: Resource, seen: Sequence[Observation]) -> None:
        docs = await self._docs(resource.name, [o.id for o in seen])
        for observation in seen:
            found = _difference(observation, docs.get(observation.id))
            if found:
                self._differences.append(found)

    async def _compare_again(self) -> None:
        """Read from ION again what differed, and compare with what the mirror holds by now."""
        before, self._differences = self._differences, []
        refs = [(d.resource, d.id) for d in before]
        extra = {(d.resource, d.id) for d in before if d.kind == "extra"}
        for chunk in _chunks(refs):
            answer = await self._site.reader.by_ids(chunk, Origin("verify"))
            if answer.failed:
                raise IonRefusedError(next(iter(answer.failed.values())))
            for observation in answer.observations:
                docs = await self._docs(observation.resource, [observation.id])
                found = _difference(observation, docs.get(observation.id))
                if found:
                    self._differences.append(found)
                self._count(observation, known=observation.ref not in extra)

    def _count(self, observation: Observation, *, known: bool) -> None:
        """Keep the number of ION's objects right: it was counted on its page, unless it was not there."""
        if known and observation.kind == "absent":
            self._objects -= 1
        elif not known and observation.kind == "full":
            self._objects += 1

    async def _docs(self, resource: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        if not ids:
            return {}
        given = {"integration": self._site.id, "resource": resource, "ids": list(ids)}
        rows = await self._site.store.read(lambda c: c.execute(_DOCS, given).all())
        return {row.id: msgspec.json.decode(row.doc) for row in rows}

    async def _write(self, verification_id: int, *, state: str, error: str | None) -> None:
        counts = {
            kind: sum(d.kind == kind for d in self._differences) for kind in ("missing", "extra", "different")
        }
        values = counts | {
            "state": state,
            "error": error,
            "objects": self._objects,
            "equal": self._objects - counts["missing"] - counts["different"],
            "samples": msgspec.to_builtins(self._differences[:_SAMPLES]),
            "finished_at": None if state == "running" else now(),
        }
        change = update(verifications).where(verifications.c.id == verification_id).values(**values)
        await self._site.store.write(lambda c: c.execute(change) and None)
        self._site.changes.publish("verification", self._site.id, id=verification_id)

    def _prove(self, connection: Connection, started: str) -> None:
        wrong = {d.resource for d in self._differences}
        for resource in self._site.readable():
            if resource.name not in wrong:
                prove(connection, self._site.id, resource.name, at=started, by="verify")


def _difference(seen: Observation, doc: dict[str, Any] | None) -> Difference | None:
    if seen.kind == "absent":
        return Difference(seen.resource, seen.id, "extra") if doc is not None else None
    if doc is None:
        return Difference(seen.resource, seen.id, "missing")
    if doc == seen.fields:
        return None
    names = sorted(n for n in doc.keys() | seen.fields.keys() if doc.get(n, ...) != seen.fields.get(n, ...))
    fields = {n: {"ion": seen.fields.get(n), "mirror": doc.get(n)} for n in names}
    return Difference(seen.resource, seen.id, "different", fields)


def _chunks(refs: Iterable[Ref]) -> Iterable[list[Ref]]:
    ordered = sorted(refs)
    return (ordered[start : start + ALIAS] for start in range(0, len(ordered), ALIAS))
