"""Verifications as the edge shows them: how far, what came of it, and every difference."""

from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Select, func, select, tuple_

from ultraviolet.db.tables.sync import differences, verification_steps, verifications
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.web.queries.rows import struct_columns

_MAX_SAMPLES = 20
_KINDS = ("missing", "extra", "different", "displayed", "invalid")
_NOT_UNEQUAL = ("extra", "displayed", "invalid")


class DifferenceDetail(msgspec.Struct, frozen=True):
    """An object on which mirror and ION disagree; `fields` has ION's value and the mirror's, by name."""

    resource: str
    id: str
    kind: str
    state: str
    fields: dict[str, Any]
    detail: str | None


class Verification(msgspec.Struct, frozen=True):
    """One comparison of the mirror with ION, object by object; `objects` are those of ION compared so far."""

    id: int
    integration_id: int
    state: str
    sample: int | None
    mirrored: int | None
    """How many objects the mirror had when it began."""
    requested_by: str
    started_at: str
    finished_at: str | None
    error: str | None
    resources: int
    resources_done: int
    total: int
    objects: int
    equal: int
    missing: int
    extra: int
    different: int
    displayed: int
    """Equal objects that their SQL view shows otherwise than their document."""
    invalid: int
    """Equal objects with values that do not fit the type of their column, shown as null."""
    suspected: int
    """Being read again, because they differed when first compared."""
    unsettled: int
    """Neither equal nor different: they kept changing, or could not be read."""
    samples: list[DifferenceDetail]
    """The first differences; `GET /verifications/{id}/differences` lists all."""

    @property
    def covered(self) -> float | None:
        """What part of the mirror was compared; None before that is known."""
        return min(1.0, self.objects / self.mirrored) if self.mirrored else None


def list_verifications(
    connection: Connection,
    integration_id: int,
    before: int | None,
    limit: int,
    samples: int = _MAX_SAMPLES,
) -> list[Verification]:
    """Read the newest first, each with so many of its differences; `before` is the id to go on from."""
    query = _select_of(integration_id).limit(limit)
    if before is not None:
        query = query.where(verifications.c.id < before)
    return [
        _to_verification(connection, row, samples)
        for row in connection.execute(query).mappings().all()
    ]


def last_verification(connection: Connection, integration_id: int) -> Verification | None:
    """Read the newest of an integration."""
    found = list_verifications(connection, integration_id, None, 1)
    return found[0] if found else None


def get_verification(connection: Connection, verification_id: int) -> Verification:
    """Read one; raises NotFoundError."""
    query = select(verifications).where(verifications.c.id == verification_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no verification {verification_id}.")
    return _to_verification(connection, row)


def list_differences(
    connection: Connection,
    verification_id: int,
    after: str | None,
    limit: int,
    resource: str | None = None,
    kind: str | None = None,
) -> list[DifferenceDetail]:
    """List differences by resource and id; `after` is the place of the last one, as `place` gives it."""
    kept = differences.c
    order = (kept.resource, func.length(kept.id), kept.id)
    query = select(*struct_columns(differences, DifferenceDetail)).where(
        kept.verification_id == verification_id
    )
    query = query.order_by(*order).limit(limit)
    if after is not None:
        name, slash, id_ = after.partition("/")
        if not slash:
            raise InvalidError("This cursor belongs to another list; begin anew without one.")
        query = query.where(tuple_(*order) > tuple_(name, len(id_), id_))
    if resource:
        query = query.where(kept.resource == resource)
    if kind:
        query = query.where(kept.kind == kind)
    return [DifferenceDetail(**row) for row in connection.execute(query).mappings()]


def difference_cursor(shown: DifferenceDetail) -> str:
    """Return where a difference stands in the list."""
    return f"{shown.resource}/{shown.id}"


def _select_of(integration_id: int) -> Select[Any]:
    query = select(verifications).where(verifications.c.integration_id == integration_id)
    return query.order_by(verifications.c.id.desc())


def _to_verification(
    connection: Connection, row: RowMapping, samples: int = _MAX_SAMPLES
) -> Verification:
    number, steps, kept = row["id"], verification_steps.c, differences.c
    done = func.count().filter(steps.state.in_(("done", "failed")))
    sums = func.coalesce(func.sum(steps.total), 0), func.coalesce(func.sum(steps.compared), 0)
    query = select(func.count(), done, *sums).where(steps.verification_id == number)
    resources, resources_done, total, objects = connection.execute(query).one()
    counted = select(kept.state, kept.kind, func.count()).where(kept.verification_id == number)
    counts = {
        (state, kind): count
        for state, kind, count in connection.execute(counted.group_by(kept.state, kept.kind))
    }
    unequal = sum(count for (_, kind), count in counts.items() if kind not in _NOT_UNEQUAL)
    given = {name: row[name] for name in Verification.__struct_fields__ if name in row}
    given |= {kind: counts.get(("confirmed", kind), 0) for kind in _KINDS}
    given |= {
        name: sum(count for (state, _), count in counts.items() if state == name)
        for name in ("suspected", "unsettled")
    }
    return Verification(
        **given,
        resources=resources,
        resources_done=resources_done,
        total=total,
        objects=objects,
        equal=objects - unequal,
        samples=list_differences(connection, number, None, samples) if samples else [],
    )
