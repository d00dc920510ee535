"""What happens around the writing of one kind of object, and what such rules share."""

from collections.abc import Callable
from typing import Any

import msgspec
from graphql import GraphQLError

from ultraviolet.local_ion.store.store import Row, Transaction, dump

Rest = dict[str, Any]
"""The members of an input that are no columns."""
Before = Callable[[Transaction, Row, Rest], None]
BeforeUpdate = Callable[[Transaction, Row, Row, Rest], None]
AfterCreate = Callable[[Transaction, Any, Rest], None]


class Behaviour(msgspec.Struct, frozen=True):
    """What happens around the writing of one kind of object; a rule refuses by raising a GraphQLError."""

    before_create: Before | None = None
    after_create: AfterCreate | None = None
    before_update: BeforeUpdate | None = None
    after_update: BeforeUpdate | None = None
    before_delete: Callable[[Transaction, Row], None] | None = None
    after_delete: Callable[[Transaction, Row], None] | None = None
    owned: tuple[tuple[str, str], ...] = ()
    """Tables, and their column, whose rows go with the object."""
    ties: tuple[tuple[str, str], ...] = ()
    """Tables that only tie the object to others, and their column; their rows go with it too."""


def merged(old: Row, row: Row) -> Row:
    """Give a row as it will be once it is written."""
    return {**old, **row}


def changed(old: Row, row: Row) -> set[str]:
    """Name the columns a change really changes."""
    return {column for column, value in row.items() if old[column] != value}


def refuse_unless(condition: object, message: str) -> None:
    """Refuse a change that breaks a rule."""
    if not condition:
        raise GraphQLError(message)


def next_position(tx: Transaction, table: str, column: str, value: Any, order: str = "position") -> int:
    """Give the place after the last of the rows that share a value."""
    return tx.scalar(f'SELECT coalesce(max("{order}"), 0) + 1 FROM "{table}" WHERE "{column}" IS ?', value)


def numbered(table: str, *owners: str, order: str = "position") -> Before:
    """Put a new row behind the others of its owner, unless it is told its place."""

    def before(tx: Transaction, row: Row, _: Rest) -> None:
        if row.get(order) is None:
            owner = next((o for o in owners if row.get(o) is not None), owners[0])
            row[order] = next_position(tx, table, owner, row.get(owner), order)

    return before


def with_datagrid(before: Before | None = None) -> Before:
    """Keep the datagrid that a step was made with, after another rule."""

    def rule(tx: Transaction, row: Row, rest: Rest) -> None:
        if before is not None:
            before(tx, row, rest)
        if rest.get("datagrid") is not None:
            row["datagrid"] = dump(rest["datagrid"])

    return rule


def changed_datagrid(before: BeforeUpdate | None = None) -> BeforeUpdate:
    """Keep the datagrid that a step is given, after another rule."""

    def rule(tx: Transaction, old: Row, row: Row, rest: Rest) -> None:
        if before is not None:
            before(tx, old, row, rest)
        if "datagrid" in rest:
            row["datagrid"] = dump(rest["datagrid"])

    return rule
