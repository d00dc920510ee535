"""Fields without a column or relation: documents, sessions and timelines."""

import json
from collections.abc import Iterable, Mapping
from sqlite3 import Connection
from typing import Any

from ultraviolet.ion.model import Field, Resource
from ultraviolet.local_ion.graphql import timeline
from ultraviolet.local_ion.mutations import sessions
from ultraviolet.local_ion.store import audit_log

EMPTY_DOCUMENTS: Mapping[tuple[str, str], Any] = {
    ("organizations", "settings"): {},
    ("steps", "datagrid"): None,
    ("run_steps", "datagrid"): None,
}
"""Fields that show a JSON document, and their value without a document."""
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
    condition = _SESSION_CONDITIONS[resource.name]
    return [sessions.load_sessions(connection, condition, (key,)) for key in keys]


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
