"""Export the mirror as CSV, JSON lines, Parquet or Excel, page by page, so that memory stays bounded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

import msgspec

from ultraviolet.db import representation, sql_views
from ultraviolet.db.representation import (
    BYTE_ORDER_MARK,
    csv_line,
    csv_text,
    json_value,
    spreadsheet_text,
)
from ultraviolet.db.sql_views import ViewColumn
from ultraviolet.errors import InvalidError
from ultraviolet.ion.attributes import field_value
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror.xlsx import Xlsx
from ultraviolet.text import did_you_mean

Format = Literal["csv", "jsonl", "parquet", "xlsx"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
PAGE_ROWS = 2_000
"""Number of rows to read and write at once."""
STATE = ViewColumn("mirror_state", "text", "", "fresh, stale, partial or deleted")
"""A column that exports have on request."""


class NoParquetError(InvalidError):
    """Parquet needs the package pyarrow: pip install 'ultraviolet[parquet]'."""


class Writer(Protocol):
    """Encodes rows in one format."""

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the bytes of these rows."""
        ...

    def end(self) -> bytes:
        """Return the last bytes of the file."""
        ...


def columns(
    catalog: Catalog,
    resource: Resource,
    names: Sequence[str] = (),
    linked: Mapping[str, ViewColumn] | None = None,
) -> tuple[ViewColumn, ...]:
    """Return the columns with these names of a resource's SQL view or of ION; all without names.

    `linked` are columns of linked objects by name. Raise InvalidError for an unknown name.
    """
    every = sql_views.columns(catalog, resource)
    known = {column.name: column for column in (*every, STATE)}
    by_field = {column.field: column for column in reversed(every) if column.field}
    known = by_field | known | dict(linked or {})
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise InvalidError(
            f"{resource.title} has no column {unknown}.{did_you_mean(unknown, list(known))}",
            field="column",
        )
    return tuple(dict.fromkeys(known[name] for name in names)) or every


def row_cells(
    shown: Sequence[ViewColumn], integration_name: str, row: Mapping[str, Any]
) -> list[Any]:
    """Return the cells of an object, given as its row of `objects` with its state."""
    doc: Mapping[str, Any] = row["doc"]
    own = {"integration": integration_name, "id": row["id"]}
    return [
        own[column.name]
        if column in sql_views.OWN
        else representation.cell(
            column.type,
            field_value(doc, column.field, column.type)
            if column.field
            else row[column.name.removeprefix("mirror_")],
        )
        for column in shown
    ]


def make_writer(
    format_: Format, columns: Iterable[tuple[str, str]], *, for_spreadsheets: bool = False
) -> Writer:
    """Return a writer of rows with these columns.

    Raise NoParquetError, or InvalidError for spreadsheets in another format than CSV.
    """
    named = tuple(columns)
    if format_ == "csv":
        return _Csv(named, for_spreadsheets=for_spreadsheets)
    if for_spreadsheets:
        raise InvalidError("Only CSV can be exported for spreadsheets: omit the format.")
    if format_ == "jsonl":
        return _JsonLines(named)
    if format_ == "xlsx":
        return Xlsx(named)
    try:
        from ultraviolet.mirror.parquet import Parquet  # noqa: PLC0415  optional
    except ImportError as error:
        raise NoParquetError from error
    return Parquet(named)


class _Csv:
    def __init__(self, columns: Sequence[tuple[str, str]], *, for_spreadsheets: bool) -> None:
        self._kinds = [kind for _, kind in columns]
        self._for_spreadsheets = for_spreadsheets
        names = (name for name, _ in columns)
        header = csv_line(names, for_spreadsheets=for_spreadsheets)
        self._header = f"{BYTE_ORDER_MARK}{header}" if for_spreadsheets else header

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        header, self._header = self._header, ""
        as_text = spreadsheet_text if self._for_spreadsheets else csv_text
        lines = [
            csv_line(map(as_text, self._kinds, row), for_spreadsheets=self._for_spreadsheets)
            for row in rows
        ]
        return (header + "".join(lines)).encode()

    def end(self) -> bytes:
        return self.write([])


class _JsonLines:
    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._names = [name for name, _ in columns]
        self._kinds = [kind for _, kind in columns]

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        lines = [
            dict(zip(self._names, map(json_value, self._kinds, row), strict=True)) for row in rows
        ]
        return msgspec.json.Encoder().encode_lines(lines)

    def end(self) -> bytes:
        return b""
