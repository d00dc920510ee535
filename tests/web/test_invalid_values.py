"""Values that do not fit the type of their column: findings, pages, deliveries and repair."""

import json
from typing import Any

from tests.web.conftest import Edge
from tests.web.displayed_values import AT, export_parts, read_view, replace_parts

from ultraviolet.db import view_creation
from ultraviolet.hub.accounts import sessions, users
from ultraviolet.hub.sync import apply_events


def test_invalid_value_is_reported_until_it_is_corrected(parts_hub: Edge) -> None:
    replace_parts(
        parts_hub,
        {"id": 5, "leadTime": "12 weeks"},
        {"id": 17, "leadTime": "soon"},
        {"id": 6, "leadTime": 3},
    )

    (found,) = parts_hub.get("/integrations/plant/findings?open=true")["items"]
    assert ("invalid_value", "parts.leadTime") == (found["kind"], found["subject"])
    assert (
        "2 of parts have a leadTime that is not a whole number, such as parts 5" in found["message"]
    )
    assert "'12 weeks'" in found["message"]
    assert "ultraviolet object show --integration plant parts 5" in found["next_step"]
    causes = parts_hub.get("/integrations/plant/freshness")["findings"]
    assert ["warning"] == [one["severity"] for one in causes if one["kind"] == "invalid_value"]

    replace_parts(parts_hub, {"id": 5, "leadTime": 12}, {"id": 6, "leadTime": 3})
    assert [] == parts_hub.get("/integrations/plant/findings?open=true")["items"]


def test_pages_mark_invalid_values(parts_hub: Edge) -> None:
    replace_parts(
        parts_hub,
        {"id": 5, "leadTime": "12 weeks", "_created": "next tuesday", "exportControlled": "maybe"},
    )

    def link(connection: Any) -> str:
        user = users.create_user(connection, "test", "ada", "admin")
        return sessions.create_sign_in_link(connection, user.id)

    token = parts_hub.hub.database.write_now(link)
    assert parts_hub.send("POST", f"/sign-in/{token}").status_code == 303
    for path in (
        "/objects/parts/5",
        "/objects/parts?column=leadTime&column=_created&column=exportControlled",
    ):
        page = parts_hub.send("GET", path)
        assert page.status_code == 200
        for value, kind in (
            ("12 weeks", "a whole number"),
            ("next tuesday", "a time"),
            ("maybe", "true or false"),
        ):
            assert value in page.text
            assert f"not {kind}" in page.text


def test_invalid_values_are_updated_when_the_type_of_a_column_changes(parts_hub: Edge) -> None:
    replace_parts(parts_hub, {"id": 5, "leadTime": "12 weeks"}, {"id": 6, "leadTime": 3})

    def work(connection: Any) -> None:
        connection.exec_driver_sql("UPDATE objects SET invalid_values = NULL")
        connection.exec_driver_sql("DELETE FROM settings WHERE name = 'views'")
        view_creation.create_views(connection, parts_hub.hub.catalog)

    parts_hub.hub.database.write_now(work)
    assert [None, 3] == [row["lead_time"] for row in read_view(parts_hub)]


def test_delivery_with_invalid_values_affects_no_other_row(parts_hub: Edge) -> None:
    replace_parts(
        parts_hub, {"id": 6, "leadTime": 3, "cost": 1.5, "exportControlled": True, "_created": AT}
    )
    minted = parts_hub.api("POST", "/integrations/plant/webhook-urls", {"name": "delivery"}).json()
    parts_hub.runner.run(parts_hub.hub.ingest.refresh())
    changes = {
        "lead_time": "12 weeks",
        "cost": "1,234.50",
        "export_controlled": "maybe",
        "_created": "next tuesday",
        "_updated": "0000-00-00 00:00:00",
        "part_number": "P-5",
    }
    body = {
        "event_id": 1,
        "subscription_id": 1,
        "resource": "parts",
        "action": "CREATE",
        "id": 4001,
    }
    body |= {"changes": {name: {"old": None, "new": value} for name, value in changes.items()}}
    path = minted["url"].removeprefix("http://hub.test")
    assert parts_hub.send("POST", path, json=body).is_success
    parts_hub.hub.database.write_now(apply_events.apply_pending, parts_hub.hub.catalog, 1)

    six, new = read_view(parts_hub)
    names = ("lead_time", "cost", "export_controlled", "_created", "part_number")
    assert [None, None, None, None, "P-5"] == [new[name] for name in names]
    assert [3, 1.5, 1] == [six[name] for name in names[:3]]
    raw = {
        "leadTime": "12 weeks",
        "cost": "1,234.50",
        "exportControlled": "maybe",
        "_created": "next tuesday",
    }
    raw["_updated"] = "0000-00-00 00:00:00"
    assert raw == json.loads(new["mirror_invalid_values"])
    for as_format in ("csv", "jsonl", "parquet"):
        assert export_parts(parts_hub, f"format={as_format}")
    one = parts_hub.get("/objects/parts/4001")
    assert (sorted(raw), None) == (one["invalid_fields"], one["source_time"])
    found = parts_hub.get("/integrations/plant/findings?open=true")["items"]
    assert {f"parts.{name}" for name in raw} <= {one["subject"] for one in found}
    replace_parts(parts_hub)
