"""Results of a user's statement, the same for both databases, and the errors of a statement."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from ultraviolet.db.representation import from_driver
from ultraviolet.errors import InvalidError

Row = Sequence[Any]

BATCH_ROWS = 500
_MAX_BATCH_CHARACTERS = 4_000_000

ONLY_READ = "The database can only be read here. Nothing was changed."


class SqlError(InvalidError):
    """The database rejected the statement."""


class Column(NamedTuple):
    """A column of a result; its kind is None if unknown."""

    name: str
    kind: str | None


class Result(NamedTuple):
    """The columns of a result and its rows, in batches that fit into memory."""

    columns: Sequence[Column]
    batches: Iterator[list[Row]]


class ReadOnlyDatabase(Protocol):
    """A read-only connection for statements of a user."""

    address: str

    def query(self, statement: str) -> AbstractContextManager[Result]:
        """Run one statement. Raise SqlError if the database rejects it."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def timed_out(seconds: float) -> SqlError:
    """Return the error of a statement that reached its time limit."""
    return SqlError(
        f"The statement was stopped after {seconds:g} s. Select less, or increase the time limit."
    )


def group_rows(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Convert rows to cells and group them by number and size."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        shown = tuple(map(from_driver, row))
        batch.append(shown)
        size += sum(len(value) for value in shown if isinstance(value, str))
        if len(batch) >= BATCH_ROWS or size > _MAX_BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
