"""Mutations of runs, their steps, fields and sessions."""

import json
from typing import Any

from ultraviolet.local_ion.mutations.crud import create, update
from ultraviolet.local_ion.mutations.handler import Handler, Handlers
from ultraviolet.local_ion.rules.attributes import value_columns
from ultraviolet.local_ion.rules.hooks import ensure, next_position
from ultraviolet.local_ion.rules.runs import check_out_everyone, copy_step, end_redline
from ultraviolet.local_ion.rules.validation import (
    check_etag,
    check_value,
    require_current,
    require_row,
    validation_result,
)
from ultraviolet.local_ion.store.transaction import Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""

_CLOSED_STATUSES = {"complete", "canceled"}


@MUTATIONS.handles("updateRuns")
def _update_runs(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    return {
        "runs": [update(tx, tx.catalog.resources["runs"], dict(v)) for v in args["input"] or ()]
    }


@MUTATIONS.handles("createRuns")
def _create_runs(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Create runs; those for a new batch with the same title share it (assumed)."""
    batches: dict[str | None, int] = {}
    created: list[int] = []
    for values in args["input"]:
        title = values.pop("runBatchTitle", None)
        if values.pop("addToNewBatch", False) or title:
            if title not in batches:
                batches[title] = tx.insert("run_batches", {"title": title})
            values["runBatchId"] = batches[title]
        created.append(create(tx, tx.catalog.resources["runs"], values))
    return {"runs": created}


@MUTATIONS.handles("cancelRun")
def _cancel_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    run = require_current(tx, "runs", args["input"])
    for step in tx.find("run_steps", "id", run_id=run["id"]):
        if step["status"] not in _CLOSED_STATUSES:
            tx.update("run_steps", step["id"], {"status": "canceled"})
            check_out_everyone(tx, step["id"])
    tx.touch("runs", run["id"])
    return {"run": run["id"]}


@MUTATIONS.handles("archiveRun")
def _archive_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    run = require_current(tx, "runs", args["input"])
    tx.update("runs", run["id"], {"archived": int(args["input"]["archived"])})
    return {"run": run["id"]}


@MUTATIONS.handles("updateRunStepFieldValue")
def _set_field_value(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    field = require_current(tx, "run_steps_fields", values)
    row: dict[str, Any] = {}
    if "value" in values:
        check_value(
            field["name"], field["type"], json.loads(field["options"] or "[]"), values["value"]
        )
        row |= value_columns(tx, field["name"], field["type"], values["value"])
    if values.get("notApplicable") is not None:
        allowed = field["allow_not_applicable"] or not values["notApplicable"]
        ensure(allowed, f"{field['name']} must not be marked as not applicable.")
        row["not_applicable"] = int(values["notApplicable"])
    tx.update("run_steps_fields", field["id"], row)
    if "value" in values:
        for rule in tx.find("run_step_field_validations", "id", run_step_field_id=field["id"]):
            function = tx.scalar(
                "SELECT function_name FROM validation_functions WHERE id = ?", rule["function_id"]
            )
            result = validation_result(function, rule["value"], values["value"])
            if result != rule["result"]:
                tx.update("run_step_field_validations", rule["id"], {"result": result})
    return {"runStepField": field["id"]}


@MUTATIONS.handles("cancelRunStepRedline")
def _cancel_redline(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Cancel a redline and restore the step; its status becomes in progress (assumed)."""
    step = require_row(tx, "run_steps", int(args["id"]))
    check_etag(tx, "run_steps", step, args["etag"])
    ensure(step["status"] == "redline", f"Step {step['title']} has no redline to cancel.")
    redline = tx.find("redlines", "id DESC", step_id=step["id"], final_state=None)
    before: dict[str, Any] = json.loads(redline[0]["initial_state"] or "{}") if redline else {}
    values = {
        c: before[c]
        for c in ("title", "content", "slate_content", "status", "location_id")
        if c in before
    }
    end_redline(tx, step["id"], canceled=True)
    tx.update("run_steps", step["id"], {"status": "in_progress", **values})
    return {"runStep": step["id"]}


@MUTATIONS.handles("generateRunSummary")
def _generate_summary(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Acknowledge a request for a summary of runs; nothing is sent (the text is assumed)."""
    ids: list[int] = args["input"]["runIds"]
    ensure(ids, "Name the runs to summarize.")
    for run in ids:
        require_row(tx, "runs", run)
    return {
        "message": f"The summary of {len(ids)} run{'s' if len(ids) > 1 else ''} is being generated."
    }


@MUTATIONS.handles("copyStepToRun")
def _copy_step_to_run(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    step, run = (
        require_row(tx, "steps", int(values["stepId"])),
        require_row(tx, "runs", int(values["runId"])),
    )
    parent = int(values["parentId"]) if values.get("parentId") else None
    position = next_position(tx, "run_steps", "run_id", run["id"])
    key = copy_step(tx, step, run["id"], parent)
    tx.update("run_steps", key, {"position": position})
    return {"runStep": key}


# the last session event of a user at a step
SELECT_LAST_EVENT = """
SELECT event_type FROM session_events WHERE run_step_id = ? AND created_by_id = ? ORDER BY id DESC LIMIT 1"""


def _session_handler(kind: str, payload_field: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        step = require_row(tx, "run_steps", int(values["runStepId"]))
        user = int(values["userId"]) if values.get("userId") else tx.actor_id
        last = tx.scalar(SELECT_LAST_EVENT, step["id"], user)
        ensure(kind == "check_in" or last == "check_in", "Only a checked-in user can check out.")
        ensure(kind == "check_out" or last != "check_in", "This user is checked in already.")
        key = tx.insert(
            "session_events", {"run_step_id": step["id"], "event_type": kind, "created_by_id": user}
        )
        return {payload_field: key}

    return handle


MUTATIONS.update(
    {
        "checkIn": _session_handler("check_in", "checkInEvent"),
        "checkOut": _session_handler("check_out", "checkOutEvent"),
    }
)
