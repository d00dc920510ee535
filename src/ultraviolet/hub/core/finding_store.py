"""The findings of integrations, stored until they are resolved."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.sync import findings
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.finding import Action, Finding, StoredFinding

_MAX_OPEN = 200
_RESOLVED_PREFIX = "resolved "


def save_findings(
    connection: Connection,
    integration_id: int,
    kinds: Collection[str],
    found: Sequence[Finding],
    subjects: Collection[str] | None = None,
) -> list[Finding]:
    """Store the findings of a check of these kinds, and resolve earlier ones that it did not find.

    `subjects` are the checked subjects; None means all. Return the findings that are new.
    """
    new = add_findings(connection, integration_id, found)
    found_keys = {(finding.kind, finding.subject) for finding in found}
    query = select(findings).where(*_unresolved(integration_id, kinds))
    gone = [
        row.id
        for row in connection.execute(query)
        if (subjects is None or row.subject in subjects)
        and (row.kind, row.subject) not in found_keys
    ]
    if gone:
        statement = update(findings).where(findings.c.id.in_(gone))
        connection.execute(statement.values(resolved_at=now_rfc3339()))
    return new


def resolve_findings(
    connection: Connection, integration_id: int, kinds: Collection[str], before: str
) -> None:
    """Resolve the findings of these kinds that were found up to the given time."""
    statement = update(findings).where(
        *_unresolved(integration_id, kinds), findings.c.found_at <= before
    )
    connection.execute(statement.values(resolved_at=now_rfc3339()))


def add_findings(
    connection: Connection, integration_id: int, found: Sequence[Finding]
) -> list[Finding]:
    """Store findings, or update those that are unresolved; return the new ones."""
    now = now_rfc3339()
    kinds = {finding.kind for finding in found}
    query = select(findings).where(*_unresolved(integration_id, kinds))
    known = {(row.kind, row.subject): row.id for row in connection.execute(query)}
    new: list[Finding] = []
    for finding in found:
        id_ = known.get((finding.kind, finding.subject))
        values: dict[str, Any] = {
            name: getattr(finding, name) for name in ("severity", "message", "next_step", "action")
        }
        if finding.repaired:
            values["repaired_at"] = now
        if id_ is not None:
            connection.execute(update(findings).where(findings.c.id == id_).values(**values))
            continue
        new.append(finding)
        values |= {"kind": finding.kind, "subject": finding.subject, "found_at": now}
        connection.execute(insert(findings).values(integration_id=integration_id, **values))
    return new


def findings_cursor(finding: StoredFinding) -> str:
    """Return the cursor after a finding of `list_findings`."""
    return f"{_RESOLVED_PREFIX if finding.resolved_at else ''}{finding.id}"


def list_open(connection: Connection, integration_id: int) -> list[StoredFinding]:
    """Return the unresolved findings that the status of an integration considers, newest first."""
    return list_findings(connection, integration_id, _MAX_OPEN, unresolved=True)


def list_findings(
    connection: Connection,
    integration_id: int,
    limit: int,
    *,
    unresolved: bool = False,
    after: str | None = None,
) -> list[StoredFinding]:
    """Return findings, unresolved ones first, then newest first, after the cursor `after`."""
    table = findings.c
    query = select(findings).where(table.integration_id == integration_id)
    if unresolved:
        query = query.where(table.resolved_at.is_(None))
    if after is not None:
        resolved, id_ = after.startswith(_RESOLVED_PREFIX), after.removeprefix(_RESOLVED_PREFIX)
        if not id_.isdecimal():
            raise InvalidError(
                "This cursor belongs to another list; request the first page without a cursor.",
                field="cursor",
            )
        is_resolved = table.resolved_at.is_not(None)
        rest = and_(is_resolved if resolved else table.resolved_at.is_(None), table.id < int(id_))
        query = query.where(rest if resolved else or_(rest, is_resolved))
    ordered = query.order_by(table.resolved_at.is_not(None), table.id.desc()).limit(limit)
    found: list[StoredFinding] = []
    for row in connection.execute(ordered).mappings():
        action = Action(row["action"]) if row["action"] else None
        values: dict[str, Any] = {
            **row,
            "action": action,
            "repaired": row["repaired_at"] is not None,
        }
        found.append(StoredFinding(**values))
    return found


def _unresolved(integration_id: int, kinds: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for unresolved findings of these kinds."""
    table = findings.c
    return (
        table.integration_id == integration_id,
        table.resolved_at.is_(None),
        table.kind.in_(kinds),
    )
