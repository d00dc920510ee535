"""Views, exports, lists and filters show the stored values, for unusual values of every type."""

import io
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tests.web.conftest import Edge
from tests.web.displayed_values import (
    CASES,
    FIELDS,
    VALUES,
    export_parts,
    is_same,
    is_same_json,
    parse_csv_cell,
    parse_view_cell,
    read_csv,
    read_view,
    replace_parts,
)

from ultraviolet import clock
from ultraviolet.db import sql_views
from ultraviolet.mirror import field_indexes


def test_views_exports_and_lists_show_the_same_values(parts_hub: Edge) -> None:
    replace_parts(
        parts_hub,
        *({"id": n, FIELDS[kind][0]: value} for n, (kind, value, _) in enumerate(CASES, start=1)),
    )

    in_view = read_view(parts_hub)
    in_csv = read_csv(export_parts(parts_hub, "format=csv").decode())
    in_json = [json.loads(line) for line in export_parts(parts_hub, "format=jsonl").splitlines()]
    in_parquet = parquet.read_table(
        io.BytesIO(export_parts(parts_hub, "format=parquet"))
    ).to_pylist()
    listed = {one["id"]: one for one in parts_hub.get("/objects/parts?limit=1000")["items"]}

    assert [len(CASES)] * 4 == [len(in_view), len(in_csv), len(in_json), len(in_parquet)]
    for n, (kind, value, expected) in enumerate(CASES):
        field, column = FIELDS[kind]
        case = (kind, value)
        assert (case, True) == (case, is_same(expected, parse_view_cell(kind, in_view[n][column])))
        if kind == "json":
            assert (case, True) == (case, is_same_json(in_csv[n][column], expected))
        else:
            assert (case, expected) == (case, parse_csv_cell(kind, in_csv[n][column]))
        assert (case, expected) == (case, in_json[n][column])
        cell = in_parquet[n][column]
        cell = clock.format_rfc3339(cell) if isinstance(cell, datetime) else cell
        assert (case, expected) == (
            case,
            json.loads(cell) if kind == "json" and cell is not None else cell,
        )
        one = listed[str(n + 1)]
        assert (case, value) == (case, one["fields"][field])
        invalid = [field] if expected is None else []
        assert (case, invalid) == (case, one["invalid_fields"])
        raw = {field: value} if invalid else None
        assert (case, raw) == (case, parse_view_cell("json", in_view[n]["mirror_invalid_values"]))
        assert (case, raw) == (case, in_json[n]["mirror_invalid_values"])


