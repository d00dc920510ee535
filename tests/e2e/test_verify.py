"""Verify finds and stores each difference, ignores changes under way, and survives a crash."""

import csv
import io
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from tests.conftest import set_pace

NEVER = "0 0 1 1 *"
CRASH_POINTS = ("verify.page_compared:25", "verify.settling")
"""In the order in which a verification passes them."""


def spoil(hub: Any, *statements: str) -> None:
    """Change the mirror in the database directly."""
    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount >= 1, statement


@pytest.fixture(scope="module")
def integration(hub: Any, local_ion: Any) -> dict[str, Any]:
    """An integration without scheduled fetches."""
    never = {"incremental_schedule": NEVER, "full_schedule": NEVER}
    made = hub.connect(local_ion, **never)
    assert hub.fetch(made)["state"] == "done"
    return made


def test_every_difference_is_found_stored_and_healed(
    hub: Any, integration: dict[str, Any], wait: Any
) -> None:
    spoil(
        hub,
        """UPDATE objects SET doc = json_set(doc, '$.description', 'not what ION says')
          WHERE resource = 'purchase_orders' AND id = '1'""",
        "DELETE FROM objects WHERE resource = 'parts' AND id = '2'",
        "DELETE FROM versions WHERE resource = 'parts' AND id = '2'",
        "DELETE FROM links WHERE kind IN (SELECT id FROM link_kinds WHERE resource = 'parts') AND id = '2'",
        """INSERT INTO objects SELECT integration_id, resource, '999999', doc, invalid_values, version, completeness, deleted_at,
          source_time, observed_at, read_at, changed_at, origin FROM objects
          WHERE resource = 'suppliers' AND id = '1'""",
    )

    done = hub.cli("verify", "--json")

    report = json.loads(done.stdout)
    assert done.returncode == 9
    assert report["state"] == "done"
    assert (report["different"], report["missing"], report["extra"], report["unsettled"]) == (
        1,
        1,
        1,
        0,
    )
    assert report["equal"] == report["objects"] - 2

    path = f"/verifications/{report['id']}/differences"
    first = hub.api("GET", f"{path}?limit=2")
    rest = hub.api("GET", f"{path}?limit=2&cursor={first['next']}")
    found = {(one["resource"], one["id"]): one for one in first["items"] + rest["items"]}
    assert {key: one["kind"] for key, one in found.items()} == {
        ("parts", "2"): "missing",
        ("purchase_orders", "1"): "different",
        ("suppliers", "999999"): "extra",
    }
    fields = found["purchase_orders", "1"]["fields"]
    assert list(fields) == ["description"]
    assert fields["description"]["mirror"] == "not what ION says"
    only = hub.api("GET", f"{path}?resource=PurchaseOrder&kind=different")
    assert [one["id"] for one in only["items"]] == ["1"]

    shown = hub.cli("verify", "show", str(report["id"]))
    assert "not what ION says" in shown.stdout
    listed = json.loads(hub.cli("verify", "list", "--json").stdout)
    assert [one["id"] for one in listed] == [report["id"]]

    def healed() -> bool:
        order, part = hub.find("/objects/purchase_orders/1"), hub.find("/objects/parts/2")
        return bool(part) and order["fields"]["description"] != "not what ION says"

    wait(healed, 30, "the objects that differ are read again")
    asked = hub.api("GET", f"/integrations/{integration['id']}/fetches")["items"][0]
    assert (asked["mode"], asked["requested_by"]) == ("full", f"verification {report['id']}"), (
        "the extra object"
    )


def test_full_fetch_corrects_differences_and_sample_confirms(
    hub: Any, integration: dict[str, Any]
) -> None:
    assert hub.fetch(integration)["state"] == "done"

    hub.assert_equal_to_ion(integration)
    sample = hub.cli("verify", "plant", "--sample", "200", "--json")

    assert sample.returncode == 0, sample.stdout
    report = json.loads(sample.stdout)
    assert report["sample"] == 200
    [_, whole] = hub.api("GET", f"/integrations/{integration['id']}/verifications?limit=2")["items"]
    assert 0 < report["objects"] < whole["objects"]


