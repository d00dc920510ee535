"""Rows become observations; an unreadable row spoils no other, and repaired texts are logged once."""

from typing import Any

from structlog.testing import capture_logs
from tests.hub.table_ion import CATALOG
from tests.mirror.observations import at

from ultraviolet.hub.sync.answer_lists import Row
from ultraviolet.hub.sync.row_observations import RowObserver
from ultraviolet.mirror.observation import Origin

PARTS = CATALOG.resources["parts"]
ORIGIN = Origin("fetch", "7")


def rows(*nodes: dict[str, Any] | None) -> list[Row]:
    return [Row(str(node["id"]), node) if node else Row(None, {}) for node in nodes]


def test_observation_contains_the_times_of_the_read_and_of_ion() -> None:
    node = {"id": 1, "_updated": "2026-01-01T01:00:00+01:00", "description": "bolt"}

    [seen], unreadable = RowObserver().observe(PARTS, rows(node), at(1), ORIGIN, repaired=False)

    assert ({}, ("parts", "1"), "full", ORIGIN) == (unreadable, seen.ref, seen.kind, seen.origin)
    assert (at(0), at(1)) == (seen.source_time, seen.read_started_at)
    assert seen.observed_at > at(1)
    assert {"id": 1, "_updated": at(0), "description": "bolt"} == seen.fields


def test_invalid_time_of_change_is_unknown() -> None:
    nodes = [{"id": 1, "_updated": "tuesday"}, {"id": 2, "_updated": 17}, {"id": 3}]
    found, _ = RowObserver().observe(PARTS, rows(*nodes), at(1), ORIGIN, repaired=False)
    assert [None, None, None] == [seen.source_time for seen in found]
    assert ["tuesday", 17, None] == [seen.fields.get("_updated") for seen in found]


def test_unreadable_rows_and_rows_without_id_affect_no_other() -> None:
    nodes = [{"id": 1}, None, {"id": 2, "attributes": "none"}, {"id": 3}]
    found, unreadable = RowObserver().observe(PARTS, rows(*nodes), at(1), ORIGIN, repaired=False)
    assert ["1", "3"] == [seen.id for seen in found]
    assert {"2": "attributes is not a list"} == unreadable


def test_each_repaired_text_is_logged_once() -> None:
    observer = RowObserver()
    nodes = rows(
        {"id": 1, "description": "Valve \ufffd", "partNumber": "A"},
        {"id": 2, "attributes": [{"key": "a", "value": "\ufffd"}]},
    )
    with capture_logs() as logs:
        for _ in range(3):
            observer.observe(PARTS, nodes, at(1), ORIGIN, repaired=True)
    assert [("1", "description"), ("2", "attributes")] == [
        (entry["id"], entry["field"]) for entry in logs
    ]


def test_replacement_characters_that_ion_stores_are_not_logged() -> None:
    with capture_logs() as logs:
        RowObserver().observe(
            PARTS, rows({"id": 1, "description": "\ufffd"}), at(1), ORIGIN, repaired=False
        )
    assert [] == logs
