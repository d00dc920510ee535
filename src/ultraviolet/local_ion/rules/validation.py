"""What a mutation checks before it changes anything."""

import re
from typing import Any

from graphql import GraphQLError

from ultraviolet.local_ion.store.store import Row, Transaction

STALE_ETAG = "The etag does not match: the {type} was changed since it was read. Read it again and retry."
"""The message for an outdated etag; ION's own text is unknown."""


def require(tx: Transaction, table: str, key: Any) -> Row:
    """Give a row that must exist."""
    row = tx.get(table, key)
    if row is None:
        resource = tx.catalog.resources[table]
        raise GraphQLError(f"{resource.type or table} {_shown(key)} does not exist.")
    return row


def same_etag(tx: Transaction, table: str, row: Row, etag: str | None) -> None:
    """Refuse a change made from an outdated read."""
    column = tx.store.tables[table].etag
    if column is not None and row[column] != etag:
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tx.catalog.resources[table].type).lower()
        raise GraphQLError(STALE_ETAG.format(type=words))


def checked(tx: Transaction, table: str, values: dict[str, Any], name: str = "id") -> Row:
    """Give the row an input names, its etag checked."""
    row = require(tx, table, int(values[name]))
    same_etag(tx, table, row, values.get("etag"))
    return row


def _shown(key: Any) -> str:
    parts: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)  # pyright: ignore[reportUnknownVariableType]
    return ":".join(str(part) for part in parts)
