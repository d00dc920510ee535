"""Runs: made from a procedure with copies of its steps; a step goes on only when those before it are complete."""

import json
from collections.abc import Mapping
from typing import Any

from ultraviolet.local_ion.rules.attributes import set_attributes, values_of
from ultraviolet.local_ion.rules.hooks import (
    Behaviour,
    Rest,
    changed_datagrid,
    numbered,
    refuse_unless,
    with_datagrid,
)
from ultraviolet.local_ion.rules.organization import setting
from ultraviolet.local_ion.store.store import Row, Transaction, dump

STARTED = {"in_progress", "complete"}
# upstream steps that are not complete
WAITING = """
SELECT u.title FROM run_steps_dags d JOIN run_steps u ON u.id = d.upstream_step_id
 WHERE d.step_id = ? AND u.status <> 'complete' LIMIT 1"""
# whether one step comes before another
BEFORE = """
WITH RECURSIVE up (id) AS (SELECT ?1 UNION SELECT e.upstream_step_id FROM up
  JOIN {0} e ON e.step_id = up.id WHERE e.upstream_step_id IS NOT NULL) SELECT 1 FROM up WHERE id = ?2"""
# all steps that come after one
AFTER = """
WITH RECURSIVE down (id) AS (SELECT step_id FROM run_steps_dags WHERE upstream_step_id = ?1 UNION
  SELECT d.step_id FROM down JOIN run_steps_dags d ON d.upstream_step_id = down.id)
SELECT s.id FROM run_steps s JOIN down ON down.id = s.id WHERE s.status = ?2 ORDER BY s.id"""


def _before_run(tx: Transaction, row: Row, rest: Rest) -> None:
    procedure = tx.get("procedures", row["procedure_id"]) if row.get("procedure_id") else None
    if row.get("part_id") is None and row.get("part_inventory_id") is not None:
        inventory = tx.get("parts_inventory", row["part_inventory_id"])
        row["part_id"] = inventory["part_id"] if inventory else None
    if not row.get("title"):
        number = tx.scalar("SELECT coalesce(max(id), 0) + 1 FROM runs")
        row["title"] = f"{procedure['title'] if procedure else 'Run'} {number:05d}"
    _checked_run(tx, row, rest)


def _before_run_update(tx: Transaction, _: Row, row: Row, rest: Rest) -> None:
    _checked_run(tx, row, rest)


def _checked_run(tx: Transaction, row: Row, rest: Rest) -> None:
    refuse_unless((row.get("quantity") or 0) >= 0, "The quantity of a run must not be below 0.")
    if rest.get("addToNewBatch") or rest.get("runBatchTitle"):
        row["run_batch_id"] = tx.insert("run_batches", {"title": rest.get("runBatchTitle")})


def _after_run(tx: Transaction, key: int, _: Rest) -> None:
    run = tx.get("runs", key)
    assert run is not None
    if run["procedure_id"] is not None:
        copy_steps(tx, run["procedure_id"], key)


_COPIED_STEP = (
    "content", "display_pdf", "lead_time", "pages", "slate_content", "title", "type", "position", "location_id",
    "datagrid", "pdf_asset_id",
)  # fmt: skip
_COPIED_FIELD = (
    "allow_not_applicable", "allowed_ion_type", "display", "help_text", "name", "options", "peer_review_required",
    "position", "required", "type", "unit", "part_subtype_id", "part_id", "signoff_role_id",
)  # fmt: skip
_COLUMN = ("allowed_ion_type", "header", "index", "options", "type", "unit", "signoff_role_id")
_ROW = ("allow_not_applicable", "index", "required")


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
    """Copy a procedure's step to a run: content, fields with their validations, datagrid, assets, attributes."""
    defaults = {"status": "todo", "is_standard_step": int(step["standard_step_status"] is not None)}
    copied = {c: step[c] for c in _COPIED_STEP if c in step}
    row = {**defaults, **copied, "run_id": run_id, "parent_id": parent_id, "origin_step_id": step["id"]}
    key: int = tx.insert("run_steps", row)
    given = values_of(tx, tx.catalog.resources["steps"], step["id"])
    set_attributes(tx, tx.catalog.resources["run_steps"], key, given, new=True)
    for field in tx.find("steps_fields", "position, id", step_id=step["id"]):
        _copy_field(tx, field, key)
    copy_datagrid(tx, ("step_id", step["id"]), ("run_step_id", key))
    made = tx.get("run_steps", key)
    assert made is not None
    copy_assets(tx, step["entity_id"], made["entity_id"])
    return key


