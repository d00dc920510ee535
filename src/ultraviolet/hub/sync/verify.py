"""Verifying: compare every object and field of the mirror with ION, as of one moment.

It changes nothing in the mirror itself: an object that is confirmed to differ is marked stale, so that it is healed.

Pages of ION are compared with the same range of keys in the mirror, so that what either side lacks shows. An
object that differs is only suspected: it is read again, later each time, until it is equal or both sides stand
still and still disagree. So a change on its way is not reported, and a difference is. How far it is and what
was found is in the tables, so a killed verification goes on where it stopped.

Of objects that are equal, what the SQL views show of some of them is compared with their documents as well, and values
that do not fit their column are listed: views, filters and exports take them for null.
"""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, bindparam, text

from ultraviolet.clock import now_rfc3339
from ultraviolet.db import representation, sql_views
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.sync import fetch, verification_store
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.ion_reader import REQUEST, Page
from ultraviolet.hub.sync.verification_store import (
    RANGE,
    SettledDifferences,
    SuspectedDifference,
    VerificationStep,
)
from ultraviolet.ion.errors import IonError, IonRefusedError
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.object_state import VERIFICATION
from ultraviolet.mirror.observation import Mark, Observation, Origin, Ref

_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each reading of what differed; longer together than a change takes from ION to here."""
_MORE = (4.0, 4.0, 4.0)
"""Further readings of what still changed on the last one."""
_AT_ONCE = 3
_ORIGIN = Origin("verify")

log = structlog.get_logger()

_IN_RANGE = text(
    """SELECT id, doc FROM objects WHERE integration_id = :integration AND resource = :resource
      AND id > :low AND id <= :high AND length(id) = :length AND deleted_at IS NULL"""
)
_BEHIND = text(
    """SELECT id, doc FROM objects WHERE integration_id = :integration AND resource = :resource
      AND (length(id) > :length OR (length(id) = :length AND id > :low)) AND deleted_at IS NULL"""
)
_IN_TEXT_RANGE = text(
    """SELECT id, doc FROM objects WHERE integration_id = :integration AND resource = :resource
      AND id > :low AND (id <= :high OR CAST(:high AS TEXT) IS NULL) AND deleted_at IS NULL"""
)
_BY_ID = text(
    """SELECT id, doc FROM objects WHERE integration_id = :integration AND resource = :resource
      AND id IN :ids AND deleted_at IS NULL"""
).bindparams(bindparam("ids", expanding=True))

_INVALID = text(
    """SELECT id, invalid_values FROM objects WHERE integration_id = :integration AND resource = :resource
      AND invalid_values IS NOT NULL AND id IN :ids"""
).bindparams(bindparam("ids", expanding=True))
_VIEWED = 30
"""Objects of each page whose row in the view is compared as well, drawn at random: reading all would take as long again."""

Docs = dict[str, dict[str, Any]]


class _Displayed(msgspec.Struct, frozen=True):
    """How objects of a page are displayed."""

    invalid: Mapping[str, dict[str, Any]]
    """The values of each document that do not fit their column."""
    known: Mapping[str, dict[str, Any]]
    """Those that the database has noted, by which views decide."""
    rows: Mapping[str, Sequence[Any]]
    looked_at: Sequence[str]
    """Objects of which `rows` has what the view shows."""


class Verifier:
    """Compares one integration's mirror with its ION."""

    def __init__(self, site: SyncContext) -> None:
        self._site = site

    async def run(self, verification_id: int) -> None:
        """Do what is left of a comparison; its result is in the tables."""
        site = self._site
        resources = {r.name: r for r in site.readable()}
        steps = await site.database.write(
            verification_store.prepare, site.id, verification_id, list(resources)
        )
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def one(step: VerificationStep) -> None:
            async with at_once:
                await _Comparison(site, verification_id, resources[step.resource]).run(step)

        try:
            async with asyncio.TaskGroup() as group:
                for step in (each for each in steps if each.resource in resources):
                    group.create_task(one(step))
            await self._settle(verification_id)
        except* IonError as errors:
            said = str(errors.exceptions[0])
            await site.database.write(verification_store.fail, verification_id, said)
            log.warning("verify.failed", integration_id=site.id, error=said)
        else:
            state = await site.database.write(verification_store.finish, site.id, verification_id)
            log.info(
                "verify.finished",
                integration_id=site.id,
                verification_id=verification_id,
                state=state,
            )
        site.changes.publish("verification", site.id, id=verification_id)

    async def _settle(self, verification_id: int) -> None:
        for number, wait in enumerate((*_WAITS, *_MORE), start=1):
            found = await self._site.database.read(verification_store.suspects, verification_id)
            if not found:
                return
            await asyncio.sleep(wait)
            for start in range(0, len(found), REQUEST):
                chunk = {d.ref: d for d in found[start : start + REQUEST]}
                seen = await self._again(chunk)
                last = number >= len(_WAITS)
                await self._site.database.write(
                    self._judge, verification_id, chunk, seen, last=last
                )
            failpoint("verify.settling")
            self._site.changes.publish("verification", self._site.id, id=verification_id)

    def _judge(
        self,
        connection: Connection,
        verification_id: int,
        chunk: Mapping[Ref, SuspectedDifference],
        seen: SettledDifferences,
        *,
        last: bool,
    ) -> None:
        """Confirm differences, and mark the objects to be read again, so that their resources are stale until then.

        Only a full fetch can prove that what ION does not show is gone.
        """
        found = verification_store.settle_differences(
            connection, verification_id, chunk, seen, last=last
        )
        marks = [Mark(one.resource, one.id, VERIFICATION, now_rfc3339()) for one in found]
        mark_stale(connection, self._site.id, marks)
        if any(one.kind == "extra" for one in found):
            fetch.request_fetch(
                connection, self._site.id, "full", f"verification {verification_id}"
            )

    async def _again(self, suspects: Mapping[Ref, SuspectedDifference]) -> SettledDifferences:
        """Read suspects from ION again, and compare with what the mirror holds by now."""
        answer = await self._site.reader.each_by_id(suspects, _ORIGIN)
        ids: dict[str, list[str]] = {}
        for resource, id_ in suspects:
            ids.setdefault(resource, []).append(id_)
        docs = {name: await self._docs(name, wanted) for name, wanted in ids.items()}
        equal: list[Ref] = []
        still: list[SuspectedDifference] = []
        added: Counter[str] = Counter()
        for seen in answer.observations:
            found = find_differences(seen, docs[seen.resource].get(seen.id))
            if found:
                still.append(found)
            else:
                equal.append(seen.ref)
            added[seen.resource] += (seen.kind == "full") - (suspects[seen.ref].kind != "extra")
        return SettledDifferences(equal, still, answer.failed, added)

    async def _docs(self, resource: str, ids: Sequence[str]) -> Docs:
        given = {"integration": self._site.id, "resource": resource, "ids": list(ids)}
        return await self._site.database.read(lambda c: _decoded(c.execute(_BY_ID, given)))


