"""The pages in a real browser: accessible in light and dark, usable by keyboard, main tasks."""

import csv
import io
import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect

SECOND = 1000
AN_ORDER = "{ purchaseOrders(first: 1, sort: [%s]) { edges { node { id _etag description } } } }"
IDENTIFIER = re.compile(r"(?<!…)\b(?:[a-z]+_[a-z]\w*|(?!mBOM|aBOM)[a-z]+[A-Z]\w*)\b")
VISIBLE_TEXTS = """() => {
  const code = "code, pre, kbd, samp, script, style, textarea, svg, .mono, [data-value]";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    if (text && !walker.currentNode.parentElement.closest(code)) texts.push(text);
  }
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder]"))
    if (!element.closest(code))
      for (const name of ["aria-label", "title", "placeholder"])
        if (element.hasAttribute(name)) texts.push(element.getAttribute(name));
  return texts;
}"""
"""The texts of a page for people, without code."""
CUT_OFF = """() => [...document.querySelectorAll("main td button")]
  .filter((button) => button.checkVisibility() && button.getBoundingClientRect().right > innerWidth)
  .map((button) => button.textContent.trim())"""
GREEN = """() => {
  const probe = document.createElement("i");
  probe.style.color = "var(--good)";
  document.body.append(probe);
  const good = getComputedStyle(probe).color;
  probe.remove();
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility())
    .filter((element) => {
      const style = getComputedStyle(element);
      const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      return (text && style.color === good) || style.backgroundColor === good;
    })
    .map((element) => element.outerHTML.slice(0, 100));
}"""
"""The visible elements of a page with the color of a good state."""
UPDATE_ORDER = """mutation ($input: UpdatePurchaseOrderInput!) {
  updatePurchaseOrder(input: $input) { purchaseOrder { id description } } }"""
CHOOSE_AT_ONCE = """(operator) => new MutationObserver((_, observer) => {
  const select = document.querySelector("select[data-control]");
  if (!select) return;
  observer.disconnect();
  select.value = operator;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}).observe(document.body, { childList: true, subtree: true })"""
"""Chooses a condition in the moment in which its form appears."""
PAGES = {
    "/": None,
    "/events": None,
    "/events?q=nobody+says+this": None,
    "/events ": "table tbody a",
    "/objects": None,
    "/objects/purchase_orders?where=cost:from:0&sort=-id": None,
    "/objects/purchase_order_lines/filter": None,
    "/objects/purchase_order_lines/columns": None,
    "/objects/purchase_orders/1": None,
    "/search?q=1": None,
    "/fetches": None,
    "/fetches/1": None,
    "/drift": None,
    "/verifications": None,
    "/verifications/1": None,
    "/integrations": None,
    "/integrations/new": None,
    "/integrations/1": None,
    "/integrations/1/sync": None,
    "/integrations/1/webhooks": None,
    "/integrations/1/resources": None,
    "/integrations/1/findings": None,
    "/integrations/1/settings": None,
    "/integrations/1/freshness": None,
    "/integrations/1/set-up": None,
    "/webhooks": None,
    "/webhooks/1": None,
    "/objects/purchase_orders/1?at=2020-01-01T00:00": None,
    "/fetches?mode=full": None,
    "/drift?days=90": None,
    "/settings": None,
    "/settings/keys": None,
    "/settings/alerts": None,
    "/settings/audit": None,
    "/settings/retention": None,
    "/about": None,
    "/settings/users/1/sessions": None,
    "/account": None,
    "/integrations/99": None,
}
WITHOUT_SIGN_IN = ("/sign-in", "/sign-in/uvl_anything")


@pytest.fixture(scope="module")
def plant(hub: Any, local_ion: Any, wait: Any) -> dict[str, Any]:
    """A hub after a fetch, an event and a verification."""
    integration = hub.connect(local_ion)
    hub.fetch(integration)
    change(local_ion, "The first change")
    wait(lambda: hub.api("GET", "/events")["items"], 20, "an event")
    hub.api("POST", f"/integrations/{integration['id']}/verifications")
    name = {"name": "Receiver of the northern plant"}
    url = hub.api("POST", f"/integrations/{integration['id']}/webhook-urls", name)
    hub.api("POST", f"/webhook-urls/{url['id']}/rotate")
    return integration


