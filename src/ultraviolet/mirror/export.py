"""Export the mirror as CSV, JSON lines or Parquet, page by page, so that memory stays bounded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

import msgspec
from sqlalchemy import Connection, text

from ultraviolet.db import representation, sql_views
from ultraviolet.db.representation import BYTE_ORDER_MARK, csv_line, csv_text, json_value
from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
PAGE_ROWS = 2_000

_NEXT = text(
    """SELECT o.id, o.doc, o.invalid_values, o.version, o.changed_at, o.observed_at FROM objects o
    WHERE o.integration_id = :integration AND o.resource = :resource AND o.deleted_at IS NULL
      AND (length(o.id), o.id) > (:length, :after)
    ORDER BY length(o.id), o.id LIMIT :limit"""
)
"""The order does not change while objects change."""


class Rows(msgspec.Struct, frozen=True):
    """Rows with the names of their columns."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


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


def read_page(
    connection: Connection,
    catalog: Catalog,
    resource: Resource,
    integration: tuple[int, str],
    after: str,
) -> Rows:
    """Read the next rows of a resource after an id; "" for the first page.

    `integration` is the id and name. The rows have the columns of the resource's SQL view.
    """
    columns = sql_views.columns(catalog, resource)
    fields = [
        (column.field, column.type)
        for column in columns[len(sql_views.OWN) : -len(sql_views.PROVENANCE)]
    ]
    id_, name = integration
    given = {
        "integration": id_,
        "resource": resource.name,
        "length": len(after),
        "after": after,
        "limit": PAGE_ROWS,
    }
    rows: list[Sequence[Any]] = []
    for row in connection.execute(_NEXT, given):
        doc: Mapping[str, Any] = msgspec.json.decode(row.doc)
        cells = [representation.cell(kind, doc.get(field)) for field, kind in fields]
        rows.append(
            [name, row.id, *cells, row.invalid_values, row.version, row.changed_at, row.observed_at]
        )
    return Rows(tuple(column.name for column in columns), rows)


def column_types(catalog: Catalog, resource: Resource) -> tuple[tuple[str, str], ...]:
    """Return the names and types of the columns of a resource's SQL view."""
    return tuple((column.name, column.type) for column in sql_views.columns(catalog, resource))


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
    try:
        from ultraviolet.mirror.parquet import Parquet  # noqa: PLC0415  optional
    except ImportError as error:
        raise NoParquetError from error
    return Parquet(named)


class _Csv:
    def __init__(self, columns: Sequence[tuple[str, str]], *, for_spreadsheets: bool) -> None:
        self._kinds = [kind for _, kind in columns]
        self._for_spreadsheets = for_spreadsheets
        header = csv_line(name for name, _ in columns)
        self._header = f"{BYTE_ORDER_MARK}{header}" if for_spreadsheets else header

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        header, self._header = self._header, ""
        lines = [
            csv_line(map(csv_text, self._kinds, row), for_spreadsheets=self._for_spreadsheets)
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
