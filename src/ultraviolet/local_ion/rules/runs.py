"""Rules of runs: copied steps, order of steps, redlines."""

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ultraviolet.local_ion.rules.attributes import copy_attributes, create_attributes
from ultraviolet.local_ion.rules.hooks import (
    ExtraInput,
    Hooks,
    OrderedHooks,
    StepHooks,
    ensure,
)
from ultraviolet.local_ion.rules.movement import move_to_step
from ultraviolet.local_ion.rules.organization import load_setting
from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.transaction import Row, Transaction

_STARTED_STATUSES = {"in_progress", "complete"}
# the title of an upstream step that is not complete
SELECT_INCOMPLETE_UPSTREAM = """
SELECT u.title FROM run_steps_dags d JOIN run_steps u ON u.id = d.upstream_step_id
 WHERE d.step_id = ? AND u.status <> 'complete' LIMIT 1"""
# an open issue that must be closed before a step
SELECT_OPEN_ISSUE = """
SELECT id FROM issues WHERE must_close_by_run_step_id = ? AND status <> 'resolved' LIMIT 1"""
# the name of a required field without a value
SELECT_EMPTY_FIELD = """
SELECT name FROM run_steps_fields WHERE run_step_id = ? AND required AND NOT not_applicable
   AND coalesce(value, 'null') IN ('null', '""', '[]')
   AND file_attachment_id IS NULL AND part_inventory_id IS NULL ORDER BY position, id LIMIT 1"""
# the users whose last event at a step is a check-in
SELECT_CHECKED_IN = """
SELECT created_by_id FROM session_events e WHERE run_step_id = ? AND event_type = 'check_in'
   AND NOT EXISTS (SELECT 1 FROM session_events later WHERE later.run_step_id = e.run_step_id
                      AND later.created_by_id IS e.created_by_id AND later.id > e.id)"""
# whether a step is upstream of another
SELECT_IS_UPSTREAM = """
WITH RECURSIVE up (id) AS (SELECT ?1 UNION SELECT e.upstream_step_id FROM up
  JOIN {0} e ON e.step_id = up.id WHERE e.upstream_step_id IS NOT NULL) SELECT 1 FROM up WHERE id = ?2"""
# all downstream steps with a status
SELECT_DOWNSTREAM = """
WITH RECURSIVE down (id) AS (SELECT step_id FROM run_steps_dags WHERE upstream_step_id = ?1 UNION
  SELECT d.step_id FROM down JOIN run_steps_dags d ON d.upstream_step_id = down.id)
SELECT s.id FROM run_steps s JOIN down ON down.id = s.id WHERE s.status = ?2 ORDER BY s.id"""


_STEP_COLUMNS = (
    "content", "display_pdf", "lead_time", "pages", "slate_content", "title", "type", "position", "location_id",
    "datagrid", "pdf_asset_id",
)  # fmt: skip
FIELD_COLUMNS = (
    "allow_not_applicable", "allowed_ion_type", "display", "help_text", "name", "options", "peer_review_required",
    "position", "required", "type", "unit", "part_subtype_id", "part_id", "signoff_role_id",
)  # fmt: skip
_DATAGRID_COLUMN_COLUMNS = (
    "allowed_ion_type",
    "header",
    "index",
    "options",
    "type",
    "unit",
    "signoff_role_id",
)
_DATAGRID_ROW_COLUMNS = ("allow_not_applicable", "index", "required")


def copy_steps(tx: Transaction, procedure_id: int, run_id: int) -> None:
    """Copy the steps of a procedure to a run, with their order and fields."""
    created: dict[int, int] = {}
    for step in parents_first(tx.find("steps", "position, id", procedure_id=procedure_id)):
        created[step["id"]] = copy_step(tx, step, run_id, created.get(step["parent_id"]))
    copy_edges(tx, created, "run_steps_dags")


def parents_first(steps: Iterable[Row]) -> Iterator[Row]:
    """Yield steps so that each follows its parent, which may be the younger one."""
    children: dict[int | None, list[Row]] = defaultdict(list)
    for step in steps:
        children[step["parent_id"]].append(step)
    waiting = deque(children[None])
    while waiting:
        step = waiting.popleft()
        yield step
        waiting.extend(children[step["id"]])


def copy_edges(tx: Transaction, created: Mapping[int, int], table: str) -> None:
    """Copy the order of steps to their copies, given by the ids of the originals."""
    for old, new in created.items():
        for edge in tx.find("steps_dags", "id", step_id=old):
            upstream = created.get(edge["upstream_step_id"])
            if upstream is not None:
                tx.insert(table, {"step_id": new, "upstream_step_id": upstream})


