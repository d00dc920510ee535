"""What ION does beyond storing what it is told: defaults, and the rules of every kind of object, gathered."""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.rules import approvals, inventory, purchasing, runs
from ultraviolet.local_ion.rules.hooks import (
    Behaviour,
    Rest,
    changed_datagrid,
    merged,
    numbered,
    refuse_unless,
    with_datagrid,
)
from ultraviolet.local_ion.store.store import Row, Transaction


def _actor(tx: Transaction) -> int | None:
    return tx.actor_id


def _now(tx: Transaction) -> str:
    return tx.now


def _own_family(table: str) -> Callable[[Transaction, Any, Rest], None]:
    def after(tx: Transaction, key: Any, _: Rest) -> None:
        row = tx.get(table, key)
        if row is not None and row["family_id"] is None:
            tx.update(table, key, {"family_id": key})

    return after


def _before_mbom(tx: Transaction, row: Row, _: Rest) -> None:
    row["version"] = tx.scalar(
        "SELECT coalesce(max(version), 0) + 1 FROM mboms WHERE part_id = ?", row["part_id"]
    )


def _after_mbom(tx: Transaction, key: int, rest: Rest) -> None:
    mbom = tx.get("mboms", key)
    assert mbom is not None
    if not rest.get("copyMbom"):
        return
    source = rest.get("mbomId") or tx.scalar(
        "SELECT max(id) FROM mboms WHERE part_id = ? AND id <> ?", mbom["part_id"], key
    )
    for item in tx.find("mbom_item", "id", mbom_id=source):
        kept = {c: item[c] for c in ("part_id", "quantity", "made_on_assembly")}
        copied = tx.insert("mbom_item", {**kept, "mbom_id": key})
        for table, column in (("mbom_substitute", "part_id"), ("mbom_item_reference_designators", "value")):
            for each in tx.find(table, "id", mbom_item_id=item["id"]):
                tx.insert(table, {"mbom_item_id": copied, column: each[column]})


def _before_mbom_item(tx: Transaction, row: Row, rest: Rest) -> None:
    parent = rest.get("parentId")
    if row.get("mbom_id") is None and parent is not None:
        found = tx.scalar("SELECT max(id) FROM mboms WHERE part_id = ?", int(parent))
        row["mbom_id"] = found or tx.insert(
            "mboms", {"part_id": int(parent), "version": 1, "status": "draft"}
        )
    refuse_unless(row.get("quantity", 0) > 0, "The quantity of an mBOM's item must be more than 0.")
    owner = tx.scalar("SELECT part_id FROM mboms WHERE id = ?", row.get("mbom_id"))
    refuse_unless(owner is None or owner != row["part_id"], "A part cannot be an item of its own mBOM.")


def _after_issue(tx: Transaction, key: int, rest: Rest) -> None:
    for inventory_id in rest.get("partInventoryIds") or ():
        tx.insert(
            "issue_part_inventories",
            {"issue_id": key, "part_inventory_id": int(inventory_id), "from_split_inventory": 0},
        )
    if tx.scalar("SELECT title IS NULL FROM issues WHERE id = ?", key):
        tx.update("issues", key, {"title": f"Issue {key}"})


def _before_issue_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    if row.get("status") == "resolved" != old["status"]:
        approvals.check_resolved(tx, old)


def _before_relation(_: Transaction, row: Row, __: Rest) -> None:
    refuse_unless(row["origin_issue_id"] != row["related_issue_id"], "An issue cannot be related to itself.")


def _before_comment(tx: Transaction, row: Row, _: Rest) -> None:
    parent = tx.get("comments", row["parent_id"]) if row.get("parent_id") else None
    if parent is not None:
        row["depth"] = parent["depth"] + 1
        row["entity_id"] = row.get("entity_id") or parent["entity_id"]
    entity = row.get("entity_id")
    if entity is not None:
        row["run_step_id"] = tx.scalar("SELECT id FROM run_steps WHERE entity_id = ?", entity)
        row["run_id"] = tx.scalar("SELECT id FROM runs WHERE entity_id = ?", entity)


