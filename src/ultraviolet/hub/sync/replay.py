"""Replay a range of events, or preview the changes.

Events are applied as when they were delivered, so older data never overwrites newer data. Their
objects are then read from ION. A preview does both in a transaction that is rolled back.
"""

import operator
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, Never

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.events import events as recorded
from ultraviolet.errors import InvalidError
from ultraviolet.hub.sync import apply_events
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.object_reader import REQUEST
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import repository
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

MAX_EVENTS = 10_000
"""Events in one replay."""
_CHUNK_EVENTS = 300


class Range(msgspec.Struct, frozen=True):
    """A filter of events; fields without a value match all events."""

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
    """A field that would change."""

    name: str
    old: Any
    new: Any


class ObjectReplayed(msgspec.Struct, frozen=True):
    """An object that would change."""

    integration_id: int
    resource: str
    id: str
    change: Literal["create", "update", "delete", "restore"]
    fields: list[FieldReplayed]


class Replayed(msgspec.Struct, frozen=True):
    """The result of a replay or preview."""

    dry_run: bool
    events: int
    objects: int
    """Objects that the events concern; each is read from ION."""
    not_understood: int
    changes: list[ObjectReplayed] = []
    """Changes that a dry run found."""


def select_events(connection: Connection, wanted: Range) -> dict[int, list[int]]:
    """Return event numbers by integration, oldest first; raise InvalidError for too many."""
    if wanted == Range(wanted.integration_id):
        raise InvalidError("Select events by number, time, resource, action, outcome or object.")
    columns = recorded.c
    query = select(columns.seq, columns.integration_id).order_by(columns.seq).limit(MAX_EVENTS + 1)
    for column, compare, value in (
        (columns.integration_id, operator.eq, wanted.integration_id),
        (columns.seq, operator.ge, wanted.from_seq),
        (columns.seq, operator.le, wanted.to_seq),
        (columns.received_at, operator.ge, wanted.since),
        (columns.received_at, operator.lt, wanted.until),
        (columns.resource, operator.eq, wanted.resource),
        (columns.action, operator.eq, wanted.action),
        (columns.outcome, operator.eq, wanted.outcome),
        (columns.object_id, operator.eq, wanted.object_id),
    ):
        if value is not None:
            query = query.where(compare(column, value))
    found: defaultdict[int, list[int]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.integration_id].append(row.seq)
    if sum(map(len, found.values())) > MAX_EVENTS:
        raise InvalidError(
            f"The filter matches more than {MAX_EVENTS:,} events. Replay several smaller ranges."
        )
    return found


async def replay_events(context: SyncContext, seqs: Sequence[int]) -> Replayed:
    """Apply events again; the heal controller then reads their objects."""
    done: list[apply_events.ReappliedEvents] = []
    for start in range(0, len(seqs), _CHUNK_EVENTS):
        chunk = seqs[start : start + _CHUNK_EVENTS]
        result = await context.database.write(
            apply_events.reparse_events, context.catalog, context.id, chunk
        )
        context.publish_changes(result.changes)
        done.append(result)
    return _sum(done, dry_run=False)


async def preview_replay(context: SyncContext, seqs: Sequence[int]) -> Replayed:
    """Return what a replay would change, without changing it."""
    done: list[apply_events.ReappliedEvents] = []
    changes: list[ObjectReplayed] = []
    readable = {r.name for r in context.readable()}
    for start in range(0, len(seqs), _CHUNK_EVENTS):
        chunk = seqs[start : start + _CHUNK_EVENTS]
        about = await context.database.read(apply_events.about, context.catalog, context.id, chunk)
        wanted = [ref for ref in sorted(about) if ref[0] in readable and ref[1].isdecimal()]
        read: list[Observation] = []
        for first in range(0, len(wanted), REQUEST):
            answer = await context.reader.by_ids(wanted[first : first + REQUEST], Origin("replay"))
            read += answer.observations
        try:
            await context.database.write(
                _replay_and_raise, context.catalog, context.id, chunk, read
            )
        except _Preview as preview:
            done.append(preview.result)
            changes += preview.changes
    return msgspec.structs.replace(_sum(done, dry_run=True), changes=changes)


class _Preview(Exception):  # noqa: N818  raised to roll the transaction back
    """The result of a preview."""

    def __init__(self, result: apply_events.ReappliedEvents, changes: list[ObjectReplayed]) -> None:
        super().__init__()
        self.result = result
        self.changes = changes


def _replay_and_raise(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    seqs: Sequence[int],
    read: Sequence[Observation],
) -> Never:
    """Replay events and apply the objects read; raise _Preview, so that nothing is saved."""
    refs = apply_events.about(connection, catalog, integration_id, seqs)
    before = repository.load_states(connection, integration_id, refs)
    result = apply_events.reparse_events(connection, catalog, integration_id, seqs)
    # A replay reads the objects after the events, so that their marks do not outdate the reads.
    now = now_rfc3339()
    reads = [msgspec.structs.replace(o, read_started_at=now, observed_at=now) for o in read]
    apply(connection, catalog, integration_id, reads)
    after = repository.load_states(connection, integration_id, refs)
    changes: list[ObjectReplayed] = []
    for ref in sorted(before):
        was, is_ = before[ref], after[ref]
        old = {} if was.deleted_at else was.doc
        new = {} if is_.deleted_at else is_.doc
        names = sorted(n for n in old.keys() | new.keys() if old.get(n, ...) != new.get(n, ...))
        if names:
            created = "restore" if was.deleted_at else "create"
            change = ("update" if new else "delete") if old else created
            fields = [FieldReplayed(name, old.get(name), new.get(name)) for name in names]
            changes.append(ObjectReplayed(integration_id, *ref, change, fields))
    raise _Preview(result, changes)


def _sum(done: Sequence[apply_events.ReappliedEvents], *, dry_run: bool) -> Replayed:
    return Replayed(
        dry_run=dry_run,
        events=sum(part.events for part in done),
        objects=len(set[Any]().union(*(part.about for part in done))),
        not_understood=sum(part.not_understood for part in done),
    )


def sum_results(parts: Sequence[Replayed], *, dry_run: bool) -> Replayed:
    """Return the total over several integrations."""
    return Replayed(
        dry_run=dry_run,
        events=sum(part.events for part in parts),
        objects=sum(part.objects for part in parts),
        not_understood=sum(part.not_understood for part in parts),
        changes=[change for part in parts for change in part.changes],
    )
