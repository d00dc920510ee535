"""What ION does beyond storing what it is told: defaults, statuses that follow from others, things made along the way."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ultraviolet.local_ion.store import Row, Transaction

Rest = dict[str, Any]
"""The members of an input that are no columns."""


class Behaviour(msgspec.Struct, frozen=True):
    """What happens around the writing of one kind of object."""

    before_create: Callable[[Transaction, Row, Rest], None] | None = None
    after_create: Callable[[Transaction, Any, Rest], None] | None = None
    before_update: Callable[[Transaction, Row, Row, Rest], None] | None = None
    after_update: Callable[[Transaction, Row, Row, Rest], None] | None = None
    before_delete: Callable[[Transaction, Row], None] | None = None
    after_delete: Callable[[Transaction, Row], None] | None = None
    owned: tuple[tuple[str, str], ...] = ()
    """Tables, and their column, whose rows go with the object."""


def _actor(tx: Transaction) -> int | None:
    return tx.actor_id


def _now(tx: Transaction) -> str:
    return tx.now


def next_position(tx: Transaction, table: str, column: str, value: Any) -> int:
    """Give the place after the last of the rows that share a value."""
    return tx.scalar(f'SELECT coalesce(max(position), 0) + 1 FROM "{table}" WHERE "{column}" IS ?', value)


def recalculate_order(tx: Transaction, order_id: int) -> None:
    """Let an order's status follow from its lines' (manual, purchase orders)."""
    found = {
        s
        for (s,) in tx.connection.execute(
            "SELECT DISTINCT status FROM purchase_order_lines WHERE purchase_order_id = ?", (order_id,)
        )
    }
    if not found:
        return
    status = next(
        (s for s in ("draft", "requested", "approved", "ordered", "received") if s in found), "canceled"
    )
    current = tx.get("purchase_orders", order_id)
    if current is not None and current["status"] != status:
        tx.update("purchase_orders", order_id, _ordered(tx, current, {"status": status}))


def _ordered(tx: Transaction, old: Row, row: Row) -> Row:
    if row.get("status") == "ordered" and old["ordered_at"] is None and "ordered_at" not in row:
        return {**row, "ordered_at": tx.now}
    return row


def _before_order_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    row.update(_ordered(tx, old, row))


def _after_order_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    status = row.get("status")
    if status is None or status == old["status"]:
        return
    for line in tx.find("purchase_order_lines", "id", purchase_order_id=old["id"]):
        if line["status"] not in {status, "received", "canceled"}:
            tx.update("purchase_order_lines", line["id"], {"status": status})


def _before_line(tx: Transaction, row: Row, _: Rest) -> None:
    order_id = row.get("purchase_order_id")
    row.setdefault("position", None)
    if row["position"] is None:
        row["position"] = next_position(tx, "purchase_order_lines", "purchase_order_id", order_id)
    row["status"] = row.get("status") or "draft"


def _after_line(tx: Transaction, key: int, _: Rest) -> None:
    line = tx.get("purchase_order_lines", key)
    assert line is not None
    recalculate_order(tx, line["purchase_order_id"])


def _after_line_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    recalculate_order(tx, old["purchase_order_id"])
    if row.get("purchase_order_id") not in {None, old["purchase_order_id"]}:
        recalculate_order(tx, row["purchase_order_id"])


def _after_line_delete(tx: Transaction, old: Row) -> None:
    recalculate_order(tx, old["purchase_order_id"])


def _before_inventory(tx: Transaction, row: Row, rest: Rest) -> None:
    part = tx.get("parts", row["part_id"])
    if part is not None and row.get("unit_of_measure_id") is None:
        row["unit_of_measure_id"] = part["unit_of_measure_id"]
    if rest.get("autogenerateSerialNumber") and row.get("serial_number") is None:
        row["serial_number"] = serial_number(tx, row["part_id"])
    if rest.get("autogenerateLotNumber") and row.get("lot_number") is None:
        row["lot_number"] = f"LOT-{tx.scalar('SELECT coalesce(max(id), 0) + 1 FROM parts_inventory'):06d}"
    if "cost" in rest:
        row["_cost"] = None if rest["cost"] is None else float(rest["cost"])


def _before_inventory_update(tx: Transaction, old: Row, row: Row, rest: Rest) -> None:
    if rest.get("autogenerateSerialNumber") and old["serial_number"] is None:
        row["serial_number"] = serial_number(tx, old["part_id"])
    if rest.get("autogenerateLotNumber") and old["lot_number"] is None:
        row["lot_number"] = f"LOT-{old['id']:06d}"
    if "cost" in rest:
        row["_cost"] = None if rest["cost"] is None else float(rest["cost"])


def serial_number(tx: Transaction, part_id: int) -> str:
    """Generate the next serial number of a part."""
    made = tx.scalar("SELECT count(*) + 1 FROM parts_inventory WHERE part_id = ?", part_id)
    return f"SN-{part_id:05d}-{made:05d}"


def _own_family(table: str) -> Callable[[Transaction, Any, Rest], None]:
    def after(tx: Transaction, key: Any, _: Rest) -> None:
        row = tx.get(table, key)
        if row is not None and row["family_id"] is None:
            tx.update(table, key, {"family_id": key})

    return after


def _before_step(tx: Transaction, row: Row, _: Rest) -> None:
    if row.get("position") is None:
        row["position"] = next_position(tx, "steps", "procedure_id", row.get("procedure_id"))


def _before_run_step(tx: Transaction, row: Row, _: Rest) -> None:
    if row.get("position") is None:
        row["position"] = next_position(tx, "run_steps", "run_id", row.get("run_id"))


def _before_run_step_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    status = row.get("status")
    if status == "in_progress" and old["start_time"] is None:
        row.update(start_time=tx.now, started_by_id=tx.actor_id)
    if status == "complete" and old["end_time"] is None:
        row.update(end_time=tx.now, completed_by_id=tx.actor_id)


def _before_field(table: str, column: str) -> Callable[[Transaction, Row, Rest], None]:
    def before(tx: Transaction, row: Row, _: Rest) -> None:
        if row.get("position") is None:
            row["position"] = next_position(tx, table, column, row.get(column))

    return before


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
        copied = {c: item[c] for c in ("part_id", "quantity", "made_on_assembly")}
        tx.insert("mbom_item", {**copied, "mbom_id": key})


def _before_mbom_item(tx: Transaction, row: Row, rest: Rest) -> None:
    parent = rest.get("parentId")
    if row.get("mbom_id") is None and parent is not None:
        found = tx.scalar("SELECT max(id) FROM mboms WHERE part_id = ?", int(parent))
        row["mbom_id"] = found or tx.insert(
            "mboms", {"part_id": int(parent), "version": 1, "status": "draft"}
        )


def _before_run(tx: Transaction, row: Row, rest: Rest) -> None:
    procedure = tx.get("procedures", row["procedure_id"]) if row.get("procedure_id") else None
    if row.get("part_id") is None and row.get("part_inventory_id") is not None:
        inventory = tx.get("parts_inventory", row["part_inventory_id"])
        row["part_id"] = inventory["part_id"] if inventory else None
    if not row.get("title"):
        number = tx.scalar("SELECT coalesce(max(id), 0) + 1 FROM runs")
        row["title"] = f"{procedure['title'] if procedure else 'Run'} {number:05d}"
    if rest.get("addToNewBatch") or rest.get("runBatchTitle"):
        row["run_batch_id"] = tx.insert("run_batches", {"title": rest.get("runBatchTitle")})


def _after_run(tx: Transaction, key: int, _: Rest) -> None:
    run = tx.get("runs", key)
    assert run is not None
    if run["procedure_id"] is not None:
        copy_steps(tx, run["procedure_id"], key)


_COPIED_STEP = (
    "content",
    "display_pdf",
    "lead_time",
    "pages",
    "slate_content",
    "title",
    "type",
    "position",
    "location_id",
)
_COPIED_FIELD = (
    "allow_not_applicable", "allowed_ion_type", "display", "help_text", "name", "options", "peer_review_required",
    "position", "required", "type", "unit", "part_subtype_id", "part_id", "signoff_role_id",
)  # fmt: skip


def copy_steps(tx: Transaction, procedure_id: int, run_id: int) -> None:
    """Give a run the steps of its procedure, with their order and fields."""
    made: dict[int, int] = {}
    for step in tx.find("steps", "parent_id, position, id", procedure_id=procedure_id):
        made[step["id"]] = copy_step(tx, step, run_id, made.get(step["parent_id"]))
    for old, new in made.items():
        for edge in tx.find("steps_dags", "id", step_id=old):
            if edge["upstream_step_id"] in made:
                tx.insert(
                    "run_steps_dags", {"step_id": new, "upstream_step_id": made[edge["upstream_step_id"]]}
                )


def copy_step(tx: Transaction, step: Row, run_id: int, parent_id: int | None) -> int:
    """Copy a procedure's step to a run."""
    defaults = {"status": "todo", "is_standard_step": 0, "display_pdf": 0}
    copied = {c: step[c] for c in _COPIED_STEP}
    row = {**defaults, **copied, "run_id": run_id, "parent_id": parent_id, "origin_step_id": step["id"]}
    key = tx.insert("run_steps", row)
    for field in tx.find("steps_fields", "position, id", step_id=step["id"]):
        values = {c: field[c] for c in _COPIED_FIELD}
        tx.insert(
            "run_steps_fields",
            {**values, "not_applicable": 0, "run_step_id": key, "origin_field_id": field["id"]},
        )
    return key


