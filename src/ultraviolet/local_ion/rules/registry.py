"""The hooks of all resources."""

import hashlib
import re
import secrets
from collections.abc import Mapping

from graphql import GraphQLError

from ultraviolet.local_ion.rules import (
    approvals,
    autoplan,
    inventory,
    purchasing,
    runs,
    supplier_parts,
)
from ultraviolet.local_ion.rules.hooks import (
    ExtraInput,
    Hooks,
    OrderedHooks,
    StepHooks,
    ensure,
)
from ultraviolet.local_ion.store.transaction import Row, Transaction


def _start_family(tx: Transaction, table: str, key: int) -> None:
    row = tx.get(table, key)
    if row is not None and row["family_id"] is None:
        tx.update(table, key, {"family_id": key})


class _Procedures(Hooks, frozen=True):
    def after_create(self, tx: Transaction, key: int, _extra: ExtraInput) -> None:
        _start_family(tx, "procedures", key)


class _Steps(StepHooks, frozen=True):
    def before_create(self, tx: Transaction, row: Row, extra: ExtraInput) -> None:
        """Make a step without a procedure a standard step in draft (seen)."""
        super().before_create(tx, row, extra)
        if row.get("procedure_id") is None and row.get("parent_id") is not None:
            sql = "SELECT procedure_id FROM steps WHERE id = ?"
            row["procedure_id"] = tx.scalar(sql, row["parent_id"])
        elif row.get("procedure_id") is None:
            row["standard_step_status"] = "draft"

    def after_create(self, tx: Transaction, key: int, _extra: ExtraInput) -> None:
        _start_family(tx, "steps", key)