def _before_receiver(_: Transaction, row: Row, __: Rest) -> None:
    if not row.get("shared_secret"):
        row["shared_secret"] = secrets.token_hex(32)


def _before_label(tx: Transaction, row: Row, _: Rest) -> None:
    """Give a barcode label its own number; a template prints only what it is for (assumed)."""
    row["iuid"] = row.get("iuid") or f"ION-{secrets.token_hex(8).upper()}"
    row["deactivated"] = row.get("deactivated") or 0
    wanted = tx.scalar("SELECT entity_type FROM barcode_templates WHERE id = ?", row["template_id"])
    kind = tx.scalar("SELECT type FROM entities WHERE id = ?", row["entity_id"])
    refuse_unless(wanted in {None, kind}, f"This barcode template is for {wanted}, not for {kind}.")


def _pattern(expression: str) -> None:
    try:
        re.compile(expression)
    except re.error as error:
        raise GraphQLError(
            f"The expression of a barcode pattern is no regular expression: {error}."
        ) from error


def _before_pattern(_: Transaction, row: Row, __: Rest) -> None:
    _pattern(row["expression"])


def _before_pattern_update(_: Transaction, __: Row, row: Row, ___: Rest) -> None:
    if row.get("expression") is not None:
        _pattern(row["expression"])


def _before_rule(_: Transaction, row: Row, __: Rest) -> None:
    row.update(_judged(row))


def _before_rule_update(_: Transaction, old: Row, row: Row, __: Rest) -> None:
    row.update(_judged(merged(old, row)))


def _judged(rule: Row) -> Row:
    code = (rule.get("code") or "") + (rule.get("context") or "")
    status = "active" if rule.get("enabled") else "disabled"
    return {"status": status, "code_hash": hashlib.sha256(code.encode()).hexdigest()}


_APPROVAL = {"reviewer_id": _actor, "status": "pending", "resolved": 0, "depth": 0}
_REQUEST = {"status": "pending"}

DEFAULTS: Mapping[str, Row] = {
    "purchase_orders": {"status": "draft", "paid": 0},
    "purchase_order_lines": {"status": "draft", "quantity": 1.0, "paid": 0},
    "purchase_order_fees": {"type": "currency"},
    "receipts": {"received_at": _now, "received_by_id": _actor},
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
    "mbom_item": {"made_on_assembly": 0},
    "runs": {"archived": 0},
    "issues": {"status": "pending"},
    "comments": {"depth": 0, "resolved": 0, "procedure_feedback": 0},
    "parts_kits": {"status": "draft"},
    "part_kit_items": {"quantity": 1.0},
    "plans": {"status": "draft", "include_in_mrp": 1},
    "rules": {"enabled": 0, "version": 1, "status": "disabled", "code_hash": ""},
    "run_step_field_validations": {"result": "pending"},
    "part_procedures": {"required": 0},
    "issue_approvals": _APPROVAL,
    "mbom_approvals": _APPROVAL,
    "purchase_order_approvals": _APPROVAL,
    "redline_approvals": _APPROVAL,
    "step_approvals": _APPROVAL,
    "reviews": _APPROVAL,
    "issue_approval_requests": _REQUEST,
    "mbom_approval_requests": _REQUEST,
    "purchase_order_approval_requests": _REQUEST,
    "redline_approval_requests": _REQUEST,
    "step_approval_requests": _REQUEST,
    "review_requests": _REQUEST,
    "datagrid_columns": {"index": None},
    "datagrid_rows": {"required": 0, "allow_not_applicable": 0, "index": None},
    "user_subscriptions": {"user_id": _actor},
    "invites": {"status": "pending", "resend_count": 0},
    "barcode_labels": {"iuid": None, "deactivated": 0},
    "mrp_jobs": {"status": "queued"},
}
"""What a new row has where the input says nothing, by table and column (assumed where the manual is silent)."""

