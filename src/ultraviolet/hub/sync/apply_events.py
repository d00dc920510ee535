"""From recorded events to the mirror: what each one says goes through the one door, and its outcome is noted with it.

What is left to do is what has no outcome. There is no cursor that could pass an event which another process
has numbered but not yet committed: such an event comes a little later, and the door takes any order.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text

from ultraviolet.clock import now_rfc3339
from ultraviolet.db import bulk, locks
from ultraviolet.db.tables.events import events
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.ingest.service import TRACE_HEADER
from ultraviolet.hub.sync import fetch, invalid_values
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import Envelope, decode, is_id
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import drift, repository
from ultraviolet.mirror.apply import apply, mark_stale
from ultraviolet.mirror.dependents import find_dependents, objects_sharing
from ultraviolet.mirror.object_state import DELETION
from ultraviolet.mirror.observation import Change, Mark, Observation, Origin, Ref

_BY_WHOM = {"createdById", "updatedById"}
"""Links to people that say nothing of what a row ties together."""

_NOT_CHOSEN = "This resource is not chosen for this integration"
_CONFLICTING = "ION sent this event before with another body; the object is read from ION instead"
_BUT = "; what is computed from it is read again"

_BATCH = 500
_MOST = 4_000_000
"""Bytes of the bodies of a batch; read, they take fifteen times as much memory. A larger one comes by itself."""
_LOST = "an event that was not understood"
_WAITING = text(
    """SELECT seq, length(body) FROM events
    WHERE integration_id = :integration AND outcome IS NULL ORDER BY seq LIMIT :limit"""
)
_NEXT = text(
    """SELECT seq, body, received_at, signature, conflicting FROM events
    WHERE integration_id = :integration AND outcome IS NULL AND seq >= :first AND seq <= :last ORDER BY seq"""
)
_WHICH = ("seq", "received_at")
_OUTCOME = ("outcome", "detail", "applied_at", *_WHICH)
_BY_ENTITY = text(
    """SELECT k.resource, l.id FROM link_kinds AS k JOIN links AS l ON l.kind = k.id
    WHERE k.target_resource = :target AND k.field = 'entityId'
      AND l.integration_id = :integration AND l.target_id = :entity"""
)


class AppliedBatch(msgspec.Struct, frozen=True):
    """What came of a batch of events."""

    count: int
    changes: Sequence[Change] = ()
    marked: int = 0
    seqs: Sequence[int] = ()
    lost: bool = False
    """An event says that something changed, but not what: a fetch was asked for that finds out."""
    more: bool = False
    """There were more events than these."""


class ParsedEvent(msgspec.Struct):
    """What one event says."""

    seq: int
    received_at: str
    observation: Observation | None = None
    marks: list[Mark] = []
    problem: str | None = None
    not_chosen: bool = False
    """It is about a resource that is not followed."""
    conflicting: bool = False
    """ION sent the same event before with another body: its values are not used, the object is read."""


def apply_pending(
    connection: Connection, catalog: Catalog, integration_id: int, *, only: int | None = None
) -> AppliedBatch:
    """Let the next events, or `only` one, take effect, in the order they came; many of one object are one write."""
    locks.lock(connection, "mirror", integration_id)
    seqs, more = list_pending(connection, integration_id) if only is None else ([only], False)
    if not seqs:
        return AppliedBatch(0)
    given = {"integration": integration_id, "first": seqs[0], "last": seqs[-1]}
    rows_ = connection.execute(_NEXT, given).all()
    said = [_read(connection, catalog, integration_id, row) for row in rows_]
    observations = [s.observation for s in said if s.observation]
    applied = apply(
        connection, catalog, integration_id, observations, [m for s in said for m in s.marks]
    )
    invalid_values.report(connection, catalog, integration_id, applied.refitted)
    drift.mark_late(connection, integration_id, _told(said, applied.outcomes))
    outcomes = iter(applied.outcomes)
    judged = [_judge(s, next(outcomes) if s.observation else None) for s in said]
    bulk.update(connection, events, _OUTCOME, judged, _WHICH)
    lost = any(s.problem for s in said)
    if lost:
        fetch.request_followup_fetch(connection, integration_id, _LOST)
    failpoint("apply.written")
    return AppliedBatch(
        len(said), applied.changes, applied.marked, [s.seq for s in said], lost, more
    )


def list_pending(connection: Connection, integration_id: int) -> tuple[list[int], bool]:
    """Return the numbers of the next events to take, and whether there are more."""
    found = connection.execute(_WAITING, {"integration": integration_id, "limit": _BATCH}).all()
    sizes = accumulate(length for _, length in found)
    seqs = [seq for (seq, _), size in zip(found, sizes, strict=True) if size <= _MOST]
    seqs = seqs or [seq for seq, _ in found[:1]]
    return seqs, len(found) == _BATCH or len(seqs) < len(found)


def merge_batches(taken: Sequence[AppliedBatch]) -> AppliedBatch:
    """Tell of several batches as of one."""
    return AppliedBatch(
        sum(each.count for each in taken),
        [change for each in taken for change in each.changes],
        sum(each.marked for each in taken),
        [seq for each in taken for seq in each.seqs],
        any(each.lost for each in taken),
        more=bool(taken),
    )


def mark_not_applied(
    connection: Connection, catalog: Catalog, integration_id: int, seq: int, why: str
) -> AppliedBatch:
    """Note of an event that cannot be applied why not; what it is about, if it says so, is read again, and all else too."""
    locks.lock(connection, "mirror", integration_id)
    given = {"integration": integration_id, "first": seq, "last": seq}
    row = connection.execute(_NEXT, given).one_or_none()
    if row is None:
        return AppliedBatch(0)
    envelope = decode(catalog, row.body)
    resource = catalog.resources.get(envelope.resource or "")
    said = ParsedEvent(seq, row.received_at, problem=why)
    refs: set[Ref] = set()
    if resource and envelope.object_id and catalog.follows(resource.name):
        refs = _refs(_about_object(row, resource, envelope))
    marks = [Mark(name, id_, "event", row.received_at) for name, id_ in refs]
    marked = mark_stale(connection, integration_id, marks)
    bulk.update(connection, events, _OUTCOME, [_judge(said, None)], _WHICH)
    fetch.request_followup_fetch(connection, integration_id, _LOST)
    return AppliedBatch(1, (), marked, [seq], lost=True)


def traces_of(connection: Connection, seqs: Sequence[int]) -> list[str]:
    """Return the traces that the deliveries of events are part of, as far as they were kept."""
    query = select(events.c.headers).where(events.c.seq.in_(seqs))
    return [
        headers[TRACE_HEADER]
        for headers in connection.execute(query).scalars()
        if TRACE_HEADER in headers
    ]


class ReappliedEvents(msgspec.Struct, frozen=True):
    """What came of events that went through the door again."""

    events: int
    about: frozenset[Ref]
    not_understood: int
    changes: Sequence[Change] = ()


def reparse_events(
    connection: Connection, catalog: Catalog, integration_id: int, seqs: Sequence[int]
) -> ReappliedEvents:
    """Let events take effect again as when they came, and mark what they are about to be read from ION afresh."""
    locks.lock(connection, "mirror", integration_id)
    said = _said_again(connection, catalog, integration_id, seqs)
    observations = [s.observation for s in said if s.observation]
    applied = apply(
        connection, catalog, integration_id, observations, [m for s in said for m in s.marks]
    )
    invalid_values.report(connection, catalog, integration_id, applied.refitted)
    refs = {ref for s in said for ref in _refs(s)}
    mark_stale(
        connection,
        integration_id,
        [Mark(resource, id_, "replay", now_rfc3339()) for resource, id_ in refs],
    )
    moment = now_rfc3339()
    outcomes = [_judge_again(s, moment) for s in said]
    bulk.update(connection, events, _OUTCOME, outcomes, _WHICH)
    return ReappliedEvents(
        len(said), frozenset(refs), sum(bool(s.problem) for s in said), applied.changes
    )


def about(
    connection: Connection, catalog: Catalog, integration_id: int, seqs: Sequence[int]
) -> set[Ref]:
    """Return which objects events are about."""
    said = _said_again(connection, catalog, integration_id, seqs)
    return {ref for s in said for ref in _refs(s)}


def _said_again(
    connection: Connection, catalog: Catalog, integration_id: int, seqs: Sequence[int]
) -> list[ParsedEvent]:
    columns = ("seq", "body", "received_at", "signature", "conflicting")
    query = select(*(events.c[name] for name in columns)).where(
        events.c.integration_id == integration_id, events.c.seq.in_(seqs)
    )
    found = connection.execute(query.order_by(events.c.seq)).all()
    return [_read(connection, catalog, integration_id, row) for row in found]


def _refs(said: ParsedEvent) -> set[Ref]:
    return {m.ref for m in said.marks} | (
        {said.observation.ref} if said.observation else set[Ref]()
    )


def _read(connection: Connection, catalog: Catalog, integration_id: int, row: Any) -> ParsedEvent:
    said = _understand(connection, catalog, integration_id, row)
    if row.conflicting:
        said.conflicting = True
        seen, said.observation = said.observation, None
        if seen:
            said.marks = [Mark(seen.resource, seen.id, "event", row.received_at)]
    return said


def _understand(
    connection: Connection, catalog: Catalog, integration_id: int, row: Any
) -> ParsedEvent:
    envelope = decode(catalog, row.body)
    resource = catalog.resources.get(envelope.resource or "")
    if resource is None or envelope.problem:
        return ParsedEvent(
            row.seq, row.received_at, problem=envelope.problem or "The body names no resource"
        )
    if catalog.follows(resource.name):
        return _about_object(row, resource, envelope)
    if resource in catalog.mirrorable:
        return _not_followed(connection, catalog, integration_id, row, resource, envelope)
    refs = set(_named(catalog, resource, envelope))
    refs |= set(_of_entity(connection, integration_id, resource, envelope))
    refs |= set(_of_family(connection, catalog, integration_id, resource, envelope))
    marks = [Mark(name, id_, "event", row.received_at) for name, id_ in sorted(refs)]
    return ParsedEvent(row.seq, row.received_at, marks=marks)


def _about_object(row: Any, resource: Resource, envelope: Envelope) -> ParsedEvent:
    assert envelope.object_id
    if resource.numbered and not is_id(envelope.object_id):
        return ParsedEvent(
            row.seq,
            row.received_at,
            problem=f"{envelope.object_id[:80]} is not an id of {resource.title.lower()}",
        )
    if envelope.action == "DELETE":
        return ParsedEvent(
            row.seq,
            row.received_at,
            marks=[Mark(resource.name, envelope.object_id, DELETION, row.received_at)],
        )
    if not envelope.fields:
        return ParsedEvent(
            row.seq,
            row.received_at,
            marks=[Mark(resource.name, envelope.object_id, "event", row.received_at)],
        )
    kept = {f.name for f in resource.fields}
    observation = Observation(
        resource.name,
        envelope.object_id,
        "partial",
        {name: value for name, value in envelope.fields.items() if name in kept},
        observed_at=row.received_at,
        origin=Origin("event", str(row.seq), lost=row.signature == "recovered"),
        source_time=envelope.source_time,
    )
    return ParsedEvent(row.seq, row.received_at, observation)


def _not_followed(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    row: Any,
    resource: Resource,
    envelope: Envelope,
) -> ParsedEvent:
    """Leave the object as it is; what is followed and carries values computed from it is to be read again.

    Where the event does not tell what that is, the object is marked, to be read for that alone.
    """
    said = _about_object(row, resource, envelope)
    if said.problem or envelope.object_id is None:
        return said
    state = repository.load_states(
        connection, integration_id, {(resource.name, envelope.object_id)}
    )
    kept = state[resource.name, envelope.object_id]
    kept.before = {**kept.doc, **envelope.old}
    kept.doc = {**kept.doc, **envelope.fields} if envelope.fields else kept.before
    kept.change = None if envelope.action == "UPDATE" and envelope.fields else "delete"
    kept.unchanged_event = Observation(
        resource.name,
        envelope.object_id,
        "partial",
        envelope.fields,
        observed_at=row.received_at,
        origin=Origin("event", str(row.seq)),
    )
    marks = find_dependents(connection, catalog, integration_id, [kept])
    keys = {each.own_key for each in catalog.dependents(resource.name) if each.own_key}
    if envelope.action != "DELETE" and not keys <= kept.before.keys() | kept.doc.keys():
        marks.append(Mark(resource.name, envelope.object_id, "event", row.received_at))
    return ParsedEvent(row.seq, row.received_at, marks=marks, not_chosen=True)


def _named(catalog: Catalog, resource: Resource, envelope: Envelope) -> Iterable[tuple[str, str]]:
    """Return the mirrored objects that a row which is not mirrored itself belongs to or ties together."""
    said = _said(resource, envelope)
    for link in resource.links:
        shared = link.key in catalog.shared.get(link.resource, ())
        if link.resource in catalog.shared and link.key not in _BY_WHOM and not shared:
            yield from ((link.resource, id_) for id_ in said[link.key])
    if resource.owner and resource.owner_key:
        yield from ((resource.owner, id_) for id_ in said[resource.owner_key])


def _of_family(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    resource: Resource,
    envelope: Envelope,
) -> Iterable[tuple[str, str]]:
    """Return the objects that a row concerns which names no object but what several have in common, as a family of versions."""
    said = _said(resource, envelope)
    for link in resource.links:
        if link.key in catalog.shared.get(link.resource, ()):
            found = objects_sharing(
                connection, integration_id, link.resource, link.key, said[link.key]
            )
            yield from ((link.resource, id_) for id_ in found)


def _said(resource: Resource, envelope: Envelope) -> dict[str, set[str]]:
    """Return all values, old and new, that an event tells of each field and that are ids."""
    said: defaultdict[str, set[str]] = defaultdict(set)
    for values in (envelope.old, envelope.fields, envelope.keys, _from_key(resource, envelope)):
        for name, value in values.items():
            if is_id(value):
                said[name].add(str(value))
    return said


def _from_key(resource: Resource, envelope: Envelope) -> dict[str, Any]:
    """Read foreign keys out of a composite id, and an attribute row's owner out of `<owner>-<key>` (assumed)."""
    id_ = envelope.object_id or ""
    if resource.owner_key:
        owner, dash, _ = id_.partition("-")
        return {resource.owner_key: owner} if dash and owner.isdecimal() else {}
    parts = id_.split(":")
    return (
        dict(zip(resource.key, parts, strict=True)) if len(parts) == len(resource.key) > 1 else {}
    )


