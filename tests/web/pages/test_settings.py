"""The settings pages: roles, keys with an expiry and their last use, the audit log, versions and licences."""

import html
import re
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.alert_sinks import http_sink

import ultraviolet
from ultraviolet.hub.accounts import sessions, users
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Action, Finding


def test_role_is_changed_but_one_administrator_remains(signed_in: Any) -> None:
    signed_in.submit("/settings/users", name="bob", role="viewer")
    assert signed_in.submit("/settings/users/2/role", role="operator").status_code == 303
    assert re.search(
        r'aria-label="Role of bob">(?:(?!</select>).)*selected>operator',
        signed_in.send("GET", "/settings").text,
        re.DOTALL,
    )
    assert "bob is now operator." in signed_in.send("GET", "/settings?done=role&person=2").text
    refused = signed_in.submit("/settings/users/1/role", role="viewer")
    assert refused.status_code == 409
    assert "last administrator" in refused.text


def test_invitation_is_revoked_and_password_set_in_the_row_of_the_person(signed_in: Any) -> None:
    made = signed_in.create("/settings/users", name="bob", role="viewer")
    link = re.search(r"http://hub\.test(/sign-in/uvl_[\w-]+)", made)
    assert link
    row = r'<tr id="user-2">.*?</tr>'
    (before,) = re.findall(row, made, re.DOTALL)
    assert 'action="/settings/users/2/link/revoke"' in before
    assert re.search(r'name="user" value="2".*name="password"', before, re.DOTALL)

    revoked = signed_in.submit("/settings/users/2/link/revoke")
    page = signed_in.send("GET", revoked.headers["location"]).text
    assert "The sign-in links of bob no longer work." in page
    assert "/link/revoke" not in re.findall(row, page, re.DOTALL)[0]
    assert "user.revoke_links" in [entry["action"] for entry in signed_in.get("/audit")["items"]]

    done = signed_in.submit("/settings/password", user="2", password="correct horse")
    page = signed_in.send("GET", done.headers["location"]).text
    assert "The password of bob is set." in page
    signed_in.submit("/sign-out")
    assert signed_in.send("POST", link[1]).status_code == 401


def test_api_key_is_shown_once_with_its_expiry_and_last_use(signed_in: Any) -> None:
    made = signed_in.create("/settings/keys", name="robot", role="viewer", expires_at="2099-12-31")
    found = re.search(r"uvk_[\w-]+", made)
    assert found
    assert found.group() in signed_in.send("GET", "/settings/keys").text
    signed_in.submit("/one-time-secret/hide")
    page = signed_in.send("GET", "/settings/keys").text
    assert found.group() not in page
    assert "2099-12-31 23:59:59" in page
    row = r'<tr id="key-2">.*?</tr>'
    assert "never" in re.findall(row, page, re.DOTALL)[0]

    assert signed_in.api("GET", "/status", key=found.group()).status_code == 200
    assert (
        "never" not in re.findall(row, signed_in.send("GET", "/settings/keys").text, re.DOTALL)[0]
    )


def test_audit_page_lists_actions(signed_in: Any) -> None:
    signed_in.submit("/settings/users", name="bob", role="viewer")
    page = signed_in.send("GET", "/settings/audit").text
    assert "Person added" in page
    assert "bob" in page


def test_actions_of_an_api_key_are_audited(signed_in: Any, integration: dict[str, Any]) -> None:
    signed_in.api("POST", f"/integrations/{integration['id']}/fetches", {"mode": "full"})
    (entry,) = [one for one in signed_in.get("/audit")["items"] if one["action"] == "fetch.start"]
    assert (entry["actor"], entry["subject"], entry["detail"]["mode"]) == (
        "key:test",
        "plant",
        "full",
    )


def test_about_page_names_versions_and_licences(signed_in: Any) -> None:
    page = signed_in.send("GET", "/about").text
    assert "htmx.org" in page
    assert "litestar" in page
    assert "see the package" not in page
    assert 'href="/docs/changelog"' in page
    assert f"<dt>Data folder</dt>\n    <dd>{signed_in.hub.settings.data}</dd>" in page


