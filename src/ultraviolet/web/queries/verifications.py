"""Verifications with their progress, results and differences."""

from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, func, select, tuple_

from ultraviolet.db.tables.sync import differences, verification_steps, verifications
from ultraviolet.errors import NotFoundError, OtherListCursorError
from ultraviolet.web.queries.rows import struct_columns

_MAX_SAMPLES = 20
_KINDS = ("missing", "extra", "different", "displayed", "invalid")
_EQUAL_KINDS = ("extra", "displayed", "invalid")


class DifferenceDetail(msgspec.Struct, frozen=True):
    """An object that differs between ION and mirror; `fields` has both values by field name."""

    resource: str
    id: str
    kind: str
    state: str
    fields: dict[str, Any]
    detail: str | None


class Verification(msgspec.Struct, frozen=True):
    """One verification; `objects` is the number of ION's objects compared so far."""

    id: int
    integration_id: int
    state: str
    sample: int | None
    mirrored: int | None
    """Number of objects in the mirror at the start."""
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
    """Equal objects whose SQL view differs from their document."""
    invalid: int
    """Equal objects with values that do not fit their column type, shown as null."""
    suspected: int
    """Objects that differed in the first comparison and are being read again."""
    unsettled: int
    """Objects without a result, because they kept changing or could not be read."""
    samples: list[DifferenceDetail]
    """The first differences; `GET /verifications/{id}/differences` lists all."""

    @property
    def compared(self) -> int:
        """Number of different objects in ION or in the mirror that were compared so far."""
        return self.objects + self.extra

    @property
    def covered(self) -> float | None:
        """The fraction of the mirror compared so far; None if unknown."""
        return min(1.0, self.objects / self.mirrored) if self.mirrored else None


def list_verifications(
    connection: Connection,
    integration_id: int,
    before: int | None,
    limit: int,
    samples: int = _MAX_SAMPLES,
) -> list[Verification]:
    """Return verifications with an id below `before`, newest first, with samples of differences."""
    query = (
        select(verifications)
        .where(verifications.c.integration_id == integration_id)
        .order_by(verifications.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(verifications.c.id < before)
    return [
        _to_verification(connection, row, samples)
        for row in connection.execute(query).mappings().all()
    ]


def last_verification(connection: Connection, integration_id: int) -> Verification | None:
    """Return the newest verification of an integration, or None."""
    found = list_verifications(connection, integration_id, None, 1)
    return found[0] if found else None


def get_verification(connection: Connection, verification_id: int) -> Verification:
    """Return one verification; raise NotFoundError."""
    query = select(verifications).where(verifications.c.id == verification_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"Verification {verification_id} does not exist.")
    return _to_verification(connection, row)


def list_differences(
    connection: Connection,
    verification_id: int,
    after: str | None,
    limit: int,
    resource: str | None = None,
    kind: str | None = None,
) -> list[DifferenceDetail]:
    """Return differences by resource and id; `after` is the `difference_cursor` of the last one."""
    column = differences.c
    order = (column.resource, func.length(column.id), column.id)
    query = select(*struct_columns(differences, DifferenceDetail)).where(
        column.verification_id == verification_id
    )
    query = query.order_by(*order).limit(limit)
    if after is not None:
        name, slash, id_ = after.partition("/")
        if not slash:
            raise OtherListCursorError
        query = query.where(tuple_(*order) > tuple_(name, len(id_), id_))
    if resource:
        query = query.where(column.resource == resource)
    if kind:
        query = query.where(column.kind == kind)
    return [DifferenceDetail(**row) for row in connection.execute(query).mappings()]


def difference_cursor(difference: DifferenceDetail) -> str:
    """Return the position of a difference in the list."""
    return f"{difference.resource}/{difference.id}"


def _to_verification(
    connection: Connection, row: RowMapping, samples: int = _MAX_SAMPLES
) -> Verification:
    number, steps, column = row["id"], verification_steps.c, differences.c
    done = func.count().filter(steps.state.in_(("done", "failed")))
    sums = func.coalesce(func.sum(steps.total), 0), func.coalesce(func.sum(steps.compared), 0)
    query = select(func.count(), done, *sums).where(steps.verification_id == number)
    resources, resources_done, total, objects = connection.execute(query).one()
    counts_query = select(column.state, column.kind, func.count()).where(
        column.verification_id == number
    )
    counts = {
        (state, kind): count
        for state, kind, count in connection.execute(
            counts_query.group_by(column.state, column.kind)
        )
    }
    unequal = sum(count for (_, kind), count in counts.items() if kind not in _EQUAL_KINDS)
    values = {name: row[name] for name in Verification.__struct_fields__ if name in row}
    values |= {kind: counts.get(("confirmed", kind), 0) for kind in _KINDS}
    values |= {
        name: sum(count for (state, _), count in counts.items() if state == name)
        for name in ("suspected", "unsettled")
    }
    return Verification(
        **values,
        resources=resources,
        resources_done=resources_done,
        total=total,
        objects=objects,
        equal=objects - unequal,
        samples=list_differences(connection, number, None, samples) if samples else [],
    )
