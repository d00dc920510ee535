"""Hooks that run before and after an object is written."""

from collections.abc import Callable
from typing import Any

import msgspec
from graphql import GraphQLError

from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.transaction import Row, Transaction

ExtraInput = dict[str, Any]
"""The members of an input without a column."""
BeforeCreate = Callable[[Transaction, Row, ExtraInput], None]
AfterCreate = Callable[[Transaction, Any, ExtraInput], None]
UpdateHook = Callable[[Transaction, Row, Row, ExtraInput], None]
DeleteHook = Callable[[Transaction, Row], None]


class Hooks(msgspec.Struct, frozen=True):
    """The hooks of one resource; a hook rejects a change by raising GraphQLError."""

    before_create: BeforeCreate | None = None
    after_create: AfterCreate | None = None
    before_update: UpdateHook | None = None
    after_update: UpdateHook | None = None
    before_delete: DeleteHook | None = None
    after_delete: DeleteHook | None = None
    owned: tuple[tuple[str, str], ...] = ()
    """Tables and columns whose rows are deleted with the object, with their own hooks."""
    associations: tuple[tuple[str, str], ...] = ()
    """Join tables and columns whose rows are deleted with the object."""


def changed_columns(old: Row, row: Row) -> set[str]:
    """Return the columns whose value changes."""
    return {column for column, value in row.items() if old[column] != value}


def ensure(condition: object, message: str) -> None:
    """Raise GraphQLError unless a condition holds."""
    if not condition:
        raise GraphQLError(message)


def next_position(
    tx: Transaction, table: str, column: str, value: Any, order: str = "position"
) -> int:
    """Return the position after the last row with a value."""
    sql = f'SELECT coalesce(max("{order}"), 0) + 1 FROM "{table}" WHERE "{column}" IS ?'
    return tx.scalar(sql, value)


def append_position(table: str, *owners: str, order: str = "position") -> BeforeCreate:
    """Return a hook that appends a new row to those of its owner unless it has a position."""

    def before_create(tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        if row.get(order) is None:
            owner = next((o for o in owners if row.get(o) is not None), owners[0])
            row[order] = next_position(tx, table, owner, row.get(owner), order)

    return before_create


def store_created_datagrid(before: BeforeCreate) -> BeforeCreate:
    """Return a hook that stores the datagrid of a new step after another hook."""

    def before_create(tx: Transaction, row: Row, extra: ExtraInput) -> None:
        before(tx, row, extra)
        if extra.get("datagrid") is not None:
            row["datagrid"] = dump_json(extra["datagrid"])

    return before_create


def store_updated_datagrid(before: UpdateHook | None = None) -> UpdateHook:
    """Return a hook that stores the changed datagrid of a step after another hook."""

    def before_update(tx: Transaction, old: Row, row: Row, extra: ExtraInput) -> None:
        if before is not None:
            before(tx, old, row, extra)
        if "datagrid" in extra:
            row["datagrid"] = dump_json(extra["datagrid"])

    return before_update
