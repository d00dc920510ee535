"""Exports: pages in a stable order, and files that read back as the rows."""

import csv
import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.mirror.observations import Mirror, absence, at, read

from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import export
from ultraviolet.mirror.observation import Observation

AWKWARD = ["", " ", 'say "hi"', "a,b", "line\nbreak", "a\r\nb", "é☃𝄞", "=1+1", "null", "\ufeffmark"]


@pytest.fixture
def mirror(connection: Connection, catalog: Catalog) -> Mirror:
    return Mirror(connection, catalog)


@pytest.fixture
def parts(catalog: Catalog) -> Resource:
    return catalog.resources["parts"]


def part(id_: str, second: float = 1, **fields: Any) -> Observation:
    return read(second, id_=id_, resource="parts", _updated=at(second), **fields)


def rows(mirror: Mirror, resource: Resource, after: str = "") -> list[dict[str, Any]]:
    page = export.read_page(
        mirror.connection, mirror.catalog, resource, (mirror.integration_id, "plant 1"), after
    )
    return [dict(zip(page.columns, row, strict=True)) for row in page.rows]


def test_resource_without_objects_has_columns_and_no_rows(mirror: Mirror, parts: Resource) -> None:
    page = export.read_page(mirror.connection, mirror.catalog, parts, (1, "plant 1"), "")

    assert page.rows == []
    types = export.column_types(mirror.catalog, parts)
    assert page.columns == tuple(name for name, _ in types)
    assert dict(types)["part_number"] == "text"


def test_row_has_typed_cells_and_its_provenance(mirror: Mirror, parts: Resource) -> None:
    mirror(part("1", partNumber="P-1", cost=2, exportControlled=True, leadTime="soon", id=1))
    mirror(part("1", 5, partNumber="P-2", cost=2, exportControlled=True, leadTime="soon", id=1))

    [row] = rows(mirror, parts)

    assert (row["integration"], row["id"], row["part_number"]) == ("plant 1", "1", "P-2")
    assert (row["cost"], row["export_controlled"], row["description"]) == (2.0, True, None)
    assert row["lead_time"] is None
    assert json.loads(row["mirror_invalid_values"]) == {"leadTime": "soon"}
    assert (row["mirror_version"], row["mirror_observed_at"]) == (2, at(5.5))


def test_pages_are_in_numeric_order_and_contain_each_object_once(
    mirror: Mirror, parts: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 3)
    ids = ["9", "10", "1", "100", "2", "Z", "é", "☃☃", "zz"]
    mirror(*(part(id_, partNumber=id_) for id_ in ids))

    found: list[str] = []
    while page := rows(mirror, parts, found[-1] if found else ""):
        assert len(page) <= 3
        found += [row["id"] for row in page]

    assert found == ["1", "2", "9", "Z", "é", "10", "zz", "☃☃", "100"]


def test_changes_between_pages_do_not_repeat_or_skip_others(
    mirror: Mirror, parts: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 2)
    mirror(*(part(str(n)) for n in range(1, 6)))
    assert [row["id"] for row in rows(mirror, parts)] == ["1", "2"]

    mirror(absence(10, "fetch", id_="1", resource="parts"), part("0", 10), part("4", 10, cost=3))
    mirror(absence(10, "fetch", id_="2", resource="parts"))

    assert [row["id"] for row in rows(mirror, parts, "2")] == ["3", "4"]


def test_deleted_objects_and_other_integrations_are_not_exported(
    mirror: Mirror, connection: Connection, catalog: Catalog, parts: Resource
) -> None:
    mirror(part("1"), part("2"), read(1, id_="3", resource="suppliers"))
    Mirror(connection, catalog, 2)(part("4"))
    mirror(absence(10, "fetch", id_="1", resource="parts"))

    assert [row["id"] for row in rows(mirror, parts)] == ["2"]


def written(format_: export.Format, columns: list[tuple[str, str]], *pages: Any) -> bytes:
    writer = export.make_writer(format_, columns)
    return b"".join([*(writer.write(page) for page in pages), writer.end()])


def test_csv_keeps_awkward_texts_and_separates_null_from_empty() -> None:
    columns = [("id", "id"), ("a,b", "text")]

    content = written("csv", columns, [], [["1", None]], [["2", text] for text in AWKWARD])

    read_back = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert read_back == [["id", "a,b"], ["1", ""], *(["2", text] for text in AWKWARD)]
    assert content.startswith(b'id,"a,b"\r\n1,\r\n2,""\r\n')


def test_empty_csv_has_a_header() -> None:
    assert written("csv", [("id", "id"), ("cost", "real")]) == b"id,cost\r\n"


def test_csv_cells_have_one_form_per_type() -> None:
    cells: dict[str, Any] = {
        "integer": -(2**63),
        "real": 0.1,
        "boolean": False,
        "time": at(1),
        "id": "7",
        "json": '{"a":"b,c"}',
    }
    line = written("csv", [(kind, kind) for kind in cells], [[*cells.values()]]).splitlines()[1]

    assert line.decode() == f'-9223372036854775808,0.1,false,{at(1)},7,"{{""a"":""b,c""}}"'
    assert written("csv", [("v", "json")], [['"text"'], ["3.50"], ["true"], ["[]"]]) == (
        b"v\r\ntext\r\n3.50\r\ntrue\r\n[]\r\n"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@cmd", "'@cmd"),
        ("+49 30", "'+49 30"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        ("-5", "-5"),
        ("-1.5e-3", "-1.5e-3"),
        ("a=1", "a=1"),
    ],
)
def test_formula_becomes_text_for_spreadsheets(text: str, shown: str) -> None:
    writer = export.make_writer("csv", [("v", "text")], for_spreadsheets=True)

    header, row = writer.write([[text]]).decode().split("\r\n")[:2]

    assert (header, row) == ("\ufeffv", shown)


@given(st.lists(st.tuples(st.none() | st.text(st.characters(exclude_categories=["Cs"])))))
def test_any_csv_text_reads_back(texts: list[tuple[str | None]]) -> None:
    content = written("csv", [("v", "text")], texts).decode()

    lines = csv.reader(io.StringIO(content, newline=""), strict=True)
    assert [line or [""] for line in lines] == [["v"], *([text or ""] for (text,) in texts)]


def test_json_lines_have_one_object_per_row() -> None:
    columns = [("id", "id"), ("open", "boolean"), ("value", "json"), ("cost", "real")]
    pages = [["1", 1, '{"a": [1, null]}', 0.5]], [["2", None, None, None], ["3", 0, '"é\\n"', 1e22]]

    lines = written("jsonl", columns, *pages).decode().splitlines()

    assert [json.loads(line) for line in lines] == [
        {"id": "1", "open": True, "value": {"a": [1, None]}, "cost": 0.5},
        {"id": "2", "open": None, "value": None, "cost": None},
        {"id": "3", "open": False, "value": "é\n", "cost": 1e22},
    ]
    assert written("jsonl", columns) == b""


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_only_csv_is_exported_for_spreadsheets(format_: export.Format) -> None:
    with pytest.raises(InvalidError, match="Only CSV"):
        export.make_writer(format_, [("id", "id")], for_spreadsheets=True)


def test_missing_pyarrow_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ultraviolet.mirror.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(export.NoParquetError):
        export.make_writer("parquet", [("id", "id")])
