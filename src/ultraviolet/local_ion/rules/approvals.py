"""Approvals: they resolve approval requests."""

from collections.abc import Mapping
from typing import Any

from ultraviolet.local_ion.rules.hooks import ExtraInput, Hooks, ensure
from ultraviolet.local_ion.rules.organization import load_setting
from ultraviolet.local_ion.store.transaction import Row, Transaction

APPROVAL_TABLES: Mapping[str, tuple[str, str]] = {
    "purchase_order_approvals": ("purchase_order_approval_requests", "purchase_order_id"),
    "issue_approvals": ("issue_approval_requests", "issue_id"),
    "mbom_approvals": ("mbom_approval_requests", "mbom_id"),
    "redline_approvals": ("redline_approval_requests", "redline_id"),
    "step_approvals": ("step_approval_requests", "step_id"),
    "reviews": ("review_requests", "procedure_id"),
}
"""Approval tables: the table of their requests, and the column of the approved object."""


class _Approvals(Hooks, frozen=True, kw_only=True):
    table: str
    requests: str
    column: str

    def before_create(self, tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        parent = tx.get(self.table, row["parent_id"]) if row.get("parent_id") else None
        row["depth"] = parent["depth"] + 1 if parent else 0

    def after_create(self, tx: Transaction, key: int, _extra: ExtraInput) -> None:
        row = tx.get(self.table, key)
        assert row is not None
        self.resolve_requests(tx, row)

    def after_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        if row.get("status") not in {None, old["status"]}:
            self.resolve_requests(tx, {**old, **row})

    def resolve_requests(self, tx: Transaction, approval: Row) -> None:
        """Resolve the requests to the reviewer, and to the reviewer's roles and teams (assumed)."""
        object_id = approval[self.column]
        if approval["status"] not in {"approved", "rejected"} or object_id is None:
            return
        for request in tx.find(
            self.requests, "id", **{self.column: object_id, "status": "pending"}
        ):
            if _is_addressed(tx, request, approval):
                tx.update(self.requests, request["id"], {"status": approval["status"]})


def _is_addressed(tx: Transaction, request: Row, approval: Row) -> bool:
    reviewer = approval["reviewer_id"]
    if "reviewer_id" in request:
        return request["reviewer_id"] == reviewer
    gates = ("issue_approval_gate_type", "gate_type")
    if any(request.get(c) != approval.get(c) for c in gates):
        return False
    if request["assigned_to_id"] == reviewer:
        return True
    if tx.find("team_users", team_id=request["assigned_team_id"], user_id=reviewer):
        return True
    if request["assigned_to_id"] is not None or request["assigned_team_id"] is not None:
        return False
    return bool(tx.find("user_roles", role_id=request["role_id"], user_id=reviewer))


def check_enough_approvals(tx: Transaction, issue: Row) -> None:
    """Raise GraphQLError if an issue to resolve has too few approvals."""
    required: Any = load_setting(tx, "issues", "numApproversRequired") or 0
    if required:
        sql = (
            "SELECT count(DISTINCT reviewer_id) FROM issue_approvals"
            " WHERE issue_id = ? AND status = 'approved'"
        )
        given = tx.scalar(sql, issue["id"])
        message = f"Issue {issue['id']} needs {required} approvals and has {given}."
        ensure(given >= required, message)


HOOKS: Mapping[str, Hooks] = {
    table: _Approvals(table=table, requests=requests, column=column)
    for table, (requests, column) in APPROVAL_TABLES.items()
}
"""Hooks by resource."""
