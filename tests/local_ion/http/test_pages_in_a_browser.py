"""The pages of the local ION in a browser: accessible, on a phone, in both themes, by keyboard."""

import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

PAGES = (
    "/home",
    "/resources",
    "/resources/purchase_orders",
    "/resources/purchase_orders?q=nothing+like+it",
    "/resources/purchase_orders/1",
    "/resources/purchase_orders/1?edit=description",
    "/resources/purchase_orders/new",
    "/resources/parts",
    "/resources/parts/1",
    "/deliveries",
    "/deliveries?state=FAILED",
    "/api-keys",
    "/",
)
SCROLLED_BY_CURSOR = "scrollable-region-focusable"
"""The editors of GraphiQL scroll with their cursor, which axe-core does not see."""


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(
        viewport={"width": 390, "height": 844}, timezone_id="Europe/Berlin", locale="en-GB"
    )
    yield page
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_fit_a_phone_and_are_accessible(
    phone: Page, local_ion: Any, theme: Literal["light", "dark"], subtests: pytest.Subtests
) -> None:
    phone.emulate_media(color_scheme=theme)
    for path in PAGES:
        with subtests.test(path):
            phone.goto(f"{local_ion.url}{path}")
            expect(phone.locator("main")).to_be_visible()
            if path == "/":
                expect(phone.get_by_label("Query Editor").locator("textarea")).to_be_attached()
            width = phone.evaluate("document.documentElement.scrollWidth")
            found = Axe().run(phone).response["violations"]
            assert width == 390
            assert [one["id"] for one in found if one["id"] != SCROLLED_BY_CURSOR] == []


def test_time_is_in_utc_and_its_tooltip_in_the_zone_of_the_viewer(
    phone: Page, local_ion: Any
) -> None:
    phone.goto(f"{local_ion.url}/resources/purchase_orders/1")
    created = phone.get_by_role("row", name=re.compile("^Created 2")).get_by_role("time")
    expect(created).to_contain_text("UTC")
    assert "CE" in (created.get_attribute("title") or "")


def test_api_key_is_created_and_revoked_by_keyboard(phone: Page, local_ion: Any) -> None:
    phone.goto(f"{local_ion.url}/api-keys")
    phone.get_by_label("Name").focus()
    phone.keyboard.type("Line 7")
    phone.keyboard.press("Enter")
    note = phone.get_by_role("status")
    expect(note).to_be_focused()
    expect(note).to_contain_text("Copy the secret now.")
    assert phone.url.endswith("/api-keys")
    phone.reload()
    expect(phone.get_by_role("status")).to_have_count(0)  # a reload creates no other key
    phone.get_by_role("link", name="Revoke Line 7").press("Enter")
    phone.get_by_role("link", name="Cancel").press("Escape")
    expect(phone).to_have_url(f"{local_ion.url}/api-keys")
    phone.get_by_role("link", name="Revoke Line 7").press("Enter")
    phone.get_by_role("button", name="Revoke API key").press("Enter")
    expect(phone.get_by_role("status")).to_contain_text("The key Line 7 is revoked.")
    expect(phone.get_by_role("row", name="Line 7")).to_contain_text("Revoked")


@pytest.fixture
def desktop(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    yield page
    page.close()


def height(page: Page, selector: str) -> float:
    """Return the visible height of the first element of a selector."""
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    return min(box["y"] + box["height"], 844) - box["y"]


def test_loaded_example_has_the_width_of_the_examples_panel(desktop: Page, local_ion: Any) -> None:
    panel = desktop.get_by_role("region", name="Examples")
    desktop.goto(f"{local_ion.url}/")
    expect(panel).to_be_in_viewport()
    for address in ("?example=update-order", "#query=mutation+Longer+%7B+a+%7D"):
        desktop.goto("about:blank")
        desktop.goto(f"{local_ion.url}/{address}")
        expect(desktop.locator(".graphiql-query-editor .CodeMirror-code")).to_contain_text(
            "mutation"
        )
        expect(panel).not_to_be_in_viewport()
        for scroller in desktop.locator(".graphiql-editor:not(.hidden) .CodeMirror-scroll").all():
            assert scroller.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    desktop.get_by_label("Show Examples").click()
    expect(panel).to_be_in_viewport()


def test_query_runner_stacks_its_panes_on_a_phone(phone: Page, local_ion: Any) -> None:
    phone.goto(f"{local_ion.url}/?example=update-order")
    variables = ".graphiql-editor-tool .CodeMirror"
    expect(phone.locator(f"{variables} .CodeMirror-line").first).to_be_visible()
    line = phone.locator(f"{variables} .CodeMirror-line").first.bounding_box()
    assert line is not None
    assert height(phone, variables) >= 5 * line["height"]
    assert height(phone, ".graphiql-query-editor") > 100
    assert height(phone, ".graphiql-response") > 100


def test_rows_are_cards_with_labelled_values_on_a_phone(phone: Page, local_ion: Any) -> None:
    for path in ("/home", "/resources/purchase_orders"):
        phone.goto(f"{local_ion.url}{path}")
        table = phone.get_by_role("table").first
        assert table.evaluate("e => e.scrollWidth <= e.parentElement.clientWidth")
        expect(table.get_by_role("columnheader").first).to_be_hidden()
        values = table.get_by_role("row").first.get_by_role("cell")
        labels = values.evaluate_all("all => all.map(e => getComputedStyle(e, '::before').content)")
        assert '"Total cost"' in labels
        assert '"Supplier"' in labels


def test_menu_of_a_phone_opens_by_keyboard(phone: Page, local_ion: Any) -> None:
    phone.goto(f"{local_ion.url}/home")
    menu = phone.get_by_role("button", name="Menu")
    link = phone.get_by_role("navigation", name="Main").get_by_role("link", name="Suppliers")
    expect(link).to_be_hidden()
    menu.press("Enter")
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(link).to_be_in_viewport(ratio=1)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    menu.press("Enter")
    expect(link).to_be_hidden()
    menu.press("Enter")
    link.press("Enter")
    expect(phone).to_have_url(f"{local_ion.url}/resources/suppliers")