class _Comparison:
    """The part of a verification that compares one resource."""

    def __init__(self, site: SyncContext, verification_id: int, resource: Resource) -> None:
        self._site = site
        self._verification_id = verification_id
        self._resource = resource
        self._view = sql_views.Comparison(site.catalog, resource)
        field = resource.field("id")
        self._numbered = field is None or field.type != "String"
        self._nameless = 0

    async def run(self, step: VerificationStep) -> None:
        """Compare what is left of this resource; a refusal fails this step alone."""
        if step.cursor is None:
            await self._set(state="comparing", started_at=now_rfc3339())
        try:
            if step.ranges is None:
                await self._all(step.cursor)
            else:
                await self._sample(step.ranges)
        except IonRefusedError as error:
            await self._set(state="failed", error=str(error))
            return
        if self._nameless:
            error = f"ION answered null in the place of {self._nameless} of them"
            await self._set(state="failed", error=error)
            return
        await self._set(state="done")

    async def _all(self, cursor: str | None) -> None:
        after = cursor or ("0" if self._numbered else "")
        async with aclosing(
            self._site.reader.pages(self._resource, after or None, _ORIGIN)
        ) as pages:
            async for page in pages:
                after = await self._compare(page, after, ranges=0) or after

    async def _sample(self, ranges: int) -> None:
        for _ in range(ranges):
            start = await self._site.database.read(
                verification_store.random_key, self._site.id, self._resource.name
            )
            page = await self._site.reader.page(self._resource, start or None, _ORIGIN, RANGE)
            await self._compare(page, start, ranges=-1)

    async def _compare(self, page: Page, after: str, *, ranges: int) -> str | None:
        """Compare the objects of a page, which is what is behind a key; returns the key to go on from, if there is more."""
        last = page.after if page.more else None
        mirrored, displayed = await self._site.database.read(self._with_view, after, last)
        unseen = mirrored.keys() - {o.id for o in page.observations}
        found = [d for o in page.observations if (d := find_differences(o, mirrored.get(o.id)))]
        found += [_extra(self._resource.name, id_, mirrored[id_]) for id_ in sorted(unseen)]
        found += [
            SuspectedDifference(
                self._resource.name, id_, "missing", fingerprint=_fingerprint(None, None)
            )
            for id_ in sorted(page.unreadable.keys() - mirrored.keys())
        ]
        self._nameless += page.nameless
        agreed = {id_: mirrored[id_] for id_ in mirrored.keys() - {each.id for each in found}}
        not_shown_so = list(self._not_shown_so(agreed, displayed))
        progress: dict[str, Any] = {"compared": len(page.observations), "cursor": last or after}
        if ranges:
            progress["ranges"] = ranges
        elif last is None:
            progress["state"] = (
                "done"  # with the last page: compared again after a crash, it would count twice
            )

        def work(connection: Connection) -> None:
            verification_store.confirm(connection, self._verification_id, not_shown_so)
            verification_store.suspect(
                connection, self._verification_id, found, progress, self._resource.name
            )

        await self._site.database.write(work)
        failpoint("verify.page_compared")
        self._site.changes.publish("verification", self._site.id, id=self._verification_id)
        return last

    def _with_view(
        self, connection: Connection, after: str, last: str | None
    ) -> tuple[Docs, _Displayed]:
        """Read documents of a range, and how they are displayed at the same moment.

        What the view shows is read of all that have values that do not fit, and of some others. Of those that the
        database knows other such values of than there are it is not: the view may fail on them.
        """
        docs = self._docs(connection, after, last)
        kinds = self._resource.kinds
        invalid = {
            id_: found
            for id_, doc in docs.items()
            if (found := representation.invalid_values(kinds, doc))
        }
        given = {"integration": self._site.id, "resource": self._resource.name, "ids": list(docs)}
        known = {
            row.id: msgspec.json.decode(row.invalid_values)
            for row in connection.execute(_INVALID, given)
        }
        agreed = [id_ for id_ in docs if invalid.get(id_) == known.get(id_)]
        others = [id_ for id_ in agreed if id_ not in invalid]
        looked_at = [id_ for id_ in agreed if id_ in invalid]
        looked_at += random.sample(others, min(_VIEWED, len(others)))
        return docs, _Displayed(
            invalid, known, self._view.read(connection, self._site.id, looked_at), looked_at
        )

    def _not_shown_so(self, docs: Docs, displayed: _Displayed) -> Iterator[SuspectedDifference]:
        """Return what the view shows otherwise than the document has it, and values that do not fit."""
        name = self._resource.name
        for id_ in (displayed.invalid.keys() | displayed.known.keys()) & docs.keys():
            invalid, known = displayed.invalid.get(id_), displayed.known.get(id_)
            if invalid != known:
                wrong = {"mirror_invalid_values": {"ion": invalid, "mirror": known}}
                yield SuspectedDifference(name, id_, "displayed", wrong)
        for id_ in (one for one in displayed.looked_at if one in docs):
            wrong = self._view.differing(docs[id_], displayed.rows.get(id_))
            invalid = displayed.invalid.get(id_, {})
            if wrong:
                fields = {
                    field: {"ion": ion, "mirror": mirror} for field, (ion, mirror) in wrong.items()
                }
                yield SuspectedDifference(name, id_, "displayed", fields)
            elif invalid:
                fields = {field: {"ion": value, "mirror": None} for field, value in invalid.items()}
                yield SuspectedDifference(name, id_, "invalid", fields)

    def _docs(self, connection: Connection, after: str, last: str | None) -> Docs:
        """Read the mirror behind one key, up to another; most keys are numbers, all are kept as text."""
        given = {"integration": self._site.id, "resource": self._resource.name}
        if not self._numbered:
            return _decoded(
                connection.execute(_IN_TEXT_RANGE, given | {"low": after, "high": last})
            )
        if last is None:
            return _decoded(
                connection.execute(_BEHIND, given | {"low": after, "length": len(after)})
            )
        docs: Docs = {}
        for length in range(len(after), len(last) + 1):
            low = after if length == len(after) else ""
            high = last if length == len(last) else "9" * length
            docs |= _decoded(
                connection.execute(_IN_RANGE, given | {"low": low, "high": high, "length": length})
            )
        return docs

    async def _set(self, **values: Any) -> None:
        await self._site.database.write(
            verification_store.step, self._verification_id, self._resource.name, **values
        )