def _after_issue(tx: Transaction, key: int, rest: Rest) -> None:
    for inventory in rest.get("partInventoryIds") or ():
        tx.insert(
            "issue_part_inventories",
            {"issue_id": key, "part_inventory_id": int(inventory), "from_split_inventory": 0},
        )
    if tx.scalar("SELECT title IS NULL FROM issues WHERE id = ?", key):
        tx.update("issues", key, {"title": f"Issue {key}"})


def _before_comment(tx: Transaction, row: Row, _: Rest) -> None:
    parent = tx.get("comments", row["parent_id"]) if row.get("parent_id") else None
    if parent is not None:
        row["depth"] = parent["depth"] + 1
        row["entity_id"] = row.get("entity_id") or parent["entity_id"]
    entity = row.get("entity_id")
    if entity is not None:
        row["run_step_id"] = tx.scalar("SELECT id FROM run_steps WHERE entity_id = ?", entity)
        row["run_id"] = tx.scalar("SELECT id FROM runs WHERE entity_id = ?", entity)


def _before_reply(table: str) -> Callable[[Transaction, Row, Rest], None]:
    def before(tx: Transaction, row: Row, _: Rest) -> None:
        parent = tx.get(table, row["parent_id"]) if row.get("parent_id") else None
        row["depth"] = parent["depth"] + 1 if parent else 0

    return before