def test_view_with_other_value_than_document_is_found(
    hub: Any, integration: dict[str, Any]
) -> None:
    spoil(
        hub,
        """UPDATE objects SET invalid_values = '{"partNumber":"x"}' WHERE resource = 'parts' AND id = '3'""",
    )

    done = hub.cli("verify", "--json")

    report = json.loads(done.stdout)
    assert done.returncode == 9
    assert report["displayed"] == 1
    (found,) = hub.api("GET", f"/verifications/{report['id']}/differences?kind=displayed")["items"]
    assert ("parts", "3") == (found["resource"], found["id"])
    assert found["fields"] == {
        "mirror_invalid_values": {"ion": None, "mirror": {"partNumber": "x"}}
    }
    spoil(hub, "UPDATE objects SET invalid_values = NULL WHERE resource = 'parts' AND id = '3'")

    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as connection, connection:
        ((definition,),) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'ion_suppliers'"
        )
        connection.execute("DROP VIEW ion_suppliers")
        connection.execute(definition.replace("CAST(o.doc ->> 'name' AS TEXT)", "'same for all'"))
    report = hub.verify(integration)
    assert report["displayed"] >= 1
    (found, *_) = hub.api("GET", f"/verifications/{report['id']}/differences?kind=displayed")[
        "items"
    ]
    assert found["fields"]["name"]["mirror"] == "same for all"
    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as connection, connection:
        connection.execute("DROP VIEW ion_suppliers")
        connection.execute(definition)


def test_invalid_value_of_ion_is_reported_everywhere(
    hub: Any, integration: dict[str, Any], local_ion: Any
) -> None:
    def in_ion(statement: str, *given: Any) -> list[Any]:
        with (
            closing(sqlite3.connect(local_ion.data / "ion.db", timeout=30)) as connection,
            connection,
        ):
            return connection.execute(statement, given).fetchall()

    def reported() -> list[str]:
        findings = hub.api("GET", "/integrations/plant/findings?open=true")["items"]
        return [one["subject"] for one in findings if one["kind"] == "invalid_value"]

    ((before,),) = in_ion("SELECT lead_time FROM parts WHERE id = 3")
    in_ion("UPDATE parts SET lead_time = ? WHERE id = 3", "12 weeks")
    hub.fetch(integration)

    assert ["parts.leadTime"] == reported()
    done = hub.cli("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 objects have values that do not match" in done.stderr
    assert "12 weeks" in done.stdout
    doctor = json.loads(hub.cli("doctor", "--json").stdout)
    assert ["warning"] == [one["severity"] for one in doctor if "12 weeks" in one["message"]]
    written = hub.cli("object", "export", "parts", "--for-spreadsheets").stdout
    assert written.startswith("\ufeffIntegration,ID,")
    rows = {row["ID"]: row for row in csv.DictReader(io.StringIO(written.removeprefix("\ufeff")))}
    assert len(rows) > 10
    assert ("", '{"leadTime":"12 weeks"}') == (
        rows["3"]["Lead time"],
        rows["3"]["Invalid values"],
    )

    in_ion("UPDATE parts SET lead_time = ? WHERE id = 3", before)
    hub.fetch(integration)
    assert [] == reported()


def test_changes_under_way_are_not_reported(
    hub: Any, integration: dict[str, Any], local_ion: Any, wait: Any
) -> None:
    set_pace(local_ion, 30)
    wait(lambda: local_ion.changes() > 20, 30, "changes")
    before = local_ion.changes()

    hub.assert_equal_to_ion(integration)

    assert local_ion.changes() > before + 10
    set_pace(local_ion, 0)
    wait(lambda: hub.at_rest(local_ion, integration), 60, "rest")


def test_verification_continues_after_each_crash(local_ion: Any, start_hub: Any, wait: Any) -> None:
    first, second = ({"ULTRAVIOLET_CRASH_AT": point} for point in CRASH_POINTS)
    hub = start_hub(**first)
    integration = hub.connect(local_ion, incremental_schedule=NEVER, full_schedule=NEVER)
    hub.fetch(integration)
    spoil(
        hub,
        "UPDATE objects SET doc = json_set(doc, '$.name', 'x') WHERE resource = 'parts' AND id = '1'",
    )
    started = hub.api("POST", f"/integrations/{integration['id']}/verifications?wait=false")
    place = {"data": hub.data, "port": int(hub.url.rsplit(":", 1)[1])}
    wait(lambda: hub.child.process.poll() is not None, 60, "the first crash")
    hub = start_hub(**place, **second)
    wait(lambda: hub.child.process.poll() is not None, 60, "the second crash")

    again = start_hub(**place)

    path = f"/verifications/{started['id']}"
    kept = again.api("GET", path)
    assert kept["state"] == "running"
    assert kept["objects"] > 0
    report = wait(
        lambda: (r := again.api("GET", path))["state"] != "running" and r, 90, "the comparison"
    )
    assert report["state"] == "done"
    assert (report["different"], report["missing"], report["extra"]) == (1, 0, 0)
    whole = sum(one["objects"] for one in again.api("GET", "/objects")["items"])
    assert report["objects"] == whole


def test_paused_integration_is_not_verified(hub: Any, integration: dict[str, Any]) -> None:
    hub.api("POST", f"/integrations/{integration['id']}/pause")

    refused = hub.cli("verify")

    hub.api("POST", f"/integrations/{integration['id']}/resume")
    assert refused.returncode == 5
    assert "resume it" in refused.stderr
