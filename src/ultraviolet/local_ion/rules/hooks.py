"""Hooks that run before and after an object is written."""

from typing import Any

import msgspec
from graphql import GraphQLError

from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.transaction import Row, Transaction

ExtraInput = dict[str, Any]
"""The members of an input without a column."""


class Hooks(msgspec.Struct, frozen=True):
    """The rules of one resource; a method rejects a change by raising GraphQLError."""

    owned: tuple[tuple[str, str], ...] = ()
    """Tables and columns whose rows are deleted with the object, with their own hooks."""
    associations: tuple[tuple[str, str], ...] = ()
    """Join tables and columns whose rows are deleted with the object."""

    def before_create(self, tx: Transaction, row: Row, extra: ExtraInput, /) -> None:
        """Check and complete a new row."""

    def before_update(self, tx: Transaction, old: Row, row: Row, extra: ExtraInput, /) -> None:
        """Check and complete the changed columns of a row."""

    def before_write(self, tx: Transaction, old: Row, row: Row, extra: ExtraInput, /) -> None:
        """Check and complete a new or changed row after the methods above; a new row has no old."""

    def after_create(self, tx: Transaction, key: Any, extra: ExtraInput, /) -> None:
        """Change other rows after a row was created."""

    def after_update(self, tx: Transaction, old: Row, row: Row, extra: ExtraInput, /) -> None:
        """Change other rows after a row was updated."""

    def before_delete(self, tx: Transaction, old: Row, /) -> None:
        """Check that a row can be deleted."""

    def after_delete(self, tx: Transaction, old: Row, /) -> None:
        """Change other rows after a row was deleted."""


class OrderedHooks(Hooks, frozen=True, kw_only=True):
    """Append a new row to those of its owner unless it has a position."""

    table: str
    owners: tuple[str, ...]
    order: str = "position"

    def before_create(self, tx: Transaction, row: Row, _extra: ExtraInput) -> None:
        """Set the position of a new row."""
        if row.get(self.order) is None:
            owner = next((o for o in self.owners if row.get(o) is not None), self.owners[0])
            row[self.order] = next_position(tx, self.table, owner, row.get(owner), self.order)


class StepHooks(OrderedHooks, frozen=True, kw_only=True):
    """Store the datagrid of a step of a procedure or run."""

    def before_write(self, _tx: Transaction, old: Row, row: Row, extra: ExtraInput) -> None:
        """Set the datagrid of a new or changed step; only a changed one can become null."""
        if extra.get("datagrid") is not None or (old and "datagrid" in extra):
            row["datagrid"] = dump_json(extra["datagrid"])


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
