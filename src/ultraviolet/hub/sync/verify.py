"""Verify the mirror: compare every object and field with ION.

Verification does not change the mirror. It marks objects with confirmed differences stale.

Each page of ION is compared with the same range of keys in the mirror, so that objects missing on
either side are found. A difference is first suspected. The object is read again with growing
delays, until it is equal, or until both sides no longer change and still differ. A change in transit is
therefore not reported. Progress and results are in the tables, so that an
interrupted verification resumes.

For some of the equal objects, the SQL views are compared with the documents. Values that do not fit
their column are listed, because views, filters and exports treat them as null.
"""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

import msgspec
import structlog
from sqlalchemy import Connection, select, text

from ultraviolet.clock import now_rfc3339
from ultraviolet.db import attributes, bulk, representation, sql_views
from ultraviolet.db.tables.mirror import view_columns
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.sync import verification_store
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.ion_reader import Page
from ultraviolet.hub.sync.object_reader import REQUEST
from ultraviolet.hub.sync.verification_store import (
    RANGE,
    SettledDifferences,
    SuspectedDifference,
    VerificationStep,
)
from ultraviolet.ion.attributes import with_attributes
from ultraviolet.ion.errors import IonError, IonRefusedError
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.observation import Observation, Origin, Ref

_RECHECK_DELAYS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Delays before suspected differences are read again; a change arrives in less than their sum."""
_EXTRA_DELAYS_SECONDS = (4.0, 4.0, 4.0)
"""Delays before further reads of objects that are still changing."""
_MAX_PARALLEL_RESOURCES = 3
_ORIGIN = Origin("verify")

log = structlog.get_logger()

_SELECT_RANGE = text(
    """SELECT id, doc FROM objects WHERE integration_id = :integration AND resource = :resource
      AND id > :low AND id <= :high AND length(id) = :length AND deleted_at IS NULL"""
)
_SELECT_AFTER = text(
    """SELECT id, doc FROM objects WHERE integration_id = :integration AND resource = :resource
      AND (length(id) > :length OR (length(id) = :length AND id > :low)) AND deleted_at IS NULL"""
)
_SELECT_TEXT_RANGE = text(
    """SELECT id, doc FROM objects WHERE integration_id = :integration AND resource = :resource
      AND id > :low AND (id <= :high OR CAST(:high AS TEXT) IS NULL) AND deleted_at IS NULL"""
)
_SELECT_BY_ID = """SELECT id, doc FROM objects
  WHERE integration_id = :integration AND resource = :resource AND id IN :ids
    AND deleted_at IS NULL"""

_SELECT_INVALID = """SELECT id, invalid_values FROM objects
  WHERE integration_id = :integration AND resource = :resource AND id IN :ids
    AND invalid_values IS NOT NULL"""
_MAX_VIEW_ROWS = 30
"""Random objects of each page whose row in the SQL view is compared; all would double the time."""

Docs = dict[str, dict[str, Any]]


class _Displayed(msgspec.Struct, frozen=True):
    """The displayed values of objects of a page."""

    invalid: Mapping[str, dict[str, Any]]
    """Values of each document that do not fit their column."""
    known: Mapping[str, dict[str, Any]]
    """The same values as saved in the database, which the views use."""
    rows: Mapping[str, Sequence[Any]]
    sampled: Sequence[str]
    """Objects whose view row is in `rows`."""


class Verifier:
    """Compares one integration's mirror with its ION."""

    def __init__(self, context: SyncContext) -> None:
        self._context = context

    async def run(self, verification_id: int) -> None:
        """Run a verification to its end; save the result in the tables."""
        context = self._context
        resources = {r.name: r for r in context.readable()}
        steps = await context.database.write(
            verification_store.prepare, context.id, verification_id, list(resources)
        )
        semaphore = asyncio.Semaphore(_MAX_PARALLEL_RESOURCES)

        async def compare(step: VerificationStep) -> None:
            async with semaphore:
                await _Comparison(context, verification_id, resources[step.resource]).run(step)

        try:
            async with asyncio.TaskGroup() as group:
                for step in (each for each in steps if each.resource in resources):
                    group.create_task(compare(step))
            await self._settle(verification_id)
        except* IonError as errors:
            error = str(errors.exceptions[0])
            await context.database.write(verification_store.fail, verification_id, error)
            log.warning("verify.failed", integration_id=context.id, error=error)
        else:
            state = await context.database.write(
                verification_store.finish, context.id, verification_id
            )
            log.info(
                "verify.finished",
                integration_id=context.id,
                verification_id=verification_id,
                state=state,
            )
        context.changes.publish("verification", context.id, id=verification_id)

    async def _settle(self, verification_id: int) -> None:
        for number, wait in enumerate((*_RECHECK_DELAYS_SECONDS, *_EXTRA_DELAYS_SECONDS), start=1):
            found = await self._context.database.read(verification_store.suspects, verification_id)
            if not found:
                return
            await asyncio.sleep(wait)
            for start in range(0, len(found), REQUEST):
                chunk = {d.ref: d for d in found[start : start + REQUEST]}
                seen = await self._recheck(chunk)
                last = number >= len(_RECHECK_DELAYS_SECONDS)
                await self._context.database.write(
                    verification_store.settle_differences,
                    self._context.id,
                    verification_id,
                    chunk,
                    seen,
                    last=last,
                )
            failpoint("verify.settling")
            self._context.changes.publish("verification", self._context.id, id=verification_id)

    async def _recheck(self, suspects: Mapping[Ref, SuspectedDifference]) -> SettledDifferences:
        """Read suspected objects from ION and compare them with the current mirror."""
        answer = await self._context.reader.each_by_id(suspects, _ORIGIN)
        ids: dict[str, list[str]] = {}
        for resource, id_ in suspects:
            ids.setdefault(resource, []).append(id_)
        docs: dict[str, Docs] = {}
        for name, wanted in ids.items():
            docs[name] = await self._context.database.read(
                _read_docs, self._context.id, name, wanted
            )
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


