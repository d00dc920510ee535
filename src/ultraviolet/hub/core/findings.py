"""Findings: problems of an integration with their next step, stored until they are resolved."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, update

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.sync import findings
from ultraviolet.errors import InvalidError

_RESOLVED_PREFIX = "resolved "


class NewFinding(msgspec.Struct, frozen=True):
    """A problem that a check found."""

    kind: str
    subject: str
    sentence: str
    next_step: str
    repaired: bool = False
    """The hub has corrected it."""


class Finding(msgspec.Struct, frozen=True):
    """A stored problem of an integration."""

    id: int
    integration_id: int
    kind: str
    subject: str
    sentence: str
    next_step: str
    found_at: str
    repaired_at: str | None
    resolved_at: str | None


def save_findings(
    connection: Connection,
    integration_id: int,
    kinds: Collection[str],
    found: Sequence[NewFinding],
    subjects: Collection[str] | None = None,
) -> list[NewFinding]:
    """Store the findings of a check of these kinds, and resolve earlier ones that it did not find.

    `subjects` are the checked subjects; None means all. Return the findings that are new.
    """
    new = add_findings(connection, integration_id, found)
    found_keys = {(finding.kind, finding.subject) for finding in found}
    for row in _select_unresolved(connection, integration_id, kinds):
        checked = subjects is None or row["subject"] in subjects
        if checked and (row["kind"], row["subject"]) not in found_keys:
            _resolve(connection, row)
    return new


def resolve_findings(
    connection: Connection, integration_id: int, kinds: Collection[str], before: str
) -> None:
    """Resolve the findings of these kinds that were found up to the given time."""
    for row in _select_unresolved(connection, integration_id, kinds):
        if row["found_at"] <= before:
            _resolve(connection, row)


def add_findings(
    connection: Connection, integration_id: int, found: Sequence[NewFinding]
) -> list[NewFinding]:
    """Store findings, or update those that are unresolved; return the new ones."""
    table, now = findings.c, now_rfc3339()
    known = _select_unresolved(connection, integration_id, {finding.kind for finding in found})
    unresolved = {(row["kind"], row["subject"]): row for row in known}
    new: list[NewFinding] = []
    for finding in found:
        row = unresolved.get((finding.kind, finding.subject))
        values: dict[str, Any] = {"sentence": finding.sentence, "next_step": finding.next_step}
        if finding.repaired:
            values["repaired_at"] = now
        if row is not None:
            connection.execute(update(findings).where(table.id == row["id"]).values(**values))
            continue
        new.append(finding)
        values |= {"kind": finding.kind, "subject": finding.subject, "found_at": now}
        connection.execute(insert(findings).values(integration_id=integration_id, **values))
    return new


def findings_cursor(finding: Finding) -> str:
    """Return the cursor after a finding of `list_findings`."""
    return f"{_RESOLVED_PREFIX if finding.resolved_at else ''}{finding.id}"


def list_findings(
    connection: Connection,
    integration_id: int,
    limit: int,
    *,
    unresolved: bool = False,
    after: str | None = None,
) -> list[Finding]:
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
    return [Finding(**row) for row in connection.execute(ordered).mappings()]


def _select_unresolved(
    connection: Connection, integration_id: int, kinds: Collection[str]
) -> Sequence[RowMapping]:
    table = findings.c
    query = select(findings).where(
        table.integration_id == integration_id, table.resolved_at.is_(None), table.kind.in_(kinds)
    )
    return connection.execute(query).mappings().all()


def _resolve(connection: Connection, row: RowMapping) -> None:
    statement = update(findings).where(findings.c.id == row["id"])
    connection.execute(statement.values(resolved_at=now_rfc3339()))
