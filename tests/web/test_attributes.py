"""Custom attributes are columns of lists, filters, exports, SQL views and pages."""

import io
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from sqlalchemy import text
from tests.web.conftest import Edge
from tests.web.displayed_values import (
    export_parts,
    is_same,
    parse_view_cell,
    read_csv,
    read_view,
    replace_parts,
)

from ultraviolet.db import sql_views
from ultraviolet.hub.accounts import sessions, users
from ultraviolet.hub.runtime.view_updater import ViewUpdater
from ultraviolet.ion.attributes import MAX_ATTRIBUTES

NAMES = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12
)
VALUES = {
    "STRING": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "NUMBER": st.floats(-1e9, 1e9) | st.integers(-(2**40), 2**40),
    "BOOLEAN": st.booleans(),
    "MULTISELECT": st.lists(st.sampled_from(["a", "b"])),
}
TYPED = st.sampled_from(sorted(VALUES)).flatmap(
    lambda type_: st.tuples(st.just(type_), VALUES[type_])
)


def part(id_: int, **attributes: tuple[str, Any]) -> dict[str, Any]:
    """Return the document of a part with attributes, given as type and value."""
    rows = {
        name: {"id": f"{id_}-{name}", "key": name, "type": type_, "value": value}
        for name, (type_, value) in attributes.items()
    }
    return {"id": id_, "partNumber": f"P-{id_}", "attributes": rows}


@pytest.fixture
def plant(parts_hub: Edge) -> Edge:
    """The hub with parts that have an attribute of each type."""
    show(
        parts_hub,
        part(
            1,
            **{
                "Work order": ("STRING", "WO-1"),
                "Priority": ("SELECT", "high, urgent"),
                "Rating": ("NUMBER", 4.5),
                "Cleanroom": ("BOOLEAN", True),
                "Due": ("DATETIME", "2026-11-23T10:00:00+00:00"),
                "Colors": ("MULTISELECT", ["red", "blue"]),
            },
        ),
        part(
            2,
            **{
                "Work order": ("STRING", None),
                "Priority": ("SELECT", "low"),
                "Rating": ("NUMBER", 12),
                "Cleanroom": ("BOOLEAN", False),
            },
        ),
        part(3, Rating=("NUMBER", "about 4")),
    )
    return parts_hub


def show(edge: Edge, *docs: dict[str, Any]) -> None:
    """Replace the parts, and add the columns of their attributes to the view."""
    replace_parts(edge, *docs)
    hub = edge.hub
    edge.runner.run(ViewUpdater(hub.database, hub.attributes, hub.changes).update())


def columns_of(edge: Edge) -> dict[tuple[str, str], str]:
    """Return the columns of the attributes of parts by name and type."""
    found = edge.get("/attributes?resource=parts")["items"]
    return {(each["name"], each["type"]): each["column"] for each in found}


def ids(edge: Edge, wanted: Any = None, sort: str = "id") -> list[str]:
    query = f"sort={quote(sort)}" + (f"&filter={quote(json.dumps(wanted))}" if wanted else "")
    return [one["id"] for one in edge.get(f"/objects/parts?{query}")["items"]]


def test_attributes_are_columns_of_views_and_exports(plant: Edge) -> None:
    expected = [
        {
            "attribute_work_order": "WO-1",
            "attribute_priority": "high, urgent",
            "attribute_rating": 4.5,
            "attribute_cleanroom": True,
            "attribute_due": "2026-11-23T10:00:00.000000+00:00",
            "attribute_colors": ["red", "blue"],
        },
        {
            "attribute_work_order": None,
            "attribute_priority": "low",
            "attribute_rating": 12.0,
            "attribute_cleanroom": False,
            "attribute_due": None,
            "attribute_colors": None,
        },
        dict.fromkeys(("attribute_work_order", "attribute_rating", "attribute_due")),
    ]
    catalog = plant.hub.database.read_now(plant.hub.attributes.get)
    kinds = catalog.resources["parts"].kinds

    in_view = read_view(plant)
    in_json = [json.loads(line) for line in export_parts(plant, "format=jsonl").splitlines()]
    for row, exported, wanted in zip(in_view, in_json, expected, strict=True):
        assert wanted == {name: exported[name] for name in wanted}
        assert wanted == {name: parse_view_cell(kinds[name], row[name]) for name in wanted}
    assert {"attributes.Rating": "about 4"} == in_json[2]["mirror_invalid_values"]

    chosen = "column=id&column=attributes.Work%20order&column=attribute_rating"
    csv = read_csv(export_parts(plant, chosen).decode())
    assert {"id": "1", "attribute_work_order": "WO-1", "attribute_rating": "4.5"} == csv[0]
    table = parquet.read_table(io.BytesIO(export_parts(plant, f"format=parquet&{chosen}")))
    assert [4.5, 12.0, None] == table["attribute_rating"].to_pylist()
    described = plant.hub.database.read_now(
        lambda c: c.execute(
            text("SELECT type, field, comment FROM view_columns WHERE name = 'attribute_rating'")
        ).one()
    )
    assert ("real", "attributes.Rating", "Custom attribute Rating") == tuple(described)


