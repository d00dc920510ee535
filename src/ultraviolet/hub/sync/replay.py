"""Replaying: any range of events again through the live path, or a rehearsal of it that shows what would change.

What the events say goes through the one door as it did when they came, so nothing can go backwards; what they are
about is then read from ION afresh. A rehearsal does both in a transaction that is undone.
"""

import operator
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.db.tables.events import events as recorded
from ultraviolet.errors import InvalidError
from ultraviolet.hub.sync import apply_events
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.ion_reader import REQUEST
from ultraviolet.mirror import repository
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Observation, Origin, Ref

MAX_EVENTS = 10_000
"""Events one replay takes."""
_CHUNK = 300


class Range(msgspec.Struct, frozen=True):
    """Which events: by number, time, resource, action, outcome or object; what is left out does not narrow."""

    integration_id: int | None = None
    from_seq: int | None = None
    to_seq: int | None = None
    since: str | None = None
    until: str | None = None
    resource: str | None = None
    action: str | None = None
    outcome: str | None = None
    object_id: str | None = None


class FieldReplayed(msgspec.Struct, frozen=True):
    """One field that would become different."""

    name: str
    old: Any
    new: Any


class ObjectReplayed(msgspec.Struct, frozen=True):
    """One object that would change."""

    integration_id: int
    resource: str
    id: str
    change: Literal["create", "update", "delete", "restore"]
    fields: list[FieldReplayed]


class Replayed(msgspec.Struct, frozen=True):
    """What a replay did, or would do."""

    dry_run: bool
    events: int
    objects: int
    """About so many objects the events are; each is read from ION afresh."""
    not_understood: int
    changes: list[ObjectReplayed] = []
    """Of a dry run: what would change."""


def select_events(connection: Connection, wanted: Range) -> dict[int, list[int]]:
    """Return the numbers of the events that are meant, oldest first, by integration; raises InvalidError for too many."""
    if wanted == Range(wanted.integration_id):
        raise InvalidError(
            "Say which events: a range of numbers, a time, a resource, an outcome or an object."
        )
    kept = recorded.c
    query = select(kept.seq, kept.integration_id).order_by(kept.seq).limit(MAX_EVENTS + 1)
    for column, compare, value in (
        (kept.integration_id, operator.eq, wanted.integration_id),
        (kept.seq, operator.ge, wanted.from_seq),
        (kept.seq, operator.le, wanted.to_seq),
        (kept.received_at, operator.ge, wanted.since),
        (kept.received_at, operator.lt, wanted.until),
        (kept.resource, operator.eq, wanted.resource),
        (kept.action, operator.eq, wanted.action),
        (kept.outcome, operator.eq, wanted.outcome),
        (kept.object_id, operator.eq, wanted.object_id),
    ):
        if value is not None:
            query = query.where(compare(column, value))
    found: defaultdict[int, list[int]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.integration_id].append(row.seq)
    if sum(map(len, found.values())) > MAX_EVENTS:
        raise InvalidError(
            f"More than {MAX_EVENTS:,} events are meant; narrow the range, and replay one after another."
        )
    return found


async def replay_events(site: SyncContext, seqs: Sequence[int]) -> Replayed:
    """Let events go through the live path again; the heal controller reads what they are about."""
    done: list[apply_events.ReappliedEvents] = []
    for start in range(0, len(seqs), _CHUNK):
        chunk = seqs[start : start + _CHUNK]
        again = await site.database.write(apply_events.reparse_events, site.catalog, site.id, chunk)
        site.publish_changes(again.changes)
        done.append(again)
    return _sum(done, dry_run=False)


async def preview_replay(site: SyncContext, seqs: Sequence[int]) -> Replayed:
    """Tell what a replay would change, and change nothing."""
    done: list[apply_events.ReappliedEvents] = []
    changes: list[ObjectReplayed] = []
    for start in range(0, len(seqs), _CHUNK):
        chunk = seqs[start : start + _CHUNK]
        about = await site.database.read(apply_events.about, site.catalog, site.id, chunk)
        read = await _read(site, sorted(about))
        rehearsal = await _undone(site, chunk, read)
        done.append(rehearsal.again)
        changes += rehearsal.changes
    return msgspec.structs.replace(_sum(done, dry_run=True), changes=changes)


class _Rehearsal(Exception):  # noqa: N818  it ends a transaction on purpose, so that nothing of it stays
    """What came of a rehearsal."""

    def __init__(self, again: apply_events.ReappliedEvents, changes: list[ObjectReplayed]) -> None:
        super().__init__()
        self.again = again
        self.changes = changes


async def _read(site: SyncContext, refs: Sequence[Ref]) -> list[Observation]:
    readable = {r.name for r in site.readable()}
    wanted = [ref for ref in refs if ref[0] in readable and ref[1].isdecimal()]
    found: list[Observation] = []
    for start in range(0, len(wanted), REQUEST):
        answer = await site.reader.by_ids(wanted[start : start + REQUEST], Origin("replay"))
        found += answer.observations
    return found


async def _undone(
    site: SyncContext, seqs: Sequence[int], read: Sequence[Observation]
) -> _Rehearsal:
    def work(connection: Connection) -> None:
        refs = apply_events.about(connection, site.catalog, site.id, seqs)
        before = repository.load_states(connection, site.id, refs)
        again = apply_events.reparse_events(connection, site.catalog, site.id, seqs)
        apply(connection, site.catalog, site.id, read)
        raise _Rehearsal(
            again, _changes(site, before, repository.load_states(connection, site.id, refs))
        )

    try:
        await site.database.write(work)
    except _Rehearsal as rehearsal:
        return rehearsal
    raise AssertionError


def _changes(
    site: SyncContext, before: Mapping[Ref, ObjectState], after: Mapping[Ref, ObjectState]
) -> list[ObjectReplayed]:
    found: list[ObjectReplayed] = []
    for ref in sorted(before):
        was, is_ = before[ref], after[ref]
        old = {} if was.deleted_at else was.doc
        new = {} if is_.deleted_at else is_.doc
        names = sorted(n for n in old.keys() | new.keys() if old.get(n, ...) != new.get(n, ...))
        if names:
            change = (
                "update"
                if old and new
                else "delete"
                if old
                else "restore"
                if was.deleted_at
                else "create"
            )
            fields = [FieldReplayed(name, old.get(name), new.get(name)) for name in names]
            found.append(ObjectReplayed(site.id, *ref, change, fields))
    return found


def _sum(done: Sequence[apply_events.ReappliedEvents], *, dry_run: bool) -> Replayed:
    return Replayed(
        dry_run=dry_run,
        events=sum(one.events for one in done),
        objects=len(set[Any]().union(*(one.about for one in done))),
        not_understood=sum(one.not_understood for one in done),
    )


def sum_results(parts: Sequence[Replayed], *, dry_run: bool) -> Replayed:
    """Add up what was done for several integrations."""
    return Replayed(
        dry_run=dry_run,
        events=sum(one.events for one in parts),
        objects=sum(one.objects for one in parts),
        not_understood=sum(one.not_understood for one in parts),
        changes=[change for one in parts for change in one.changes],
    )
