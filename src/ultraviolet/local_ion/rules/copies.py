"""Copies of rows."""

from typing import Any

from ultraviolet.local_ion.store.transaction import Row

_OWN_COLUMNS = {
    "id",
    "_etag",
    "_created",
    "_updated",
    "created_by_id",
    "updated_by_id",
    "last_session_id",
    "entity_id",
}


def copy_row(row: Row, **changes: Any) -> Row:
    """Return a copy of a row without its id, stamps and entity."""
    return {**{k: v for k, v in row.items() if k not in _OWN_COLUMNS}, **changes}
