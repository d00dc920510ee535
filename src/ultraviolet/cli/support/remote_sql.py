"""Run SQL statements on a hub over its API."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from ultraviolet.client.transport import ProblemError
from ultraviolet.db.user_sql.results import Column, Result, Row, SqlError
from ultraviolet.errors import HubUnreachableError
from ultraviolet.outgoing import MAX_HUB_ANSWER_BYTES

if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import Api

_UNPROCESSABLE = 422


class _Column(msgspec.Struct):
    name: str
    type: str | None


class _Line(msgspec.Struct):
    """A line of a result: the columns, rows, or the end."""

    columns: Sequence[_Column] = ()
    rows: list[list[Any]] = []
    row_count: int | None = None
    error: str = ""


class RemoteDatabase:
    """The database of a hub, read over its API."""

    def __init__(self, api: "Api", address: str, timeout_seconds: float) -> None:
        """Send statements to this hub, which stops each after `timeout_seconds`."""
        self.address = address
        self._api = api
        self._timeout_seconds = timeout_seconds

    @contextmanager
    def query(self, statement: str) -> Generator[Result]:
        """Run one statement. Raise SqlError if the database rejects it."""
        body = {"statement": statement, "timeout_seconds": self._timeout_seconds}
        lines = _lines(self._api.stream("/sql", body))
        try:
            columns = next(lines).columns
        except ProblemError as error:
            if error.status != _UNPROCESSABLE:
                raise
            raise SqlError(str(error)) from error
        yield Result([Column(column.name, column.type) for column in columns], _batches(lines))

    def close(self) -> None:
        """Close the connection."""
        self._api.close()


def _batches(lines: Iterator[_Line]) -> Iterator[list[Row]]:
    for line in lines:
        if line.error:
            raise SqlError(line.error)
        if line.row_count is not None:
            return
        yield list[Row](line.rows)
    raise HubUnreachableError(
        "The hub ended the result before its last row, for example because it was stopped or the"
        " result took too long to read. Run the statement again, or select less."
    )


def _lines(chunks: Iterator[bytes]) -> Iterator[_Line]:
    """Decode the lines of a response; raise HubUnreachableError for a line that is too long."""
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        *complete, last = rest.split(b"\n") if b"\n" in chunk else (rest,)
        for line in complete:
            yield msgspec.json.decode(line, type=_Line)
        rest = last
        if len(rest) > MAX_HUB_ANSWER_BYTES:
            raise HubUnreachableError(
                f"A batch of rows exceeds {MAX_HUB_ANSWER_BYTES:,} bytes. Select less."
            )