@pytest.fixture(scope="module")
def person(browser: Browser, hub: Any, plant: dict[str, Any]) -> Iterator[Page]:
    """The page of a signed-in user."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    sign_in(page, hub)
    yield page
    context.close()


def sign_in(page: Page, hub: Any) -> None:
    name = f"person-{len(hub.api('GET', '/users')['items'])}"
    hub.api("POST", "/users", {"name": name, "role": "admin"})
    page.goto(hub.api("POST", f"/users/{name}/sign-in-links")["url"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def change(local_ion: Any, description: str, sort: str = "ID_ASC") -> str:
    order = local_ion.execute(AN_ORDER % sort)["purchaseOrders"]["edges"][0]["node"]
    given = {"id": order["id"], "etag": order["_etag"], "description": description}
    local_ion.execute(UPDATE_ORDER, input=given)
    return str(order["id"])


def violations(page: Page) -> list[str]:
    return described(Axe().run(page).response)


def violations_of_colors(page: Page) -> list[str]:
    """Return what else is wrong after a change of colors, on a page that axe has checked."""
    rules = "['color-contrast', 'link-in-text-block']"  # those of its default that read colors
    return described(page.evaluate(f"axe.run({{ runOnly: {rules}, resultTypes: ['violations'] }})"))


def described(response: dict[str, Any]) -> list[str]:
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in response["violations"]
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("address", PAGES)
def test_pages_pass_axe_in_both_themes_fit_a_phone_and_have_no_identifiers(
    person: Page, hub: Any, address: str
) -> None:
    errors: list[str] = []

    def note(error: Any) -> None:
        errors.append(str(error))

    person.on("pageerror", note)
    person.emulate_media(color_scheme="light", reduced_motion="reduce")
    person.goto(hub.url + address.strip())
    texts = person.evaluate(VISIBLE_TEXTS)
    assert len(texts) > 10
    assert [text for text in texts if "`" in text] == [], "backticks instead of code"
    assert sorted({word for text in texts for word in IDENTIFIER.findall(text)}) == []
    if PAGES[address]:
        person.locator(PAGES[address] or "").first.click()
    assert violations(person) == []
    person.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert violations_of_colors(person) == []
    person.set_viewport_size({"width": 390, "height": 844})
    wide = person.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    cut_off = person.evaluate(CUT_OFF)
    person.set_viewport_size({"width": 1280, "height": 900})
    person.remove_listener("pageerror", note)
    assert errors == [], "a script failed"
    assert wide <= 0, "the page is wider than a phone"
    assert cut_off == [], "buttons of rows are beyond the edge of a phone"


@pytest.mark.parametrize("address", WITHOUT_SIGN_IN)
def test_pages_before_sign_in_pass_axe(browser: Browser, hub: Any, address: str) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(hub.url + address)
    assert violations(page) == []
    context.close()


def test_password_can_be_shown(browser: Browser, hub: Any) -> None:
    page = browser.new_page()
    page.goto(f"{hub.url}/sign-in")
    field = page.get_by_label("Password", exact=True)
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "password")
    page.close()


def test_role_is_saved_by_its_choice(person: Page, hub: Any) -> None:
    hub.api("POST", "/users", {"name": "Nell", "role": "viewer"})
    person.goto(f"{hub.url}/settings")
    person.get_by_label("Role of Nell").select_option("operator")
    expect(person.get_by_text("Nell is now operator.")).to_be_visible()
    expect(person.get_by_label("Role of Nell")).to_have_value("operator")


def test_selected_theme_is_kept_on_other_pages(person: Page, hub: Any) -> None:
    person.goto(f"{hub.url}/events")
    person.get_by_role("button", name="Dark").click()
    expect(person.locator("html")).to_have_attribute("data-theme", "dark")
    person.wait_for_function("document.querySelector('[data-theme-switch] button:focus')")
    person.goto(f"{hub.url}/objects")
    expect(person.locator("html")).to_have_attribute("data-theme", "dark")
    person.get_by_role("button", name="Light").click()
    expect(person.locator("html")).to_have_attribute("data-theme", "light")


def test_keyboard_shortcuts_open_pages_and_search(person: Page, hub: Any) -> None:
    person.goto(hub.url)
    expect(person.locator(".live")).to_have_text("Live")
    person.keyboard.press("g")
    person.keyboard.press("e")
    expect(person.get_by_role("heading", name="Events", level=1)).to_be_visible()
    expect(person.locator(".live")).to_have_text("Live")  # the page listens to keys
    person.keyboard.press("/")
    person.keyboard.type("Corr")
    expect(person.get_by_role("option", name="Corrections")).to_be_visible()
    person.keyboard.press("Control+a")
    person.keyboard.type("1")
    expect(person.get_by_role("option", name=re.compile("^Search all objects"))).to_be_visible()
    person.keyboard.press("Escape")
    expect(person.locator("#palette")).to_be_hidden()
    person.keyboard.press("/")
    person.keyboard.type("1")
    person.get_by_role("option", name=re.compile("^Search all objects")).click()
    expect(person.get_by_role("heading", name="Search", level=1)).to_be_visible()
    expect(person.get_by_role("link", name=re.compile("Purchase orders")).first).to_be_visible()


def test_page_with_an_invalid_fragment_works(person: Page, hub: Any) -> None:
    person.goto(f"{hub.url}/objects#100%")
    expect(person.locator(".live")).to_have_text("Live")
    person.keyboard.press("g")
    person.keyboard.press("e")
    expect(person.get_by_role("heading", name="Events", level=1)).to_be_visible()


def test_page_shows_a_change_that_happened_before_it_listened(
    person: Page, hub: Any, local_ion: Any
) -> None:
    other = person.context.new_page()
    address = f"{hub.url}/objects/purchase_orders/{change(local_ion, 'Before')}"
    other.goto(address)
    expect(description_on(other)).to_contain_text("Before")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    person.route("**/live.js*", hold, times=1)
    person.goto(address, wait_until="commit")
    expect(description_on(person)).to_contain_text("Before")

    change(local_ion, "While the page loads")
    expect(description_on(other)).to_contain_text("While the page loads")
    other.close()
    expect(description_on(person)).to_contain_text("Before")
    held[0].continue_()
    expect(description_on(person)).to_contain_text("While the page loads")


def description_on(page: Page) -> Locator:
    return page.get_by_role("row", name=re.compile("^Description")).first


def test_events_page_updates_without_moving_rows_under_the_pointer(
    person: Page, hub: Any, local_ion: Any
) -> None:
    person.goto(f"{hub.url}/events")
    expect(person.locator(".live")).to_have_text("Live", timeout=10 * SECOND)
    replay = person.get_by_role("button", name=re.compile("^Replay selected"))
    expect(replay).to_be_disabled()
    expect(person.get_by_text("Select events to replay them.")).to_be_visible()
    box = person.get_by_role("checkbox", name="Select event 1", exact=True)
    box.check()
    expect(replay).to_have_text("Replay selected (1)")
    rows = person.locator("#events tbody tr")
    before = rows.count()
    change(local_ion, "While someone points at the list")
    new = person.get_by_role("button", name="1 new event", exact=True)
    expect(new).to_be_visible(timeout=10 * SECOND)
    expect(rows).to_have_count(before)
    new.click()
    expect(rows).to_have_count(before + 1)
    expect(new).to_be_hidden()
    expect(box).to_be_checked()
    person.get_by_role("button", name="Pause updates").click()
    change(local_ion, "While updates are paused")
    expect(new).to_be_visible(timeout=10 * SECOND)
    expect(rows).to_have_count(before + 1)
    person.get_by_role("button", name="Resume updates").click()
    expect(rows).to_have_count(before + 2)
    change(local_ion, "Afterwards")
    expect(rows).to_have_count(before + 3, timeout=10 * SECOND)
    replay.click()
    expect(person.get_by_role("heading", name="Replay 1 event?")).to_be_visible()
    expect(person.get_by_text("Nothing would change")).to_be_visible()
    person.get_by_role("button", name="Replay").click()
    expect(person.locator("#event-1")).to_contain_text("replayed")


def test_object_list_updates_without_moving_rows_under_the_pointer(
    person: Page, hub: Any, local_ion: Any
) -> None:
    person.goto(f"{hub.url}/objects/purchase_orders?sort=-changed&integration=1")
    expect(person.locator(".live")).to_have_text("Live", timeout=10 * SECOND)
    first = person.locator("#objects tbody tr").first
    first.hover()
    pointed_at = str(first.get_attribute("id"))
    changed = person.get_by_role("button", name="List changed · Show")
    expect(changed).to_be_hidden()

    order = change(local_ion, "While someone points at the list", "ID_DESC")

    assert pointed_at != f"object-{order}"
    expect(changed).to_be_visible(timeout=10 * SECOND)
    expect(first).to_have_id(pointed_at)
    changed.click()
    expect(first).to_have_id(f"object-{order}")
    expect(changed).to_be_hidden()


def test_other_lists_update_without_moving_rows_under_the_pointer(
    person: Page, hub: Any, plant: dict[str, Any]
) -> None:
    person.goto(f"{hub.url}/fetches")
    expect(person.locator(".live")).to_have_text("Live", timeout=10 * SECOND)
    first = person.locator("#fetches tbody tr").first
    first.hover()
    pointed_at = str(first.get_attribute("id"))

    started = hub.api("POST", f"/integrations/{plant['id']}/fetches", {"mode": "incremental"})

    new = person.get_by_role("button", name="1 new · Show")
    expect(new).to_be_visible(timeout=10 * SECOND)
    expect(first).to_have_id(pointed_at)
    new.click()
    expect(first).to_have_id(f"fetch-{started['id']}")
    expect(new).to_be_hidden()


def test_fields_of_an_object_leave_no_column_half_empty(person: Page, hub: Any) -> None:
    person.set_viewport_size({"width": 1440, "height": 900})
    person.goto(f"{hub.url}/objects/purchase_orders/1")
    rows = person.get_by_role("region", name="Details").locator("tr")
    boxes = [box for row in rows.all() if (box := row.bounding_box())]
    columns: dict[float, float] = {}
    for box in boxes:
        columns[box["x"]] = max(columns.get(box["x"], 0), box["y"] + box["height"])
    person.set_viewport_size({"width": 1280, "height": 900})

    assert len(columns) == 2
    assert max(columns.values()) - min(columns.values()) <= max(box["height"] for box in boxes) + 2


def test_event_opens_in_a_drawer_by_mouse_and_keyboard(
    person: Page, hub: Any, local_ion: Any
) -> None:
    change(local_ion, "For the drawer")
    order = change(local_ion, "Again for the drawer")
    person.goto(f"{hub.url}/events?resource=purchase_orders&object={order}")
    links = person.locator("[data-drawer-link]")
    expect(links.nth(1)).to_be_visible(timeout=10 * SECOND)
    person.get_by_role("button", name="Pause updates").click()
    heading = person.get_by_role("heading", name=f"Purchase order {order} updated")
    person.locator("#events tbody tr").first.get_by_text("Description").click()
    expect(heading).to_be_visible()
    assert violations(person) == []
    person.keyboard.press("Escape")
    expect(heading).to_be_hidden()
    expect(links.first).to_be_focused()
    person.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()
    person.keyboard.press("Enter")
    expect(heading).to_be_visible()
    first, second = (link.get_attribute("href") or "" for link in links.all()[:2])
    page_link = person.get_by_role("link", name="Open page")
    expect(page_link).to_have_attribute("href", second)
    person.keyboard.press("k")
    expect(page_link).to_have_attribute("href", first)
    expect(person.locator("#drawer-content")).to_contain_text(f"Event {first.rpartition('/')[2]} ")
    person.get_by_role("button", name="Close").click()
    expect(links.first).to_be_focused()


def test_object_page_shows_a_change_without_reload(person: Page, hub: Any, local_ion: Any) -> None:
    person.goto(f"{hub.url}/objects/purchase_orders/{change(local_ion, 'Before')}")
    expect(person.locator(".live")).to_have_text("Live", timeout=10 * SECOND)
    change(local_ion, "After, seen live")
    row = person.get_by_role("row", name=re.compile("^Description")).first
    expect(row).to_contain_text("After, seen live", timeout=15 * SECOND)
    person.get_by_role("button", name="History").click()
    person.get_by_role("link", name=re.compile("^View this version")).last.click()
    expect(person.get_by_text("You are viewing version")).to_be_visible()


def test_eight_visible_tabs_are_live(person: Page, hub: Any, local_ion: Any) -> None:
    """Browsers allow six connections per host."""
    order = change(local_ion, "Before the tabs")
    tabs = [person.context.new_page() for _ in range(8)]
    for tab in tabs:
        tab.goto(f"{hub.url}/objects/purchase_orders/{order}")
        expect(tab.locator(".live")).to_have_text("Live", timeout=10 * SECOND)
    change(local_ion, "Seen in all tabs")
    for tab in tabs:
        row = tab.get_by_role("row", name=re.compile("^Description")).first
        expect(row).to_contain_text("Seen in all tabs", timeout=15 * SECOND)
        tab.close()


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "without-shared-workers"])
def test_hidden_tab_has_no_stream_and_updates_when_it_is_visible(
    person: Page, hub: Any, local_ion: Any, wait: Any, shared: bool
) -> None:
    order = change(local_ion, "Before it was hidden")
    tab = person.context.new_page()
    tab.add_init_script("""
      Object.defineProperty(Document.prototype, "hidden", { get: () => window.isHidden === true });
      window.hide = (hidden) => {
        window.isHidden = hidden;
        document.dispatchEvent(new Event("visibilitychange"));
      };""")
    if not shared:
        tab.add_init_script("delete window.SharedWorker")
    tab.goto(f"{hub.url}/objects/purchase_orders/{order}")
    status = tab.locator(".live")
    expect(status).to_have_text("Live", timeout=10 * SECOND)
    tab.evaluate("hide(true)")
    expect(status).to_have_text("Connecting …", timeout=10 * SECOND)
    change(local_ion, "While it was hidden")
    known = f"/objects/purchase_orders/{order}"
    wait(lambda: "While it was hidden" in str(hub.api("GET", known)), 20, "the change in the hub")
    tab.evaluate("hide(false)")
    expect(status).to_have_text("Live", timeout=10 * SECOND)
    row = tab.get_by_role("row", name=re.compile("^Description")).first
    expect(row).to_contain_text("While it was hidden", timeout=15 * SECOND)
    tab.close()


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "without-shared-workers"])
def test_page_of_a_hub_that_hangs_is_marked_as_disconnected(
    browser: Browser, start_hub: Any, local_ion: Any, shared: bool
) -> None:
    hub = start_hub()
    hub.fetch(hub.connect(local_ion))
    context = browser.new_context()
    page = context.new_page()
    if not shared:
        page.add_init_script("delete window.SharedWorker")
    sign_in(page, hub)
    status = page.locator(".live")
    expect(status).to_have_text("Live", timeout=10 * SECOND)
    expect(page.get_by_text("fresh", exact=True)).to_be_visible(timeout=20 * SECOND)
    assert page.evaluate(GREEN)

    os.kill(hub.child.process.pid, signal.SIGSTOP)
    try:
        expect(status).to_contain_text("Disconnected since", timeout=30 * SECOND)
        expect(page.get_by_role("alert")).to_contain_text("may be out of date")
        assert page.evaluate(GREEN) == []
    finally:
        os.kill(hub.child.process.pid, signal.SIGCONT)

    expect(status).to_have_text("Live", timeout=30 * SECOND)
    expect(page.get_by_role("alert")).to_have_count(0)
    context.close()


def test_slider_shows_an_object_at_another_time(person: Page, hub: Any, local_ion: Any) -> None:
    person.goto(f"{hub.url}/objects/purchase_orders/{change(local_ion, 'Long after')}")
    person.get_by_role("button", name="History").click()
    slider = person.get_by_role("slider", name=re.compile("^As of"))
    expect(slider).to_have_attribute("aria-valuetext", "now")
    slider.focus()
    person.keyboard.press("Home")
    expect(person).to_have_url(re.compile(r"at=\d{4}-"), timeout=15 * SECOND)
    expect(person.get_by_role("slider", name=re.compile("^As of"))).to_be_focused()
    assert violations(person) == []
    person.goto(person.url)
    person.get_by_role("link", name="Back to now").click()
    person.get_by_role("button", name="History").click()
    expect(person.get_by_text("As of now")).to_be_visible()
    person.get_by_role("link", name="Previous version").click()
    expect(person.get_by_text("You are viewing version")).to_be_visible()


def test_charts_have_tooltips_and_tables(person: Page, hub: Any) -> None:
    person.goto(hub.url)
    expect(
        person.get_by_role("img", name=re.compile("^Changes per minute over the last hour"))
    ).to_be_visible()
    person.locator(".plot").first.hover()
    expect(person.locator(".tooltip")).to_contain_text("Changes")
    person.get_by_text("As a table").first.click()
    expect(person.get_by_role("region", name="Changes per minute, as a table")).to_be_visible()
    person.goto(f"{hub.url}/drift")
    person.get_by_label("Period").select_option("14")
    expect(person.get_by_role("img", name=re.compile("^Corrections per day"))).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/drift", "/webhooks/1"])
def test_dragging_over_a_chart_selects_its_time_range(person: Page, hub: Any, path: str) -> None:
    person.goto(f"{hub.url}{path}")
    plot = person.locator(".chart[data-zoom] .plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    person.mouse.move(box["x"] + box["width"] * 0.5, y)
    person.mouse.down()
    person.mouse.move(box["x"] + box["width"] * 0.75, y, steps=3)
    expect(person.locator(".chart-selection")).to_be_visible()
    person.mouse.up()

    expect(person).to_have_url(re.compile(r"[?&]since=[\dT%A:-]+&until="))
    assert violations(person) == []
    if path == "/":
        person.get_by_role("button", name=re.compile("^From .* until ")).press("Enter")
        expect(person.get_by_label(re.compile("^From"))).not_to_have_value("")
        person.get_by_label(re.compile("^Until")).fill("2099-12-01T04:00")
        person.get_by_label(re.compile("^From")).fill("2099-12-01T02:00")
        person.get_by_role("button", name="Show", exact=True).press("Enter")
        expect(person).to_have_url(re.compile("since=2099-12-01T"))


def test_table_is_sorted_filtered_and_saved_as_a_view(person: Page, hub: Any) -> None:
    person.goto(f"{hub.url}/objects/purchase_orders")
    person.get_by_role("link", name="ID", exact=True).click()
    expect(person.locator("th[aria-sort=ascending]")).to_have_text(re.compile("ID"))
    person.get_by_role("link", name="Add filter").click()
    expect(person.get_by_label("Find a field")).to_be_focused()
    person.get_by_label("Find a field").fill("technical id")
    person.get_by_role("button", name="ID", exact=True).click()
    person.get_by_label("Condition").select_option("≤")
    person.get_by_label("Value").fill("3")
    assert violations(person) == []
    person.get_by_role("button", name="Apply").click()
    expect(person.locator("#objects tbody tr")).to_have_count(3)
    person.get_by_role("button", name="Save view").click()
    person.get_by_role("dialog", name="Save view").get_by_label("Name").fill("First three")
    person.get_by_role("button", name="Save", exact=True).click()
    person.goto(f"{hub.url}/objects/purchase_orders")
    person.get_by_role("link", name="First three").click()
    expect(person.locator("#objects tbody tr")).to_have_count(3)
    person.get_by_role("link", name="Columns", exact=True).click()
    person.get_by_label("Find a field to add").fill("supplier name")
    person.get_by_role("checkbox", name="Name").check()
    assert violations(person) == []
    person.get_by_role("button", name="Apply").click()
    expect(person.get_by_role("columnheader", name="Supplier › Name")).to_be_visible()


def test_resources_are_found_by_name(person: Page, hub: Any) -> None:
    person.goto(f"{hub.url}/objects")
    expect(person.get_by_role("link", name="Users", exact=True)).to_be_hidden()
    person.get_by_label("Find a resource").fill("user")
    expect(person.get_by_role("link", name="Users", exact=True)).to_be_visible()
    expect(person.get_by_role("link", name="Purchase orders", exact=True)).to_be_hidden()
    person.keyboard.press("Control+a")
    person.keyboard.type("orders")
    person.keyboard.press("Enter")
    expect(person.get_by_role("heading", name="Purchase orders", level=1)).to_be_visible()


def test_new_key_and_its_row_fit_on_a_phone(person: Page, hub: Any) -> None:
    person.set_viewport_size({"width": 390, "height": 844})
    try:
        person.goto(f"{hub.url}/settings/keys")
        person.get_by_label("Key name").fill("production-reporting-of-the-night-shift")
        person.get_by_role("button", name="Create API key").click()
        secret = person.locator(".note .copy pre")
        text, button = secret.bounding_box(), person.locator(".note .copy button").bounding_box()
        assert text
        assert button
        assert text["x"] + text["width"] <= button["x"]
        assert secret.evaluate("pre => pre.scrollWidth <= pre.clientWidth")
        assert person.evaluate(CUT_OFF) == []
    finally:
        person.set_viewport_size({"width": 1280, "height": 900})


def test_rows_are_cards_on_a_phone(person: Page, hub: Any) -> None:
    columns = ("Part", "Status", "Quantity", "Received quantity", "Cost", "Need date")
    order = hub.api("GET", "/objects/purchase_order_lines?limit=1")["items"][0]["fields"]
    pages = (
        "/objects/purchase_order_lines",
        f"/objects/purchase_orders/{order['purchaseOrderId']}",
    )
    try:
        for address in pages:
            person.goto(f"{hub.url}{address}")
            person.set_viewport_size({"width": 390, "height": 844})
            row = person.locator("tr:has(> [data-label='Received quantity'])").first
            cells = row.locator("> td[data-label]:not(.no-value, .changed-at)")
            shown = [cell.is_visible() for cell in cells.all()]
            if "purchase_orders" in address:
                assert all(shown)
                assert all(is_shown(row, label) for label in columns)
            else:
                assert (shown.count(True), any(shown[5:])) == (min(5, len(shown)), False)
                expect(row.locator(".changed-at")).to_be_visible()
                heights = [link.bounding_box() for link in person.locator("thead th a").all()]
                assert min(box["height"] for box in heights if box) >= 24
                hidden = [label for label in columns if not is_shown(row, label)]
                names = ("partId", "status", "quantity", "receivedQuantity", "cost", "needDate")
                chosen = "&".join(f"column={name}" for name in names)
                person.goto(f"{hub.url}{address}?{chosen}&sort=-needDate")
                assert [] == [label for label in hidden if not is_shown(row, label)]
            edges = row.evaluate("row => [row.scrollWidth, row.getBoundingClientRect().right]")
            assert max(edges) <= 390
    finally:
        person.set_viewport_size({"width": 1280, "height": 900})


def is_shown(row: Locator, label: str) -> bool:
    """Return whether a row of a list shows a column, or has no value for it."""
    cell = row.locator(f"> [data-label='{label}']")
    return cell.is_visible() or "no-value" in (cell.get_attribute("class") or "")


def test_times_do_not_wrap_on_a_phone(person: Page, hub: Any) -> None:
    person.set_viewport_size({"width": 390, "height": 844})
    paths = ("/settings/audit", "/objects/purchase_orders?column=_created", "/objects/users/1")
    lines = []
    for path in paths:
        person.goto(f"{hub.url}{path}")
        expect(person.locator("main time").first).to_be_visible()
        lines += person.locator("main time").evaluate_all(
            "times => times.map((time) => time.getClientRects().length)"
        )
    person.set_viewport_size({"width": 1280, "height": 900})

    assert set(lines) <= {0, 1}


def test_columns_are_applied_without_scrolling_and_the_drawer_covers_nothing(
    person: Page, hub: Any
) -> None:
    person.goto(f"{hub.url}/objects/purchase_orders")
    person.get_by_role("link", name="Columns", exact=True).click()
    button = person.get_by_role("button", name="Apply")
    expect(button).to_be_in_viewport(ratio=1)
    person.goto(f"{hub.url}/objects/purchase_orders/1?version=1")
    drawer = person.locator("#history").bounding_box()
    banner = person.locator(".note.warn").first.bounding_box()
    assert drawer
    assert banner
    assert banner["x"] + banner["width"] <= drawer["x"]


@pytest.mark.parametrize("name", ["Columns", "Add filter", "Save view", "Export"])
def test_dialog_of_a_list_keeps_the_focus_until_it_is_closed(
    person: Page, hub: Any, name: str
) -> None:
    person.goto(f"{hub.url}/objects/purchase_orders")
    opener = person.locator(".head, .filters").get_by_text(name, exact=True)
    opener.focus()
    person.keyboard.press("Enter")
    inside = person.locator(".sheet:popover-open :focus")
    expect(person.get_by_role("dialog").first).to_be_visible()
    if name != "Export":  # where the links follow the button that opened it
        expect(inside).to_be_visible()
    person.keyboard.press("Tab")
    first = inside.evaluate_handle("part => part")
    steps = 0
    while steps == 0 or not inside.evaluate("(part, first) => part === first", first):
        person.keyboard.press("Tab")
        expect(inside).to_be_visible()
        steps += 1
    person.keyboard.press("Shift+Tab")
    expect(inside).to_be_visible()

    person.keyboard.press("Escape")

    expect(opener).to_be_focused()


def test_times_of_filters_are_those_of_the_viewers_zone(
    browser: Browser, hub: Any, plant: dict[str, Any]
) -> None:
    """Times are entered and shown in the zone of the pages; dates are the same everywhere."""
    context = browser.new_context(timezone_id="Asia/Kolkata")
    page = context.new_page()
    sign_in(page, hub)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{hub.url}/objects/purchase_orders/filter?field=_created&operator=lt")
    field = page.get_by_label("Time (GMT+5:30)")
    field.fill("2099-12-01T04:00")
    assert violations(page) == []
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("where=_created%3Alt%3A2099-11-30T22%3A30"))
    chip = page.get_by_role("link", name=re.compile("^Created is before"))
    expect(chip).to_contain_text("2099-12-01 04:00:00 GMT+5:30")
    assert page.locator("#objects tbody tr").count() > 0
    chip.click()
    expect(page.get_by_label("Time (GMT+5:30)")).to_have_value("2099-12-01T04:00")
    page.evaluate("localStorage.setItem('zone', 'UTC')")
    page.reload()
    page.get_by_role("link", name=re.compile("^Created is before")).click()
    expect(page.get_by_label("Time (UTC)")).to_have_value("2099-11-30T22:30")
    page.evaluate("localStorage.removeItem('zone')")
    page.goto(f"{hub.url}/objects/purchase_order_lines/filter?field=needDate&operator=lt")
    page.get_by_label("Date", exact=True).fill("2099-12-01")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("where=needDate%3Alt%3A2099-12-01(&|$)"))
    expect(
        page.get_by_role("link", name=re.compile("^Need date is before 2099-12-01"))
    ).to_be_visible()
    page.goto(f"{hub.url}/objects/purchase_orders?where=status:is:DRAFTT")
    expect(page.get_by_role("alert")).to_contain_text("Did you mean Draft?")
    assert violations(page) == []
    for path in ("/events?", "/settings/audit?"):
        page.goto(f"{hub.url}{path}since=2026-11-30T22:30")
        field = page.get_by_label("From (GMT+5:30)")
        expect(field).to_have_value("2026-12-01T04:00")
        expect(field).to_have_attribute("title", "2026-11-30 22:30:00 UTC")
        expect(page.get_by_text("2026-12-01 04:00:00 GMT+5:30").first).to_be_visible()
    page.goto(f"{hub.url}/objects/purchase_orders/1")
    page.get_by_role("button", name="History").click()
    page.get_by_label("Time (GMT+5:30)").fill("2099-12-01T04:00:05")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile("at=2099-11-30T22%3A30%3A05"))
    expect(page.locator("#history output")).to_contain_text("2099-12-01 04:00:05 GMT+5:30")
    context.close()


def test_invalid_address_is_corrected_in_its_fields(
    browser: Browser, hub: Any, plant: dict[str, Any]
) -> None:
    context = browser.new_context(timezone_id="Asia/Kolkata")
    page = context.new_page()
    sign_in(page, hub)
    page.goto(f"{hub.url}/events?since=yesterday&outcome=odd")
    field = page.get_by_label("From (GMT+5:30)")
    expect(field).to_have_value("yesterday")
    expect(page.get_by_label("Until (GMT+5:30)")).to_be_visible()
    expect(page).to_have_url(re.compile("since=yesterday"))
    expect(page.get_by_label("State")).to_have_value("odd")
    assert violations(page) == []
    field.fill("2026-12-01 04:00")
    page.get_by_label("State").select_option("")
    expect(page).to_have_url(re.compile(r"/events\?since=2026-11-30T22%3A30$"))
    expect(page.get_by_label("From (GMT+5:30)")).to_have_value("2026-12-01T04:00")
    for entered, sent in (("2026-12-02", "2026-12-02T18%3A30"), ("7d", "7d")):
        page.goto(f"{hub.url}/settings/audit?until=soon")
        page.get_by_label("Until (GMT+5:30)").fill(entered)
        page.get_by_role("button", name="Filter").click()
        expect(page).to_have_url(re.compile(f"until={sent}$"))
    context.close()


LATE_LINES = """SELECT l.id, o.supplier_id, s.name FROM ion_purchase_order_lines l
  JOIN ion_purchase_orders o ON o.id = l.purchase_order_id
  JOIN ion_suppliers s ON s.id = o.supplier_id
  WHERE l.estimated_arrival_date > l.need_date AND o.status <> 'RECEIVED' ORDER BY o.supplier_id"""


def test_buyer_downloads_the_late_lines_of_a_supplier(person: Page, hub: Any) -> None:
    late = list(csv.DictReader(io.StringIO(hub.cli("sql", LATE_LINES, "--format", "csv").stdout)))
    supplier = late[0]["name"]
    expected = {line["id"] for line in late if line["supplier_id"] == late[0]["supplier_id"]}

    def add_filter(search: str, field: str) -> None:
        person.get_by_role("link", name="Add filter").click()
        person.get_by_label("Find a field").fill(search)
        person.get_by_role("button", name=field, exact=True).click()

    person.goto(f"{hub.url}/objects/purchase_order_lines")
    person.get_by_role("link", name="Add filter").click()
    expect(person.get_by_label("Find a field")).to_be_focused()
    person.keyboard.type("line ETA")
    person.evaluate(CHOOSE_AT_ONCE, "above")  # “is after the field”
    person.keyboard.press("Enter")
    person.locator("#builder select[name=value]").select_option("Need date")
    person.get_by_role("button", name="Apply").click()
    add_filter("purchase order status", "Status")
    person.get_by_label("Condition").select_option("is not any of")
    person.get_by_role("checkbox", name="Received").check()
    person.get_by_role("button", name="Apply").click()
    person.get_by_role("link", name="Add filter").click()
    person.get_by_label("Find a field").fill("supplier")
    first = person.locator(".field-groups details:visible").first
    expect(first.locator("summary")).to_have_text("Purchase order")
    person.keyboard.press("Enter")  # the exact name, before “Supplier part number” of the part
    entered = person.get_by_label("Name or ID")
    entered.focus()  # an empty field offers the first objects
    expect(person.get_by_role("option").nth(7)).to_be_visible()
    entered.fill("e")
    entered.press("Enter")  # before the matches appear: several
    expect(person.get_by_role("status").filter(has_text="Several match")).to_be_visible()
    entered.fill("")
    entered.press_sequentially(supplier)
    expect(
        person.get_by_role("option", name=re.compile(f"^{re.escape(supplier)} ·"))
    ).to_be_visible()
    person.keyboard.press("ArrowDown")
    person.keyboard.press("Enter")
    expect(entered).to_have_value(supplier)
    person.get_by_role("button", name="Apply").click()
    expect(person.get_by_role("group", name="Filters")).to_contain_text(f"Supplier is {supplier}")
    expect(person.locator(".range-text")).to_contain_text(f"of {len(expected)}")
    person.get_by_role("button", name="Export").click()
    with person.expect_download() as download:
        person.get_by_role("link", name="CSV", exact=True).click()

    lines = download.value.path().read_text().splitlines()
    assert {row["id"] for row in csv.DictReader(lines)} == expected


def test_fetch_is_started_and_followed_to_its_end(person: Page, hub: Any) -> None:
    person.goto(f"{hub.url}/fetches")
    person.get_by_role("form", name="Start a sync").get_by_label("Mode").select_option("full")
    person.get_by_role("button", name="Start").click()
    expect(person.locator("#fetch .sentence")).to_contain_text("done", timeout=60 * SECOND)


def test_verification_is_started_and_followed_to_its_end(person: Page, hub: Any) -> None:
    person.goto(f"{hub.url}/verifications")
    person.get_by_role("button", name="Verify now").click()
    expect(person.get_by_text(re.compile("objects compared are equal to ION"))).to_be_visible(
        timeout=60 * SECOND
    )


def test_revocation_requires_the_name(person: Page, hub: Any) -> None:
    person.goto(f"{hub.url}/webhooks")
    person.get_by_label("Name").fill("Short-lived")
    person.get_by_role("button", name="Create webhook URL").click()
    expect(person.locator("#webhook-url")).to_contain_text("/hooks/")
    person.goto(f"{hub.url}/webhooks")
    row = person.get_by_role("row", name=re.compile("Short-lived"))
    row.get_by_role("button", name="Revoke").click()
    dialog = person.get_by_role("dialog", name="Revoke Short-lived")
    expect(dialog.get_by_label(re.compile("to confirm"))).to_be_focused()
    person.keyboard.type("Short-lived")
    person.keyboard.press("Enter")
    expect(person.get_by_role("row", name=re.compile("Short-lived"))).to_contain_text("revoked")


def test_set_up_works_with_the_keyboard_only(
    browser: Browser, start_hub: Any, local_ion: Any
) -> None:
    hub = start_hub()
    page = browser.new_context().new_page()
    sign_in(page, hub)
    page.goto(hub.url)
    tab_to(page, "Add an integration")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Keyboard plant")
    for label, text in (
        ("API address", local_ion.url),
        ("Auth address", local_ion.url),
        ("Client ID", local_ion.client_id),
        ("Client secret", local_ion.client_secret),
    ):
        tab_to(page, label)
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Keyboard plant", level=1)).to_be_visible(
        timeout=30 * SECOND
    )
    tab_to(page, "Set up webhooks")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Set up webhooks")).to_be_visible()
    tab_to(page, "Set up automatically")
    page.keyboard.press("Enter")
    expect(page.locator('[data-step="Subscribed"]')).to_have_class("done", timeout=30 * SECOND)
    page.context.close()


def test_set_up_page_keeps_the_focus(browser: Browser, start_hub: Any, local_ion: Any) -> None:
    hub = start_hub()
    integration = hub.connect(local_ion)
    only = {"mode": "automatic", "wanted": [["parts", "CREATE"]], "remove_extra": True}
    hub.api("POST", f"/integrations/{integration['id']}/setup", only)
    page = browser.new_context().new_page()
    sign_in(page, hub)
    here = f"{hub.url}/integrations/{integration['id']}/set-up"
    page.goto(here)
    page.get_by_text("Select subscriptions").click()
    page.get_by_label("update, all", exact=True).check()
    page.get_by_role("button", name="Save selection").click()
    expect(page.get_by_role("button", name="Repair")).to_be_visible(timeout=30 * SECOND)
    tab_to(page, "Repair")
    for _ in range(2):
        with page.expect_response(f"{here}?way=automatic&url=1", timeout=30 * SECOND):
            pass
    expect(page.get_by_role("button", name="Repair")).to_be_focused()
    page.context.close()


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focused element has this name."""
    for _ in range(60):
        page.keyboard.press("Tab")
        named = page.evaluate(
            "document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText ?? ''"
        )
        if named.strip().startswith(name):
            return
    pytest.fail(f"Tab does not lead to {name}")