def _copy_field(tx: Transaction, field: Row, step_id: int) -> None:
    values = {c: field[c] for c in _COPIED_FIELD}
    key = tx.insert(
        "run_steps_fields",
        {**values, "not_applicable": 0, "run_step_id": step_id, "origin_field_id": field["id"]},
    )
    for rule in tx.find("step_field_validations", "id", field_id=field["id"]):
        copied = {c: rule[c] for c in ("position", "value", "function_id")}
        tied = {"validation_id": rule["id"], "run_step_field_id": key, "result": "pending"}
        tx.insert("run_step_field_validations", {**copied, **tied})


def copy_datagrid(tx: Transaction, source: tuple[str, int], target: tuple[str, int]) -> None:
    """Copy the columns, rows and values of a step's datagrid; both are given by column and id."""
    columns, rows = (
        {
            each["id"]: tx.insert(table, {**{c: each[c] for c in kept}, target[0]: target[1]})
            for each in tx.find(table, '"index", id', **{source[0]: source[1]})
        }
        for table, kept in (("datagrid_columns", _COLUMN), ("datagrid_rows", _ROW))
    )
    for old, new in rows.items():
        for value in tx.find("datagrid_values", "id", row_id=old):
            if value["column_id"] in columns:
                place = {"row_id": new, "column_id": columns[value["column_id"]]}
                kept = {c: value[c] for c in ("value", "type", "not_applicable")}
                tx.insert("datagrid_values", {"id": f"{new}-{place['column_id']}", **place, **kept})


def copy_assets(tx: Transaction, source_entity: int, target_entity: int) -> None:
    """Give a copied step the files of its original."""
    for tied in tx.find("entity_assets", entity_id=source_entity):
        pair = {"entity_id": target_entity, "file_attachment_id": tied["file_attachment_id"]}
        tx.insert("entity_assets", pair, ignore=True)


def _before_step_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    status = row.get("status")
    if status is None or status == old["status"]:
        return
    if status in STARTED and old["status"] not in STARTED:
        _may_start(tx, old)
    if status == "in_progress" and old["start_time"] is None:
        row.update(start_time=tx.now, started_by_id=tx.actor_id)
    if status == "complete" and old["end_time"] is None:
        row.update(end_time=tx.now, completed_by_id=tx.actor_id)


def _may_start(tx: Transaction, step: Row) -> None:
    waiting = tx.scalar(WAITING, step["id"])
    refuse_unless(waiting is None, f"Step {step['title']} cannot start: {waiting} before it is not complete.")
    if setting(tx, "issues", "enforceIssuesResolvedBeforeStepContinuation"):
        sql = "SELECT id FROM issues WHERE must_close_by_run_step_id = ? AND status <> 'resolved' LIMIT 1"
        issue = tx.scalar(sql, step["id"])
        refuse_unless(issue is None, f"Step {step['title']} cannot start: issue {issue} is not resolved.")


def _after_step_update(tx: Transaction, old: Row, row: Row, _: Rest) -> None:
    status = row.get("status")
    if status is None or status == old["status"]:
        return
    if status == "redline":
        begin_redline(tx, old)
    elif old["status"] == "redline":
        end_redline(tx, old["id"])
    if status == "failed" and setting(tx, "issues", "createIssueOnStepFailure"):
        title = f"Step {old['title']} failed"
        issue = tx.insert("issues", {"title": title, "status": "pending", "run_step_id": old["id"]})
        set_attributes(tx, tx.catalog.resources["issues"], issue, (), new=True)