def copy_step(tx: Transaction, step: Row, run_id: int, parent_id: int | None) -> int:
    """Copy a step to a run with its fields, validations, datagrid, assets and attributes."""
    is_standard = "SELECT 1 FROM steps WHERE id IN (?, ?) AND standard_step_status IS NOT NULL"
    standard = tx.scalar(is_standard, step["id"], step["origin_step_id"]) or 0
    defaults = {"status": "todo", "is_standard_step": standard}
    copied = {c: step[c] for c in _STEP_COLUMNS if c in step}
    row = {
        **defaults,
        **copied,
        "run_id": run_id,
        "parent_id": parent_id,
        "origin_step_id": step["id"],
    }
    key: int = tx.insert("run_steps", row)
    resources = tx.catalog.resources
    copy_attributes(tx, resources["steps"], step["id"], resources["run_steps"], key)
    for field in tx.find("steps_fields", "position, id", step_id=step["id"]):
        values = {c: field[c] for c in FIELD_COLUMNS}
        origin = {"not_applicable": 0, "run_step_id": key, "origin_field_id": field["id"]}
        field_id = tx.insert("run_steps_fields", {**values, **origin})
        for rule in tx.find("step_field_validations", "id", field_id=field["id"]):
            copied = {c: rule[c] for c in ("position", "value", "function_id")}
            links = {"validation_id": rule["id"], "run_step_field_id": field_id}
            tx.insert("run_step_field_validations", {**copied, **links, "result": "pending"})
    copy_datagrid(tx, ("step_id", step["id"]), ("run_step_id", key))
    created = tx.get("run_steps", key)
    assert created is not None
    copy_assets(tx, step["entity_id"], created["entity_id"])
    return key


def copy_datagrid(tx: Transaction, source: tuple[str, int], target: tuple[str, int]) -> None:
    """Copy the datagrid of a step; source and target are pairs of column and id."""
    columns, rows = (
        {
            each["id"]: tx.insert(table, {**{c: each[c] for c in values}, target[0]: target[1]})
            for each in tx.find(table, '"index", id', **{source[0]: source[1]})
        }
        for table, values in (
            ("datagrid_columns", _DATAGRID_COLUMN_COLUMNS),
            ("datagrid_rows", _DATAGRID_ROW_COLUMNS),
        )
    )
    for old, new in rows.items():
        for value in tx.find("datagrid_values", "id", row_id=old):
            if value["column_id"] in columns:
                place = {"row_id": new, "column_id": columns[value["column_id"]]}
                values = {c: value[c] for c in ("value", "type", "not_applicable")}
                tx.insert(
                    "datagrid_values", {"id": f"{new}-{place['column_id']}", **place, **values}
                )


def copy_assets(tx: Transaction, source_entity: int, target_entity: int) -> None:
    """Attach the files of a step to its copy."""
    for association in tx.find("entity_assets", entity_id=source_entity):
        pair = {"entity_id": target_entity, "file_attachment_id": association["file_attachment_id"]}
        tx.insert("entity_assets", pair, ignore=True)


def start_redline(tx: Transaction, step: Row) -> None:
    """Start a redline: store the step, and make the steps after it modifiable."""
    tx.insert(
        "redlines", {"step_id": step["id"], "initial_state": dump_json(_redline_state(tx, step))}
    )
    for (after,) in tx.connection.execute(SELECT_DOWNSTREAM, (step["id"], "todo")).fetchall():
        tx.update("run_steps", after, {"status": "dag_modifiable"})


def end_redline(tx: Transaction, step_id: int, *, canceled: bool = False) -> None:
    """End the open redline of a step, with its changes or without them."""
    step = tx.get("run_steps", step_id)
    assert step is not None
    for redline in tx.find("redlines", "id", step_id=step_id, final_state=None):
        state = (
            json.loads(redline["initial_state"] or "{}") if canceled else _redline_state(tx, step)
        )
        tx.update("redlines", redline["id"], {"final_state": dump_json(state)})
    for (after,) in tx.connection.execute(
        SELECT_DOWNSTREAM, (step_id, "dag_modifiable")
    ).fetchall():
        tx.update("run_steps", after, {"status": "todo"})


def _redline_state(tx: Transaction, step: Row) -> dict[str, Any]:
    """Return the values of a step that a redline may change (its fields are assumed)."""
    columns = (
        "title",
        "type",
        "content",
        "slate_content",
        "status",
        "location_id",
        "lead_time",
        "position",
    )
    fields = tx.find("run_steps_fields", "position, id", run_step_id=step["id"])
    shown = ("id", "name", "type", "value", "required", "unit")
    return {**{c: step[c] for c in columns}, "fields": [{c: f[c] for c in shown} for f in fields]}