def test_integration_is_added_opened_and_removed_by_keyboard(
    person: Page, hub: Any, local_ion: Any
) -> None:
    person.goto(f"{hub.url}/integrations/new")
    person.get_by_label("Name").fill("Second plant")
    person.get_by_label("API address").fill(local_ion.url)
    person.get_by_label("Auth address").fill(local_ion.url)
    person.get_by_label("Client ID").fill(local_ion.client_id)
    secret = person.locator("[name=client_secret]")
    secret.fill("wrong-secret")
    person.keyboard.press("Enter")
    expect(secret).to_have_attribute("aria-invalid", "true", timeout=30 * SECOND)
    expect(secret).to_be_focused()
    expect(secret).to_have_value("")
    expect(person.get_by_label("Name")).to_have_value("Second plant")
    expect(person).to_have_url(f"{hub.url}/integrations/new")
    assert violations(person) == []
    secret.fill(local_ion.client_secret)
    person.keyboard.press("Enter")
    expect(person.get_by_role("heading", level=1)).to_contain_text(
        "Second plant", timeout=30 * SECOND
    )

    tabs = person.get_by_role("navigation", name="Sections of Second plant")
    for name in ("Syncs & schedules", "Webhooks", "Resources", "Findings", "Settings"):
        tabs.get_by_role("link", name=re.compile(f"^{name}")).focus()
        person.keyboard.press("Enter")
        expect(tabs.locator("[aria-current=page]")).to_contain_text(name)
        assert violations(person) == [], name
    more = person.get_by_text("More", exact=True)
    more.focus()
    person.keyboard.press("Enter")
    expect(person.get_by_role("button", name="Pause")).to_be_visible()
    person.keyboard.press("Escape")
    expect(person.get_by_role("button", name="Pause")).to_be_hidden()
    expect(more).to_be_focused()

    person.get_by_role("button", name="Delete").click()
    person.keyboard.type("Another plant")
    person.keyboard.press("Enter")
    confirmation = person.get_by_role("dialog", name="Delete Second plant").get_by_role("textbox")
    expect(confirmation).to_have_attribute("aria-invalid", "true")
    expect(confirmation).to_be_focused()
    confirmation.fill("Second plant")
    person.keyboard.press("Enter")
    expect(person).to_have_url(f"{hub.url}/integrations")
