"""Write rows as Parquet with pyarrow, an optional dependency without type stubs."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from ultraviolet.db.representation import parquet_value
from ultraviolet.mirror.byte_sink import ByteSink

_KINDS = {
    "integer": pa.int64(),
    "real": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
}


class Parquet:
    """Writes one row group per page and returns its bytes at once."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._columns = columns
        self._schema = pa.schema([(name, _KINDS.get(kind, pa.string())) for name, kind in columns])
        self._sink = ByteSink()
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
        return self._sink.take_written()

    def end(self) -> bytes:
        """Return the footer of the file."""
        self._file.close()
        return self._sink.take_written()
