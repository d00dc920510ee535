"""The record of verifications: what is asked for, how far each has come, and every difference it found."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.mirror import objects
from ultraviolet.db.tables.sync import differences, verification_steps, verifications
from ultraviolet.errors import ConflictError, NotFoundError
from ultraviolet.hub.sync.watermarks import record_proof
from ultraviolet.mirror.observation import Ref

RANGE = 10
"""Objects that one random range of a sample compares."""

Kind = Literal["missing", "extra", "different", "displayed", "invalid"]

DISPLAY_KINDS: tuple[Kind, ...] = ("displayed", "invalid")
"""Kinds of objects that are equal to ION's, but not shown so: wrongly by a view, or as null for a value that does not fit."""


class SuspectedDifference(msgspec.Struct, frozen=True):
    """Where mirror and ION disagree about one object."""

    resource: str
    id: str
    kind: Kind
    fields: dict[str, Any] = {}
    """By name: what ION says and what the mirror says."""
    fingerprint: str = ""

    @property
    def ref(self) -> Ref:
        """The object it is about."""
        return self.resource, self.id


class VerificationStep(msgspec.Struct, frozen=True):
    """What is left to compare of one resource."""

    resource: str
    cursor: str | None
    ranges: int | None


class SettledDifferences(msgspec.Struct, frozen=True):
    """What reading suspects again showed."""

    equal: Sequence[Ref] = ()
    still: Sequence[SuspectedDifference] = ()
    unread: Mapping[Ref, str] = {}
    added: Mapping[str, int] = {}
    """By resource: how many more objects ION turned out to have than its pages showed."""


