"""The navigation: entries by role, the current entry, badges and suggestions of the palette."""

import re
from collections.abc import Callable
from typing import Any

from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Finding
from ultraviolet.web.pages.navigation import current_address


def entries(page: str) -> list[str]:
    """Return the addresses of the navigation of a page."""
    return re.findall(r'href="([^"]*)" data-key', page)


def test_entries_depend_on_the_role(signed_in: Any) -> None:
    assert "/settings/audit" in entries(signed_in.send("GET", "/").text)

    signed_in.api("POST", "/users", {"name": "vera", "role": "viewer"})
    link = signed_in.api("POST", "/users/vera/sign-in-links").json()["url"]
    signed_in.client.cookies.clear()
    token = link.rpartition("/")[2]
    form = signed_in.send("GET", f"/sign-in/{token}").text
    action = re.search(r'action="([^"]+)"', form)
    assert action
    signed_in.send("POST", action.group(1))
    shown = entries(signed_in.send("GET", "/").text)
    assert "/events" in shown
    assert [address for address in shown if address.startswith("/settings")] == []
    assert signed_in.send("GET", "/settings/audit").status_code == 403


def test_every_entry_opens_a_page_with_its_own_shortcut(signed_in: Any) -> None:
    page = signed_in.send("GET", "/").text
    keys = re.findall(r'data-key="(\w)"', page)
    assert sorted(set(keys)) == sorted(keys)
    for address in entries(page):
        answer = signed_in.send("GET", address)
        assert answer.status_code in (200, 303), address


def test_current_entry_is_the_longest_match() -> None:
    assert current_address("/") == "/"
    assert current_address("/objects/parts/12") == "/objects"
    assert current_address("/settings/keys") == "/settings/keys"
    assert current_address("/settings/users/1/sessions") == "/settings"
    assert current_address("/integrations/1/freshness") == "/freshness"
    assert current_address("/account") == ""


def test_freshness_entry_opens_the_first_integration(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    assert signed_in.send("GET", "/freshness").headers["location"] == "/integrations/1/freshness"


def test_badges_count_running_fetches(signed_in: Any, integration: dict[str, Any]) -> None:
    badges = {one["address"]: one for one in signed_in.send("GET", "/navigation/badges").json()}
    assert "/events" not in badges

    signed_in.api("POST", f"/integrations/{integration['id']}/fetches", {"mode": "full"})
    badges = {one["address"]: one for one in signed_in.send("GET", "/navigation/badges").json()}
    assert (badges["/fetches"]["text"], badges["/fetches"]["label"]) == ("1", "1 running")


def test_badge_and_page_count_the_alerts_whose_problem_exists(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    hub = signed_in.hub
    problem = Finding("receiver", "error", "The receiver is gone", "Repair it", subject="receiver")

    def counts(*found: Finding) -> tuple[str, int]:
        hub.database.write_now(
            finding_store.save_findings, integration["id"], ("receiver",), list(found)
        )
        badges = {one["address"]: one for one in signed_in.send("GET", "/navigation/badges").json()}
        page = signed_in.send("GET", "/settings/alerts").text
        badge = badges.get("/settings/alerts", {"text": "0"})["text"]
        return badge, page.partition("Alert destinations")[0].count("data-row")

    before = counts(problem)
    signed_in.runner.run(hub.alerts.check())
    during = counts(problem)
    after = counts()

    for badge, listed in (before, during, after):
        assert badge == str(listed)
    assert during[1] == before[1] + 1 + after[1]


def suggestions(edge: Any, text: str) -> list[tuple[str, str]]:
    found = edge.send("GET", "/palette", params={"q": text}).json()
    return [(one["title"], one["address"]) for one in found]


def test_palette_suggests_resources_before_objects(
    signed_in: Any, keep: Callable[..., None]
) -> None:
    keep("suppliers", {"id": 4, "name": "Parts & Sons"})
    found = suggestions(signed_in, "parts")
    assert found[0] == ("Parts", "/objects/parts")
    assert ("Parts & Sons", "/objects/suppliers/4?integration=1") in found


def test_palette_formats_the_numbers_of_matches(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("currencies", {"id": 2, "code": "EUR", "title": "EUR"})
    keep("purchase_orders", {"id": 5, "currencyId": 2, "estimatedTotalCost": 132551.7})
    keep("purchase_order_lines", {"id": 6, "quantity": 7132551})
    found = signed_in.send("GET", "/palette?q=132551").json()
    details = [one["detail"].rpartition(": ")[2] for one in found]
    assert details == ["132,551.70 EUR", "7,132,551"]
    assert "132,551.70 EUR</span>" in signed_in.send("GET", "/search?q=132551").text


def test_palette_suggests_an_exact_id_first(signed_in: Any, keep: Callable[..., None]) -> None:
    keep("purchase_orders", {"id": 12, "description": "Order"}, {"id": 412, "description": "12"})
    found = [
        address for _, address in suggestions(signed_in, "12") if "purchase_orders/" in address
    ]
    assert found[0] == "/objects/purchase_orders/12?integration=1"


def test_palette_without_text_suggests_nothing(signed_in: Any) -> None:
    assert suggestions(signed_in, " ") == []
