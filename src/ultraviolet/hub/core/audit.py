"""The audit log: the actions of users and API keys in this hub, append-only."""

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ultraviolet import clock
from ultraviolet.db.tables.accounts import audit_log


class AuditEntry(msgspec.Struct, frozen=True):
    """One recorded action."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] | None


def record(
    connection: Connection,
    actor: str,
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record that `actor` did `action` (noun.verb) to `subject`; `detail` must hold no secret."""
    connection.execute(
        audit_log.insert().values(
            at=clock.now_rfc3339(), actor=actor, action=action, subject=subject, detail=detail
        )
    )


def list_recent(
    connection: Connection, before: int | None = None, limit: int = 50
) -> list[AuditEntry]:
    """Return entries, newest first; only those with a `seq` lower than `before`, if given."""
    query = select(audit_log).order_by(audit_log.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(audit_log.c.seq < before)
    return [AuditEntry(**row) for row in connection.execute(query).mappings()]