class _Mboms(Hooks, frozen=True):
    def before_create(self, tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        sql = "SELECT coalesce(max(version), 0) + 1 FROM mboms WHERE part_id = ?"
        row["version"] = tx.scalar(sql, row["part_id"])

    def after_create(self, tx: Transaction, key: int, extra: ExtraInput) -> None:
        mbom = tx.get("mboms", key)
        assert mbom is not None
        if mbom["status"] == "released":
            _archive_other_mboms(tx, mbom)
        if not extra.get("copyMbom"):
            return
        source = extra.get("mbomId") or tx.scalar(
            "SELECT max(id) FROM mboms WHERE part_id = ? AND id <> ?", mbom["part_id"], key
        )
        for item in tx.find("mbom_item", "id", mbom_id=source):
            values = {c: item[c] for c in ("part_id", "quantity", "made_on_assembly")}
            copied = tx.insert("mbom_item", {**values, "mbom_id": key})
            for table, column in (
                ("mbom_substitute", "part_id"),
                ("mbom_item_reference_designators", "value"),
            ):
                for each in tx.find(table, "id", mbom_item_id=item["id"]):
                    tx.insert(table, {"mbom_item_id": copied, column: each[column]})

    def before_update(self, _tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        """Allow only the way of a version: draft, released, archived (documented)."""
        status = row.get("status", old["status"])
        ensure(
            old["status"] not in {"released", "archived"} or status in {old["status"], "archived"},
            f"The status of this mBOM cannot change from {old['status']} to {status}.",
        )

    def after_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        if row.get("status") == "released" != old["status"]:
            _archive_other_mboms(tx, old)


def _archive_other_mboms(tx: Transaction, released: Row) -> None:
    """Archive the previous released mBOM of a part: only one is released (documented)."""
    for mbom in tx.find("mboms", "id", part_id=released["part_id"], status="released"):
        if mbom["id"] != released["id"]:
            tx.update("mboms", mbom["id"], {"status": "archived"})


class _MbomItems(Hooks, frozen=True):
    def before_create(self, tx: Transaction, row: Row, extra: ExtraInput) -> None:
        parent = extra.get("parentId")
        if row.get("mbom_id") is None and parent is not None:
            found = tx.scalar("SELECT max(id) FROM mboms WHERE part_id = ?", int(parent))
            row["mbom_id"] = found or tx.insert(
                "mboms", {"part_id": int(parent), "version": 1, "status": "draft"}
            )
        ensure(row.get("quantity", 0) > 0, "The quantity of an mBOM's item must be more than 0.")
        owner = tx.scalar("SELECT part_id FROM mboms WHERE id = ?", row.get("mbom_id"))
        message = "A part cannot be an item of its own mBOM."
        ensure(owner is None or owner != row["part_id"], message)


class _Issues(Hooks, frozen=True):
    def after_create(self, tx: Transaction, key: int, extra: ExtraInput) -> None:
        for inventory_id in extra.get("partInventoryIds") or ():
            association = {"issue_id": key, "part_inventory_id": int(inventory_id)}
            tx.insert("issue_part_inventories", {**association, "from_split_inventory": 0})
        if tx.scalar("SELECT title IS NULL FROM issues WHERE id = ?", key):
            tx.update("issues", key, {"title": f"Issue {key}"})

    def before_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        if row.get("status") == "resolved" != old["status"]:
            approvals.check_enough_approvals(tx, old)


class _IssueRelations(Hooks, frozen=True):
    def before_create(self, _tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        message = "An issue cannot be related to itself."
        ensure(row["origin_issue_id"] != row["related_issue_id"], message)


class _Comments(Hooks, frozen=True):
    def before_create(self, tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        parent = tx.get("comments", row["parent_id"]) if row.get("parent_id") else None
        if parent is not None:
            row["depth"] = parent["depth"] + 1
            row["entity_id"] = row.get("entity_id") or parent["entity_id"]
        entity = row.get("entity_id")
        if entity is not None:
            row["run_step_id"] = tx.scalar("SELECT id FROM run_steps WHERE entity_id = ?", entity)
            row["run_id"] = tx.scalar("SELECT id FROM runs WHERE entity_id = ?", entity)


class _Receivers(Hooks, frozen=True):
    def before_create(self, _tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        row["shared_secret"] = row.get("shared_secret") or secrets.token_hex(32)


class _BarcodeLabels(Hooks, frozen=True):
    def before_create(self, tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        """Set the number of a barcode label; check the type of its template (assumed)."""
        row["iuid"] = row.get("iuid") or f"ION-{secrets.token_hex(8).upper()}"
        row["deactivated"] = row.get("deactivated") or 0
        sql = "SELECT entity_type FROM barcode_templates WHERE id = ?"
        wanted = tx.scalar(sql, row["template_id"])
        kind = tx.scalar("SELECT type FROM entities WHERE id = ?", row["entity_id"])
        ensure(wanted in {None, kind}, f"This barcode template is for {wanted}, not for {kind}.")


class _BarcodePatterns(Hooks, frozen=True):
    def before_write(self, _tx: Transaction, _old: Row, row: Row, _extra: ExtraInput) -> None:
        try:
            re.compile(row.get("expression") or "")
        except re.error as error:
            message = f"The barcode pattern is not a valid regular expression: {error}."
            raise GraphQLError(message) from error


class _Rules(Hooks, frozen=True):
    def before_write(self, _tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        rule = {**old, **row}
        code = (rule.get("code") or "") + (rule.get("context") or "")
        row["status"] = "active" if rule.get("enabled") else "disabled"
        row["code_hash"] = hashlib.sha256(code.encode()).hexdigest()


_OTHER_HOOKS: Mapping[str, Hooks] = {
    "procedures": _Procedures(
        owned=(
            ("steps", "procedure_id"),
            ("reviews", "procedure_id"),
            ("review_requests", "procedure_id"),
            ("part_procedures", "procedure_id"),
        ),
    ),
    "steps": _Steps(
        table="steps",
        owners=("procedure_id",),
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
    "steps_fields": OrderedHooks(
        table="steps_fields",
        owners=("step_id",),
        owned=(("step_field_validations", "field_id"),),
    ),
    "datagrid_columns": OrderedHooks(
        table="datagrid_columns",
        owners=("step_id", "run_step_id"),
        order="index",
        owned=(("datagrid_values", "column_id"),),
    ),
    "datagrid_rows": OrderedHooks(
        table="datagrid_rows",
        owners=("step_id", "run_step_id"),
        order="index",
        owned=(("datagrid_values", "row_id"),),
    ),
    "mboms": _Mboms(
        owned=(
            ("mbom_item", "mbom_id"),
            ("mbom_approvals", "mbom_id"),
            ("mbom_approval_requests", "mbom_id"),
        ),
    ),
    "mbom_item": _MbomItems(
        owned=(
            ("mbom_substitute", "mbom_item_id"),
            ("mbom_item_reference_designators", "mbom_item_id"),
            ("step_mbom_item_associations", "mbom_item_id"),
        ),
    ),
    "issues": _Issues(),
    "issue_relations": _IssueRelations(),
    "comments": _Comments(owned=(("comments", "parent_id"),)),
    "labels": Hooks(
        associations=(("entity_labels", "label_id"), ("procedure_family_labels", "label_id"))
    ),
    "requirements": Hooks(associations=(("entity_requirements", "requirement_id"),)),
    "roles": Hooks(
        associations=(
            ("user_roles", "role_id"),
            ("team_roles", "role_id"),
            ("permission_group_roles", "role_id"),
        )
    ),
    "teams": Hooks(associations=(("team_users", "team_id"), ("team_roles", "team_id"))),
    "plans": Hooks(
        associations=(("plan_plan_items", "plan_id"),), owned=(("plan_inputs", "plan_id"),)
    ),
    "plan_items": Hooks(
        associations=(("plan_plan_items", "plan_item_id"), ("plan_item_results", "plan_item_id")),
        owned=(
            ("plan_item_allocations", "child_plan_item_id"),
            ("plan_item_allocations", "parent_plan_item_id"),
        ),
    ),
    "barcode_labels": _BarcodeLabels(),
    "barcode_patterns": _BarcodePatterns(),
    "rules": _Rules(),
    "webhook_receivers": _Receivers(
        owned=(("webhook_subscriptions", "receiver_id"),),
        associations=(("webhook_receiver_headers", "webhook_receiver_id"),),
    ),
    "webhook_headers": Hooks(associations=(("webhook_receiver_headers", "webhook_header_id"),)),
    "webhook_subscriptions": Hooks(owned=(("webhook_events", "subscription_id"),)),
}

HOOKS: Mapping[str, Hooks] = {
    **_OTHER_HOOKS,
    **purchasing.HOOKS,
    **supplier_parts.HOOKS,
    **inventory.HOOKS,
    **approvals.HOOKS,
    **autoplan.HOOKS,
    **runs.HOOKS,
}
"""Hooks by resource; other resources have none."""
