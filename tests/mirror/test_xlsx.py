"""Excel workbooks, read back by openpyxl."""

import io
import random
from datetime import datetime
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.escape import unescape

from ultraviolet.errors import InvalidError
from ultraviolet.mirror import xlsx


def written(columns: list[tuple[str, str]], *pages: list[list[Any]]) -> bytes:
    writer = xlsx.Xlsx(columns)
    return b"".join([*map(writer.write, pages), writer.end()])


def read(content: bytes) -> list[tuple[Any, ...]]:
    sheet = openpyxl.load_workbook(io.BytesIO(content))["Objects"]
    return [tuple(cell.value for cell in row) for row in sheet.iter_rows()]


def one(kind: str, value: Any) -> Any:
    [_, [cell]] = read(written([("v", kind)], [[value]]))
    return cell


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("integer", -(2**40), -(2**40)),
        ("integer", 2**62, str(2**62)),
        ("id", "17", 17),
        ("id", "-3", -3),
        ("id", "0017", "0017"),
        ("real", 0.1, 0.1),
        ("real", 1e22, 1e22),
        ("boolean", False, False),
        ("boolean", 1, True),
        ("time", "2026-12-01T08:30:15.000000+00:00", "2026-12-01 08:30:15"),
        ("time", "2026-12-01T00:00:00.000000+00:00", "2026-12-01 00:00:00"),
        ("time", "9999-12-31T23:59:59.000000+00:00", "9999-12-31 23:59:59"),
        ("time", "1875-05-20T00:00:00.000000+00:00", "1875-05-20"),
        ("text", "00123", "00123"),
        ("text", "false", False),
        ("text", "False", "False"),
        ("text", "=1+1", "=1+1"),
        ("json", '["a","b",{"c":1}]', 'a; b; {"c":1}'),
    ],
)
def test_value_keeps_its_type(kind: str, value: Any, shown: Any) -> None:
    found = one(kind, value)
    if kind == "time" and shown[4:] != "-05-20":
        assert isinstance(found, datetime)
        found = str(found)
    assert (type(found), found) == (type(shown), shown)


def test_own_id_and_link_have_one_type() -> None:
    columns = [("ID", "id"), ("Supplier ID", "id")]
    assert read(written(columns, [["4", 4], ["A-1", "A-1"]]))[1:] == [(4, 4), ("A-1", "A-1")]


def test_null_is_an_empty_cell() -> None:
    columns = [("a", "integer"), ("b", "text"), ("c", "text")]
    assert read(written(columns, [[None, None, "x"]]))[1] == (None, None, "x")


def test_text_is_never_a_formula() -> None:
    content = written([("v", "text")], [[text] for text in ("=1+1", "+49", "-x", "@cmd", "\tx")])
    sheet = openpyxl.load_workbook(io.BytesIO(content))["Objects"]
    assert {row[0].data_type for row in sheet.iter_rows(min_row=2)} == {"s"}


def test_any_text_reads_back() -> None:
    parts = [
        "_",
        "x",
        "_x",
        "0041",
        "_x0041_",
        "\0",
        "\x01",
        "\r",
        "\n",
        "\ufffe",
        "<",
        "]]>",
        "é",
        "😀",
        " ",
    ]
    chosen = random.Random(5)
    texts = ["".join(chosen.choices(parts, k=chosen.randint(1, 7))) for _ in range(2000)]
    _, *rows = read(written([("v", "text")], [[text] for text in texts]))
    assert [unescape(cell) for (cell,) in rows] == texts


def test_long_text_is_cut_between_characters() -> None:
    assert one("text", "x" * 40_000) == "x" * xlsx.MAX_TEXT_CHARACTERS
    assert one("text", "😀" * 20_000) == "😀" * (xlsx.MAX_TEXT_CHARACTERS // 2)


def test_pages_follow_a_frozen_head_with_a_filter() -> None:
    columns = [(f"c{number}", "integer") for number in range(30)]
    writer = xlsx.Xlsx(columns)
    rows = [[row * 30 + number for number in range(30)] for row in range(800)]
    pieces = [writer.write(rows[start : start + 200]) for start in range(0, 800, 200)]
    assert len(pieces[-1]) > 1000
    content = b"".join([*pieces, writer.end()])
    sheet = openpyxl.load_workbook(io.BytesIO(content))["Objects"]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:AD801")
    assert [cell.value for cell in sheet[1]] == [name for name, _ in columns]
    assert [cell.value for cell in sheet[801]] == rows[-1]
    assert read(written(columns)) == [tuple(name for name, _ in columns)]


def test_too_large_list_is_reported() -> None:
    xlsx.check_size(xlsx.MAX_ROWS, 10)
    with pytest.raises(InvalidError, match="1,048,576 rows"):
        xlsx.check_size(xlsx.MAX_ROWS + 1, 1)
    with pytest.raises(InvalidError, match="100 columns"):
        xlsx.check_size(1_000_000, 100)
