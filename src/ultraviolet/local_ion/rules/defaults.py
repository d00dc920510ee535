"""Default values of new rows."""

from collections.abc import Mapping
from operator import attrgetter

from ultraviolet.local_ion.store.transaction import Row

_APPROVAL_DEFAULTS = {
    "reviewer_id": attrgetter("actor_id"),
    "status": "pending",
    "resolved": 0,
    "depth": 0,
}
_REQUEST_DEFAULTS = {"status": "pending"}

DEFAULTS: Mapping[str, Row] = {
    "purchase_orders": {"status": "draft"},
    "purchase_order_lines": {"status": "draft", "quantity": 1.0, "paid": 0},
    "purchase_order_fees": {"type": "currency"},
    "receipts": {"received_at": attrgetter("now"), "received_by_id": attrgetter("actor_id")},
    "parts": {"revision": "A", "export_controlled": 0},
    "parts_inventory": {"quantity": 1.0, "quantity_scrapped": 0.0},
    "locations": {"available": 1, "archived": 0},
    "webhook_receivers": {"content_type": "json", "expected_response_code": 200, "active": 1},
    "webhook_subscriptions": {"active": 1},
    "procedures": {
        "version": 1,
        "status": "draft",
        "type": "build",
        "family_id": None,
        "export_controlled": 0,
    },
    "steps": {"version": 1, "type": "content", "family_id": None},
    "run_steps": {"status": "todo", "type": "content"},
    "mboms": {"status": "draft", "version": 1},
    "mbom_item": {"_deleted": 0, "made_on_assembly": 0},
    "runs": {"archived": 0},
    "issues": {"status": "pending"},
    "comments": {"depth": 0, "resolved": 0, "procedure_feedback": 0},
    "parts_kits": {"status": "draft"},
    "part_kit_items": {"quantity": 1.0},
    "plans": {"status": "draft", "include_in_mrp": 1},
    "rules": {"enabled": 0, "version": 1, "status": "disabled", "code_hash": ""},
    "run_step_field_validations": {"result": "pending"},
    "part_procedures": {"required": 0},
    "issue_approvals": _APPROVAL_DEFAULTS,
    "mbom_approvals": _APPROVAL_DEFAULTS,
    "purchase_order_approvals": _APPROVAL_DEFAULTS,
    "redline_approvals": _APPROVAL_DEFAULTS,
    "step_approvals": _APPROVAL_DEFAULTS,
    "reviews": _APPROVAL_DEFAULTS,
    "issue_approval_requests": _REQUEST_DEFAULTS,
    "mbom_approval_requests": _REQUEST_DEFAULTS,
    "purchase_order_approval_requests": _REQUEST_DEFAULTS,
    "redline_approval_requests": _REQUEST_DEFAULTS,
    "step_approval_requests": _REQUEST_DEFAULTS,
    "review_requests": _REQUEST_DEFAULTS,
    "datagrid_columns": {"index": None},
    "datagrid_rows": {"required": 0, "allow_not_applicable": 0, "index": None},
    "user_subscriptions": {"user_id": attrgetter("actor_id")},
    "invites": {"status": "pending", "resend_count": 0},
    "barcode_labels": {"iuid": None, "deactivated": 0},
    "mrp_jobs": {"status": "queued"},
}
"""Values of columns that an input does not set, by table; functions take the transaction.

They are assumed where ION's manual does not state them.
"""