def _of_entity(
    connection: Connection, integration_id: int, resource: Resource, envelope: Envelope
) -> Iterable[tuple[str, str]]:
    """Return who has the entity that a label, file or comment is attached to."""
    target = next((link.resource for link in resource.links if link.key == "entityId"), "entities")
    for values in (envelope.old, envelope.fields):
        if is_id(values.get("entityId")):
            given = {
                "integration": integration_id,
                "target": target,
                "entity": str(values["entityId"]),
            }
            yield from ((row.resource, row.id) for row in connection.execute(_BY_ENTITY, given))


def _told(said: Sequence[ParsedEvent], outcomes: Sequence[str]) -> list[drift.ReceivedEvent]:
    """Return the events that changed nothing: what they tell may have been found before."""
    observed = [s.observation for s in said if s.observation]
    return [
        drift.ReceivedEvent(seen.resource, seen.id, seen.observed_at, seen.source_time)
        for seen, outcome in zip(observed, outcomes, strict=True)
        if outcome != "changed"
    ]


def _judge(said: ParsedEvent, outcome: str | None) -> tuple[Any, ...]:
    if said.problem:
        result, detail = "not_understood", said.problem
    elif said.not_chosen:
        result, detail = "not_chosen", _NOT_CHOSEN + (_BUT if said.marks else "")
    elif outcome in ("same", "older"):
        result, detail = "nothing_new", "The mirror knew this already"
    elif outcome is None and not said.marks:
        result, detail = "nothing_new", "It concerns nothing that is mirrored"
    else:
        result, detail = "applied", _CONFLICTING if said.conflicting else None
    return result, detail, now_rfc3339(), said.seq, said.received_at


def _judge_again(said: ParsedEvent, moment: str) -> tuple[Any, ...]:
    if said.problem:
        result, detail = "not_understood", said.problem
    elif said.not_chosen:
        result, detail = "not_chosen", _NOT_CHOSEN
    else:
        result, detail = "replayed", _CONFLICTING if said.conflicting else None
    return result, detail, moment, said.seq, said.received_at