@pytest.mark.parametrize("kind", [kind for kind in FIELDS if kind != "json"])
def test_filters_and_sorting_treat_invalid_values_as_null(parts_hub: Edge, kind: str) -> None:
    field = FIELDS[kind][0]
    cases = [
        (value, expected) for case, value, expected in CASES if case == kind and value != -(2**63)
    ]
    replace_parts(
        parts_hub, *({"id": n, field: value} for n, (value, _) in enumerate(cases, start=1))
    )

    def ids(wanted: Any, sort: str = "id") -> list[str]:
        answer = parts_hub.api(
            "GET",
            f"/objects/parts?limit=1000&sort={sort}&filter={quote(json.dumps({field: wanted}))}",
        )
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    absent = [str(n) for n, (_, expected) in enumerate(cases, start=1) if expected is None]
    assert absent == ids({"isnull": True})
    for n, (_, expected) in enumerate(cases, start=1):
        if (
            expected is not None and expected == expected.strip()
            if isinstance(expected, str)
            else expected is not None
        ):
            assert str(n) in ids({"eq": expected}), (kind, expected)
            assert not set(absent) & set(ids({"neq": expected}))
    in_order = ids({"isnull": False}, sort=field)
    keys = [cases[int(id_) - 1][1] for id_ in in_order]
    if kind == "id":
        keys = [int(key) for key in keys]
    assert sorted(keys, key=lambda key: key.lower() if isinstance(key, str) else key) == keys
    first = [str(n) for n, (_, expected) in enumerate(cases, start=1) if expected in (None, "")]
    assert first == sorted(ids({}, sort=field)[: len(first)], key=int)
    table = parts_hub.api("GET", f"/objects/parts?limit=7&sort=-{field}").json()
    seen = [one["id"] for one in table["items"]]
    while table["next"]:
        table = parts_hub.api(
            "GET", f"/objects/parts?limit=7&sort=-{field}&cursor={table['next']}"
        ).json()
        seen += [one["id"] for one in table["items"]]
    assert sorted(seen, key=int) == [str(n) for n in range(1, len(cases) + 1)]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.fixed_dictionaries({field: VALUES for field, _ in FIELDS.values()}),
        min_size=1,
        max_size=5,
    )
)
@example([{field: "12 weeks" for field, _ in FIELDS.values()}])
def test_views_and_exports_agree_with_documents_of_any_content(
    parts_hub: Edge, docs: list[dict[str, Any]]
) -> None:
    kept = [{"id": n, **doc} for n, doc in enumerate(docs, start=1)]
    replace_parts(parts_hub, *kept)

    in_view = read_view(parts_hub)
    in_csv = read_csv(export_parts(parts_hub, "format=csv").decode())
    in_json = [json.loads(line) for line in export_parts(parts_hub, "format=jsonl").splitlines()]
    in_parquet = parquet.read_table(
        io.BytesIO(export_parts(parts_hub, "format=parquet"))
    ).to_pylist()
    listed = {one["id"]: one for one in parts_hub.get("/objects/parts?limit=1000")["items"]}
    parts = parts_hub.hub.catalog.resources["parts"]
    names = {column.name for column in sql_views.columns(parts_hub.hub.catalog, parts)}
    comparison = sql_views.Comparison(parts_hub.hub.catalog, parts, names)
    seen = parts_hub.hub.database.read_now(comparison.read, 1, [str(doc["id"]) for doc in kept])

    assert [{}] * len(kept) == [comparison.differing(doc, seen[str(doc["id"])]) for doc in kept]
    for n, doc in enumerate(kept):
        raw = in_json[n]["mirror_invalid_values"] or {}
        assert doc == listed[str(n + 1)]["fields"]
        assert sorted(raw) == listed[str(n + 1)]["invalid_fields"]
        for kind, (field, column) in FIELDS.items():
            cell = in_json[n][column]
            assert is_same(cell, parse_view_cell(kind, in_view[n][column]))
            text_ = in_csv[n][column]
            assert (
                is_same_json(text_, cell) if kind == "json" else parse_csv_cell(kind, text_) == cell
            )
            binary = in_parquet[n][column]
            binary = clock.format_rfc3339(binary) if isinstance(binary, datetime) else binary
            assert cell == (json.loads(binary) if kind == "json" and binary is not None else binary)
            if cell is None:
                assert doc[field] is None or raw[field] == doc[field]
            elif kind == "time":
                assert datetime.fromisoformat(cell) == _as_utc(doc[field])
            elif kind == "id":
                assert cell == str(doc[field])
            else:
                assert cell == doc[field]


def _as_utc(written: str) -> datetime:
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def test_field_indexes_accept_all_values(parts_hub: Edge) -> None:
    replace_parts(parts_hub, {"id": 1, "leadTime": 1})
    parts = parts_hub.hub.catalog.resources["parts"]
    names = [(field, kind) for kind, (field, _) in FIELDS.items()]

    def index(connection: Any) -> list[Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(field_indexes, "MIN_OBJECTS", 0)
            return field_indexes.missing_indexes(connection, 1, parts, names)

    made = parts_hub.hub.database.read_now(index)
    assert len(FIELDS) == len(made)
    for one in made:
        parts_hub.hub.database.write_now(
            lambda c, one=one: (
                c.exec_driver_sql(f"CREATE INDEX {one.name} {one.definition}".replace("%", "%%"))
                if c.dialect.name == "postgresql"
                else c.exec_driver_sql(f"CREATE INDEX {one.name} {one.definition}")
            )
        )
    test_views_exports_and_lists_show_the_same_values(parts_hub)
    test_filters_and_sorting_treat_invalid_values_as_null(parts_hub, "time")
    for one in made:
        parts_hub.hub.database.write_now(
            lambda c, one=one: c.exec_driver_sql(f"DROP INDEX {one.name}")
        )
