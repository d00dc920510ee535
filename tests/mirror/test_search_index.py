"""The search index: detects outdated integrations, and contains the searchable texts."""

import json
from typing import Any

import pytest
from sqlalchemy import Engine, event

from ultraviolet.mirror import search_index

VERSIONS = """INSERT INTO versions (integration_id, resource, id, version, change, doc, changed, observed_at, origin)
  SELECT 1, 'parts', n::text, 1, 'create', '{}', '[]', '2026-01-01T00:00:00.000000+00:00', '{}' FROM generate_series(1, 20000) n"""
INDEXED = "INSERT INTO search_progress SELECT integration_id, max(seq) FROM versions GROUP BY integration_id"


def most_rows(plan: dict[str, Any]) -> float:
    """Return the largest number of rows that a node of a plan returned."""
    rows = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
    return max(rows, *map(most_rows, plan.get("Plans", [])), 0)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_outdated_index_is_detected_without_reading_the_history(two_plants: Engine) -> None:
    with two_plants.begin() as connection:
        connection.exec_driver_sql("DELETE FROM integrations WHERE id = 2")
        connection.exec_driver_sql(VERSIONS)
        connection.exec_driver_sql(INDEXED)
    executed: list[tuple[str, Any]] = []

    @event.listens_for(two_plants, "before_cursor_execute")
    def record(
        _c: Any, _cursor: Any, statement: str, given: Any, _context: Any, _many: bool
    ) -> None:
        executed.append((statement, given))

    with two_plants.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
        assert search_index.outdated_integrations(connection) == []
        statement, given = executed[-1]
        explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
        [found] = json.loads(connection.exec_driver_sql(explained, given).scalar_one())

    assert most_rows(found["Plan"]) <= 10
