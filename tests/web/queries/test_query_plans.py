"""No page or API request scans a large table sequentially on PostgreSQL."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from ultraviolet.db.partitions import PARTITIONED_TABLES, ensure_partitions

LARGE_TABLES = ("objects", "versions_2026_0", "events_2026_0", "event_keys", "links")
"""Large tables and the partitions that contain rows; scans of empty partitions are allowed."""
OTHERS = 60_000
FILL = [
    """INSERT INTO integrations (id, name, api_url, auth_url, client_id, client_secret, paused, incremental_schedule,
        full_schedule, requests_per_second, created_at, updated_at)
      SELECT n, 'other ' || n, 'http://x', 'http://x', 'x', ''::bytea, true, '0 0 1 1 *', '0 0 1 1 *', 1, '2026-01-01T00:00:00.000000+00:00', '2026-01-01T00:00:00.000000+00:00'
      FROM generate_series(1001, 1020) n""",
    """INSERT INTO objects (integration_id, resource, id, doc, version, completeness, observed_at, changed_at, origin)
      SELECT CASE WHEN n <= 500 THEN 1 ELSE 1001 + n % 20 END, 'suppliers', n::text, '{"name": "Supplier"}', 1, 'full',
        CASE WHEN n % 3 = 0 THEN '2026-02' ELSE '2026-01' END || '-01T00:00:00.000000+00:00', '2026-01-01T00:00:00.' || lpad(n::text, 6, '0') || '+00:00', '{"kind": "fetch"}' FROM generate_series(1, :others) n""",
    """INSERT INTO versions (integration_id, resource, id, version, change, doc, changed, observed_at, origin)
      SELECT integration_id, resource, id, 1, 'create', doc, '[]', observed_at, origin FROM objects""",
    """INSERT INTO link_kinds (resource, field, target_resource) VALUES ('suppliers', 'createdById', 'users')
      ON CONFLICT DO NOTHING""",
    """INSERT INTO links (integration_id, kind, target_id, id)
      SELECT integration_id, k.id, '1', o.id FROM objects o, link_kinds k
      WHERE k.resource = 'suppliers' AND k.field = 'createdById' ON CONFLICT DO NOTHING""",
    """INSERT INTO events (integration_id, webhook_url_id, dedupe_key, resource, action, object_id, source_time, change_key,
        received_at, body, headers, signature, outcome)
      SELECT integration_id, 1 - (id::int % 10) / 9, sha256((integration_id || id)::bytea), resource, 'UPDATE', id,
        observed_at, sha256((id::int / 2)::text::bytea), observed_at, '', '{}', 'verified', 'applied' FROM objects""",
    "INSERT INTO event_keys SELECT integration_id, dedupe_key, 1, dedupe_key FROM events",
    "INSERT INTO search_progress SELECT integration_id, max(seq) FROM versions GROUP BY integration_id",
]
PATHS = [
    "/integrations/1",
    "/objects/suppliers?integration=1",
    "/objects/suppliers?integration=1&sort=createdBy.name",
    "/objects/suppliers?integration=1&sort=-createdBy.name",
    "/objects/suppliers/17?integration=1",
    "/objects/suppliers/17",
    "/objects?integration=1",
    "/search?q=nothing",
    "/events",
    "/events?since=2026-01-15T00:00&until=2026-02-15T00:00",
    "/fetches",
    "/drift?integration=1",
    "/integrations/1/freshness",
    "/api/v1/objects?integration=1",
    "/api/v1/objects/suppliers?integration=1",
    "/api/v1/objects/suppliers/17?integration=1",
    "/api/v1/changes?integration=1",
    "/api/v1/changes?integration=1&resource=parts",
    "/api/v1/objects/suppliers/17/history?integration=1",
    "/api/v1/events?integration=1",
    "/api/v1/events?integration=1&resource=suppliers&object=17",
    "/api/v1/integrations/1/freshness",
    "/metrics",
]


@pytest.fixture
def store_url(postgresql: Any) -> str:
    return postgresql.new_database()


def scans(plan: dict[str, Any]) -> set[str]:
    """Return the large tables and partitions that a plan scans sequentially."""
    found = {plan["Relation Name"]} if plan["Node Type"].endswith("Seq Scan") else set()
    return {name for name in found if name.startswith(LARGE_TABLES)}.union(
        *(scans(child) for child in plan.get("Plans", []))
    )


def test_no_page_scans_a_large_table_sequentially(
    signed_in: Any, integration: dict[str, Any], tmp_path: Path
) -> None:
    engine = signed_in.hub.database.engine
    with engine.begin() as connection:
        for table in PARTITIONED_TABLES:
            ensure_partitions(connection, table, ["2026-01", "2026-02"])
        for statement in FILL:
            connection.execute(
                text(statement), {"others": OTHERS} if ":others" in statement else {}
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    statements: list[tuple[str, str, Any]] = []
    path = ""

    @event.listens_for(engine, "before_cursor_execute")
    def record_statement(
        _c: Any, _cursor: Any, statement: str, given: Any, _context: Any, _many: bool
    ) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            statements.append((path, statement, given))

    for path in PATHS:
        headers = (
            {"authorization": "Bearer uvk_admin-key-of-the-tests"}
            if path.startswith("/api")
            else {}
        )
        assert signed_in.send("GET", path, headers=headers).status_code in (200, 303), path
    event.remove(engine, "before_cursor_execute", record_statement)

    scanned = []
    with engine.connect() as connection:
        unindexed = connection.exec_driver_sql(
            "EXPLAIN (FORMAT JSON) SELECT 1 FROM objects WHERE doc::text = ''"
        ).scalar_one()
        assert scans(json.loads(unindexed)[0]["Plan"]) == {"objects"}
        for where, statement, given in statements:
            if isinstance(given, list | tuple):
                continue
            plan = connection.exec_driver_sql(
                f"EXPLAIN (FORMAT JSON) {statement}", given
            ).scalar_one()
            if tables := scans((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]):
                scanned.append((where, tables, statement))
    assert len(statements) > len(PATHS)
    assert scanned == []
