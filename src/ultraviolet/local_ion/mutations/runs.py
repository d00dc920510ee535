"""Runs and what is recorded on them: many at once, cancelled, reordered, filled in."""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.mutations.crud import create, update
from ultraviolet.local_ion.rules.hooks import next_position, refuse_unless
from ultraviolet.local_ion.rules.runs import copy_step, end_redline
from ultraviolet.local_ion.rules.validation import checked, require, same_etag
from ultraviolet.local_ion.rules.values import check_value, result
from ultraviolet.local_ion.store.store import Transaction, dump

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]
_CLOSED = {"complete", "canceled"}


def _create_runs(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    return {"runs": [create(tx, tx.catalog.resources["runs"], v) for v in args["input"] or ()]}


def _update_runs(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    return {"runs": [update(tx, tx.catalog.resources["runs"], dict(v)) for v in args["input"] or ()]}


def _cancel_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    run = checked(tx, "runs", args["input"])
    for step in tx.find("run_steps", "id", run_id=run["id"]):
        if step["status"] not in _CLOSED:
            tx.update("run_steps", step["id"], {"status": "canceled"})
    tx.touch("runs", run["id"])
    return {"run": run["id"]}


def _archive_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    run = checked(tx, "runs", args["input"])
    tx.update("runs", run["id"], {"archived": int(args["input"]["archived"])})
    return {"run": run["id"]}


def _set_field(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    field = checked(tx, "run_steps_fields", values)
    row: dict[str, Any] = {}
    if "value" in values:
        check_value(field["name"], field["type"], json.loads(field["options"] or "[]"), values["value"])
        row["value"] = None if values["value"] is None else dump(values["value"])
    if values.get("notApplicable") is not None:
        allowed = field["allow_not_applicable"] or not values["notApplicable"]
        refuse_unless(allowed, f"{field['name']} must not be marked as not applicable.")
        row["not_applicable"] = int(values["notApplicable"])
    tx.update("run_steps_fields", field["id"], row)
    if "value" in values:
        _validate(tx, field["id"], values["value"])
    return {"runStepField": field["id"]}


def _validate(tx: Transaction, field_id: int, value: Any) -> None:
    """Judge a field's new value by its validations."""
    for rule in tx.find("run_step_field_validations", "id", run_step_field_id=field_id):
        function = tx.scalar(
            "SELECT function_name FROM validation_functions WHERE id = ?", rule["function_id"]
        )
        judged = result(function, rule["value"], value)
        if judged != rule["result"]:
            tx.update("run_step_field_validations", rule["id"], {"result": judged})


def _cancel_redline(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Take a redline back: the step is as it was before it (assumed: in progress)."""
    step = require(tx, "run_steps", int(args["id"]))
    same_etag(tx, "run_steps", step, args["etag"])
    refuse_unless(step["status"] == "redline", f"Step {step['title']} has no redline to cancel.")
    redline = tx.find("redlines", "id DESC", step_id=step["id"], final_state=None)
    before: dict[str, Any] = json.loads(redline[0]["initial_state"] or "{}") if redline else {}
    kept = {
        c: before[c] for c in ("title", "content", "slate_content", "status", "location_id") if c in before
    }
    end_redline(tx, step["id"], canceled=True)
    tx.update("run_steps", step["id"], {"status": "in_progress", **kept})
    return {"runStep": step["id"]}


def _summary(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Promise a summary of runs; the local ION has nobody to send it to (assumed text)."""
    ids: list[int] = args["input"]["runIds"]
    refuse_unless(ids, "Name the runs to summarize.")
    for run in ids:
        require(tx, "runs", run)
    return {"message": f"The summary of {len(ids)} run{'s' if len(ids) > 1 else ''} is being generated."}


def _copy_step_to_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    step, run = require(tx, "steps", int(values["stepId"])), require(tx, "runs", int(values["runId"]))
    parent = int(values["parentId"]) if values.get("parentId") else None
    position = next_position(tx, "run_steps", "run_id", run["id"])
    key = copy_step(tx, step, run["id"], parent)
    tx.update("run_steps", key, {"position": position})
    return {"runStep": key}


# the last thing a user did at a step
LAST_EVENT = """
SELECT event_type FROM session_events WHERE run_step_id = ? AND created_by_id = ? ORDER BY id DESC LIMIT 1"""


def _session(kind: str, shown: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        step = require(tx, "run_steps", int(values["runStepId"]))
        user = int(values["userId"]) if values.get("userId") else tx.actor_id
        last = tx.scalar(LAST_EVENT, step["id"], user)
        refuse_unless(kind == "check_in" or last == "check_in", "Nobody can check out who is not checked in.")
        refuse_unless(kind == "check_out" or last != "check_in", "This user is checked in already.")
        key = tx.insert(
            "session_events", {"run_step_id": step["id"], "event_type": kind, "created_by_id": user}
        )
        return {shown: key}

    return handle


def _reorder(table: str, member: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        moved: list[int] = []
        for each in args["input"][member]:
            row = checked(tx, table, each)
            tx.update(table, row["id"], {"position": each["position"]})
            moved.append(row["id"])
        return {member: moved}

    return handle


def _reorder_one(table: str, column: str, owners: tuple[str, ...], shown: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        row = checked(tx, table, values)
        owner = next(o for o in owners if row[o] is not None)
        wanted = values["position" if column == "position" else "index"]
        others = [r for r in tx.find(table, f'"{column}", id', **{owner: row[owner]}) if r["id"] != row["id"]]
        start = 1 if column == "position" else 0
        others.insert(max(0, wanted - start), row)
        for place, other in enumerate(others, start):
            if other[column] != place:
                tx.update(table, other["id"], {column: place})
        return {shown: row["id"]}

    return handle


def _set_value(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Set a cell of a datagrid; the first value makes it."""
    values = args["input"]
    key = f"{values['rowId']}-{values['columnId']}"
    row: dict[str, Any] = {}
    column = require(tx, "datagrid_columns", int(values["columnId"]))
    if "value" in values:
        check_value(
            column["header"] or "", column["type"], json.loads(column["options"] or "[]"), values["value"]
        )
        row["value"] = None if values["value"] is None else dump(values["value"])
    if values.get("notApplicable") is not None:
        row["not_applicable"] = int(values["notApplicable"])
    for name, stored in (("assignedToId", "assigned_to_id"), ("assignedTeamId", "assigned_team_id")):
        if name in values:
            row[stored] = values[name]
    old = tx.get("datagrid_values", key)
    if old is None:
        require(tx, "datagrid_rows", int(values["rowId"]))
        made = {"row_id": values["rowId"], "column_id": values["columnId"], "type": column["type"]}
        tx.insert("datagrid_values", {"id": key, "not_applicable": 0, **made, **row})
    else:
        if values.get("etag") is not None:
            same_etag(tx, "datagrid_values", old, values["etag"])
        tx.update("datagrid_values", key, row)
    return {"datagridValue": key}


def _invite(status: str | None) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        invite = require(tx, "invites", int(args["id"]))
        same_etag(tx, "invites", invite, args["etag"])
        refuse_unless(invite["status"] == "pending", f"This invitation is {invite['status']} already.")
        sent = {"resend_count": (invite["resend_count"] or 0) + 1}
        tx.update("invites", invite["id"], {"status": status} if status else sent)
        return {"invite": invite["id"]}

    return handle


def _reset_approvals(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Ask for all of an issue's approvals anew; those given are outdated (assumed)."""
    issue = checked(tx, "issues", args["input"], "issueId")
    for approval in tx.find("issue_approvals", "id", issue_id=issue["id"]):
        if approval["status"] != "pending":
            tx.update("issue_approvals", approval["id"], {"status": "outdated"})
    for request in tx.find("issue_approval_requests", "id", issue_id=issue["id"]):
        tx.update("issue_approval_requests", request["id"], {"status": "pending"})
    tx.touch("issues", issue["id"])
    return {"issueId": issue["id"]}


def _datagrid(table: str, shown: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        step = checked(tx, table, args["input"])
        grid: dict[str, Any] = json.loads(step["datagrid"] or "null") or {"columns": [], "rows": []}
        for operation in args["input"]["operations"]:
            operate(grid, operation)
        tx.update(table, step["id"], {"datagrid": dump(grid)})
        return {shown: step["id"]}

    return handle


def operate(grid: dict[str, Any], operation: Mapping[str, Any]) -> None:
    """Carry out one operation on a step's datagrid: add, change, move or delete a column or row (assumed: `prevId` is the one before)."""
    verb, _, kind = str(operation["op"]).lower().partition("_")
    entries: list[dict[str, Any]] = grid.setdefault(f"{kind}s", [])
    given: Mapping[str, Any] | None = operation.get(kind)
    refuse_unless(given is not None, f"{operation['op']} needs a {kind}.")
    assert given is not None
    old = next((e for e in entries if str(e["id"]) == str(given.get("id"))), None)
    refuse_unless(verb == "add" or old is not None, f"The datagrid has no {kind} {given.get('id')}.")
    if verb == "add":
        refuse_unless(old is None, f"The id {given.get('id')} of a {kind} is not unique.")
    if old is not None and verb in {"delete", "reorder"}:
        entries.remove(old)
    if verb == "update" and old is not None:
        old.update(given)
    elif verb != "delete":
        entry = {**(old or {"id": given.get("id") or secrets.token_hex(8)}), **given}
        before = next((n for n, e in enumerate(entries) if str(e["id"]) == str(given.get("prevId"))), None)
        first = verb == "reorder" and given.get("prevId") is None
        entries.insert(0 if first else len(entries) if before is None else before + 1, entry)


MUTATIONS: Mapping[str, Handler] = {
    "createRuns": _create_runs,
    "updateRuns": _update_runs,
    "cancelRun": _cancel_run,
    "archiveRun": _archive_run,
    "updateRunStepFieldValue": _set_field,
    "copyStepToRun": _copy_step_to_run,
    "checkIn": _session("check_in", "checkInEvent"),
    "checkOut": _session("check_out", "checkOutEvent"),
    "reorderSteps": _reorder("steps", "steps"),
    "reorderStepFields": _reorder("steps_fields", "fields"),
    "reorderRunSteps": _reorder("run_steps", "steps"),
    "reorderRunStepFields": _reorder("run_steps_fields", "fields"),
    "reorderPurchaseOrderLine": _reorder_one(
        "purchase_order_lines", "position", ("purchase_order_id",), "purchaseOrderLine"
    ),
    "reorderDatagridRow": _reorder_one("datagrid_rows", "index", ("step_id", "run_step_id"), "datagridRow"),
    "reorderDatagridColumn": _reorder_one(
        "datagrid_columns", "index", ("step_id", "run_step_id"), "datagridColumn"
    ),
    "setDatagridValue": _set_value,
    "cancelRunStepRedline": _cancel_redline,
    "generateRunSummary": _summary,
    "stepDatagridOperations": _datagrid("steps", "step"),
    "runStepDatagridOperations": _datagrid("run_steps", "runStep"),
    "resendInvite": _invite(None),
    "revokeInvite": _invite("revoked"),
    "resetIssueApprovals": _reset_approvals,
}
"""By name."""
