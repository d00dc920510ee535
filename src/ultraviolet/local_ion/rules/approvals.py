"""Approvals: one answers the request that asked for it, and with enough of them a thing is approved."""

from collections.abc import Mapping
from typing import Any

from ultraviolet.local_ion.rules.hooks import Behaviour, Rest, refuse_unless
from ultraviolet.local_ion.rules.organization import setting
from ultraviolet.local_ion.store.store import Row, Transaction

KINDS: Mapping[str, tuple[str, str]] = {
    "purchase_order_approvals": ("purchase_order_approval_requests", "purchase_order_id"),
    "issue_approvals": ("issue_approval_requests", "issue_id"),
    "mbom_approvals": ("mbom_approval_requests", "mbom_id"),
    "redline_approvals": ("redline_approval_requests", "redline_id"),
    "step_approvals": ("step_approval_requests", "step_id"),
    "reviews": ("review_requests", "procedure_id"),
}
"""Tables of approvals: the table of their requests, and the column of what is approved."""


def _before(table: str) -> Behaviour:
    requests, column = KINDS[table]

    def before(tx: Transaction, row: Row, _: Rest) -> None:
        parent = tx.get(table, row["parent_id"]) if row.get("parent_id") else None
        row["depth"] = parent["depth"] + 1 if parent else 0

    def after(tx: Transaction, key: int, _: Rest) -> None:
        row = tx.get(table, key)
        assert row is not None
        _answer(tx, requests, column, row)

    def after_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
        if row.get("status") not in {None, old["status"]}:
            _answer(tx, requests, column, {**old, **row})

    return Behaviour(before_create=before, after_create=after, after_update=after_update)


def _answer(tx: Transaction, requests: str, column: str, approval: Row) -> None:
    """Let a reviewer's answer settle what was asked of them, of their role or team (assumed)."""
    if approval["status"] not in {"approved", "rejected"} or approval[column] is None:
        return
    for request in tx.find(requests, "id", **{column: approval[column], "status": "pending"}):
        if _asked(tx, request, approval):
            tx.update(requests, request["id"], {"status": approval["status"]})


def _asked(tx: Transaction, request: Row, approval: Row) -> bool:
    reviewer = approval["reviewer_id"]
    if "reviewer_id" in request:
        return request["reviewer_id"] == reviewer
    if any(request.get(c) != approval.get(c) for c in ("issue_approval_gate_type", "gate_type")):
        return False
    in_team = tx.find("team_users", team_id=request["assigned_team_id"], user_id=reviewer)
    whoever = request["assigned_to_id"] is None and request["assigned_team_id"] is None
    return (
        request["assigned_to_id"] == reviewer
        or bool(in_team)
        or (whoever and _has_role(tx, request, reviewer))
    )


def _has_role(tx: Transaction, request: Row, user_id: int) -> bool:
    return bool(tx.find("user_roles", role_id=request["role_id"], user_id=user_id))


def check_resolved(tx: Transaction, issue: Row) -> None:
    """Refuse to resolve an issue that has fewer approvals than the organization wants."""
    wanted: Any = setting(tx, "issues", "numApproversRequired") or 0
    if wanted:
        sql = "SELECT count(DISTINCT reviewer_id) FROM issue_approvals WHERE issue_id = ? AND status = 'approved'"
        given = tx.scalar(sql, issue["id"])
        refuse_unless(given >= wanted, f"Issue {issue['id']} needs {wanted} approvals and has {given}.")


BEHAVIOURS: Mapping[str, Behaviour] = {table: _before(table) for table in KINDS}
"""By resource."""
