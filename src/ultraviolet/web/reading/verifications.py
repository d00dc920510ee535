"""Verifications as the edge shows them."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ultraviolet.errors import NotFoundError
from ultraviolet.mirror.tables import verifications
from ultraviolet.web.reading.rows import columns


class Verification(msgspec.Struct, frozen=True):
    """One comparison of the mirror with ION, object by object."""

    id: int
    integration_id: int
    state: str
    started_at: str
    finished_at: str | None
    objects: int
    equal: int
    missing: int
    extra: int
    different: int
    samples: list[dict[str, Any]]
    error: str | None


def last(connection: Connection, integration_id: int) -> Verification | None:
    """Read the newest of an integration."""
    query = select(*columns(verifications, Verification)).where(
        verifications.c.integration_id == integration_id
    )
    row = connection.execute(query.order_by(verifications.c.id.desc()).limit(1)).mappings().one_or_none()
    return Verification(**row) if row else None


def one(connection: Connection, verification_id: int) -> Verification:
    """Read one; raises NotFoundError."""
    query = select(*columns(verifications, Verification)).where(verifications.c.id == verification_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no verification {verification_id}.")
    return Verification(**row)
