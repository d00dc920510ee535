"""The documented setup in a real browser, with the hub's pages and ION's query runner."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

RECEIVER = """mutation CreateWebhookReceiver($input: CreateWebhookReceiverInput!) {
  createWebhookReceiver(input: $input) { webhookReceiver {
    id name description webhookUri sharedSecret contentType expectedResponseCode active
    subscriptions { resource action id } headers { key value id }
  } }
}"""
AN_ORDER = (
    "query AnOrder { purchaseOrders(first: 1, sort: [ID_ASC]) { edges { node { id _etag } } } }"
)
UPDATE_ORDER = """mutation UpdateOrder($input: UpdatePurchaseOrderInput!) {
  updatePurchaseOrder(input: $input) { purchaseOrder { id description } }
}"""
RECEIVERS = "{ webhookReceivers { edges { node { id _etag webhookUri } } } }"
UPDATE_RECEIVER = """mutation UpdateReceiver($input: UpdateWebhookReceiverInput!) {
  updateWebhookReceiver(input: $input) { webhookReceiver { id } } }"""
SECOND = 1000


class QueryRunner:
    """ION's query runner in a tab: paste, run, read the answer."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)
        expect(page.locator(".graphiql-query-editor .CodeMirror")).to_be_visible(
            timeout=30 * SECOND
        )

    def run(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        self._paste(".graphiql-query-editor .CodeMirror", query)
        self._paste(
            ".graphiql-editor-tool .CodeMirror >> visible=true", json.dumps(variables or {})
        )
        # The runner reads the name of the operation a moment later, and sends it with the text.
        name = re.search(r"(?:query|mutation) (\w+)", query)
        assert name, query
        self.page.wait_for_function(
            """name => document.querySelector(".graphiql-query-editor .CodeMirror")
                .CodeMirror.operationName === name""",
            arg=name[1],
        )
        answer = execute(self.page, name[1])
        assert "errors" not in answer, answer
        return answer["data"]

    def _paste(self, editor: str, text: str) -> None:
        self.page.locator(editor).first.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.press("Delete")
        # The clipboard of a headless browser is not dependable; this is what a paste does to the editor.
        self.page.locator(editor).first.evaluate(
            "(element, text) => element.CodeMirror.setValue(text)", text
        )


def execute(runner: Page, operation: str) -> Any:
    """Run the query runner's operation; it also reads the schema from the same address."""
    with runner.expect_response(
        lambda one: f'"operationName":"{operation}"' in (one.request.post_data or ""),
        timeout=60 * SECOND,
    ) as response:
        runner.get_by_role("button", name=re.compile("Execute query")).click()
    return response.value.json()


@pytest.fixture
def person(browser: Browser, hub: Any) -> Iterator[Page]:
    """The page of a user who signed in by the link that the first start printed."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    link = re.search(r"http://\S+/sign-in/\S+", (hub.data.parent / "hub.log").read_text())
    assert link, "the first start printed no link"
    page.goto(link.group())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    yield page
    context.close()


def test_documented_set_up_shows_a_change(person: Page, hub: Any, local_ion: Any) -> None:
    guide = add_integration(person, hub, local_ion)
    url = mint(person, guide)
    runner = QueryRunner(person.context.new_page(), local_ion.url)

    made = runner.run(RECEIVER, {"input": {"name": "Violet", "webhookUri": url}})
    receiver = made["createWebhookReceiver"]["webhookReceiver"]
    assert receiver["sharedSecret"]
    expect_done(person, "Receiver exists in ION")  # before the hub adopts it
    filled = person.locator("#subscription-variables").text_content() or ""
    assert json.loads(filled) == {"receiver": str(receiver["id"])}
    made_step = person.locator('[data-step="Receiver exists in ION"]')
    made_step.get_by_text("Show this step").click()
    person.get_by_label("Receiver ID").fill(str(receiver["id"]))
    person.get_by_role("button", name="Save receiver").click()
    expect_done(person, "Receiver exists in ION")

    document = person.locator("#subscription-mutation").text_content() or ""
    variables = json.loads(person.locator("#subscription-variables").text_content() or "")
    runner.run(document, variables)
    expect_done(person, "Subscribed")

    assert hub.cli("fetch", "run", "--mode", "full").returncode == 0
    order = runner.run(AN_ORDER)["purchaseOrders"]["edges"][0]["node"]
    mirror = person.context.new_page()
    mirror.goto(f"{hub.url}/objects/purchase_orders/{order['id']}")
    text = f"Seen at {time.time()}"
    runner.run(
        UPDATE_ORDER, {"input": {"id": order["id"], "etag": order["_etag"], "description": text}}
    )
    expect(mirror.get_by_role("row", name=re.compile("^Description")).first).to_contain_text(
        text, timeout=5 * SECOND
    )

    expect_done(person, "First delivery received")
    expect_done(person, "Signature verified")
    guide_text = person.locator("#guide")
    expect(guide_text).to_contain_text(re.compile("catching up|Setup complete"))
    expect(guide_text).to_contain_text("Setup complete", timeout=120 * SECOND)
    state = hub.api("GET", "/status")["integrations"][0]["state"]
    assert state == "fresh", "the guide is complete only after the follow-up sync"
    assert_gone(person, hub, url, guide)
    repair_moved_receiver(person, hub, local_ion, guide, url)
    continue_with_second_url(person, hub)


def repair_moved_receiver(person: Page, hub: Any, local_ion: Any, guide: str, url: str) -> None:
    """The guide offers to repair a receiver that posts to another address."""

    def receivers(address: str) -> list[Any]:
        edges = local_ion.execute(RECEIVERS)["webhookReceivers"]["edges"]
        return [edge["node"] for edge in edges if edge["node"]["webhookUri"] == address]

    [receiver] = receivers(url)
    given = {"id": receiver["id"], "etag": receiver["_etag"]}
    elsewhere = url.replace(hub.url, "http://127.0.0.1:9")
    local_ion.execute(UPDATE_RECEIVER, input={**given, "webhookUri": elsewhere})
    person.goto(f"{guide}?way=manual")
    step = person.locator('[data-step="Receiver exists in ION"]')
    expect(step).to_contain_text("posts to another address: http://127.0.0.1:9")
    step.get_by_role("button", name="Let the hub repair the receiver").click()
    expect_done(person, "Receiver exists in ION")
    assert [one["id"] for one in receivers(url)] == [receiver["id"]]


def continue_with_second_url(person: Page, hub: Any) -> None:
    """The guide stays with a second URL, though the first one works."""
    person.goto(f"{hub.url}/webhooks")
    form = person.locator("form[action$='/webhooks']")
    form.get_by_label("Name").fill("Second")
    form.get_by_role("button", name="Create webhook URL").click()
    person.get_by_role("link", name="Continue setup").first.click()
    with person.context.expect_page() as opened:
        person.get_by_role("link", name="Open in the query runner").click()
    runner = opened.value
    expect(runner.locator(".graphiql-query-editor")).to_contain_text(
        "CreateWebhookReceiver", timeout=30 * SECOND
    )
    assert "errors" not in execute(runner, "CreateWebhookReceiver")

    expect_done(person, "Receiver exists in ION")
    expect_done(person, "Subscribed")
    expect(person.locator("#guide")).not_to_contain_text("Setup complete")
    expect(person.locator("#guide")).to_contain_text("This receiver is a spare: all subscriptions")
    for step in ("First delivery received", "Signature verified"):
        expect(person.locator(f'[data-step="{step}"]')).to_have_count(0)
    subscribed = person.locator('[data-step="Subscribed"]')
    expect(subscribed).to_contain_text(re.compile(r"All \d+ subscriptions are on receiver \d+"))
    person.reload()
    expect(person.locator("main")).to_contain_text("Webhook URL: Second")
    subscribed.get_by_text("Show this step").click()
    link = subscribed.get_by_role("link", name="Open in the query runner")
    with person.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator(".graphiql-query-editor")).to_contain_text(
        "mutation Subscribe", timeout=30 * SECOND
    )


def add_integration(page: Page, hub: Any, local_ion: Any) -> str:
    page.goto(f"{hub.url}/integrations/new")
    page.get_by_label("Name").fill("My plant")
    page.get_by_label("API address").fill(local_ion.url)
    page.get_by_label("Auth address").fill(local_ion.url)
    page.get_by_label("Client ID").fill(local_ion.client_id)
    page.locator("[name=client_secret]").fill(local_ion.client_secret)
    page.get_by_role("button", name="Test and add").click()
    expect(page.get_by_role("heading", name="My plant")).to_be_visible(timeout=30 * SECOND)
    return f"{page.url}/set-up"


def mint(page: Page, guide: str) -> str:
    page.goto(f"{guide}?way=manual")
    page.get_by_role("button", name="Create webhook URL").click()
    return page.locator("#webhook-url").inner_text().strip()


def expect_done(page: Page, step: str) -> None:
    expect(page.locator(f'[data-step="{step}"]')).to_have_class("done", timeout=15 * SECOND)


def assert_gone(page: Page, hub: Any, url: str, guide: str) -> None:
    token = url.rsplit("/", 1)[1]
    for address in (guide, f"{hub.url}/webhooks", f"{hub.url}/events"):
        page.goto(address)
        assert token not in page.content(), address
    kept = [path for path in hub.data.parent.rglob("*") if path.is_file()]
    assert any(path.name == "hub.db" for path in kept)
    assert [path for path in kept if token.encode() in path.read_bytes()] == []
