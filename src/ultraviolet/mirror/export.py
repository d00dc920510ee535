"""Rows of the mirror on their way out: as CSV, JSON lines or Parquet, a piece at a time, so that size does not matter."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, get_args

import msgspec
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Catalog, Resource
from ultraviolet.mirror import views

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
PIECE = 2_000

# a piece of a view, in an order that stays the same while objects change
_PIECE = """
SELECT * FROM {view} WHERE integration = {integration} AND (length(id), id) > (length({after}), {after})
 ORDER BY length(id), id LIMIT {limit}"""


class Rows(msgspec.Struct, frozen=True):
    """Some rows and the names of their columns."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


class NoParquetError(InvalidError):
    """Parquet needs the package pyarrow, which is not installed: pip install 'ultraviolet[parquet]'."""


class Writer(Protocol):
    """Turns rows into bytes of one format."""

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Give the bytes of these rows."""
        ...

    def end(self) -> bytes:
        """Give what closes the file."""
        ...


def piece(connection: Connection, resource: Resource, integration: str, after: str) -> Rows:
    """Read the next rows of a resource's view after an id ("" for the first)."""
    mark = {"sqlite": "?", "postgresql": "%s"}[connection.dialect.name]
    sql = _PIECE.format(view=views.name_of(resource), integration=mark, after=mark, limit=mark)
    found = connection.exec_driver_sql(sql, (integration, after, after, PIECE))
    return Rows(tuple(found.keys()), [tuple(row) for row in found])


def column_types(catalog: Catalog, resource: Resource) -> tuple[tuple[str, str], ...]:
    """Give the columns of a resource's view with their types."""
    return tuple((column.name, column.type) for column in views.columns(catalog, resource))


def writer(format_: Format, columns: Iterable[tuple[str, str]]) -> Writer:
    """Make what writes rows of these columns; raises NoParquetError."""
    named = tuple(columns)
    if format_ == "csv":
        return _Csv(named)
    if format_ == "jsonl":
        return _JsonLines(named)
    try:
        from ultraviolet.mirror.parquet import Parquet  # noqa: PLC0415  an extra, there only where it was asked for
    except ImportError as error:
        raise NoParquetError from error
    return Parquet(named)


class _Csv:
    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._columns = columns
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text)
        self._csv.writerow(name for name, _ in columns)

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        self._csv.writerows(
            [_text(t, v) for (_, t), v in zip(self._columns, row, strict=True)] for row in rows
        )
        return self.end()

    def end(self) -> bytes:
        written = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return written.encode()


class _JsonLines:
    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._columns = columns

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        lines = [{n: _value(t, v) for (n, t), v in zip(self._columns, row, strict=True)} for row in rows]
        return msgspec.json.Encoder().encode_lines(lines)

    def end(self) -> bytes:
        return b""


def _text(kind: str, value: Any) -> Any:
    if kind == "json" and value is not None and value[0] == '"':
        return msgspec.json.decode(value)
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "json":
        return msgspec.Raw(value.encode())
    return bool(value) if kind == "boolean" else value