_OWN: Mapping[str, Behaviour] = {
    "procedures": Behaviour(
        after_create=_own_family("procedures"),
        owned=(
            ("steps", "procedure_id"),
            ("reviews", "procedure_id"),
            ("review_requests", "procedure_id"),
            ("part_procedures", "procedure_id"),
        ),
    ),
    "steps": Behaviour(
        before_create=with_datagrid(numbered("steps", "procedure_id")),
        before_update=changed_datagrid(),
        after_create=_own_family("steps"),
        owned=(
            ("steps_fields", "step_id"),
            ("steps_dags", "step_id"),
            ("steps_dags", "upstream_step_id"),
            ("datagrid_rows", "step_id"),
            ("datagrid_columns", "step_id"),
            ("step_mbom_item_associations", "step_id"),
            ("steps", "parent_id"),
        ),
    ),
    "steps_fields": Behaviour(
        before_create=numbered("steps_fields", "step_id"),
        owned=(("step_field_validations", "field_id"),),
    ),
    "datagrid_columns": Behaviour(
        before_create=numbered("datagrid_columns", "step_id", "run_step_id", order="index"),
        owned=(("datagrid_values", "column_id"),),
    ),
    "datagrid_rows": Behaviour(
        before_create=numbered("datagrid_rows", "step_id", "run_step_id", order="index"),
        owned=(("datagrid_values", "row_id"),),
    ),
    "mboms": Behaviour(
        before_create=_before_mbom,
        after_create=_after_mbom,
        owned=(
            ("mbom_item", "mbom_id"),
            ("mbom_approvals", "mbom_id"),
            ("mbom_approval_requests", "mbom_id"),
        ),
    ),
    "mbom_item": Behaviour(
        before_create=_before_mbom_item,
        owned=(
            ("mbom_substitute", "mbom_item_id"),
            ("mbom_item_reference_designators", "mbom_item_id"),
            ("step_mbom_item_associations", "mbom_item_id"),
        ),
    ),
    "issues": Behaviour(after_create=_after_issue, before_update=_before_issue_update),
    "issue_relations": Behaviour(before_create=_before_relation),
    "comments": Behaviour(before_create=_before_comment, owned=(("comments", "parent_id"),)),
    "labels": Behaviour(ties=(("entity_labels", "label_id"), ("procedure_family_labels", "label_id"))),
    "requirements": Behaviour(ties=(("entity_requirements", "requirement_id"),)),
    "roles": Behaviour(
        ties=(("user_roles", "role_id"), ("team_roles", "role_id"), ("permission_group_roles", "role_id"))
    ),
    "teams": Behaviour(ties=(("team_users", "team_id"), ("team_roles", "team_id"))),
    "plans": Behaviour(ties=(("plan_plan_items", "plan_id"),), owned=(("plan_inputs", "plan_id"),)),
    "plan_items": Behaviour(
        ties=(("plan_plan_items", "plan_item_id"), ("plan_item_results", "plan_item_id")),
        owned=(
            ("plan_item_allocations", "child_plan_item_id"),
            ("plan_item_allocations", "parent_plan_item_id"),
        ),
    ),
    "barcode_labels": Behaviour(before_create=_before_label),
    "barcode_patterns": Behaviour(before_create=_before_pattern, before_update=_before_pattern_update),
    "rules": Behaviour(before_create=_before_rule, before_update=_before_rule_update),
    "webhook_receivers": Behaviour(
        before_create=_before_receiver,
        owned=(("webhook_subscriptions", "receiver_id"),),
        ties=(("webhook_receiver_headers", "webhook_receiver_id"),),
    ),
    "webhook_headers": Behaviour(ties=(("webhook_receiver_headers", "webhook_header_id"),)),
    "webhook_subscriptions": Behaviour(owned=(("webhook_events", "subscription_id"),)),
}

BEHAVIOURS: Mapping[str, Behaviour] = {
    **_OWN,
    **purchasing.BEHAVIOURS,
    **inventory.BEHAVIOURS,
    **approvals.BEHAVIOURS,
    **runs.BEHAVIOURS,
}
"""By resource; the rest is stored as told."""
