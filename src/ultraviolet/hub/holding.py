"""Changing what others may change at the same time: hold what is read for it, and take no name that another has."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVarTuple

from sqlalchemy import Connection, Select
from sqlalchemy.exc import IntegrityError

from ultraviolet.errors import ConflictError

Row = TypeVarTuple("Row")


def held(query: Select[*Row], *, to_change: bool) -> Select[*Row]:
    """Let nobody else change these rows before the transaction ends, where they are `to_change`.

    Who only refers to them, as a delivery does to its integration, is not kept waiting. SQLite has one writer anyway.
    """
    return query.with_for_update(key_share=True) if to_change else query


@contextmanager
def taking_name(connection: Connection, taken: str) -> Generator[None]:
    """Undo what is written and raise ConflictError, with these words, where another has the name."""
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        raise ConflictError(taken) from error
