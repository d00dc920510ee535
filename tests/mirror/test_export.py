"""Exports: typed cells, and files that read back as the rows."""

import csv
import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from tests.mirror.observations import Mirror, at, read

from ultraviolet.db.tables.mirror import objects
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


def rows(mirror: Mirror, resource: Resource) -> list[dict[str, Any]]:
    shown = export.columns(mirror.catalog, resource)
    query = select(objects).where(
        objects.c.integration_id == mirror.integration_id, objects.c.resource == resource.name
    )
    found = mirror.connection.execute(query.order_by(objects.c.id)).mappings()
    names = [column.name for column in shown]
    return [dict(zip(names, export.row_cells(shown, "plant 1", row), strict=True)) for row in found]


def test_columns_are_found_by_both_names_and_others_are_rejected(catalog: Catalog) -> None:
    parts = catalog.resources["parts"]
    by_view = export.columns(catalog, parts, ["part_number", "mirror_version"])
    by_ion = export.columns(catalog, parts, ["partNumber", "mirror_version", "partNumber"])
    assert by_view == by_ion
    assert [column.name for column in by_view] == ["part_number", "mirror_version"]
    with pytest.raises(InvalidError, match="Did you mean part"):
        export.columns(catalog, parts, ["part_numbr"])


def test_row_has_typed_cells_and_its_provenance(mirror: Mirror, parts: Resource) -> None:
    mirror(part("1", partNumber="P-1", cost=2, exportControlled=True, leadTime="soon", id=1))
    mirror(part("1", 5, partNumber="P-2", cost=2, exportControlled=True, leadTime="soon", id=1))

    [row] = rows(mirror, parts)

    assert (row["integration"], row["id"], row["part_number"]) == ("plant 1", "1", "P-2")
    assert (row["cost"], row["export_controlled"], row["description"]) == (2.0, True, None)
    assert row["lead_time"] is None
    assert json.loads(row["mirror_invalid_values"]) == {"leadTime": "soon"}
    assert (row["mirror_version"], row["mirror_observed_at"]) == (2, at(5.5))


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