def find_differences(seen: Observation, doc: dict[str, Any] | None) -> SuspectedDifference | None:
    """Compare what a read of ION showed with the mirror's content, None where it has none."""
    if seen.kind == "absent":
        return _extra(seen.resource, seen.id, doc) if doc is not None else None
    if doc == seen.fields:
        return None
    mark = _fingerprint(seen.fields, doc)
    if doc is None:
        return SuspectedDifference(seen.resource, seen.id, "missing", fingerprint=mark)
    names = sorted(
        n for n in doc.keys() | seen.fields.keys() if doc.get(n, ...) != seen.fields.get(n, ...)
    )
    fields = {n: {"ion": seen.fields.get(n), "mirror": doc.get(n)} for n in names}
    return SuspectedDifference(seen.resource, seen.id, "different", fields, mark)


def _extra(resource: str, id_: str, doc: dict[str, Any]) -> SuspectedDifference:
    return SuspectedDifference(resource, id_, "extra", fingerprint=_fingerprint(None, doc))


def _fingerprint(ion: dict[str, Any] | None, mirror: dict[str, Any] | None) -> str:
    return hashlib.sha256(msgspec.json.encode([ion, mirror], order="sorted")).hexdigest()


def _decoded(rows: Iterable[Any]) -> Docs:
    return {row.id: msgspec.json.decode(row.doc) for row in rows}
