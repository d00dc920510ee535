"""Mutations of datagrids and of their values."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from ultraviolet.local_ion.mutations.handler import Handler, Handlers
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.validation import (
    check_etag,
    check_value,
    require_current,
    require_row,
)
from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""


@MUTATIONS.handles("setDatagridValue")
def _set_datagrid_value(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Set the value of a cell; the first value creates its row."""
    values = args["input"]
    key = f"{values['rowId']}-{values['columnId']}"
    column = require_row(tx, "datagrid_columns", int(values["columnId"]))
    row: Row = {}
    if "value" in values:
        options = json.loads(column["options"] or "[]")
        check_value(column["header"] or "", column["type"], options, values["value"])
        row["value"] = None if values["value"] is None else dump_json(values["value"])
    if values.get("notApplicable") is not None:
        row["not_applicable"] = int(values["notApplicable"])
    for member, name in (
        ("assignedToId", "assigned_to_id"),
        ("assignedTeamId", "assigned_team_id"),
    ):
        if member in values:
            row[name] = values[member]
    old = tx.get("datagrid_values", key)
    if old is not None:
        if values.get("etag") is not None:
            check_etag(tx, "datagrid_values", old, values["etag"])
        tx.update("datagrid_values", key, row)
    else:
        require_row(tx, "datagrid_rows", int(values["rowId"]))
        cell = {
            "id": key,
            "row_id": values["rowId"],
            "column_id": values["columnId"],
            "type": column["type"],
            "not_applicable": 0,
        }
        tx.insert("datagrid_values", {**cell, **row})
    return {"datagridValue": key}


def _operations_handler(table: str, payload_field: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        step = require_current(tx, table, args["input"])
        datagrid: dict[str, Any] = json.loads(step["datagrid"] or "null") or {
            "columns": [],
            "rows": [],
        }
        for operation in args["input"]["operations"]:
            apply_operation(datagrid, operation)
        tx.update(table, step["id"], {"datagrid": dump_json(datagrid)})
        return {payload_field: step["id"]}

    return handle


def apply_operation(datagrid: dict[str, Any], operation: Mapping[str, Any]) -> None:
    """Add, update, reorder or delete a column or row of a datagrid.

    `prevId` is the id of the previous entry (assumed).
    """
    verb, _, kind = str(operation["op"]).lower().partition("_")
    entries: list[dict[str, Any]] = datagrid.setdefault(f"{kind}s", [])
    given: Mapping[str, Any] | None = operation.get(kind)
    ensure(given is not None, f"{operation['op']} needs a {kind}.")
    assert given is not None
    id_, previous_id = given.get("id"), given.get("prevId")
    old_index = _find_index(entries, id_)
    ensure(verb == "add" or old_index is not None, f"The datagrid has no {kind} {id_}.")
    ensure(verb != "add" or old_index is None, f"The id {id_} of a {kind} is not unique.")
    old = None if old_index is None else entries[old_index]
    if old is not None and verb == "update":
        old.update(given)
        return
    if old is not None:
        entries.remove(old)
    if verb == "delete":
        return
    entry = {**(old or {"id": id_ or secrets.token_hex(8)}), **given}
    previous_index = _find_index(entries, previous_id)
    if verb == "reorder" and previous_id is None:
        entries.insert(0, entry)
    elif previous_index is None:
        entries.append(entry)
    else:
        entries.insert(previous_index + 1, entry)


def _find_index(entries: list[dict[str, Any]], id_: Any) -> int | None:
    return next((n for n, entry in enumerate(entries) if str(entry["id"]) == str(id_)), None)


MUTATIONS.update(
    {
        "stepDatagridOperations": _operations_handler("steps", "step"),
        "runStepDatagridOperations": _operations_handler("run_steps", "runStep"),
    }
)
