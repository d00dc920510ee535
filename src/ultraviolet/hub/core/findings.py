"""Findings: what is wrong with an integration, in words and with the next step, until it is resolved."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, update

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.sync import findings
from ultraviolet.errors import InvalidError

_OVER = "over "


class NewFinding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be."""

    kind: str
    subject: str
    sentence: str
    next_step: str
    repaired: bool = False
    """The hub has put it right itself."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was found, with what became of it."""

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
    """Record what a check of these kinds found, and resolve what it no longer found; return what is new.

    `subjects` names the checked subjects, unless all were checked.
    """
    new = add_findings(connection, integration_id, found)
    still = {(each.kind, each.subject) for each in found}
    for row in _standing(connection, integration_id, kinds):
        checked = subjects is None or row["subject"] in subjects
        if checked and (row["kind"], row["subject"]) not in still:
            connection.execute(
                update(findings).where(findings.c.id == row["id"]).values(resolved_at=now_rfc3339())
            )
    return new


def resolve_findings(
    connection: Connection, integration_id: int, kinds: Collection[str], before: str
) -> None:
    """Resolve the findings of these kinds that were made before a moment."""
    for row in _standing(connection, integration_id, kinds):
        if row["found_at"] <= before:
            connection.execute(
                update(findings).where(findings.c.id == row["id"]).values(resolved_at=now_rfc3339())
            )


def _standing(
    connection: Connection, integration_id: int, kinds: Collection[str]
) -> Sequence[RowMapping]:
    table = findings.c
    query = select(findings).where(
        table.integration_id == integration_id, table.resolved_at.is_(None), table.kind.in_(kinds)
    )
    return connection.execute(query).mappings().all()


def add_findings(
    connection: Connection, integration_id: int, found: Sequence[NewFinding]
) -> list[NewFinding]:
    """Record findings, once each while they stand; return those that are new."""
    table, moment = findings.c, now_rfc3339()
    known = _standing(connection, integration_id, {each.kind for each in found})
    standing = {(row["kind"], row["subject"]): row for row in known}
    fresh: list[NewFinding] = []
    for each in found:
        row = standing.get((each.kind, each.subject))
        values: dict[str, Any] = {"sentence": each.sentence, "next_step": each.next_step}
        if each.repaired:
            values["repaired_at"] = moment
        if row is None:
            fresh.append(each)
            key = {"integration_id": integration_id, "kind": each.kind, "subject": each.subject}
            connection.execute(insert(findings).values(**key, **values, found_at=moment))
        else:
            connection.execute(update(findings).where(table.id == row["id"]).values(**values))
    return fresh


def findings_cursor(finding: Finding) -> str:
    """Say where in the list a finding is."""
    return f"{_OVER if finding.resolved_at else ''}{finding.id}"


def list_findings(
    connection: Connection,
    integration_id: int,
    limit: int,
    *,
    standing: bool = False,
    after: str | None = None,
) -> list[Finding]:
    """Read findings, those that stand first, then the newest; `after` is the `place` of the last that is known."""
    table = findings.c
    query = select(findings).where(table.integration_id == integration_id)
    if standing:
        query = query.where(table.resolved_at.is_(None))
    if after is not None:
        over, id_ = after.startswith(_OVER), after.removeprefix(_OVER)
        if not id_.isdecimal():
            raise InvalidError(
                "This cursor belongs to another list; begin anew without one.", field="cursor"
            )
        further = and_(
            table.resolved_at.is_not(None) if over else table.resolved_at.is_(None),
            table.id < int(id_),
        )
        query = query.where(further if over else or_(further, table.resolved_at.is_not(None)))
    ordered = query.order_by(table.resolved_at.is_not(None), table.id.desc()).limit(limit)
    return [Finding(**row) for row in connection.execute(ordered).mappings()]