def test_lists_filter_and_sort_by_attributes(plant: Edge) -> None:
    assert ["1"] == ids(plant, {"attributes.Work order": {"eq": "WO-1"}})
    assert ["1"] == ids(plant, {"attribute_work_order": {"ilike": "wo%"}})
    assert ["2", "3"] == ids(plant, {"attribute_work_order": {"isnull": True}})
    assert ["2"] == ids(plant, {"attributes": {"Rating": {"gt": 5}}})
    assert ["1"] == ids(plant, {"attributes.Rating": {"lte": 4.5}})
    assert ["1"] == ids(plant, {"attributes.Cleanroom": {"eq": True}})
    assert ["1"] == ids(plant, {"attributes.Due": {"lt": "2026-12-01"}})
    assert ["1"] == ids(plant, {"attributes.Colors": {"ilike": "%blue%"}})
    assert ["1"] == ids(plant, {"attributes.Priority": {"in": ["high, urgent", "medium"]}})
    assert ["1", "2"] == ids(plant, {"attributes.Rating": {"isnull": False}}, "attributes.Rating")
    assert ["2", "1", "3"] == ids(plant, sort="-attribute_rating")

    rows = plant.get("/objects/parts?column=attributes.Rating&column=partNumber&sort=id")["items"]
    assert {"attribute_rating": 4.5, "partNumber": "P-1"} == rows[0]["fields"]

    for query in ("column=attributes.Ratin", "sort=attributes.Ratin"):
        wrong = plant.api("GET", f"/objects/parts?{query}")
        assert 422 == wrong.status_code
        assert "Ratin" in wrong.json()["detail"]
    assert "Did you mean Rating?" in plant.api("GET", "/objects/parts?column=attributes.Ratin").text


def test_pages_offer_attributes_as_columns_and_filters(plant: Edge) -> None:
    def link(connection: Any) -> str:
        name = f"ada {len(users.list_users(connection))}"
        user = users.create_user(connection, "test", name, "admin")
        return sessions.create_sign_in_link(connection, user.id)

    token = plant.hub.database.write_now(link)
    assert 303 == plant.send("POST", f"/sign-in/{token}").status_code

    def page(path: str, *parameters: tuple[str, str]) -> str:
        answer = plant.send("GET", f"{path}?{urlencode(parameters)}", follow_redirects=True)
        assert 200 == answer.status_code, answer.text
        return answer.text

    columns = page("/objects/parts/columns", ("column", "attributes.Priority"))
    assert 'value="attribute_priority" checked' in columns
    assert "Work order" in columns
    editor = page("/objects/parts/filter", ("field", "attribute_priority"))
    assert "high, urgent" in editor
    assert "low" in editor
    assert "Rating" in page("/objects/parts/filter")
    form = (("field", "attribute_priority"), ("operator", "any"), ("value", "high, urgent"))
    chosen = page("/objects/parts/filter", *form, ("value", "none"), ("apply", "1"))
    assert "Priority is any of high, urgent or none" in chosen
    assert "P-1" in chosen
    assert "P-2" not in chosen
    shown = page(
        "/objects/parts",
        ("column", "attribute_priority"),
        ("column", "partNumber"),
        ("where", "attributes.Cleanroom:is:no"),
        ("where", "attribute_rating:between:10..20"),
        ("sort", "-attribute_rating"),
    )
    assert "P-2" in shown
    assert "P-1" not in shown
    assert "Cleanroom is no" in shown
    assert "Priority" in page("/objects/parts/1")


