"""Apply recorded events to the mirror, and record the outcome of each event with its effect.

An event without an outcome is pending. A cursor could skip an event that another process
has numbered but not yet committed. The mirror accepts events in any order.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.clock import now_rfc3339
from ultraviolet.db import bulk, locks
from ultraviolet.db.tables.events import events
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.ingest.event_row import TRACE_HEADER
from ultraviolet.hub.sync import fetch, invalid_values
from ultraviolet.hub.sync.event_targets import find_targets
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import Envelope, decode, is_id
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import drift, repository
from ultraviolet.mirror.apply import apply, mark_stale
from ultraviolet.mirror.dependents import find_dependents
from ultraviolet.mirror.observation import Applied, Change, Mark, Observation, Origin, Ref
from ultraviolet.mirror.stale_reasons import DELETION, EVENT, REPLAY

_NOT_SELECTED = "This resource is not selected for this integration"
_DEPENDENTS_MARKED = "; values computed from it are read again"
_CONFLICTING = "ION sent this event before with another body; the object is read from ION instead"
_UNCHANGED = "The mirror already had this content"
_UNRELATED = "No mirrored object is concerned"
_FETCH_REASON = "an event that was not understood"

_MAX_BATCH_EVENTS = 500
_MAX_BATCH_BYTES = 4_000_000
"""Total size of the bodies in a batch; decoding takes about 15 times as much memory."""
_MAX_ID_CHARACTERS_SHOWN = 80
_SELECT_PENDING = """SELECT seq, length(body) FROM events
  WHERE integration_id = :integration AND outcome IS NULL ORDER BY seq LIMIT :limit"""
_SELECT_RANGE = """SELECT seq, body, received_at, signature, conflicting FROM events
  WHERE integration_id = :integration AND outcome IS NULL
    AND seq >= :first AND seq <= :last ORDER BY seq"""
_KEY_COLUMNS = ("seq", "received_at")
_OUTCOME_COLUMNS = ("outcome", "detail", "applied_at", *_KEY_COLUMNS)


class AppliedBatch(msgspec.Struct, frozen=True):
    """The result of a batch of events."""

    count: int
    changes: Sequence[Change] = ()
    marked: int = 0
    seqs: Sequence[int] = ()
    lost: bool = False
    """Whether a fetch was requested because an event could not be interpreted."""
    more: bool = False
    """Whether more events are pending."""


class ParsedEvent(msgspec.Struct):
    """The meaning of one event."""

    seq: int
    received_at: str
    observation: Observation | None = None
    marks: list[Mark] = []
    problem: str | None = None
    not_chosen: bool = False
    """Whether its resource is not selected."""
    conflicting: bool = False
    """Whether ION sent the same event before with another body: its values are not used."""

    @property
    def refs(self) -> set[Ref]:
        """The objects that the event concerns."""
        observed = {self.observation.ref} if self.observation else set[Ref]()
        return observed | {mark.ref for mark in self.marks}


class ReappliedEvents(msgspec.Struct, frozen=True):
    """The result of applying events again."""

    events: int
    about: frozenset[Ref]
    not_understood: int
    changes: Sequence[Change] = ()


def apply_pending(
    connection: Connection, catalog: Catalog, integration_id: int, *, only: int | None = None
) -> AppliedBatch:
    """Apply the next pending events in order, or `only` one; write each object once."""
    locks.lock(connection, "mirror", integration_id)
    seqs, more = list_pending(connection, integration_id) if only is None else ([only], False)
    if not seqs:
        return AppliedBatch(0)
    parameters = {"integration": integration_id, "first": seqs[0], "last": seqs[-1]}
    rows = bulk.fetch_rows(connection, _SELECT_RANGE, parameters)
    parsed = [_parse(connection, catalog, integration_id, row) for row in rows]
    applied = _apply_parsed(connection, catalog, integration_id, parsed)
    outcomes = iter(applied.outcomes)
    results = [(event, next(outcomes) if event.observation else None) for event in parsed]
    unchanged = [
        drift.ReceivedEvent(seen.resource, seen.id, seen.observed_at, seen.source_time)
        for event, outcome in results
        if (seen := event.observation) and outcome != "changed"
    ]
    drift.mark_late(connection, integration_id, unchanged)
    _record_outcomes(connection, results)
    lost = any(event.problem for event in parsed)
    if lost:
        fetch.request_followup_fetch(connection, integration_id, _FETCH_REASON)
    failpoint("apply.written")
    seqs = [event.seq for event in parsed]
    return AppliedBatch(len(parsed), applied.changes, applied.marked, seqs, lost, more)


def list_pending(connection: Connection, integration_id: int) -> tuple[list[int], bool]:
    """Return the numbers of the next events to apply, and whether there are more."""
    parameters = {"integration": integration_id, "limit": _MAX_BATCH_EVENTS}
    found = list(bulk.fetch_rows(connection, _SELECT_PENDING, parameters))
    sizes = accumulate(length for _, length in found)
    seqs = [seq for (seq, _), size in zip(found, sizes, strict=True) if size <= _MAX_BATCH_BYTES]
    seqs = seqs or [seq for seq, _ in found[:1]]
    return seqs, len(found) == _MAX_BATCH_EVENTS or len(seqs) < len(found)


def merge_batches(batches: Sequence[AppliedBatch]) -> AppliedBatch:
    """Return the total of several batches."""
    return AppliedBatch(
        sum(batch.count for batch in batches),
        [change for batch in batches for change in batch.changes],
        sum(batch.marked for batch in batches),
        [seq for batch in batches for seq in batch.seqs],
        any(batch.lost for batch in batches),
        more=bool(batches),
    )


def mark_not_applied(
    connection: Connection, catalog: Catalog, integration_id: int, seq: int, why: str
) -> AppliedBatch:
    """Record why an event cannot be applied; mark its object stale and request a fetch."""
    locks.lock(connection, "mirror", integration_id)
    parameters = {"integration": integration_id, "first": seq, "last": seq}
    row: Any = next(iter(bulk.fetch_rows(connection, _SELECT_RANGE, parameters)), None)
    if row is None:
        return AppliedBatch(0)
    envelope = decode(catalog, row.body)
    resource = catalog.resources.get(envelope.resource or "")
    refs: set[Ref] = set()
    if resource and envelope.object_id and catalog.follows(resource.name):
        refs = _parse_object(row, resource, envelope).refs
    marks = [Mark(name, id_, EVENT, row.received_at) for name, id_ in refs]
    marked = mark_stale(connection, integration_id, marks)
    event = ParsedEvent(seq, row.received_at, problem=why)
    _record_outcomes(connection, [(event, None)])
    fetch.request_followup_fetch(connection, integration_id, _FETCH_REASON)
    return AppliedBatch(1, (), marked, [seq], lost=True)


def traces_of(connection: Connection, seqs: Sequence[int]) -> list[str]:
    """Return the traces of the deliveries of events."""
    query = select(events.c.headers).where(events.c.seq.in_(seqs))
    headers = connection.execute(query).scalars()
    return [each[TRACE_HEADER] for each in headers if TRACE_HEADER in each]


def reparse_events(
    connection: Connection, catalog: Catalog, integration_id: int, seqs: Sequence[int]
) -> ReappliedEvents:
    """Apply recorded events again, and mark their objects stale, so that they are read from ION."""
    locks.lock(connection, "mirror", integration_id)
    parsed = _parse_recorded(connection, catalog, integration_id, seqs)
    applied = _apply_parsed(connection, catalog, integration_id, parsed)
    refs = {ref for event in parsed for ref in event.refs}
    moment = now_rfc3339()
    mark_stale(connection, integration_id, [Mark(*ref, REPLAY, moment) for ref in refs])
    _record_outcomes(connection, [(event, "replayed") for event in parsed])
    not_understood = sum(bool(event.problem) for event in parsed)
    return ReappliedEvents(len(parsed), frozenset(refs), not_understood, applied.changes)


def about(
    connection: Connection, catalog: Catalog, integration_id: int, seqs: Sequence[int]
) -> set[Ref]:
    """Return the objects that recorded events concern."""
    parsed = _parse_recorded(connection, catalog, integration_id, seqs)
    return {ref for event in parsed for ref in event.refs}


def _apply_parsed(
    connection: Connection, catalog: Catalog, integration_id: int, parsed: Iterable[ParsedEvent]
) -> Applied:
    observations = [event.observation for event in parsed if event.observation]
    marks = [mark for event in parsed for mark in event.marks]
    applied = apply(connection, catalog, integration_id, observations, marks)
    invalid_values.report(connection, catalog, integration_id, applied.refitted)
    return applied


def _record_outcomes(
    connection: Connection, results: Iterable[tuple[ParsedEvent, str | None]]
) -> None:
    """Write the outcome of events; each result is that of `apply`, or `replayed`."""
    now = now_rfc3339()
    rows = [
        (*_outcome(event, result), now, event.seq, event.received_at) for event, result in results
    ]
    bulk.update(connection, events, _OUTCOME_COLUMNS, rows, _KEY_COLUMNS)


def _parse_recorded(
    connection: Connection, catalog: Catalog, integration_id: int, seqs: Sequence[int]
) -> list[ParsedEvent]:
    columns = ("seq", "body", "received_at", "signature", "conflicting")
    query = select(*(events.c[name] for name in columns)).where(
        events.c.integration_id == integration_id, events.c.seq.in_(seqs)
    )
    rows = connection.execute(query.order_by(events.c.seq)).all()
    return [_parse(connection, catalog, integration_id, row) for row in rows]


def _parse(connection: Connection, catalog: Catalog, integration_id: int, row: Any) -> ParsedEvent:
    envelope = decode(catalog, row.body)
    resource = catalog.resources.get(envelope.resource or "")
    if resource is None or envelope.problem:
        problem = envelope.problem or "The body names no resource"
        event = ParsedEvent(row.seq, row.received_at, problem=problem)
    elif resource.name in catalog.mirrored_names:
        event = _parse_object(row, resource, envelope)
    elif resource in catalog.mirrorable:
        event = _parse_unselected(connection, catalog, integration_id, row, resource, envelope)
    else:
        refs = find_targets(connection, catalog, integration_id, resource, envelope)
        marks = [Mark(*ref, EVENT, row.received_at) for ref in refs]
        event = ParsedEvent(row.seq, row.received_at, marks=marks)
    if row.conflicting:
        event.conflicting = True
        if event.observation:
            event.marks = [Mark(*event.observation.ref, EVENT, row.received_at)]
            event.observation = None
    return event


def _parse_object(row: Any, resource: Resource, envelope: Envelope) -> ParsedEvent:
    """Return an event of a mirrored resource: values to apply, or a mark if it has none."""
    id_ = envelope.object_id
    assert id_
    event = ParsedEvent(row.seq, row.received_at)
    # The row was deleted, or marked as deleted.
    is_deletion = envelope.action == "DELETE" or envelope.fields.get("_deleted") is True
    if resource.numbered and not is_id(id_):
        title = resource.title.lower()
        event.problem = f"{id_[:_MAX_ID_CHARACTERS_SHOWN]} is not a valid id of {title}"
    elif is_deletion or not envelope.fields:
        reason = DELETION if is_deletion else EVENT
        event.marks = [Mark(resource.name, id_, reason, row.received_at)]
    else:
        event.observation = Observation(
            resource.name,
            id_,
            "partial",
            envelope.fields,
            observed_at=row.received_at,
            origin=Origin("event", str(row.seq), lost=row.signature == "recovered"),
            source_time=envelope.source_time,
        )
    return event


def _parse_unselected(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    row: Any,
    resource: Resource,
    envelope: Envelope,
) -> ParsedEvent:
    """Return an event of a resource that is not selected: marks of selected dependent objects.

    If the event does not name the dependent objects, the object itself is marked and read for them.
    """
    event = _parse_object(row, resource, envelope)
    if event.problem or envelope.object_id is None:
        return event
    ref = resource.name, envelope.object_id
    state = repository.load_states(connection, integration_id, {ref})[ref]
    state.before = {**state.doc, **envelope.old}
    state.doc = {**state.doc, **envelope.fields} if envelope.fields else state.before
    state.change = None if envelope.action == "UPDATE" and envelope.fields else "delete"
    state.unchanged_event = Observation(
        *ref,
        "partial",
        envelope.fields,
        observed_at=row.received_at,
        origin=Origin("event", str(row.seq)),
    )
    marks = find_dependents(connection, catalog, integration_id, [state])
    keys = {each.own_key for each in catalog.dependents(resource.name) if each.own_key}
    if envelope.action != "DELETE" and not keys <= state.before.keys() | state.doc.keys():
        marks.append(Mark(*ref, EVENT, row.received_at))
    return ParsedEvent(row.seq, row.received_at, marks=marks, not_chosen=True)


def _outcome(event: ParsedEvent, outcome: str | None) -> tuple[str, str | None]:
    """Return the outcome of an event, and its detail."""
    detail = _CONFLICTING if event.conflicting else None
    if event.problem:
        result, detail = "not_understood", event.problem
    elif event.not_chosen:
        marked = event.marks and outcome != "replayed"
        result, detail = "not_chosen", _NOT_SELECTED + (_DEPENDENTS_MARKED if marked else "")
    elif outcome == "replayed":
        result = "replayed"
    elif outcome in ("same", "older"):
        result, detail = "nothing_new", _UNCHANGED
    elif outcome is None and not event.marks:
        result, detail = "nothing_new", _UNRELATED
    else:
        result = "applied"
    return result, detail