def _read_docs(
    connection: Connection, integration_id: int, resource: str, ids: Sequence[str]
) -> Docs:
    given = {"integration": integration_id, "resource": resource, "ids": ids}
    rows = bulk.fetch_rows(connection, _SELECT_BY_ID, given)
    return {id_: msgspec.json.decode(doc) for id_, doc in rows}


class _Comparison:
    """The comparison of one resource."""

    def __init__(self, context: SyncContext, verification_id: int, resource: Resource) -> None:
        self._context = context
        self._verification_id = verification_id
        self._resource = resource
        field = resource.field("id")
        self._numbered = field is None or field.type != "String"
        self._nameless = 0
        self._keyed = context.reader.is_keyed(resource)
        self._seen: set[str] = set()
        """The compared ids of a list without an order of id."""

    async def run(self, step: VerificationStep) -> None:
        """Compare the rest of this resource; a refusal by ION fails this resource only."""
        context = self._context
        if step.cursor is None:
            await self._set(state="comparing", started_at=now_rfc3339())
        self._view = await context.database.read(self._open_view)
        try:
            if step.ranges is None:
                # without an order of id, a page does not show which objects it omits
                start = step.cursor if self._keyed else None
                after = start or ("0" if self._numbered else "")
                pages = context.reader.pages(self._resource, after or None, _ORIGIN)
                async with aclosing(pages):
                    async for page in pages:
                        after = await self._compare(page, after, ranges=0) or after
            for _ in range(step.ranges or 0):
                start = await context.database.read(
                    verification_store.random_key, context.id, self._resource.name
                )
                key = start or None if self._keyed else None
                page = await context.reader.page(self._resource, key, _ORIGIN, RANGE)
                await self._compare(page, start, ranges=-1)
        except IonRefusedError as error:
            await self._set(state="failed", error=str(error))
            return
        if self._nameless:
            error = f"ION answered null instead of {self._nameless} objects"
            await self._set(state="failed", error=error)
            return
        await self._set(state="done")

    async def _compare(self, page: Page, after: str, *, ranges: int) -> str | None:
        """Compare a page, which follows a key; return the key of the next page, or None."""
        last = page.after if page.more else None
        ids = None if self._keyed else [o.id for o in page.observations]
        mirrored, displayed = await self._context.database.read(self._load_range, after, last, ids)
        unseen = mirrored.keys() - {o.id for o in page.observations}
        found = [d for o in page.observations if (d := find_differences(o, mirrored.get(o.id)))]
        if ids is not None:
            self._seen.update(ids)
            if not ranges and not page.more:
                everything = await self._context.database.read(self._docs, "", None)
                mirrored |= {i: doc for i, doc in everything.items() if i not in self._seen}
                unseen = everything.keys() - self._seen - page.unreadable.keys()
        found += [_extra(self._resource.name, id_, mirrored[id_]) for id_ in sorted(unseen)]
        found += [
            SuspectedDifference(
                self._resource.name, id_, "missing", fingerprint=_fingerprint(None, None)
            )
            for id_ in sorted(page.unreadable.keys() - mirrored.keys())
        ]
        self._nameless += page.nameless
        agreed = {id_: mirrored[id_] for id_ in mirrored.keys() - {each.id for each in found}}
        display_errors = list(self._find_display_errors(agreed, displayed))
        progress: dict[str, Any] = {"compared": len(page.observations), "cursor": last or after}
        if ranges:
            progress["ranges"] = ranges
        elif last is None:
            progress["state"] = "done"  # saved with the last page, so that it counts once

        await self._context.database.write(
            verification_store.save_page,
            self._verification_id,
            self._resource.name,
            found,
            display_errors,
            progress,
        )
        failpoint("verify.page_compared")
        self._context.changes.publish("verification", self._context.id, id=self._verification_id)
        return last

    def _open_view(self, connection: Connection) -> sql_views.Comparison:
        """Return the comparison of the view, with the custom attributes that it shows by now."""
        name = self._resource.name
        known = [each for each in attributes.load(connection) if each.resource == name]
        catalog = with_attributes(self._context.catalog, known)
        view = sql_views.view_name(self._resource)
        present = connection.execute(select(view_columns.c.name).where(view_columns.c.view == view))
        return sql_views.Comparison(catalog, catalog.resources[name], set(present.scalars()))

    def _load_range(
        self, connection: Connection, after: str, last: str | None, ids: list[str] | None
    ) -> tuple[Docs, _Displayed]:
        """Return the documents of a range with their displayed values, from one snapshot.

        View rows are read for all objects with invalid values and for a random sample of others.
        Objects whose saved invalid values are wrong are excluded, because the view may fail on them.
        """
        if ids is None:
            docs = self._docs(connection, after, last)
        else:
            docs = _read_docs(connection, self._context.id, self._resource.name, ids)
        kinds = self._resource.kinds
        invalid = {
            id_: found
            for id_, doc in docs.items()
            if (found := representation.invalid_values(kinds, doc))
        }
        given = {
            "integration": self._context.id,
            "resource": self._resource.name,
            "ids": list(docs),
        }
        known = {
            id_: msgspec.json.decode(values)
            for id_, values in bulk.fetch_rows(connection, _SELECT_INVALID, given)
        }
        agreed = [id_ for id_ in docs if invalid.get(id_) == known.get(id_)]
        others = [id_ for id_ in agreed if id_ not in invalid]
        sampled = [id_ for id_ in agreed if id_ in invalid]
        sampled += random.sample(others, min(_MAX_VIEW_ROWS, len(others)))
        return docs, _Displayed(
            invalid, known, self._view.read(connection, self._context.id, sampled), sampled
        )

    def _find_display_errors(
        self, docs: Docs, displayed: _Displayed
    ) -> Iterator[SuspectedDifference]:
        """Yield objects whose view row differs from the document, and invalid values."""
        name = self._resource.name
        for id_ in (displayed.invalid.keys() | displayed.known.keys()) & docs.keys():
            invalid, known = displayed.invalid.get(id_), displayed.known.get(id_)
            if invalid != known:
                wrong = {"mirror_invalid_values": {"ion": invalid, "mirror": known}}
                yield SuspectedDifference(name, id_, "displayed", wrong)
        for id_ in (one for one in displayed.sampled if one in docs):
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
        """Return the documents between two keys; numeric keys are stored as text, too."""
        given = {"integration": self._context.id, "resource": self._resource.name}
        if not self._numbered:
            return _decoded(
                connection.execute(_SELECT_TEXT_RANGE, given | {"low": after, "high": last})
            )
        if last is None:
            return _decoded(
                connection.execute(_SELECT_AFTER, given | {"low": after, "length": len(after)})
            )
        docs: Docs = {}
        for length in range(len(after), len(last) + 1):
            low = after if length == len(after) else ""
            high = last if length == len(last) else "9" * length
            docs |= _decoded(
                connection.execute(
                    _SELECT_RANGE, given | {"low": low, "high": high, "length": length}
                )
            )
        return docs

    async def _set(self, **values: Any) -> None:
        await self._context.database.write(
            verification_store.step, self._verification_id, self._resource.name, **values
        )


