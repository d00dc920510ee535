"""Values that do not fit their column are reported, one finding per field, until corrected."""

from typing import Any

import pytest
from tests.hub.sync.plant import PARTS, SUPPLIERS, full, hold
from tests.hub.table_ion import CATALOG, select_all

from ultraviolet.db.database import Database
from ultraviolet.hub.sync import invalid_values


def report(database: Database, *resources: str) -> dict[str, str]:
    """Update the findings; return the messages of the open ones by subject."""
    database.write_now(invalid_values.report, CATALOG, 1, resources)
    rows = select_all(database, "SELECT * FROM findings WHERE resolved_at IS NULL")
    assert {invalid_values.KIND} >= {row.kind for row in rows}
    return {row.subject: row.message for row in rows}


@pytest.mark.parametrize(
    ("field", "value", "described"),
    [
        ("quantity", "many", "not a whole number, such as parts 7 with 'many'"),
        ("cost", "high", "not a number, such as parts 7 with 'high'"),
        ("exportControlled", "maybe", "not true or false, such as parts 7 with 'maybe'"),
        ("_created", "tuesday", "not a time, such as parts 7 with 'tuesday'"),
        ("createdById", {"id": 1}, "not an id, such as parts 7 with {'id': 1}"),
    ],
)
def test_finding_names_the_field_the_type_and_an_example(
    database: Database, field: str, value: Any, described: str
) -> None:
    hold(database, [full(PARTS, 6), full(PARTS, 7, **{field: value})])

    found = report(database, PARTS)

    assert {f"parts.{field}"} == found.keys()
    assert found[f"parts.{field}"].startswith(f"1 of parts have a {field} that is {described};")
    [row] = select_all(database, "SELECT next_step FROM findings")
    assert "`ultraviolet object show --integration plant parts 7`" in row.next_step


def test_valid_values_are_not_reported(database: Database) -> None:
    hold(database, [full(PARTS, 1, quantity=3, cost=1.5, exportControlled=None)])
    assert {} == report(database, PARTS, SUPPLIERS)


def test_example_is_the_object_with_the_lowest_number(database: Database) -> None:
    hold(database, [full(PARTS, n, quantity=f"x{n}") for n in (100, 20, 3, 21)])
    sentence = report(database, PARTS)["parts.quantity"]
    assert sentence.startswith("4 of parts have a quantity")
    assert "such as parts 3 with 'x3'" in sentence


def test_finding_is_resolved_when_the_value_is_corrected(database: Database) -> None:
    hold(database, [full(PARTS, 1, quantity="many", cost="high")])
    assert {"parts.quantity", "parts.cost"} == report(database, PARTS).keys()

    hold(database, [full(PARTS, 1, 100, quantity=3, cost="high")])

    assert {"parts.cost"} == report(database, PARTS).keys()
    assert 2 == len(select_all(database, "SELECT * FROM findings"))


def test_report_of_one_resource_leaves_findings_of_others(database: Database) -> None:
    hold(database, [full(PARTS, 1, quantity="many"), full(SUPPLIERS, 1, _created="x")])
    assert {"parts.quantity", "suppliers._created"} == report(database, PARTS, SUPPLIERS).keys()
    hold(database, [full(PARTS, 1, 100), full(SUPPLIERS, 1, 100)])

    assert {"suppliers._created"} == report(database, PARTS).keys()
    assert {} == report(database, SUPPLIERS)


def test_deleted_objects_are_not_reported(database: Database) -> None:
    hold(database, [full(PARTS, 1, quantity="many")])
    database.write_now(
        lambda c: c.exec_driver_sql("UPDATE objects SET deleted_at = observed_at") and None
    )
    assert {} == report(database, PARTS)


def test_long_value_is_shortened(database: Database) -> None:
    hold(database, [full(PARTS, 1, quantity="x" * 500)])
    sentence = report(database, PARTS)["parts.quantity"]
    assert f"'{'x' * 59}…" in sentence
    assert "x" * 60 not in sentence


def test_many_values_are_not_counted_to_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invalid_values, "MAX_COUNTED", 3)
    hold(database, [full(PARTS, n, quantity="many") for n in range(1, 6)])
    assert report(database, PARTS)["parts.quantity"].startswith("at least 3 of parts have")
