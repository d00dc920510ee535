"""Liveness, readiness and metrics."""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from sqlalchemy import Connection, text

from ultraviolet.hub.health import controller_status

ROOT = Path(__file__).parents[2]


def metrics(edge: Any) -> dict[str, float]:
    """Return every sample by its name and labels."""
    answer = edge.send("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_healthy_process_is_alive_and_ready(edge: Any) -> None:
    assert edge.send("GET", "/livez").json()["status"] == "alive"
    assert edge.send("GET", "/readyz").json() == {"status": "ready", "checks": []}
    checks = edge.send("GET", "/readyz?verbose").json()["checks"]
    assert [(check["name"], check["well"]) for check in checks] == [
        ("database", True),
        ("disk", True),
        ("controllers", True),
        ("integrations", True),
    ]


def test_unmaintained_integration_and_old_waiting_events_are_not_ready(
    edge: Any, integration: dict[str, Any]
) -> None:
    assert edge.send("GET", "/readyz").status_code == 200
    assert metrics(edge)['ultraviolet_integration_maintained{integration="plant"}'] == 1
    edge.runner.run(edge.hub.pool.release())  # as when no process has the lease
    old = {"at": "2026-01-01T00:00:00.000000+00:00"}

    def age(connection: Connection) -> None:
        connection.execute(text("UPDATE integrations SET updated_at = :at, created_at = :at"), old)
        connection.execute(text("UPDATE controller_status SET recorded_at = :at"), old)

    edge.hub.database.write_now(age)
    answer = edge.send("GET", "/readyz?verbose")
    assert (answer.status_code, "no process has maintained “plant”" in answer.text) == (503, True)
    judged = edge.get("/integrations/plant/freshness")
    assert "unmaintained" in [finding["kind"] for finding in judged["findings"]]
    assert metrics(edge)['ultraviolet_integration_maintained{integration="plant"}'] == 0

    waiting = """INSERT INTO events (integration_id, webhook_url_id, dedupe_key, received_at, body, headers, signature)
      VALUES (1, 1, :key, :at, :key, '{}', 'verified')"""
    edge.hub.database.write_now(controller_status.record, {1: None})
    assert edge.send("GET", "/readyz").status_code == 200
    edge.hub.database.write_now(lambda c: c.execute(text(waiting), old | {"key": b"{}"}) and None)
    answer = edge.send("GET", "/readyz?verbose")
    assert (answer.status_code, "events of “plant” have not been applied" in answer.text) == (
        503,
        True,
    )
    assert metrics(edge)['ultraviolet_oldest_waiting_event_seconds{integration="plant"}'] > 10


@pytest.mark.parametrize(
    ("at", "advice"), [("0000", "ultraviolet db upgrade"), ("9", "newer release")]
)
def test_database_of_another_release_is_not_ready(edge: Any, at: str, advice: str) -> None:
    edge.hub.database.write_now(
        lambda c: (
            c.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": at}) and None
        )
    )

    answer = edge.send("GET", "/readyz?verbose")

    assert answer.status_code == 503
    assert advice in answer.text


def test_deliveries_are_counted_by_outcome(edge: Any, integration: dict[str, Any]) -> None:
    minted = edge.api(
        "POST", f"/integrations/{integration['id']}/webhook-urls", {"name": "ION"}
    ).json()
    path = "/hooks/" + minted["url"].rpartition("/")[2]
    before = metrics(edge)

    edge.send("POST", path, content=b"{}")
    edge.send("POST", "/hooks/unknown", content=b"{}")

    after = metrics(edge)
    counted = {
        outcome: after[f'ultraviolet_deliveries_total{{outcome="{outcome}"}}']
        - before.get(f'ultraviolet_deliveries_total{{outcome="{outcome}"}}', 0)
        for outcome in ("taken", "unknown_url")
    }
    assert counted == {"taken": 1, "unknown_url": 1}
    assert after['ultraviolet_waiting_events{integration="plant"}'] <= 1  # it may be applied by now
    assert after["ultraviolet_database_up"] == 1
    assert after['ultraviolet_webhook_silence_seconds{integration="plant"}'] < 60


def test_every_metric_used_by_dashboard_and_alerts_exists(
    edge: Any, integration: dict[str, Any]
) -> None:
    edge.send("GET", "/")
    answer = edge.send("GET", "/metrics").text
    known = set(re.findall(r"^# TYPE (\w+)", answer, re.MULTILINE))
    board = json.loads((ROOT / "deploy/grafana/ultraviolet.json").read_text())
    rules = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]

    parsed = [promql_parser.parse(expression).prettify() for expression in asked]
    used = {
        re.sub(r"_bucket$", "", name) for name in re.findall(r"\bultraviolet_\w+", " ".join(parsed))
    }

    assert len(used) > 12
    assert used - known == set()


def test_every_metric_is_documented(edge: Any) -> None:
    answer = edge.send("GET", "/metrics").text
    documented = (ROOT / "docs/reference/metrics.md").read_text()

    names = set(re.findall(r"^# TYPE (ultraviolet_\w+)", answer, re.MULTILINE))

    assert {
        name for name in names if not name.endswith("_created") and f"`{name}`" not in documented
    } == set()


@pytest.mark.parametrize("given", ["abc-123", None, "not allowed: \x7f"])
def test_every_response_has_a_request_id(edge: Any, given: str | None) -> None:
    headers = {} if given is None else {"x-request-id": given}

    answer = edge.send("GET", "/livez", headers=headers)

    if given == "abc-123":
        assert answer.headers["x-request-id"] == given
    else:
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