def begin_redline(tx: Transaction, step: Row) -> None:
    """Begin a redline: the step as it was is kept, and those after it that are to do become open to change."""
    tx.insert("redlines", {"step_id": step["id"], "initial_state": dump(_state(tx, step))})
    for (after,) in tx.connection.execute(AFTER, (step["id"], "todo")).fetchall():
        tx.update("run_steps", after, {"status": "dag_modifiable"})


def end_redline(tx: Transaction, step_id: int, *, canceled: bool = False) -> None:
    """End a step's open redline: with its outcome, or as if it had not been."""
    step = tx.get("run_steps", step_id)
    assert step is not None
    for redline in tx.find("redlines", "id", step_id=step_id, final_state=None):
        state = json.loads(redline["initial_state"] or "{}") if canceled else _state(tx, step)
        tx.update("redlines", redline["id"], {"final_state": dump(state)})
    for (after,) in tx.connection.execute(AFTER, (step_id, "dag_modifiable")).fetchall():
        tx.update("run_steps", after, {"status": "todo"})


def _state(tx: Transaction, step: Row) -> dict[str, Any]:
    """Give what a redline may change on a step (assumed: its own columns and its fields')."""
    kept = ("title", "type", "content", "slate_content", "status", "location_id", "lead_time", "position")
    fields = tx.find("run_steps_fields", "position, id", run_step_id=step["id"])
    shown = ("id", "name", "type", "value", "required", "unit")
    return {**{c: step[c] for c in kept}, "fields": [{c: f[c] for c in shown} for f in fields]}


def _edge(table: str, steps: str, owner: str) -> Behaviour:
    def before(tx: Transaction, row: Row, _: Rest) -> None:
        step, upstream = row["step_id"], row.get("upstream_step_id")
        if upstream is None:
            return
        refuse_unless(
            not tx.scalar(BEFORE.format(table), upstream, step), "A step cannot come before itself."
        )
        sql = f"SELECT 1 FROM {steps} a JOIN {steps} b ON b.{owner} IS a.{owner} WHERE a.id = ? AND b.id = ?"
        refuse_unless(tx.scalar(sql, step, upstream), "Both steps must be of one and the same parent.")
        refuse_unless(
            not tx.find(table, step_id=step, upstream_step_id=upstream), "This order of steps is not unique."
        )

    return Behaviour(before_create=before)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "runs": Behaviour(before_create=_before_run, after_create=_after_run, before_update=_before_run_update),
    "run_steps": Behaviour(
        before_create=with_datagrid(numbered("run_steps", "run_id")),
        before_update=changed_datagrid(_before_step_update),
        after_update=_after_step_update,
        owned=(
            ("run_steps_fields", "run_step_id"),
            ("run_steps_dags", "step_id"),
            ("run_steps_dags", "upstream_step_id"),
            ("datagrid_rows", "run_step_id"),
            ("datagrid_columns", "run_step_id"),
            ("redlines", "step_id"),
            ("run_steps", "parent_id"),
        ),
        ties=(("run_step_part_inventories", "run_step_id"),),
    ),
    "run_steps_fields": Behaviour(
        before_create=numbered("run_steps_fields", "run_step_id"),
        owned=(("run_step_field_validations", "run_step_field_id"),),
    ),
    "run_steps_dags": _edge("run_steps_dags", "run_steps", "run_id"),
    "steps_dags": _edge("steps_dags", "steps", "procedure_id"),
    "redlines": Behaviour(
        owned=(("redline_approvals", "redline_id"), ("redline_approval_requests", "redline_id"))
    ),
}
"""By resource."""
