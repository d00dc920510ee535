"""The audit log: each recorded action has a label, filters agree on page, API and export."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

import ultraviolet
from ultraviolet.db.tables.accounts import audit_log
from ultraviolet.hub.core.audit import ACTIONS

SOURCE = Path(ultraviolet.__file__).parent


@pytest.fixture
def acted(signed_in: Any) -> Any:
    """A hub in which two people were added and a key was created and revoked."""
    for name in ("bob", "Eve_1"):
        signed_in.submit("/settings/users", name=name, role="viewer")
    signed_in.create("/settings/keys", name="robot", role="viewer")
    signed_in.submit("/settings/keys/2/revoke", confirm="robot")
    return signed_in


def test_every_recorded_action_has_a_label() -> None:
    recorded = {
        action
        for path in SOURCE.rglob("*.py")
        for call in re.findall(r"audit\.record\(.*?\)\n", path.read_text(), re.DOTALL)
        for action in re.findall(r'"([a-z_]+\.[a-z_]+)"', call)
    }
    assert len(recorded) > 20
    assert recorded <= ACTIONS.keys()


def test_filters_select_the_same_in_api_and_export(acted: Any) -> None:
    for query, expected in (
        ("action=user.create&subject=e", ["Eve_1"]),
        ("subject=E_", ["Eve_1", "Eve_1"]),
        ("actor=ADA&action=key.create", ["robot"]),
        ("since=2000-01-01T00:00:00Z&action=key.create", ["robot"]),
        ("until=2000-01-01T00:00:00Z", []),
        ("actor=nobody%25", []),
    ):
        listed = acted.get(f"/audit?{query}")["items"]
        assert [each["subject"] for each in listed] == expected

        exported = acted.api("GET", f"/audit/export?{query}")
        rows = list(csv.DictReader(io.StringIO(exported.text)))
        assert [(row["seq"], row["action"]) for row in rows] == [
            (str(each["seq"]), each["action"]) for each in listed
        ]


def test_page_filters_and_links_to_the_same_export(acted: Any) -> None:
    page = acted.send(
        "GET", "/settings/audit?action=key.revoke&since=2000-01-01&until=2999-12-31"
    ).text
    assert "API key revoked</td>" in page
    assert "Person added</td>" not in page
    link = re.search(r'href="(/api/v1/audit/export[^"]+)"', page)
    assert link
    exported = acted.send("GET", link[1].replace("&amp;", "&")).text.splitlines()
    assert [line.split(",")[3] for line in exported] == ["action", "key.revoke"]

    # the first entries of a day belong to it, not to the day before
    entry = {"at": "2020-01-02T00:00:00.000001+00:00", "actor": "a", "action": "key.create"}
    acted.hub.database.write_now(
        lambda connection: connection.execute(audit_log.insert().values(**entry, subject="early"))
    )
    for days, shown in (("since=2020-01-02&until=2020-01-02", True), ("until=2020-01-01", False)):
        assert (">early</a>" in acted.send("GET", f"/settings/audit?{days}").text) == shown

    nothing = acted.send("GET", "/settings/audit?actor=nobody").text
    assert "No entry matches these filters" in nothing


def test_targets_link_their_page_and_integrations_have_names(
    acted: Any, integration: dict[str, Any]
) -> None:
    acted.submit("/webhooks", integration="1", name="Violet")
    acted.submit("/settings/users/2/remove", confirm="bob")
    page = acted.send("GET", "/settings/audit").text
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    links = set(re.findall(r'<a href="([^"]+)">([^<]+)</a>', table))
    assert {
        ("/integrations/1", integration["name"]),
        ("/settings/users/3/sessions", "Eve_1"),
        ("/settings/keys", "robot"),
    } <= links
    assert "/webhooks/1" in {path for path, _ in links}
    assert "bob" not in {name for _, name in links}
    assert "Integration ID" not in table
    assert '<span class="quiet">Integration:</span> plant' in table
    assert re.search(r'<th class="">Target</th>', page)  # also on a phone


def test_entries_have_labels_without_identifiers(acted: Any) -> None:
    robot = acted.api("POST", "/api-keys", {"name": "clock", "role": "admin"}).json()
    header = {"authorization": f"Bearer {robot['token']}"}
    created = acted.send(
        "POST", "/api/v1/users", json={"name": "Cy", "role": "viewer"}, headers=header
    )
    assert created.status_code == 201, created.text
    page = acted.send("GET", "/settings/audit").text
    assert "clock (API key)</td>" in page
    assert "robot</a>" in page  # the revoked key by its name
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    assert re.findall(r">[^<]*[a-z]_[a-z][^<]*<", table) == []
    assert "key:" not in table


def test_invalid_filters_are_reported(acted: Any) -> None:
    unknown = acted.api("GET", "/audit/export?action=key.creat")
    assert unknown.status_code == 422
    assert "Did you mean key.create" in unknown.json()["detail"]
    assert acted.send("GET", "/settings/audit?since=yesterday").status_code == 422
    assert acted.send("GET", "/settings/audit?until=9999-12-31").status_code == 422