def find_differences(seen: Observation, doc: dict[str, Any] | None) -> SuspectedDifference | None:
    """Return the difference between a read of ION and a document of the mirror, if any."""
    if seen.kind == "absent":
        return _extra(seen.resource, seen.id, doc) if doc is not None else None
    if doc == seen.fields:
        return None
    mark = _fingerprint(seen.fields, doc)
    if doc is None:
        return SuspectedDifference(seen.resource, seen.id, "missing", fingerprint=mark)
    if _without_unset_attributes(doc) == _without_unset_attributes(seen.fields):
        return None
    names = sorted(
        n for n in doc.keys() | seen.fields.keys() if doc.get(n, ...) != seen.fields.get(n, ...)
    )
    fields = {n: {"ion": seen.fields.get(n), "mirror": doc.get(n)} for n in names}
    return SuspectedDifference(seen.resource, seen.id, "different", fields, mark)


def _without_unset_attributes(doc: dict[str, Any]) -> dict[str, Any]:
    """Return a document without unset attributes; ION may add them without changing the object."""
    attributes = doc.get("attributes")
    if not isinstance(attributes, dict):
        return doc
    rows = cast("dict[str, Any]", attributes).items()
    kept: dict[str, Any] = {
        key: row
        for key, row in rows
        if not isinstance(row, dict) or cast("dict[str, Any]", row).get("value") is not None
    }
    return {**doc, "attributes": kept}


def _extra(resource: str, id_: str, doc: dict[str, Any]) -> SuspectedDifference:
    return SuspectedDifference(resource, id_, "extra", fingerprint=_fingerprint(None, doc))


def _fingerprint(ion: dict[str, Any] | None, mirror: dict[str, Any] | None) -> str:
    return hashlib.sha256(msgspec.json.encode([ion, mirror], order="sorted")).hexdigest()


def _decoded(rows: Iterable[Any]) -> Docs:
    return {row.id: msgspec.json.decode(row.doc) for row in rows}
