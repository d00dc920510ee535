"""The pages of integrations: edits, credentials, schedules, verifications and rejections."""

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import update
from tests.web.conftest import NEW

from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.egress import EgressPolicy
from ultraviolet.hub.core.finding import Action, Finding
from ultraviolet.hub.ingest.webhook_urls import create_url
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.hub.integrations.setup_guide import Plan
from ultraviolet.hub.integrations.webhook_setup import SetupResult
from ultraviolet.web.pages.integrations.schedules import describe


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", "Every minute, in UTC"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("*/7 * * * *", "Every seventh minute of every hour, in UTC"),
        ("15 * * * *", "At minute 15 of every hour, in UTC"),
        ("0 */6 * * *", "At minute 0 past every sixth hour, in UTC"),
        ("0 3 * * *", "Daily at 03:00 UTC"),
        ("30 4 * * 0", "At 04:30 on Sunday, in UTC"),
        ("0 3 1 * *", "At 03:00 on the first day of every month, in UTC"),
        ("0 3 1-7 2 *", "At 03:00 on every day of month from 1 through 7 in February, in UTC"),
    ],
)
def test_schedule_is_described_in_words(cron: str, expected: str) -> None:
    assert expected == describe(cron)


def shown_state(page: str) -> str:
    found = re.search(r"(unsynced|failing|fresh|stale|paused)</span>", page)
    assert found
    return found.group(1)


class RejectingSignIn(BaseHTTPRequestHandler):
    """ION's sign-in, which rejects all credentials."""

    def do_POST(self) -> None:
        body = b'{"error": "invalid_client", "error_description": "Invalid client credentials"}'
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def rejecting_ion() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), RejectingSignIn) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.usefixtures("at_once")
def test_rejected_credentials_have_the_same_state_everywhere(
    signed_in: Any, rejecting_ion: str
) -> None:
    given = {"name": "plant", "api_url": rejecting_ion, "auth_url": rejecting_ion}
    secrets = {"client_id": "me", "client_secret": "wrong"}
    signed_in.submit("/integrations", **given, **secrets, untested="1")
    signed_in.submit("/integrations/1/test")

    pages = {
        path: signed_in.send("GET", path).text
        for path in ("/", "/integrations", "/integrations/1", "/integrations/1/set-up")
    }

    assert {path: shown_state(page) for path, page in pages.items()} == dict.fromkeys(
        pages, "failing"
    )
    assert signed_in.get("/integrations/1/freshness")["sentence"].startswith("Failing: ")
    fix = r'class="button" href="/integrations/1/settings[^"]*">Fix credentials</a>'
    for path in ("/integrations/1", "/integrations/1/set-up"):
        assert re.search(fix, pages[path])
    head = re.search(r'<div id="head".*?<nav class="tabs"', pages["/integrations/1"], re.DOTALL)
    assert head
    assert "Set up webhooks" not in head.group()
    assert "sse:integration" in head.group(), "the badge and the sentence change together"


