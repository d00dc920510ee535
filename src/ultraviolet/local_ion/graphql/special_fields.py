"""Fields without a column or relation: documents, sessions and timelines."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from ultraviolet.ion.model import Field, Resource
from ultraviolet.local_ion.graphql import timeline
from ultraviolet.local_ion.store import audit_log

EMPTY_DOCUMENTS: Mapping[tuple[str, str], Any] = {
    ("organizations", "settings"): {},
    ("steps", "datagrid"): None,
    ("run_steps", "datagrid"): None,
}
"""Fields that show a JSON document, and their value without a document."""
# check-ins with the next check-out of the same user at the same step
_SELECT_SESSIONS = """
SELECT i.id, i.run_step_id, i._created, i.created_by_id,
       (SELECT min(o._created) FROM session_events o WHERE o.run_step_id = i.run_step_id
           AND o.created_by_id IS i.created_by_id AND o.event_type = 'check_out' AND o.id > i.id)
  FROM session_events i WHERE i.event_type = 'check_in' AND"""
_SESSION_CONDITIONS = {
    "run_steps": "i.run_step_id = ?",
    "runs": "i.run_step_id IN (SELECT id FROM run_steps WHERE run_id = ?)",
}
_UNSHOWN_CHANGES = {"_etag", "_updated", "Etag", "Updated", "_created", "Created"}


def has_sessions(resource: Resource) -> bool:
    """Return whether a resource has sessions."""
    return resource.name in _SESSION_CONDITIONS


def load_sessions(
    connection: Connection, resource: Resource, keys: Iterable[Any]
) -> list[list[dict[str, Any]]]:
    """Return the sessions of runs or steps: each check-in with the check-out after it."""
    sql = f"{_SELECT_SESSIONS} {_SESSION_CONDITIONS[resource.name]} ORDER BY i.id"
    loaded: list[list[dict[str, Any]]] = []
    for key in keys:
        sessions: list[dict[str, Any]] = []
        for id_, step, check_in, user, check_out in connection.execute(sql, (key,)):
            duration = None
            if check_out:
                difference = datetime.fromisoformat(check_out) - datetime.fromisoformat(check_in)
                duration = difference.total_seconds()
            session: dict[str, Any] = {
                "id": str(id_),
                "runStepId": step,
                "Created": check_in,
                "createdById": user,
                "eventType": "CHECK_OUT" if check_out else "CHECK_IN",
                "checkIn": check_in,
                "checkOut": check_out,
                "duration": duration,
                "isValidGrouping": check_out is not None,
                "runStep": step,
                "createdBy": user,
                "timeline": [],
            }
            sessions.append(session)
        loaded.append(sessions)
    return loaded


def load_documents(resource: Resource, name: str, texts: Iterable[str | None]) -> list[Any]:
    """Return the documents of a field."""
    empty = EMPTY_DOCUMENTS[resource.name, name]
    return [json.loads(text) if text else empty for text in texts]


def load_timelines(
    connection: Connection,
    resource: Resource,
    filters: Mapping[str, Any] | None,
    row_ids: Iterable[Any],
) -> list[list[dict[str, Any]]]:
    """Return the timeline events of objects."""
    fields = {f.column: f for f in resource.fields if f.stored}
    shown = {column for column, f in fields.items() if f.name not in _UNSHOWN_CHANGES}
    return [
        [
            {
                "actor": action.actor_id,
                "eventType": action.action,
                "timestamp": action.action_tstamp,
                "changedAttributes": [
                    {"field": fields[column].name, "oldValue": old, "newValue": new}
                    for column, (old, new) in action.changes().items()
                    if column in shown
                ],
                "oldValues": _row_values(fields, action.old_row),
                "newValues": _row_values(fields, action.new_row),
            }
            for action in audit_log.actions_of_row(connection, resource.name, str(row_id))
            if timeline.passes_filter(action, resource, filters)
        ]
        for row_id in row_ids
    ]


def _row_values(
    fields: Mapping[str, Field], row: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    if row is None:
        return None
    values: dict[str, Any] = {}
    for column, field in fields.items():
        value = row.get(column)
        values[field.name] = value.upper() if field.enum and isinstance(value, str) else value
    return values
