"""Pages of a hub with several integrations: which one they show, and that they name it."""

import re
from collections.abc import Callable
from html import escape
from typing import Any

import pytest
from tests.web.conftest import NEW

ORDER = "/objects/purchase_orders"


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """SQLite only: nothing here depends on the database."""
    return sqlite_url


@pytest.fixture
def two(signed_in: Any, integration: dict[str, Any], keep: Callable[..., None]) -> Any:
    """A hub with the integrations “plant” and “plant 2”, which share the order 1."""
    answer = signed_in.api("POST", "/integrations", {**NEW, "name": "plant 2"})
    assert answer.status_code == 201, answer.text
    keep("purchase_orders", {"id": 1, "description": "Ours"}, {"id": 11, "description": "Ours"})
    keep("purchase_orders", {"id": 1, "description": "Theirs"}, into=2)
    keep("purchase_orders", {"id": 22, "description": "Theirs"}, into=2)
    return signed_in


def goal(edge: Any, address: str, referer: str = "") -> str:
    """Return the target of a redirect."""
    answer = edge.runner.run(edge.client.get(address, headers={"referer": referer}))
    assert answer.status_code == 303, (address, answer.status_code)
    return answer.headers["location"]


def shown(edge: Any, address: str) -> str:
    answer = edge.send("GET", address)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_pages_without_an_integration_select_one_or_ask(two: Any) -> None:
    # An object that one integration has, several have, or none has.
    assert goal(two, f"{ORDER}/11") == f"{ORDER}/11?integration=1"
    assert goal(two, f"{ORDER}/22?version=1") == f"{ORDER}/22?version=1&integration=2"
    asked = shown(two, f"{ORDER}/1")
    assert "Which integration?" in asked
    links = re.findall(r'<a href="([^"]*integration=\d)">([^<]*)</a>', asked)
    assert links == [
        (f"{ORDER}/1?integration=1", "plant"),
        (f"{ORDER}/1?integration=2", "plant 2"),
    ]
    missing = two.send("GET", f"{ORDER}/404")
    assert missing.status_code == 404
    assert "No integration has a purchase order with the ID 404" in missing.text

    # An address of a list never selects an integration, whatever was viewed last.
    filtered = f"{ORDER}?q=a&where=description%3Ahas%3AA%26B&sort=-id"
    lists = ("/objects", "/drift", "/freshness")
    overview, sign_in = f"{two.client.base_url}/", f"{two.client.base_url}/sign-in"
    for viewed in (1, 2):
        shown(two, f"/drift?integration={viewed}")
        for address in (*lists, filtered):
            separator = "&" if "?" in address else "?"
            for referer in ("", sign_in, "http://other.example/", overview):
                if referer == overview and address in lists:
                    continue
                asked = two.send("GET", address, headers={"referer": referer}).text
                assert "Which integration?" in asked, (address, referer)
                for id_ in (1, 2):
                    assert escape(f"{address}{separator}integration={id_}") in asked

        # The navigation opens that of the last viewed integration.
        for address in lists:
            assert goal(two, address, overview) == f"{address}?integration={viewed}"
        if viewed == 1:
            for address in ("/objects?integration=2", "/integrations/2/sync"):
                shown(two, "/drift?integration=1")
                assert goal(two, "/objects", overview) == "/objects?integration=1"
                shown(two, address)
    assert goal(two, "/freshness?integration=2") == "/integrations/2/freshness"

    # An update of a page in the background, or an invalid address, selects nothing.
    two.send("GET", "/drift?integration=1", headers={"hx-request": "true"})
    assert two.send("GET", "/drift?integration=99").status_code == 404
    assert goal(two, "/drift", overview) == "/drift?integration=2"

    # An integration that is being deleted does not count.
    assert two.api("DELETE", "/integrations/2").status_code < 300
    assert "Purchase orders" in shown(two, ORDER)


def test_address_of_a_list_keeps_its_integration(signed_in: Any, integration: Any) -> None:
    filtered = f"{ORDER}?where=status%3Aany%3AORDERED&sort=-id"
    for address in ("/objects", "/drift", filtered):
        separator = "&" if "?" in address else "?"
        assert goal(signed_in, address) == f"{address}{separator}integration=1"
    page = shown(signed_in, filtered)
    links = re.findall(rf'(?:href|hx-get)="(?:{ORDER}[/\w]*)?\?([^"]*)"', page)
    assert links
    assert [link for link in links if "integration=1" not in link] == []


def test_pages_name_the_integration(two: Any) -> None:
    for address in (
        "/objects?integration=2",
        f"{ORDER}?integration=2&q=x",
        "/integrations/2/freshness",
        "/drift?integration=2",
    ):
        page = shown(two, address)
        assert re.search(r'<option value="2" selected>plant 2</option>', page), address
    assert 'name="q" value="x"' in shown(two, f"{ORDER}?integration=2&q=x")
    assert 'href="/integrations/2">plant 2</a>' in shown(two, f"{ORDER}/1?integration=2")

    hits = [one for one in two.send("GET", "/palette?q=1").json() if one["id"] == "1"]
    assert sorted(one["detail"] for one in hits) == [
        "Purchase order 1 · plant",
        "Purchase order 1 · plant 2",
    ]
    assert "<td>plant 2</td>" in shown(two, "/search?q=22")

    for owner in (1, 2):
        two.api("POST", f"/integrations/{owner}/webhook-urls", {"name": "Ultraviolet"})
    webhooks = shown(two, "/webhooks")
    assert re.search(r'<th class="">Integration</th>', webhooks)
    assert "deliveries to “Ultraviolet” of plant 2 immediately" in webhooks


def test_overview_shows_the_worst_integration_first(two: Any) -> None:
    two.api("POST", "/integrations/2/pause")
    two.api("POST", "/integrations/2/test")
    overview = shown(two, "/")
    sections = re.findall(r'<section id="integration-(\d)"', overview)
    states = re.findall(r'data-state="(\w+)"', overview)
    links = re.findall(r'href="#integration-(\d)"', overview)
    assert (sections, links, states) == (["1", "2"], ["1", "2"], ["unsynced", "paused"])
    two.api("POST", "/integrations/1/pause")
    two.api("POST", "/integrations/2/resume")
    overview = shown(two, "/")
    assert re.findall(r'<section id="integration-(\d)"', overview) == ["2", "1"]
    assert "<strong>plant 2:</strong>" in overview


def test_requests_without_an_integration_name_the_choices(two: Any) -> None:
    for method, path, body in (
        ("GET", "/objects", None),
        ("GET", "/objects/parts", None),
        ("GET", "/objects/parts/1", None),
        ("GET", "/changes", None),
        ("GET", "/attributes", None),
        ("GET", "/exports/parts", None),
        ("POST", "/objects/parts/indexes", {"fields": ["description"]}),
    ):
        answer = two.api(method, path, body)
        assert answer.status_code == 422, (path, answer.text)
        problem = answer.json()
        assert "1 (plant), 2 (plant 2)" in problem["detail"], path
        assert problem["errors"][0]["field"] == "integration"
