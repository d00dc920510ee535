"""Exports over the API: a whole resource as a file."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from pyarrow import parquet
from tests.web.conftest import ADMIN_KEY, Edge

from ultraviolet.mirror import export
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

AT = "2026-01-01T00:00:00.000000+00:00"
NUMBER = 25


@pytest.fixture
def parts(edge: Edge, integration: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Edge:
    """A mirror with some parts, exported in several pieces."""
    monkeypatch.setattr(export, "PAGE_ROWS", 10)
    seen = [
        Observation(
            "parts",
            str(n),
            "full",
            {
                "id": n,
                "partNumber": f"P-{n}",
                "_created": AT,
                "attributes": {"color": {"value": "red"}},
            },
            AT,
            Origin("heal", None),
            AT,
            AT,
        )
        for n in range(1, NUMBER + 1)
    ]
    edge.hub.database.write_now(apply, edge.hub.catalog, integration["id"], seen)
    return edge


def exported(edge: Edge, as_format: str, resource: str = "parts") -> bytes:
    answer = edge.api("GET", f"/exports/{resource}?format={as_format}")
    assert (200, f'attachment; filename="{resource}.{as_format}"') == (
        answer.status_code,
        answer.headers["content-disposition"],
    )
    return answer.content


def test_csv_has_a_line_for_each_object(parts: Edge) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(parts, "csv").decode())))

    assert [f"P-{n}" for n in range(1, NUMBER + 1)] == [row["part_number"] for row in rows]
    assert "plant" == rows[0]["integration"]


def test_csv_for_spreadsheets_has_its_own_file_name(parts: Edge) -> None:
    answer = parts.api("GET", "/exports/parts?for_spreadsheets=true")

    name = 'attachment; filename="parts-for-spreadsheets.csv"'
    assert (200, name) == (answer.status_code, answer.headers["content-disposition"])


def test_json_lines_keep_nested_values(parts: Edge) -> None:
    rows = [json.loads(line) for line in exported(parts, "jsonl").splitlines()]

    assert NUMBER == len(rows)
    assert {"color": {"value": "red"}} == rows[0]["attributes"]


def test_parquet_has_typed_columns(parts: Edge) -> None:
    table = parquet.read_table(io.BytesIO(exported(parts, "parquet")))

    assert NUMBER == table.num_rows
    assert "timestamp[us, tz=UTC]" == str(table.schema.field("_created").type)
    assert AT == table.column("_created")[0].as_py().isoformat(timespec="microseconds")


VALUES = ["plain text", "[TBD] ask", "", "3.5", 3.5, True, ["a"], None]


@pytest.fixture
def values(edge: Edge, keep: Callable[..., None]) -> Edge:
    """A mirror with values of every kind that one field may have."""
    keep("datagrid_values", *({"id": n, "value": value} for n, value in enumerate(VALUES, start=1)))
    return edge


def test_json_lines_keep_the_type_of_a_value(values: Edge) -> None:
    lines = exported(values, "jsonl", "datagrid_values").splitlines()

    assert VALUES == [json.loads(line)["value"] for line in lines]


def test_csv_writes_text_unchanged(values: Edge) -> None:
    rows = csv.DictReader(io.StringIO(exported(values, "csv", "datagrid_values").decode()))

    assert ["plain text", "[TBD] ask", "", "3.5", "3.5", "true", '["a"]', ""] == [
        row["value"] for row in rows
    ]


def test_parquet_has_values_as_json(values: Edge) -> None:
    table = parquet.read_table(io.BytesIO(exported(values, "parquet", "datagrid_values")))

    assert VALUES == [
        None if v is None else json.loads(v) for v in table.column("value").to_pylist()
    ]


def test_unknown_resource_is_refused(edge: Edge, integration: dict[str, Any]) -> None:
    assert 404 == edge.api("GET", "/exports/unicorns").status_code


def test_unknown_format_is_refused(edge: Edge, integration: dict[str, Any]) -> None:
    assert 422 == edge.api("GET", "/exports/parts?format=xls").status_code


def test_export_requires_a_key(edge: Edge) -> None:
    assert ADMIN_KEY
    assert 401 == edge.api("GET", "/exports/parts", key="wrong").status_code