def test_history_has_a_change_for_each_attribute(plant: Edge) -> None:
    show(plant, part(1, Finish=("STRING", "matte"), Shop=("STRING", "A")))
    show(plant, part(1, Finish=("STRING", "bright"), Shop=("STRING", "A")))

    newest = plant.get("/objects/parts/1/history")["items"][0]
    change = {"name": "attributes.Finish", "old": "matte", "new": "bright"}
    assert [change] == newest["changes"]


def test_attribute_with_another_type_has_another_column(plant: Edge) -> None:
    show(plant, part(1, Shade=("STRING", "matte")), part(2, Shade=("NUMBER", 3)))

    columns = columns_of(plant)
    assert "attribute_shade" == columns["Shade", "NUMBER"]
    assert "attribute_shade_2" == columns["Shade", "STRING"]
    assert [(None, "matte"), (3.0, None)] == [
        (row["attribute_shade"], row["attribute_shade_2"]) for row in read_view(plant)
    ]
    assert ["1"] == ids(plant, {"attribute_shade_2": {"eq": "matte"}})
    assert ["2"] == ids(plant, {"attributes.Shade": {"gt": 2}})


def test_views_gain_columns_while_a_query_reads_them(plant: Edge) -> None:
    with plant.hub.database.engine.connect() as reader:
        rows = reader.execution_options(yield_per=1).exec_driver_sql("SELECT id FROM ion_parts")
        assert rows.first() is not None
        show(plant, part(1, **{"During a query": ("STRING", "x")}))
    show(plant, part(1, **{"During a query": ("STRING", "y")}))
    assert "y" == read_view(plant)[0]["attribute_during_a_query"]


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.dictionaries(NAMES, TYPED, min_size=1, max_size=3))
@example({'"': ("STRING", "a"), "'": ("STRING", "b"), "\\": ("STRING", "c")})
@example({"%": ("NUMBER", 1), "100%% a": ("NUMBER", 2), ":x": ("STRING", "d")})
@example({"$.a[0]": ("STRING", "e"), "[0]": ("STRING", "f"), "0": ("STRING", "g")})
@example({"a.b": ("STRING", "h"), "A b": ("STRING", "i"), "a_b": ("STRING", "j")})
@example({"優先": ("BOOLEAN", True), "Größe": ("NUMBER", 0), "\n": ("STRING", "\t")})
def test_attribute_of_any_name_keeps_its_value(
    parts_hub: Edge, attributes: dict[str, tuple[str, Any]]
) -> None:
    document = part(1, **attributes)
    show(parts_hub, document, part(2))

    columns = columns_of(parts_hub)
    kept = {name: columns.get((name, type_)) for name, (type_, _) in attributes.items()}
    catalog = parts_hub.hub.database.read_now(parts_hub.hub.attributes.get)
    parts = catalog.resources["parts"]
    names = {column.name for column in sql_views.columns(catalog, parts)}
    comparison = sql_views.Comparison(catalog, parts, names)
    assert {} == comparison.differing(
        document, parts_hub.hub.database.read_now(comparison.read, 1, ["1"])["1"]
    )
    exported = json.loads(export_parts(parts_hub, "format=jsonl").splitlines()[0])
    for name, column in kept.items():
        type_, value = attributes[name]
        if column is None:
            assert len(set(columns.values())) == MAX_ATTRIBUTES
            continue
        assert is_same(float(value) if type_ == "NUMBER" else value, exported[column])
        found = parts_hub.get("/objects/parts/1")["fields"]["attributes"][name]["value"]
        assert value == found
        comparable = {"isnull": False} if type_ == "MULTISELECT" else {"eq": value}
        assert ["1"] == ids(parts_hub, {column: comparable})
        expected = ["1", "2"] if value == "" else ["2", "1"]
        assert expected == ids(parts_hub, sort=column)


def test_number_of_attribute_columns_is_limited(parts_hub: Edge) -> None:
    many = {f"Extra {number}": ("STRING", "x") for number in range(MAX_ATTRIBUTES + 20)}
    show(parts_hub, part(1, **many))

    assert MAX_ATTRIBUTES == len(set(columns_of(parts_hub).values()))
    assert len(many) == len(parts_hub.get("/objects/parts/1")["fields"]["attributes"])
    assert "x" == read_view(parts_hub)[0]["attribute_extra_0"]
