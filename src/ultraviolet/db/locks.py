"""Advisory locks, row locks and unique-name conflicts."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, TypeVarTuple, get_args

from sqlalchemy import (
    Connection,
    Select,
    text,
)
from sqlalchemy.exc import IntegrityError

from ultraviolet.db.dialect import is_postgresql
from ultraviolet.errors import ConflictError

LockName = Literal["mirror", "duties", "migration", "partitions", "alerts", "search", "people"]
"""What is done by one at a time: a change of an integration's mirror, its duties, a change of the tables, telling people, its
search index, a change of who may sign in."""
_TURNS: tuple[LockName, ...] = get_args(LockName)


def lock(connection: Connection, turn: LockName, which: int = 0) -> None:
    """Let nobody else do this at the same time, from here to the end of the transaction."""
    if is_postgresql(connection):
        connection.execute(_WAIT, {"turn": lock_class(turn), "which": which})


def lock_class(turn: LockName) -> int:
    """Return the first number of the advisory locks of a turn."""
    return _TURNS.index(turn)


_WAIT = text("SELECT pg_advisory_xact_lock(:turn, :which)")


Row = TypeVarTuple("Row")


def for_update(query: Select[*Row], *, to_change: bool) -> Select[*Row]:
    """Let nobody else change these rows before the transaction ends, where they are `to_change`.

    Who only refers to them, as a delivery does to its integration, is not kept waiting. SQLite has one writer anyway.
    """
    return query.with_for_update(key_share=True) if to_change else query


@contextmanager
def unique_or_conflict(connection: Connection, taken: str) -> Generator[None]:
    """Undo what is written and raise ConflictError, with these words, where another has the name."""
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        raise ConflictError(taken) from error
