"""Rows as Parquet, through pyarrow, which is an extra and has no types of its own."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from ultraviolet.db.representation import parquet_value

_KINDS = {
    "integer": pa.int64(),
    "real": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
}


class Parquet:
    """Writes a row group for each piece, and hands its bytes on at once."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._columns = columns
        self._schema = pa.schema([(name, _KINDS.get(kind, pa.string())) for name, kind in columns])
        self._sink = _Sink()
        self._file = parquet.ParquetWriter(self._sink, self._schema)

    def write(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the bytes of these rows."""
        if rows:
            cells = [
                pa.array([parquet_value(kind, shown) for shown in shown_column], field.type)
                for (_, kind), shown_column, field in zip(
                    self._columns, zip(*rows, strict=True), self._schema, strict=True
                )
            ]
            self._file.write_batch(pa.RecordBatch.from_arrays(cells, schema=self._schema))
        return self._sink.taken()

    def end(self) -> bytes:
        """Return what closes the file: its footer."""
        self._file.close()
        return self._sink.taken()


class _Sink(io.RawIOBase):
    """A file that only grows: what was taken of it still counts for its position."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        self._length += len(data)
        return len(data)

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        written, self._pieces = b"".join(self._pieces), []
        return written