def _before_receiver(tx: Transaction, row: Row, _: Rest) -> None:
    del tx
    if not row.get("shared_secret"):
        row["shared_secret"] = secrets.token_hex(32)


def _before_part(tx: Transaction, row: Row, _: Rest) -> None:
    del tx
    row["revision"] = row.get("revision") or "A"


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
    "procedures": {"version": 1, "status": "draft", "type": None, "family_id": None, "export_controlled": 0},
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
    "datagrid_rows": {"required": 0, "allow_not_applicable": 0},
    "user_subscriptions": {"user_id": _actor},
    "invites": {"status": "pending", "resend_count": 0},
}
"""What a new row has where the input says nothing, by table and column (assumed where the manual is silent)."""

BEHAVIOURS: Mapping[str, Behaviour] = {
    "purchase_orders": Behaviour(
        before_update=_before_order_update,
        after_update=_after_order_update,
        owned=(("purchase_order_fees", "purchase_order_id"),),
    ),
    "purchase_order_lines": Behaviour(
        before_create=_before_line,
        after_create=_after_line,
        after_update=_after_line_update,
        after_delete=_after_line_delete,
    ),
    "parts": Behaviour(before_create=_before_part),
    "parts_inventory": Behaviour(before_create=_before_inventory, before_update=_before_inventory_update),
    "procedures": Behaviour(after_create=_own_family("procedures"), owned=(("steps", "procedure_id"),)),
    "steps": Behaviour(
        before_create=_before_step,
        after_create=_own_family("steps"),
        owned=(("steps_fields", "step_id"), ("steps_dags", "step_id"), ("steps_dags", "upstream_step_id")),
    ),
    "steps_fields": Behaviour(
        before_create=_before_field("steps_fields", "step_id"),
        owned=(("step_field_validations", "field_id"),),
    ),
    "run_steps": Behaviour(
        before_create=_before_run_step,
        before_update=_before_run_step_update,
        owned=(
            ("run_steps_fields", "run_step_id"),
            ("run_steps_dags", "step_id"),
            ("run_steps_dags", "upstream_step_id"),
        ),
    ),
    "run_steps_fields": Behaviour(
        before_create=_before_field("run_steps_fields", "run_step_id"),
        owned=(("run_step_field_validations", "run_step_field_id"),),
    ),
    "mboms": Behaviour(
        before_create=_before_mbom, after_create=_after_mbom, owned=(("mbom_item", "mbom_id"),)
    ),
    "mbom_item": Behaviour(
        before_create=_before_mbom_item,
        owned=(("mbom_substitute", "mbom_item_id"), ("mbom_item_reference_designators", "mbom_item_id")),
    ),
    "runs": Behaviour(before_create=_before_run, after_create=_after_run),
    "issues": Behaviour(after_create=_after_issue),
    "comments": Behaviour(before_create=_before_comment),
    "reviews": Behaviour(before_create=_before_reply("reviews")),
    "parts_kits": Behaviour(owned=(("part_kit_items", "part_kit_id"),)),
    "webhook_receivers": Behaviour(
        before_create=_before_receiver, owned=(("webhook_subscriptions", "receiver_id"),)
    ),
    "webhook_subscriptions": Behaviour(owned=(("webhook_events", "subscription_id"),)),
    "receipts": Behaviour(owned=(("receipt_items", "receipt_id"),)),
}
"""By resource; the rest is stored as told."""
