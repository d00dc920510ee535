"""How rows that are not objects appear in deliveries: their key, and the columns of their values.

Attribute rows and datagrid values have no id; owner and key, or row and column, identify them. Their
values, and those of fields of run steps, are in a column per type (public warehouse models of 2023).
"""

from collections.abc import Mapping
from typing import Any

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import VALUE_COLUMNS, Resource
from ultraviolet.local_ion.quirks import Changes, Quirks
from ultraviolet.local_ion.store.audit_log import LoggedAction

_TYPED = ("datagrid_values", "run_steps_fields")


SOFT_DELETED = frozenset({"api_keys", "mbom_item"})
"""Tables whose rows ION marks as `_deleted` (public warehouse models of 2023)."""

DELETED_MARK: Changes = {"_deleted": {"old": False, "new": True}}


def soft_deletion(action: LoggedAction, quirks: Quirks) -> bool:
    """Return whether ION keeps the deleted row of an action, and marks it."""
    is_kept = action.action == "DELETE" and action.table_name in SOFT_DELETED
    return is_kept and quirks.has("soft_deletes")


def row_key(action: LoggedAction, catalog: Catalog, quirks: Quirks) -> dict[str, Any]:
    """Return what identifies the row of an action: its id, or the columns of its key."""
    resource = catalog.resources.get(action.table_name)
    names = _key_columns(resource) if resource else ()
    if not names or not quirks.has("rows_without_id"):
        id_ = action.row_id
        return {"id": int(id_) if id_.isdecimal() else id_}
    row = action.new_row or action.old_row or {}
    return {name: row.get(name) for name in names}


def row_changes(
    action: LoggedAction, changes: Changes, catalog: Catalog, quirks: Quirks
) -> Changes:
    """Return the changes with the columns that ION's tables have."""
    resource = catalog.resources.get(action.table_name)
    if resource is None:
        return changes
    if _key_columns(resource) and quirks.has("rows_without_id"):
        changes = {name: change for name, change in changes.items() if name != "id"}
    is_typed = resource.kind == "attribute" or resource.name in _TYPED
    if "value" in changes and is_typed and quirks.has("typed_value_columns"):
        row = action.new_row or action.old_row or {}
        column = _value_column(row, changes["value"])
        changes = {column if n == "value" else n: change for n, change in changes.items()}
    return changes


def _key_columns(resource: Resource) -> tuple[str, ...]:
    if resource.name == "datagrid_values":
        return ("row_id", "column_id")
    if resource.kind != "attribute":
        return ()
    owner = next(f.column for f in resource.fields if f.name == resource.owner_key)
    return (owner, "key")


def _value_column(row: Mapping[str, Any], change: Mapping[str, Any]) -> str:
    """Return the column of a value by the type of its row; else by its form."""
    column = VALUE_COLUMNS.get(str(row.get("type")).lower())
    value = change["new"] if change.get("new") is not None else change.get("old")
    if column is None and isinstance(value, bool):
        return VALUE_COLUMNS["boolean"]
    if column is None and isinstance(value, int | float):
        return VALUE_COLUMNS["number"]
    return column or VALUE_COLUMNS["string"]
