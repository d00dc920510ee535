"""Mutations of approvals."""

from typing import Any

from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.validation import require_current
from ultraviolet.local_ion.store.transaction import Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""


@MUTATIONS.handles("resetIssueApprovals")
def _reset_issue_approvals(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Reopen all approval requests of an issue; its approvals become outdated (assumed)."""
    issue = require_current(tx, "issues", args["input"], "issueId")
    for approval in tx.find("issue_approvals", "id", issue_id=issue["id"]):
        if approval["status"] != "pending":
            tx.update("issue_approvals", approval["id"], {"status": "outdated"})
    for request in tx.find("issue_approval_requests", "id", issue_id=issue["id"]):
        tx.update("issue_approval_requests", request["id"], {"status": "pending"})
    tx.touch("issues", issue["id"])
    return {"issueId": issue["id"]}
