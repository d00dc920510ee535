"""Addresses with invalid parameters: the page itself, with the error and the value at the field."""

import re
from html import unescape
from typing import Any

import pytest

ADDRESSES = {
    "/events?since=yesterday&action=update": ("Events", 422, "since", "yesterday"),
    "/events?until=2026-13-01": ("Events", 422, "until", "2026-13-01"),
    "/events?outcome=nonsense": ("Events", 422, "outcome", "nonsense"),
    "/events?resource=partz": ("Events", 404, "resource", "partz"),
    "/events?url=first": ("Events", 422, "", ""),
    "/events?cursor=1": ("Events", 422, "", ""),
    "/events?page=-1": ("Events", 422, "", ""),
    "/events?integration=nowhere": ("Events", 404, "integration", "nowhere"),
    "/settings/audit?since=yesterday": ("Audit log", 422, "since", "yesterday"),
    "/settings/audit?action=key.creat": ("Audit log", 422, "action", "key.creat"),
    "/settings/retention?cursor=x": ("Retention", 422, "", ""),
    "/drift?integration=1&cause=lat": ("Corrections", 422, "cause", "lat"),
    "/drift?integration=1&days=3": ("Corrections", 422, "days", "3"),
    "/fetches?state=nonsense": ("Syncs", 422, "state", "nonsense"),
    "/fetches?mode=ful&range=year": ("Syncs", 422, "mode", "ful"),
    "/verifications?integration=nowhere": ("Verify", 404, "integration", "nowhere"),
    "/webhooks?integration=nowhere": ("Webhooks", 404, "", ""),
    "/integrations?cursor=x": ("Integrations", 422, "", ""),
    "/integrations/1/freshness?page=2": ("Freshness", 422, "", ""),
    "/integrations/1/set-up?url=first": ("", 422, "", ""),
    "/search?q=bolt&resource=partz": ("Search", 404, "", ""),
    "/objects?integration=nowhere": ("", 404, "", ""),
    "/objects/parts?integration=1&state=nonsense": ("Parts", 422, "state", "nonsense"),
    "/objects/parts?integration=1&sort=color": ("Parts", 422, "", ""),
    "/objects/parts?integration=1&column=wings": ("Parts", 422, "", ""),
    "/objects/parts?integration=1&where=wings:is:2": ("Parts", 422, "", ""),
    "/objects/parts?integration=1&cursor=x": ("Parts", 422, "", ""),
    "/objects/parts/1?integration=1&at=yesterday": ("Part 1", 422, "at", "yesterday"),
    "/?range=year": ("Overview", 422, "", ""),
}
"""The heading of each page, its status, and its field with the kept value."""


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def several(signed_in: Any, integration: dict[str, Any], keep: Any) -> Any:
    keep("parts", {"id": 1})
    other = {"name": "second", "client_secret": "secret-of-ion"}
    own = {name: integration[name] for name in ("api_url", "auth_url", "client_id")}
    assert signed_in.api("POST", "/integrations", {**own, **other}).status_code == 201
    return signed_in


def field_of(html: str, name: str) -> str:
    """Return the part of the page from the invalid field to the end of its label."""
    [found] = re.findall(
        rf'<(?:input|select)[^>]*\sname="{name}"[^>]*aria-invalid="true".*?</label>',
        html,
        re.DOTALL,
    )
    return found


@pytest.mark.parametrize("path", ["/events", "/settings/audit"])
def test_period_that_ends_before_it_begins_is_refused(several: Any, path: str) -> None:
    page = several.send("GET", f"{path}?since=2026-11-24T12:00&until=2026-11-24T11:59")
    assert page.status_code == 422
    assert "Until is before From. Enter a later time." in field_of(page.text, "until")
    day = several.send("GET", f"{path}?since=2026-11-24T12:00&until=2026-11-24")
    assert day.status_code == 200
    refused = several.api("GET", "/audit?since=2026-11-24&until=2026-11-22")
    assert refused.status_code == 422


def test_invalid_address_shows_its_page(several: Any, subtests: pytest.Subtests) -> None:
    for address, (heading, status, field, value) in ADDRESSES.items():
        with subtests.test(address):
            answer = several.send("GET", address)
            html = answer.text
            assert (answer.status_code, "<title>Error: " in html) == (status, True)
            assert heading in (re.findall(r"<h1[^>]*>(.*?)</h1>", html, re.DOTALL) or [""])[0]
            assert html.count('id="form-error"') == 1
            assert several.send("HEAD", address).status_code == status
            if field:
                shown = unescape(field_of(html, field))
                assert f'value="{value}"' in shown
                assert value in re.sub(r"<[^>]+>", "", shown.partition("field-error")[2])
            else:
                assert 'role="alert" id="form-error"' in html


def test_valid_parameters_are_kept_and_each_error_is_shown(several: Any) -> None:
    html = several.send("GET", "/events?action=update&since=soon&outcome=odd&page=1").text
    assert '<option value="UPDATE" selected>' in html
    assert "“page” is not a parameter" in html
    assert "<details" in html.partition('name="since"')[0]
    assert re.search(r'<details class="more-filters"[^>]* open', html)
    for name, value in (("since", "soon"), ("outcome", "odd")):
        assert f"“{value}” is not a valid" in field_of(html, name)
        assert f'id="form-error-{name}"' in html
    assert 'name="since" type="text" value="soon"' in html


def test_page_that_cannot_be_shown_has_the_error_page(several: Any) -> None:
    for address in ("/objects/partz?state=x", "/events/99?since=1", "/api/docs?page=1"):
        html = several.send("GET", address).text
        assert "Invalid address" in html or "Page not found" in html, address


def test_missing_object_and_unknown_address_have_one_instruction(several: Any) -> None:
    missing = several.send("GET", "/objects/purchase_orders/999999?integration=1").text
    assert "<h1>Purchase order 999999 not found</h1>" in missing
    assert "Check the ID in ION, or start a sync." in missing
    assert "Check the address" not in missing
    unknown = several.send("GET", "/nowhere").text
    assert "<h1>This page does not exist</h1>" in unknown
    assert unknown.count("Check the address, or search for the object.") == 1
    assert "Nothing has this address" not in unknown


def test_errors_quote_the_value_and_name_the_next_step(several: Any) -> None:
    page = several.send("GET", "/objects/purchase_orders?integration=1&sort=bogus").text
    shown = unescape(re.sub(r"<[^>]+>", "", page))
    assert "Purchase orders cannot be sorted by “bogus”. Use the name of a field" in shown
