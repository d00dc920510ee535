"""The overview: the state of each integration, and charts of changes and their latency."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.web.conftest import NEW

from ultraviolet import clock
from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Action, Finding
from ultraviolet.hub.ingest.webhook_urls import create_url
from ultraviolet.web.queries.activity import last, list_activity


def state_shown(edge: Any) -> str:
    found = re.search(r'data-state="(\w+)"', edge.send("GET", "/").text)
    assert found
    return found.group(1)


def test_empty_hub_links_to_the_first_step(signed_in: Any) -> None:
    page = signed_in.send("GET", "/").text
    assert "Connect an ION" in page
    assert 'href="/integrations/new"' in page


def test_integration_without_a_fetch_is_unread(signed_in: Any, integration: dict[str, Any]) -> None:
    assert state_shown(signed_in) == "unsynced"


@pytest.mark.usefixtures("at_once")
def test_integration_with_a_failed_test_is_failing(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.api("POST", f"/integrations/{integration['id']}/test")
    assert state_shown(signed_in) == "failing"


@pytest.mark.usefixtures("at_once")
def test_findings_have_a_button_for_their_action(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.api("POST", f"/integrations/{integration['id']}/test")
    page = signed_in.send("GET", "/").text
    assert 'action="/integrations/1/test"' in page
    assert "Test connection again" in page
    inactive = Finding("receiver", "error", "It is inactive", "", Action.REPAIR_WEBHOOKS)
    signed_in.hub.database.write_now(finding_store.add_findings, 1, [inactive])
    page = signed_in.send("GET", "/").text
    assert 'action="/integrations/1/set-up/automatic"' in page
    assert '<button class="plain">Repair webhooks</button>' in page
    signed_in.submit("/integrations/1/test")
    assert state_shown(signed_in) == "failing"


def test_missed_changes_and_their_missing_receiver_are_one_problem_with_one_button(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    for name in ("A", "B"):
        now = clock.format_rfc3339(datetime.now(UTC))
        keep("parts", *({"id": n, "partNumber": name, "_updated": now} for n in (1, 2, 3)))
    page = signed_in.send("GET", "/").text
    assert page.count("without a webhook event") == page.count("Repair webhooks</button>") == 1
    step = "Finish the setup guide"
    none = Finding("receiver", "warning", "No receiver posts here", step, Action.SET_UP_WEBHOOKS)
    signed_in.hub.database.write_now(finding_store.add_findings, 1, [none])
    page = signed_in.send("GET", "/").text
    assert "No receiver posts here; a sync found 6 changes without a webhook event" in page
    assert page.count("without a webhook event") == 1
    assert "Repair webhooks" not in page
    assert '<a class="button plain" href="/integrations/1/set-up">Set up webhooks</a>' in page
    assert f'<span class="quiet">{step}' not in page


def test_problem_of_several_integrations_is_shown_once(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    own = {name: integration[name] for name in ("api_url", "auth_url", "client_id")}
    other = {**own, "name": "second", "client_secret": "secret-of-ion"}
    assert signed_in.api("POST", "/integrations", other).status_code == 201
    step = "Check the receiver; `ultraviolet setup plan plant` lists it"
    gone = Finding("receiver", "error", "The receiver is gone", step, Action.REPAIR_WEBHOOKS)
    odd = Finding("clock", "warning", "The clock is slow", "Set it", subject="clock")
    signed_in.hub.database.write_now(finding_store.add_findings, 1, [gone, odd])
    assert signed_in.send("GET", "/").text.count("The receiver is gone") == 1
    assert "ultraviolet setup plan" not in signed_in.send("GET", "/").text
    signed_in.hub.database.write_now(finding_store.add_findings, 2, [gone])
    page = signed_in.send("GET", "/").text
    main = page[page.index("<main") : page.index("</main>")]
    assert main.count("The receiver is gone") == 1
    note = main[main.index("The receiver is gone") :].partition("</div>")[0]
    assert "Check the receiver" in note
    assert "setup plan" not in note
    assert "2 integrations:" in " ".join(note.split())
    for id_, name in ((1, "plant"), (2, "second")):
        assert f'<a href="/integrations/{id_}/findings">{name}</a>' in note
    assert main.count("The clock is slow") == 1


@pytest.mark.usefixtures("integration")
def test_status_names_the_short_reason_of_a_problem_of_several_integrations(signed_in: Any) -> None:
    other = {**NEW, "name": "second"}
    assert signed_in.api("POST", "/integrations", other).status_code == 201
    refused = Finding("credentials", "error", "ION answers: Invalid client credentials", "Fix it")
    for id_ in (1, 2):
        signed_in.hub.database.write_now(finding_store.add_findings, id_, [refused])
    page = signed_in.send("GET", "/").text
    assert page.count("Invalid client credentials") == 1
    assert page.count("ION rejects the credentials; see above.") == 4  # in table and card of each


@pytest.mark.usefixtures("integration")
def test_saved_views_are_linked(signed_in: Any) -> None:
    assert 'aria-label="Saved views"' not in signed_in.send("GET", "/").text
    view = {"name": "Cheap", "query": "where=cost:lt:5&integration=1"}
    assert signed_in.submit("/objects/parts/views", **view).status_code == 303
    page = signed_in.send("GET", "/").text
    link = re.search(r'href="(/objects/parts\?[^"]*)">Cheap', page)
    assert link
    assert signed_in.send("GET", link[1].replace("&amp;", "&")).status_code == 200


def test_paused_integration_is_shown_as_paused(signed_in: Any, integration: dict[str, Any]) -> None:
    signed_in.submit("/integrations/1/pause")
    assert state_shown(signed_in) == "paused"


def test_changes_are_charted_with_their_delay(signed_in: Any, keep: Callable[..., None]) -> None:
    second_ago = clock.format_rfc3339(datetime.now(UTC) - timedelta(seconds=1.5))
    keep(
        "parts", {"id": 1, "partNumber": "A", "_updated": second_ago}, {"id": 2, "partNumber": "B"}
    )

    page = signed_in.send("GET", "/").text
    assert re.search(
        r"Changes per minute over the last hour: 2 in total, at most [12] per minute\.", page
    )
    assert re.search(r"p50 1\.\d s, p99 1\.\d s", page)
    assert signed_in.hub.database.read_now(lambda c: len(list_activity(c, 1, last("hour")))) == 60


def test_unchanged_content_is_not_counted(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("parts", {"id": 1, "partNumber": "A"})
    keep("parts", {"id": 1, "partNumber": "A"})
    assert "1 in total" in signed_in.send("GET", "/").text


@pytest.mark.usefixtures("at_once")
def test_unreachable_ion_is_one_problem_with_its_consequences_folded(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    """The watchdog, the connection test and the fetches each notice that ION does not respond."""
    signed_in.api("POST", "/integrations/1/test")
    found = [
        Finding("behind", "error", "The hub has not read 3 parts", "Wait", subject="parts"),
        Finding("unverified", "warning", "The signature is unknown", "Run `setup apply`"),
    ]
    signed_in.hub.database.write_now(finding_store.add_findings, 1, found)
    for address in ("/", "/integrations/1", "/integrations/1/freshness"):
        for _ in range(100):  # until the controllers have recorded the same problem
            page = signed_in.send("GET", address).text
            main = page[page.index("<main") : page.index("</main>")]
            if main.count("does not respond") == 1:
                break
        causes = re.findall(r'<div class="note[^"]* cause">\s*<p>([^.]+)\.', main)
        assert causes[0] == "The signature is unknown", address
        assert not [one for one in causes if "not respond" in one or "not read" in one], address
        assert main.count("does not respond") == 1, address
        folded = re.findall(
            r'<details class="small" id="consequences-1">.+?</details>', main, re.DOTALL
        )
        assert len(folded) == 1, address
        assert "The hub has not read 3 parts" in folded[0]
        assert "Run <code>setup apply</code>" in main
        assert "eliveries are still received" not in main, f"{address}: none has arrived"
    page = signed_in.send("GET", "/integrations/1/findings").text
    assert "Run <code>setup apply</code>" in page
    (folded,) = re.findall(
        r'<details class="small" id="consequences-1">.+?</details>', page, re.DOTALL
    )
    assert "The hub has not read 3 parts" in folded
    assert page.count("The hub has not read 3 parts") == 1
    assert page.replace(folded, "").count("does not respond") == 1
    assert "`" not in page


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        (1, "Deliveries are still received and stored."),
        (30, "The last delivery arrived 30 min ago."),
    ],
)
def test_age_of_the_last_delivery_follows_the_state_failing(
    signed_in: Any, integration: dict[str, Any], minutes: int, told: str
) -> None:
    signed_in.api("POST", "/integrations/1/test")
    arrived = clock.format_rfc3339(clock.utc_now() - timedelta(minutes=minutes))

    def deliver(connection: Any) -> None:
        url, _ = create_url(connection, "kim", 1, "Violet")
        known = webhook_urls.c.id == url.id
        connection.execute(update(webhook_urls).where(known).values(last_delivery_at=arrived))

    signed_in.hub.database.write_now(deliver)
    for address in ("/", "/integrations/1"):
        page = signed_in.send("GET", address).text
        assert told in page, address
        assert page.count("eliveries are still received") == int(minutes == 1), address


def test_button_replaces_its_command(signed_in: Any, integration: dict[str, Any]) -> None:
    for address in ("/", "/integrations/1"):
        page = signed_in.send("GET", address).text
        assert "No webhook event has arrived yet" in page, address
        assert "ultraviolet setup apply" not in page, address
        assert "Set up webhooks</a>" in page, address