class _Runs(Hooks, frozen=True):
    def before_create(self, tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        procedure = tx.get("procedures", row["procedure_id"]) if row.get("procedure_id") else None
        if row.get("part_id") is None and row.get("part_inventory_id") is not None:
            inventory = tx.get("parts_inventory", row["part_inventory_id"])
            row["part_id"] = inventory["part_id"] if inventory else None
        if not row.get("title"):
            number = tx.scalar("SELECT coalesce(max(id), 0) + 1 FROM runs")
            row["title"] = f"{procedure['title'] if procedure else 'Run'} {number:05d}"

    def before_write(self, tx: Transaction, _old: Row, row: Row, extra: ExtraInput) -> None:
        ensure((row.get("quantity") or 0) >= 0, "The quantity of a run must not be below 0.")
        if extra.get("addToNewBatch") or extra.get("runBatchTitle"):
            row["run_batch_id"] = tx.insert("run_batches", {"title": extra.get("runBatchTitle")})

    def after_create(self, tx: Transaction, key: int, _extra: ExtraInput) -> None:
        run = tx.get("runs", key)
        assert run is not None
        if run["procedure_id"] is not None:
            copy_steps(tx, run["procedure_id"], key)


def check_out_everyone(tx: Transaction, step_id: int) -> None:
    """Check out all users of a step, which is no longer in progress (manual, step states)."""
    for (user,) in tx.connection.execute(SELECT_CHECKED_IN, (step_id,)).fetchall():
        values = {"run_step_id": step_id, "event_type": "check_out", "created_by_id": user}
        tx.insert("session_events", values)


class _RunSteps(StepHooks, frozen=True):
    def before_create(self, tx: Transaction, row: Row, extra: ExtraInput) -> None:
        """Make a step that is added to a run a redline (seen in a script)."""
        super().before_create(tx, row, extra)
        row["status"] = "redline"

    def after_create(self, tx: Transaction, key: int, _extra: ExtraInput) -> None:
        step = tx.get("run_steps", key)
        assert step is not None
        start_redline(tx, step)

    def before_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        status = row.get("status")
        if status is None or status == old["status"]:
            return
        if status in _STARTED_STATUSES and old["status"] not in _STARTED_STATUSES:
            prefix = f"Step {old['title']} cannot start:"
            upstream = tx.scalar(SELECT_INCOMPLETE_UPSTREAM, old["id"])
            ensure(upstream is None, f"{prefix} {upstream} before it is not complete.")
            if load_setting(tx, "issues", "enforceIssuesResolvedBeforeStepContinuation"):
                issue = tx.scalar(SELECT_OPEN_ISSUE, old["id"])
                ensure(issue is None, f"{prefix} issue {issue} is not resolved.")
        if status == "complete":
            empty = tx.scalar(SELECT_EMPTY_FIELD, old["id"])
            message = f"Step {old['title']} cannot complete: its required field {empty} is empty."
            ensure(empty is None, message)
        if status == "in_progress" and old["start_time"] is None:
            row.update(start_time=tx.now, started_by_id=tx.actor_id)
        if status == "complete" and old["end_time"] is None:
            row.update(end_time=tx.now, completed_by_id=tx.actor_id)

    def after_update(self, tx: Transaction, old: Row, row: Row, _extra: ExtraInput) -> None:
        status = row.get("status")
        if status is None or status == old["status"]:
            return
        if status == "in_progress":
            move_to_step(tx, {**old, **row})
        elif old["status"] == "in_progress":
            check_out_everyone(tx, old["id"])
        if status == "redline":
            start_redline(tx, old)
        elif old["status"] == "redline":
            end_redline(tx, old["id"])
        if status == "failed" and load_setting(tx, "issues", "createIssueOnStepFailure"):
            values = {"title": f"Step {old['title']} failed", "status": "pending"}
            issue = tx.insert("issues", {**values, "run_step_id": old["id"]})
            create_attributes(tx, tx.catalog.resources["issues"], issue)


class _Edges(Hooks, frozen=True, kw_only=True):
    table: str
    steps: str
    owner: str

    def before_create(self, tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        step, upstream = row["step_id"], row.get("upstream_step_id")
        if upstream is None:
            return
        ensure(
            not tx.scalar(SELECT_IS_UPSTREAM.format(self.table), upstream, step),
            "A step cannot come before itself.",
        )
        sql = (
            f"SELECT 1 FROM {self.steps} a JOIN {self.steps} b ON b.{self.owner} IS a.{self.owner}"
            " WHERE a.id = ? AND b.id = ?"
        )
        ensure(tx.scalar(sql, step, upstream), "Both steps must have the same parent.")
        ensure(
            not tx.find(self.table, step_id=step, upstream_step_id=upstream),
            "This edge between the steps is not unique.",
        )


HOOKS: Mapping[str, Hooks] = {
    "runs": _Runs(),
    "run_steps": _RunSteps(
        table="run_steps",
        owners=("run_id",),
        owned=(
            ("run_steps_fields", "run_step_id"),
            ("run_steps_dags", "step_id"),
            ("run_steps_dags", "upstream_step_id"),
            ("datagrid_rows", "run_step_id"),
            ("datagrid_columns", "run_step_id"),
            ("redlines", "step_id"),
            ("run_steps", "parent_id"),
        ),
        associations=(("run_step_part_inventories", "run_step_id"),),
    ),
    "run_steps_fields": OrderedHooks(
        table="run_steps_fields",
        owners=("run_step_id",),
        owned=(("run_step_field_validations", "run_step_field_id"),),
    ),
    "run_steps_dags": _Edges(table="run_steps_dags", steps="run_steps", owner="run_id"),
    "steps_dags": _Edges(table="steps_dags", steps="steps", owner="procedure_id"),
    "redlines": Hooks(
        owned=(("redline_approvals", "redline_id"), ("redline_approval_requests", "redline_id"))
    ),
}
"""Hooks by resource."""
