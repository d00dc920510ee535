"""Parquet files: typed columns, one row group per page, and values that read back the same."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ultraviolet.db import representation
from ultraviolet.mirror.parquet import Parquet

TYPES = {
    "integer": pa.int64(),
    "real": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
    "text": pa.string(),
    "id": pa.string(),
    "json": pa.string(),
}


def file_of(kinds: Sequence[str], *pages: Sequence[Sequence[Any]]) -> parquet.ParquetFile:
    writer = Parquet([(f"column {n}", kind) for n, kind in enumerate(kinds)])
    content = b"".join([*(writer.write(page) for page in pages), writer.end()])
    return parquet.ParquetFile(io.BytesIO(content))


def test_columns_have_the_type_of_their_kind() -> None:
    schema = file_of(list(TYPES)).schema_arrow

    assert schema.types == list(TYPES.values())
    assert schema.names[0] == "column 0"


def test_file_without_rows_is_valid() -> None:
    assert file_of(["text"]).read().num_rows == 0
    assert file_of(["text"], [], []).read().num_rows == 0


def test_each_page_is_a_row_group_in_order() -> None:
    found = file_of(["integer"], [[1], [2]], [], [[3]])

    assert found.num_row_groups == 2
    assert found.read().column(0).to_pylist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", 2**63 - 1, 2**63 - 1),
        ("integer", -(2**63), -(2**63)),
        ("integer", 2**63, None),
        ("integer", 1.0, None),
        ("real", 5, 5.0),
        ("real", 1e-320, 1e-320),
        ("real", "5", None),
        ("boolean", True, True),
        ("boolean", 1, None),
        ("time", "2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("time", "2026-11-23T23:40:50.5+01:00", datetime(2026, 11, 23, 22, 40, 50, 500000, UTC)),
        ("time", "0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        ("time", "9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
        ("time", "tomorrow", None),
        ("text", "é☃𝄞\0\n", "é☃𝄞\0\n"),
        ("text", "", ""),
        ("id", 7, "7"),
        ("json", {"a": [1, None]}, '{"a":[1,null]}'),
        ("json", "text", '"text"'),
    ],
)
def test_value_has_the_cell_of_its_kind(kind: str, value: Any, expected: Any) -> None:
    cells = [[representation.cell(kind, value)], [None]]

    assert file_of([kind], cells).read().column(0).to_pylist() == [expected, None]


def test_boolean_of_a_driver_that_returns_numbers_is_a_boolean() -> None:
    assert file_of(["boolean"], [[1], [0]]).read().column(0).to_pylist() == [True, False]


def test_bytes_are_returned_as_they_are_written() -> None:
    writer = Parquet([("text", "text")])

    first = writer.write([["a" * 100]])
    assert first.startswith(b"PAR1")
    assert writer.write([]) == b""
    assert writer.write([["b"]])
    assert writer.end().endswith(b"PAR1")


rows = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False),
    st.none() | st.booleans(),
    st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)


@given(st.lists(st.lists(rows, max_size=4), max_size=4))
def test_any_rows_read_back(pages: list[list[tuple[Any, ...]]]) -> None:
    found = file_of(["integer", "real", "boolean", "text"], *pages).read()

    expected = [row for page in pages for row in page]
    assert [tuple(row.values()) for row in found.to_pylist()] == expected