def test_about_page_shows_paths_to_administrators_only(edge: Any) -> None:
    def link(connection: Any) -> str:
        user = users.create_user(connection, "test", "bo", "viewer")
        return sessions.create_sign_in_link(connection, user.id)

    token = edge.hub.database.write_now(link)
    assert edge.send("POST", f"/sign-in/{token}").status_code == 303
    page = edge.send("GET", "/about").text
    assert f"Ultraviolet {ultraviolet.__version__} is licensed" in page
    assert "Third-party software" in page
    assert str(edge.hub.settings.data) not in page
    assert 'href="/about"' in edge.send("GET", "/").text


@pytest.mark.usefixtures("integration")
def test_active_problem_has_the_button_of_its_finding(signed_in: Any) -> None:
    step = "Check the receiver; `ultraviolet setup plan plant` lists it"
    gone = Finding("receiver", "error", "The receiver is gone", step, Action.REPAIR_WEBHOOKS)
    signed_in.hub.database.write_now(finding_store.add_findings, 1, [gone])
    signed_in.runner.run(signed_in.hub.alerts.check())
    page = signed_in.send("GET", "/settings/alerts").text
    note = page[page.index("Active problems") : page.index("Alert destinations</h2>")]
    assert "plant</a>: The receiver is gone." in note
    assert "Check the receiver" in note
    assert "setup plan" not in note
    assert '<button class="plain">Repair webhooks</button>' in note
    assert 'action="/integrations/1/set-up/automatic"' in note


def test_alerts_are_added_tested_and_removed(signed_in: Any) -> None:
    with http_sink() as sink:
        shown = signed_in.create(
            "/settings/alerts", name="night shift", kind="webhook", address=sink.url
        )
        secret = re.search(r"whsec_[\w+/=]+", html.unescape(shown))
        assert secret
        signed_in.submit("/one-time-secret/hide")
        signed_in.submit("/settings/alerts/1/test")
        page = signed_in.send("GET", "/settings/alerts").text
        assert "127.0.0.1 answered 204" in page
        assert secret.group() not in html.unescape(page)
        assert "secret-part" not in page
        [(headers, body)] = sink.posts
        assert Webhook(secret.group()).verify(body, headers)["type"] == "alert.test"
        assert (
            "still receives alerts"
            in signed_in.submit("/settings/alerts/1/remove", confirm="no").text
        )
        signed_in.submit("/settings/alerts/1/remove", confirm="night shift")
        assert "No alert destinations" in signed_in.send("GET", "/settings/alerts").text
    done = [entry["action"] for entry in signed_in.get("/audit")["items"]]
    assert {"alert_destination.add", "alert_destination.remove"} <= set(done)


def test_invalid_alert_address_is_explained_beside_its_field(signed_in: Any) -> None:
    given = {"name": "chat", "kind": "slack"}
    for address in ("hooks.chat.example", "://", "ftp://files.example/x", "https://"):
        page = html.unescape(signed_in.submit("/settings/alerts", **given, address=address).text)
        assert "This is not a full address. Enter one such as https://example.com/path" in page
        assert "://…" not in page


def test_api_returns_an_alert_secret_once(edge: Any) -> None:
    given = {"name": "chat", "kind": "slack", "address": "https://hooks.chat.example/T/secret-part"}
    assert edge.api("POST", "/alert-destinations", given).json()["secret"] is None
    added = edge.api(
        "POST", "/alert-destinations", given | {"name": "program", "kind": "webhook"}
    ).json()
    assert added["secret"].startswith("whsec_")
    listed = edge.get("/alert-destinations")["items"]
    assert [one["shown"] for one in listed] == ["https://hooks.chat.example/…"] * 2
    assert "secret" not in repr(listed)
    assert edge.api("DELETE", f"/alert-destinations/{added['id']}").status_code == 204
    assert edge.api("POST", f"/alert-destinations/{added['id']}/test").status_code == 404
    assert edge.get("/alerts?open=true")["items"] == []


def test_people_page_offers_no_removal_or_invitation_of_oneself(signed_in: Any) -> None:
    page = signed_in.create("/settings/users", name="bob", role="viewer")
    for action in ("remove", "link"):
        assert f'action="/settings/users/2/{action}"' in page
        assert f'action="/settings/users/1/{action}"' not in page
