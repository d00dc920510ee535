"""Cells of CSV exports for spreadsheets, and columns of views in SQL."""

import csv
import io
from typing import Any

from tests.web.conftest import Edge
from tests.web.displayed_values import export_parts, read_csv, replace_parts

from ultraviolet.db import sql_views


def test_csv_for_spreadsheets_contains_no_formulas(parts_hub: Edge) -> None:
    cells = [
        "=1+1",
        "+1",
        "-1",
        "-1+cmd|' /C calc'!A0",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "plain",
        "",
        "'",
        "\u00a0=1",
    ]
    replace_parts(
        parts_hub, *({"id": n, "description": cell} for n, cell in enumerate(cells, start=1))
    )

    safe = export_parts(parts_hub, "for_spreadsheets=true")
    assert safe.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(safe.decode("utf-8-sig"), newline="")))
    assert [
        "'=1+1",
        "'+1",
        "-1",
        "'-1+cmd|' /C calc'!A0",
        "'@SUM(1)",
        "'\t=1",
        "'\r=1",
        "plain",
        "",
        "'",
        "\u00a0=1",
    ] == [row["Description"] for row in rows]
    raw = export_parts(parts_hub, "format=csv")
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert cells == [row["description"] or "" for row in read_csv(raw.decode())]
    assert (
        400
        <= parts_hub.api("GET", "/exports/parts?format=jsonl&for_spreadsheets=true").status_code
        < 500
    )


def test_every_column_can_be_selected_without_quotes(parts_hub: Edge) -> None:
    catalog = parts_hub.hub.catalog

    def select(connection: Any) -> None:
        for resource in catalog.mirrored:
            for column in sql_views.columns(catalog, resource):
                name = column.name
                order = "" if column.type == "json" else f"ORDER BY {name}"
                sql = f"SELECT {name}, v.{name} FROM {sql_views.view_name(resource)} v WHERE {name} IS NULL {order}"
                connection.exec_driver_sql(sql)

    parts_hub.hub.database.read_now(select)
