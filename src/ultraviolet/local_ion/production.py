"""Runs and what is recorded on them: many at once, cancelled, reordered, filled in."""

from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.behaviours import copy_step, next_position
from ultraviolet.local_ion.checks import checked, require, same_etag
from ultraviolet.local_ion.store import Transaction, dump
from ultraviolet.local_ion.writing import create, update

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
        row["value"] = None if values["value"] is None else dump(values["value"])
    if values.get("notApplicable") is not None:
        row["not_applicable"] = int(values["notApplicable"])
    tx.update("run_steps_fields", field["id"], row)
    return {"runStepField": field["id"]}


def _copy_step_to_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    step, run = require(tx, "steps", int(values["stepId"])), require(tx, "runs", int(values["runId"]))
    parent = int(values["parentId"]) if values.get("parentId") else None
    position = next_position(tx, "run_steps", "run_id", run["id"])
    key = copy_step(tx, step, run["id"], parent)
    tx.update("run_steps", key, {"position": position})
    return {"runStep": key}


def _session(kind: str, shown: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        step = require(tx, "run_steps", int(values["runStepId"]))
        user = int(values["userId"]) if values.get("userId") else tx.actor_id
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
    if "value" in values:
        row["value"] = None if values["value"] is None else dump(values["value"])
    if values.get("notApplicable") is not None:
        row["not_applicable"] = int(values["notApplicable"])
    for name, column in (("assignedToId", "assigned_to_id"), ("assignedTeamId", "assigned_team_id")):
        if name in values:
            row[column] = values[name]
    old = tx.get("datagrid_values", key)
    if old is None:
        require(tx, "datagrid_rows", values["rowId"])
        column = require(tx, "datagrid_columns", values["columnId"])
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
        sent = {"resend_count": (invite["resend_count"] or 0) + 1}
        tx.update("invites", invite["id"], {"status": status} if status else sent)
        return {"invite": invite["id"]}

    return handle


def _reset_approvals(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    issue = checked(tx, "issues", args["input"], "issueId")
    for request in tx.find("issue_approval_requests", "id", issue_id=issue["id"]):
        tx.update("issue_approval_requests", request["id"], {"status": "pending"})
    tx.touch("issues", issue["id"])
    return {"issueId": issue["id"]}


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
    "resendInvite": _invite(None),
    "revokeInvite": _invite("revoked"),
    "resetIssueApprovals": _reset_approvals,
}
"""By name."""