def test_list_shows_objects_last_event_and_findings(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    found = Finding("receiver", "warning", "No receiver", "", Action.SET_UP_WEBHOOKS)
    signed_in.hub.database.write_now(finding_store.add_findings, 1, [found])
    page = signed_in.send("GET", "/integrations").text
    for heading in ("Objects", "Last event", "Findings"):
        assert f">{heading}</th>" in page
    assert '<a href="/integrations/1/findings">1</a>' in page


def test_integration_is_edited_on_its_tabs(signed_in: Any, integration: dict[str, Any]) -> None:
    page = signed_in.send("GET", "/integrations/1/sync").text
    assert "Every 5 minutes" in page
    assert 'data-incremental_schedule="*/15 * * * *">Every 15 minutes</option>' in page
    assert 'data-full_schedule="0 3 * * *" selected>Daily at 03:00 UTC</option>' in page
    changed = {"incremental_schedule": "*/5 * * * *", "full_schedule": "30 4 * * 0"}
    changed["requests_per_second"] = "7"
    assert signed_in.submit("/integrations/1/sync", **changed).status_code == 303
    assert signed_in.submit("/integrations/1/settings", name="plant 2").status_code == 303
    page = signed_in.send("GET", "/integrations/1/sync").text
    assert "plant 2" in page
    assert "At 04:30 on Sunday, in UTC" in page
    assert "7 requests per second" in page


def test_each_tab_has_its_own_url(signed_in: Any, integration: dict[str, Any]) -> None:
    page = signed_in.send("GET", "/integrations/1").text
    tabs = re.search(r'<nav class="tabs".+?</nav>', page, re.DOTALL)
    assert tabs
    addresses = re.findall(r'href="([^"]+)"', tabs.group())
    assert len(addresses) == 7
    for address in addresses:
        shown = signed_in.send("GET", address).text
        current = re.search(r'<nav class="tabs".+?href="([^"]+)" aria-current', shown, re.DOTALL)
        assert re.findall(r'href="([^"]+)" aria-current="page"', shown)[-1] == address, current
        header = shown.partition('<details class="more"')[0].rpartition('<div class="actions">')[2]
        assert len(re.findall(r"<button|class=\"button", header)) <= 2


def test_lists_are_filtered_by_integration_id_or_name(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.api("POST", "/integrations", {**NEW, "name": "second"})
    for page in ("/events", "/fetches", "/drift", "/verifications", "/webhooks"):
        for given, status in (("2", 200), ("second", 200), ("third", 404), ("9" * 5000, 422)):
            answer = signed_in.send("GET", f"{page}?integration={given}")
            assert answer.status_code == status, (page, given)
            assert status != 200 or '<option value="2" selected>second' in answer.text


def test_settings_page_lists_the_data_that_deletion_removes(
    signed_in: Any, integration: dict[str, Any], keep: Any
) -> None:
    keep("parts", {"id": 1, "partNumber": "A"})
    signed_in.submit("/webhooks", integration="1", name="Violet")
    page = signed_in.send("GET", "/integrations/1/settings").text
    assert "deletes 1 objects, their history, all events and 1 webhook URL." in page


def test_rejected_deliveries_are_shown(signed_in: Any, integration: dict[str, Any]) -> None:
    shown = signed_in.create("/webhooks", integration="1", name="Violet")
    path = shown.partition("http://hub.test")[2].partition("<")[0]
    secret = signed_in.hub.secrets.encrypt("the secret of the receiver")
    known = update(webhook_urls).values(shared_secret=secret)
    signed_in.hub.database.write_now(lambda c: c.execute(known) and None)
    signed_in.runner.run(signed_in.hub.ingest.refresh())
    assert (
        signed_in.send(
            "POST", path, content=b"{}", headers={"x-ion-signature": "forged"}
        ).status_code
        == 401
    )
    signed_in.runner.run(signed_in.hub.ingest.close())
    assert re.search(r'class="badge bad[^>]*>[^<]*1', signed_in.send("GET", "/webhooks").text)


def test_verification_is_started_and_shown(signed_in: Any, integration: dict[str, Any]) -> None:
    assert "No verifications yet" in signed_in.send("GET", "/verifications").text
    begun = signed_in.submit("/verifications", integration="1", sample="100")
    assert (begun.status_code, begun.headers["location"]) == (303, "/verifications/1")
    assert "Verification 1 (sample)" in signed_in.send("GET", "/verifications/1").text
    assert signed_in.submit("/verifications", integration="1", sample="many").status_code == 422


@pytest.mark.usefixtures("at_once")
def test_subscriptions_are_selected(signed_in: Any, integration: dict[str, Any]) -> None:
    signed_in.submit("/integrations/1/set-up/url")
    chosen = signed_in.submit(
        "/integrations/1/set-up/wanted", wanted=["parts UPDATE", "runs CREATE"]
    )
    assert chosen.status_code == 303
    page = signed_in.send("GET", "/integrations/1/set-up?way=manual").text
    document = signed_in.get("/integrations/1/setup")["texts"]["subscription_document"]
    assert "parts_update" in document
    assert "parts_create" not in document
    assert re.search(r'value="parts UPDATE"\s+aria-label="Parts: update" checked', page)


@pytest.mark.usefixtures("at_once")
def test_automatic_set_up_lists_refusals_of_ion(
    signed_in: Any, integration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = signed_in.hub
    url, _ = hub.database.write_now(create_url, "test", integration["id"], "Violet")
    refused = ["You may not subscribe to parts", "You may not subscribe to runs"]

    async def apply(*_: Any) -> SetupResult:
        return SetupResult(
            url, True, (), 0, 0, 0, [*refused, *refused], Plan(None, (), (), (), (), ())
        )

    monkeypatch.setattr(webhook_setup, "apply_setup", apply)
    page = signed_in.create("/integrations/1/set-up/automatic")
    assert refused == re.findall(r"<li>(You may not[^<]*)</li>", page)


@pytest.mark.usefixtures("at_once")
def test_loopback_address_is_refused_by_the_egress_policy(signed_in: Any) -> None:
    signed_in.hub.targets = EgressPolicy()
    given = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    given |= {"client_id": "id", "client_secret": "secret", "page": "/integrations/new"}
    answer = signed_in.submit("/integrations", **given)
    assert "127.0.0.1 is not a public address" in answer.text


def test_changed_host_requires_the_client_secret(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    given = {name: integration[name] for name in ("api_url", "client_id")}
    given |= {"auth_url": "https://elsewhere.example.com", "untested": "yes"}
    refused = signed_in.submit("/integrations/1/connection", **given)
    assert (422, True) == (refused.status_code, "client secret again" in refused.text)
    given |= {"client_secret": "secret-of-ion"}
    assert 303 == signed_in.submit("/integrations/1/connection", **given).status_code
    assert "https://elsewhere.example.com" == signed_in.get("/integrations/1")["auth_url"]


def test_resources_are_selected(
    signed_in: Any, integration: dict[str, Any], keep: Callable[..., None]
) -> None:
    line = {"id": "7", "partId": 3, "purchaseOrderId": 5, "quantity": 1}
    keep("purchase_order_lines", line)
    keep("parts", {"id": "8", "partNumber": "P-8"})
    chosen = signed_in.submit(
        "/integrations/1/resources", resource=["purchase_order_lines", "purchase_orders"]
    )
    assert chosen.status_code == 303, chosen.text
    page = signed_in.send("GET", "/integrations/1/resources").text
    assert "2 of 72 resources are mirrored" in page
    assert re.search(
        r'value="purchase_order_lines" checked>\s+Purchase order lines\s+<span[^>]*>1<', page
    )
    assert re.search(r'value="parts">\s+Parts\s+<span[^>]*>1<', page)
    assert "<legend>Bills of materials</legend>" in page

    assert "not selected" in signed_in.send("GET", "/objects").text
    assert "no longer sync" in signed_in.send("GET", "/objects/parts").text
    assert "is kept but no longer syncs" in signed_in.send("GET", "/objects/parts/8").text
    shown = signed_in.send("GET", "/objects/purchase_order_lines/7").text
    assert re.search(r">\s*Part 3\s+<span[^>]*>not selected", shown)
    assert re.search(r">Purchase order 5</a>\s+<span[^>]*>not mirrored yet", shown)
    assert "not mirrored yet" in signed_in.send("GET", "/objects/purchase_order_lines").text

    nothing = signed_in.submit("/integrations/1/resources")
    assert nothing.status_code == 422
    assert "Choose at least one resource" in nothing.text
    unknown = signed_in.api("PATCH", "/integrations/1", {"resources": ["unicorns"]})
    assert unknown.status_code == 422
    assert (
        signed_in.api("PATCH", "/integrations/1", {"resources": None}).json()["resources"] is None
    )
    asked = signed_in.get("/integrations/1/fetches")["items"]
    assert "incremental" in [one["mode"] for one in asked]