def request(
    connection: Connection, integration_id: int, requested_by: str, sample: int | None
) -> int:
    """Ask for a comparison; one of the same kind that has not finished is the answer to that."""
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
    """Let a failed comparison go on where it stopped; returns its integration."""
    row = connection.execute(
        select(verifications).where(verifications.c.id == verification_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no verification {verification_id}.")
    if row.state != "failed":
        raise ConflictError(
            f"Verification {verification_id} is {row.state}; only a failed one can go on."
        )
    _set(connection, verification_id, state="running", error=None, finished_at=None)
    steps = verification_steps.c
    again = update(verification_steps).where(
        steps.verification_id == verification_id, steps.state == "failed"
    )
    connection.execute(again.values(state="comparing", error=None))
    return row.integration_id


def unfinished(connection: Connection, integration_id: int) -> int | None:
    """Return the comparison to go on with, the oldest first."""
    query = select(func.min(verifications.c.id)).where(
        verifications.c.integration_id == integration_id, verifications.c.state == "running"
    )
    return connection.execute(query).scalar()


def state_of(connection: Connection, verification_id: int) -> str:
    """Tell how a comparison is."""
    query = select(verifications.c.state).where(verifications.c.id == verification_id)
    return connection.execute(query).scalar_one()


def prepare(
    connection: Connection, integration_id: int, verification_id: int, resources: Sequence[str]
) -> list[VerificationStep]:
    """Write down, once, what is to be compared, and give what is left of it."""
    steps = verification_steps.c
    mine = select(verification_steps).where(steps.verification_id == verification_id)
    known = {row.resource for row in connection.execute(mine)}
    if not known:
        rows = _plan(connection, integration_id, verification_id, resources)
        connection.execute(insert(verification_steps), rows)
    left = connection.execute(mine.where(steps.state.in_(("waiting", "comparing"))))
    return [VerificationStep(row.resource, row.cursor, row.ranges) for row in left]


def suspect(
    connection: Connection,
    verification_id: int,
    found: Sequence[SuspectedDifference],
    progress: Mapping[str, Any],
    resource: str,
) -> None:
    """Keep what a page showed together with the place to go on from."""
    kept = differences.c
    for one in found:
        mine = (
            kept.verification_id == verification_id,
            kept.resource == one.resource,
            kept.id == one.id,
        )
        connection.execute(delete(differences).where(*mine))
        connection.execute(insert(differences).values(_row(verification_id, one)))
    step(connection, verification_id, resource, **progress)


def confirm(
    connection: Connection, verification_id: int, found: Sequence[SuspectedDifference]
) -> None:
    """Keep what is certain at once: how objects are displayed does not depend on another read of ION."""
    for one in found:
        connection.execute(delete(differences).where(*_is(verification_id, one.ref)))
        connection.execute(
            insert(differences).values(_row(verification_id, one) | {"state": "confirmed"})
        )


def step(connection: Connection, verification_id: int, resource: str, **values: Any) -> None:
    """Change how far one resource is; `compared` and `ranges` are added to what is there."""
    steps = verification_steps.c
    for name in ("compared", "ranges"):
        if name in values:
            values[name] = steps[name] + values[name]
    mine = update(verification_steps).where(
        steps.verification_id == verification_id, steps.resource == resource
    )
    connection.execute(mine.values(**values))


def suspects(connection: Connection, verification_id: int) -> list[SuspectedDifference]:
    """Return what has to be read again."""
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
    verification_id: int,
    before: Mapping[Ref, SuspectedDifference],
    seen: SettledDifferences,
    *,
    last: bool,
) -> list[SuspectedDifference]:
    """Forget what is equal by now; on the `last` reading, confirm and return what differs and stands still on both sides."""
    kept, confirmed = differences.c, list[SuspectedDifference]()
    for ref in seen.equal:
        connection.execute(delete(differences).where(*_is(verification_id, ref)))
    for one in seen.still:
        stands = last and one.fingerprint == before[one.ref].fingerprint
        confirmed += [one] if stands else []
        values = _row(verification_id, one) | {"state": "confirmed" if stands else "suspected"}
        connection.execute(update(differences).where(*_is(verification_id, one.ref)).values(values))
    for ref, problem in seen.unread.items():
        change = (
            update(differences).where(*_is(verification_id, ref)).values({kept.detail: problem})
        )
        connection.execute(change)
    for resource, count in seen.added.items():
        step(connection, verification_id, resource, compared=count)
    return confirmed


def finish(connection: Connection, integration_id: int, verification_id: int) -> str:
    """End a comparison: what never stood still is unsettled, and what was right throughout is proven."""
    kept, steps = differences.c, verification_steps.c
    moving = update(differences).where(
        kept.verification_id == verification_id, kept.state == "suspected"
    )
    detail = func.coalesce(kept.detail, "It kept changing while it was compared")
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
    """Note what kept ION from answering."""
    _set(connection, verification_id, state="failed", error=error, finished_at=now_rfc3339())


def _plan(
    connection: Connection, integration_id: int, verification_id: int, resources: Sequence[str]
) -> list[dict[str, Any]]:
    query = select(verifications.c.sample).where(verifications.c.id == verification_id)
    sample = connection.execute(query).scalar()
    counted = (
        select(objects.c.resource, func.count())
        .where(objects.c.integration_id == integration_id, objects.c.deleted_at.is_(None))
        .group_by(objects.c.resource)
    )
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
    whole = sum(counts.get(name, 0) for name in resources)
    _set(connection, verification_id, mirrored=whole)
    rows: list[dict[str, Any]] = []
    for name in resources:
        count = counts.get(name, 0)
        ranges = None if sample is None else max(1, round(sample * count / max(1, whole) / RANGE))
        if ranges is not None and ranges * RANGE >= count:
            ranges = None  # a few objects are compared whole
        total = count if ranges is None else ranges * RANGE
        rows.append(
            {
                "verification_id": verification_id,
                "resource": name,
                "state": "waiting",
                "compared": 0,
            }
            | {"ranges": ranges, "total": total}
        )
    return rows


def random_key(connection: Connection, integration_id: int, resource: str) -> str:
    """Draw a key at which a range of a sample begins: any number up to the greatest, so that gaps are seen too."""
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
