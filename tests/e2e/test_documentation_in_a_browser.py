"""The documentation and the reference of the API in a real browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

LOADING_MS = 120_000
"""Scalar reads the whole OpenAPI document, which takes long on a busy machine."""


@pytest.fixture(scope="module")
def person(browser: Browser, hub: Any) -> Iterator[Page]:
    """A signed-in operator whose page records errors and the hosts of its requests."""
    hub.api("POST", "/users", {"name": "reader", "role": "operator"})
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(hub.api("POST", "/users/reader/sign-in-links")["url"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    yield page
    context.close()


def violations(page: Page, context: Any = None) -> list[str]:
    found = Axe().run(page, context).response["violations"]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"][:3]]


def test_search_finds_a_section_with_working_links(person: Page, hub: Any) -> None:
    person.goto(f"{hub.url}/docs")
    box = person.get_by_role("searchbox", name="Search the documentation")
    box.fill("follow links")
    box.press("Enter")
    person.get_by_role("link", name="Follow links").click()

    expect(person).to_have_url(f"{hub.url}/docs/how-to/sql-and-exports#follow-links")
    expect(person.get_by_role("heading", name="Follow links")).to_be_in_viewport()
    person.get_by_role("article").get_by_role("link", name="typed SQL view").click()
    expect(person.get_by_role("heading", name="SQL views", level=1)).to_be_visible()
    image = person.get_by_role("img", name="Joins between the views of purchasing")
    image.scroll_into_view_if_needed()
    assert image.evaluate("image => image.complete && image.naturalWidth > 0")


@pytest.mark.parametrize("path", ["/docs", "/docs/how-to/sql-and-exports", "/docs?q=freshness"])
def test_documents_pass_axe_in_both_themes(person: Page, hub: Any, path: str) -> None:
    person.goto(hub.url + path)
    for scheme in ("light", "dark"):
        person.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert violations(person) == [], scheme
    person.set_viewport_size({"width": 390, "height": 844})
    wide = person.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    person.set_viewport_size({"width": 1280, "height": 900})
    assert wide <= 0, "the page is wider than a phone"


def test_reference_of_the_api_sends_requests_with_the_session(person: Page, hub: Any) -> None:
    requested: list[str] = []
    errors: list[str] = []
    person.on("request", lambda request: requested.append(request.url))
    person.on(
        "console",
        lambda line: errors.append(line.text) if line.type in ("error", "warning") else None,
    )
    person.goto(f"{hub.url}/api/docs")
    entry = person.get_by_role("button", name="List integrations")
    entry.or_(person.get_by_role("link", name="List integrations")).first.click(timeout=LOADING_MS)
    person.get_by_role("button", name="Test Request").filter(
        has_text="get /api/v1/integrations)"
    ).click(timeout=LOADING_MS)
    with person.expect_response(f"{hub.url}/api/v1/integrations*", timeout=LOADING_MS) as answered:
        person.get_by_role("button", name="Send").first.click(timeout=LOADING_MS)

    response = answered.value
    assert (200, []) == (response.status, response.json()["items"])
    assert response.request.headers["x-csrf-token"]
    assert "authorization" not in response.request.headers
    assert [] == errors
    outside = [url for url in requested if not url.startswith((hub.url, "data:", "blob:"))]
    assert [] == outside


def test_bar_of_the_reference_is_accessible(person: Page, hub: Any) -> None:
    """The reference itself is Scalar's; this hub owns the bar above it."""
    person.goto(f"{hub.url}/api/docs")
    person.get_by_text("List integrations", exact=True).first.wait_for(timeout=LOADING_MS)
    for scheme in ("light", "dark"):
        person.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(person.locator("body")).to_have_class(re.compile(rf"\b{scheme}-mode\b"))
        assert violations(person, {"include": [[".bar"]]}) == [], scheme
