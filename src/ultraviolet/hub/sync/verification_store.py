"""Store verifications: requests, progress by resource, and differences."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.mirror import objects
from ultraviolet.db.tables.sync import differences, verification_steps, verifications
from ultraviolet.errors import ConflictError, NotFoundError
from ultraviolet.hub.sync.fetch import request_fetch
from ultraviolet.hub.sync.watermarks import record_proof
from ultraviolet.mirror.apply import mark_stale
from ultraviolet.mirror.observation import Mark, Ref
from ultraviolet.mirror.stale_reasons import VERIFICATION

RANGE = 10
"""Objects in one random range of a sample."""

Kind = Literal["missing", "extra", "different", "displayed", "invalid"]

DISPLAY_KINDS: tuple[Kind, ...] = ("displayed", "invalid")
"""Kinds of objects that are equal to ION but displayed differently, or as null."""


class SuspectedDifference(msgspec.Struct, frozen=True):
    """A difference between mirror and ION in one object."""

    resource: str
    id: str
    kind: Kind
    fields: dict[str, Any] = {}
    """The values in ION and in the mirror, by name."""
    fingerprint: str = ""

    @property
    def ref(self) -> Ref:
        """The object that differs."""
        return self.resource, self.id


class VerificationStep(msgspec.Struct, frozen=True):
    """The rest of one resource to compare."""

    resource: str
    cursor: str | None
    ranges: int | None


class SettledDifferences(msgspec.Struct, frozen=True):
    """The result of another read of suspected objects."""

    equal: Sequence[Ref] = ()
    still: Sequence[SuspectedDifference] = ()
    unread: Mapping[Ref, str] = {}
    added: Mapping[str, int] = {}
    """Objects in ION that its pages did not show: the number by resource."""


def request(
    connection: Connection, integration_id: int, requested_by: str, sample: int | None
) -> int:
    """Return the unfinished verification of the same kind, or create one."""
    kept = verifications.c
    running = select(kept.id).where(
        kept.integration_id == integration_id,
        kept.state == "running",
        kept.sample.is_not_distinct_from(sample),
    )
    found = connection.execute(running).scalar()
    if found is not None:
        return found
    values = {
        "state": "running",
        "started_at": now_rfc3339(),
        "requested_by": requested_by,
        "sample": sample,
    }
    made = insert(verifications).values(integration_id=integration_id, **values)
    return connection.execute(made.returning(kept.id)).scalar_one()


def resume(connection: Connection, verification_id: int) -> int:
    """Resume a failed verification; return its integration."""
    row = connection.execute(
        select(verifications).where(verifications.c.id == verification_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"Verification {verification_id} does not exist.")
    if row.state != "failed":
        raise ConflictError(
            f"Verification {verification_id} is {row.state}. Only a failed one can be resumed."
        )
    _set(connection, verification_id, state="running", error=None, finished_at=None)
    steps = verification_steps.c
    again = update(verification_steps).where(
        steps.verification_id == verification_id, steps.state == "failed"
    )
    connection.execute(again.values(state="comparing", error=None))
    return row.integration_id


def unfinished(connection: Connection, integration_id: int) -> int | None:
    """Return the oldest unfinished verification."""
    query = select(func.min(verifications.c.id)).where(
        verifications.c.integration_id == integration_id, verifications.c.state == "running"
    )
    return connection.execute(query).scalar()


def state_of(connection: Connection, verification_id: int) -> str:
    """Return the state of a verification."""
    query = select(verifications.c.state).where(verifications.c.id == verification_id)
    return connection.execute(query).scalar_one()


def prepare(
    connection: Connection, integration_id: int, verification_id: int, resources: Sequence[str]
) -> list[VerificationStep]:
    """Insert the steps of a verification if it has none; return the unfinished ones."""
    steps = verification_steps.c
    mine = select(verification_steps).where(steps.verification_id == verification_id)
    known = {row.resource for row in connection.execute(mine)}
    if not known:
        query = select(verifications.c.sample).where(verifications.c.id == verification_id)
        sample = connection.execute(query).scalar()
        counted = (
            select(objects.c.resource, func.count())
            .where(objects.c.integration_id == integration_id, objects.c.deleted_at.is_(None))
            .group_by(objects.c.resource)
        )
        counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
        mirrored = sum(counts.get(name, 0) for name in resources)
        _set(connection, verification_id, mirrored=mirrored)
        new = {"verification_id": verification_id, "state": "waiting", "compared": 0}
        rows: list[dict[str, Any]] = []
        for name in resources:
            count = counts.get(name, 0)
            ranges = (
                None if sample is None else max(1, round(sample * count / max(1, mirrored) / RANGE))
            )
            if ranges is not None and ranges * RANGE >= count:
                ranges = None  # few objects are all compared
            total = count if ranges is None else ranges * RANGE
            rows.append({**new, "resource": name, "ranges": ranges, "total": total})
        connection.execute(insert(verification_steps), rows)
    left = connection.execute(mine.where(steps.state.in_(("waiting", "comparing"))))
    return [VerificationStep(row.resource, row.cursor, row.ranges) for row in left]


def save_page(
    connection: Connection,
    verification_id: int,
    resource: str,
    found: Sequence[SuspectedDifference],
    displayed: Sequence[SuspectedDifference],
    progress: Mapping[str, Any],
) -> None:
    """Save the differences of a page with the progress.

    Those `found` are suspected; those of the display need no other read of ION.
    """
    for one, state in (*((d, "suspected") for d in found), *((d, "confirmed") for d in displayed)):
        connection.execute(delete(differences).where(*_is(verification_id, one.ref)))
        values = _row(verification_id, one) | {"state": state}
        connection.execute(insert(differences).values(values))
    step(connection, verification_id, resource, **progress)


def step(connection: Connection, verification_id: int, resource: str, **values: Any) -> None:
    """Set the progress of a resource; add `compared` and `ranges` to the current values."""
    steps = verification_steps.c
    for name in ("compared", "ranges"):
        if name in values:
            values[name] = steps[name] + values[name]
    mine = update(verification_steps).where(
        steps.verification_id == verification_id, steps.resource == resource
    )
    connection.execute(mine.values(**values))


def suspects(connection: Connection, verification_id: int) -> list[SuspectedDifference]:
    """Return the suspected differences."""
    query = select(differences).where(
        differences.c.verification_id == verification_id, differences.c.state == "suspected"
    )
    rows = connection.execute(query.order_by(differences.c.resource, differences.c.id))
    return [
        SuspectedDifference(row.resource, row.id, row.kind, row.fields, row.fingerprint)
        for row in rows
    ]


def settle_differences(
    connection: Connection,
    integration_id: int,
    verification_id: int,
    before: Mapping[Ref, SuspectedDifference],
    seen: SettledDifferences,
    *,
    last: bool,
) -> None:
    """Delete resolved differences; on the `last` read, confirm those that are stable.

    Objects with confirmed differences become stale. Objects that ION does not show require a full
    fetch, which can prove their absence.
    """
    confirmed: list[SuspectedDifference] = []
    for ref in seen.equal:
        connection.execute(delete(differences).where(*_is(verification_id, ref)))
    for one in seen.still:
        stable = last and one.fingerprint == before[one.ref].fingerprint
        confirmed += [one] if stable else []
        values = _row(verification_id, one) | {"state": "confirmed" if stable else "suspected"}
        connection.execute(update(differences).where(*_is(verification_id, one.ref)).values(values))
    for ref, problem in seen.unread.items():
        mine = update(differences).where(*_is(verification_id, ref))
        connection.execute(mine.values(detail=problem))
    for resource, count in seen.added.items():
        step(connection, verification_id, resource, compared=count)
    moment = now_rfc3339()
    marks = [Mark(one.resource, one.id, VERIFICATION, moment) for one in confirmed]
    mark_stale(connection, integration_id, marks)
    if any(one.kind == "extra" for one in confirmed):
        request_fetch(connection, integration_id, "full", f"verification {verification_id}")


def finish(connection: Connection, integration_id: int, verification_id: int) -> str:
    """Finish a verification: record unsettled differences, and prove equal resources."""
    kept, steps = differences.c, verification_steps.c
    moving = update(differences).where(
        kept.verification_id == verification_id, kept.state == "suspected"
    )
    detail = func.coalesce(kept.detail, "It kept changing during the comparison")
    connection.execute(moving.values(state="unsettled", detail=detail))
    found = select(kept.resource).where(
        kept.verification_id == verification_id, kept.kind.not_in(DISPLAY_KINDS)
    )
    wrong = set(connection.execute(found.distinct()).scalars())
    rows = connection.execute(
        select(verification_steps).where(steps.verification_id == verification_id)
    ).all()
    for row in rows:
        if row.state == "done" and row.ranges is None and row.resource not in wrong:
            record_proof(connection, integration_id, row.resource, at=row.started_at, by="verify")
    failed = next((row for row in rows if row.state == "failed"), None)
    error = f"{failed.resource} could not be read: {failed.error}" if failed else None
    state = "failed" if failed else "done"
    _set(connection, verification_id, state=state, error=error, finished_at=now_rfc3339())
    return state


def fail(connection: Connection, verification_id: int, error: str) -> None:
    """Mark a verification as failed."""
    _set(connection, verification_id, state="failed", error=error, finished_at=now_rfc3339())


def random_key(connection: Connection, integration_id: int, resource: str) -> str:
    """Return a random start of a sample range: any number up to the greatest key, to cover gaps."""
    length = func.length(objects.c.id)
    query = (
        select(objects.c.id)
        .where(objects.c.integration_id == integration_id, objects.c.resource == resource)
        .order_by(length.desc(), objects.c.id.desc())
        .limit(1)
    )
    greatest = connection.execute(query).scalar() or "0"
    if not greatest.isdecimal():
        return connection.execute(query.order_by(None).order_by(func.random())).scalar_one()
    return str(random.randrange(int(greatest) + 1))  # noqa: S311  a sample, not a secret


def _row(verification_id: int, one: SuspectedDifference) -> dict[str, Any]:
    given = msgspec.structs.asdict(one)
    return {"verification_id": verification_id, "state": "suspected", "detail": None, **given}


def _is(verification_id: int, ref: Ref) -> tuple[Any, ...]:
    kept = differences.c
    return kept.verification_id == verification_id, kept.resource == ref[0], kept.id == ref[1]


def _set(connection: Connection, verification_id: int, **values: Any) -> None:
    connection.execute(
        update(verifications).where(verifications.c.id == verification_id).values(**values)
    )
