"""A hub below a path prefix, behind a real nginx configured as documented."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Response, expect, sync_playwright
from tests import debian_packages
from tests.conftest import HubProcess, StartHub, send, wait_for
from typer.testing import CliRunner, Result

from ultraviolet import Client
from ultraviolet.child_process import free_port
from ultraviolet.cli.main import app
from ultraviolet.testing import LocalIonProcess

ROOT = Path(__file__).parents[2]
PREFIX = "/uv"
STYLES = ("prefix passed on", "prefix removed")
PAGES = (
    "/",
    "/events",
    "/objects",
    "/objects/purchase_orders?where=cost:from:0&sort=-id",
    "/objects/purchase_orders/1",
    "/search?q=1",
    "/fetches",
    "/fetches/1",
    "/drift",
    "/verifications",
    "/integrations",
    "/integrations/new",
    "/integrations/1",
    "/integrations/1/freshness",
    "/integrations/1/set-up",
    "/webhooks",
    "/webhooks/1",
    "/settings",
    "/settings/alerts",
    "/settings/audit",
    "/settings/retention",
    "/about",
    "/settings/users/1/sessions",
    "/account",
)
AN_ORDER = "{ purchaseOrders(first: 1, sort: [ID_ASC]) { edges { node { id _etag } } } }"
UPDATE_ORDER = """mutation ($input: UpdatePurchaseOrderInput!) {
  updatePurchaseOrder(input: $input) { purchaseOrder { id } } }"""


class Proxied(NamedTuple):
    """A hub, and its address through nginx for each of the documented styles."""

    hub: HubProcess
    urls: dict[str, str]
    integration: dict[str, Any]


def documented() -> list[str]:
    """Return the locations that docs/operations.md shows."""
    page = (ROOT / "docs/operations.md").read_text()
    return re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)


@pytest.fixture(scope="module")
def proxied(
    module_hub: StartHub, local_ion: LocalIonProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("nginx")
    ports = {style: free_port() for style in STYLES}
    public = f"http://127.0.0.1:{ports[STYLES[0]]}{PREFIX}"
    hub = module_hub(ULTRAVIOLET_PUBLIC_URL=public)
    servers = [
        f"server {{ listen 127.0.0.1:{ports[style]}; {location} }}"
        for style, location in zip(STYLES, documented(), strict=True)
    ]
    parts = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    inside = "\n".join(servers).replace("127.0.0.1:8000", urlsplit(hub.url).netloc)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log {folder}/access.log;\n{parts}{inside} }}\n"
    )
    command = [
        debian_packages.program("nginx"),
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
    ]
    with subprocess.Popen([*command, "-e", str(folder / "error.log")]) as nginx:
        try:
            urls = {style: f"http://127.0.0.1:{port}{PREFIX}" for style, port in ports.items()}
            wait_for(lambda: all(map(_alive, urls.values())), 60, "nginx")
            integration = hub.connect(local_ion)
            hub.fetch(integration)
            yield Proxied(hub, urls, integration)
        finally:
            nginx.terminate()


def _alive(url: str) -> bool:
    try:
        return send("GET", f"{url}/livez")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def pages(chromium: str) -> Iterator[Callable[[], Page]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield lambda: browser.new_context().new_page()
        browser.close()


@pytest.mark.parametrize("style", STYLES)
def test_every_page_works_in_a_browser(
    style: str, proxied: Proxied, pages: Callable[[], Page]
) -> None:
    url, hub, page = proxied.urls[style], proxied.hub, pages()
    bad: list[str] = []

    def note(answer: Response) -> None:
        if answer.status >= 400 or not answer.url.startswith(f"{url}/"):
            bad.append(f"{answer.status} {answer.url}")

    page.on("response", note)
    page.on("pageerror", lambda error: bad.append(str(error)))
    name = f"person-{len(hub.api('GET', '/users')['items'])}"
    hub.api("POST", "/users", {"name": name, "role": "admin"})
    link: str = hub.api("POST", f"/users/{name}/sign-in-links")["url"]
    assert link.startswith(f"{proxied.urls[STYLES[0]]}/sign-in/")

    page.goto(url + urlsplit(link).path.removeprefix(PREFIX))
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".live")).to_have_text("Live")
    (cookie,) = [one for one in page.context.cookies() if one.get("name") == "ultraviolet_session"]
    assert PREFIX == cookie.get("path")

    for address in PAGES:
        page.goto(url + address)
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        assert not outside(page, url), address
        # The stream belongs to a worker, whose responses Playwright does not report.
        expect(page.locator(".live")).to_have_text("Live")
    assert [] == bad

    page.goto(f"{url}/events")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("link", name="Syncs").click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(rf"{re.escape(url)}/fetches/\d+"))
    page.goto(f"{url}/webhooks")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{url}/sign-in")
    page.goto(f"{url}/events?q=1")
    page.wait_for_url(f"{url}/sign-in?next_page=%2Fevents%3Fq%3D1")
    assert [] == [one for one in bad if not one.startswith("303 ")]
    page.context.close()


def outside(page: Page, url: str) -> list[str]:
    """Return the addresses in a page that leave the prefix."""
    script = """[...document.querySelectorAll("[href], [src], form, [hx-get], [sse-connect]")].flatMap(
      (one) => [one.href, one.src, one.matches("form") ? one.action : null, one.getAttribute("hx-get"),
        one.getAttribute("sse-connect")])
      .filter((one) => typeof one === "string" && one).map((one) => new URL(one, location).href)"""
    found: list[str] = page.evaluate(script)
    here = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/"
    return [one for one in found if one.startswith(here) and not one.startswith(f"{url}/")]


def test_page_updates_after_a_delivery(
    proxied: Proxied, local_ion: LocalIonProcess, pages: Callable[[], Page], wait: Any
) -> None:
    hub, page = proxied.hub, pages()
    url = proxied.urls[STYLES[0]]
    hub.api("POST", "/users", {"name": "watcher", "role": "viewer"})
    page.goto(hub.api("POST", "/users/watcher/sign-in-links")["url"])
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{url}/events")
    expect(page.locator(".live")).to_have_text("Live")
    order = local_ion.execute(AN_ORDER)["purchaseOrders"]["edges"][0]["node"]
    given = {"id": order["id"], "etag": order["_etag"], "description": "seen through nginx"}
    local_ion.execute(UPDATE_ORDER, input=given)
    event = wait(lambda: hub.api("GET", "/events")["items"], 60, "a delivery through nginx")[0]
    expect(page.get_by_role("link", name=f"Event {event['seq']}", exact=True)).to_be_visible()
    page.context.close()


def typed(line: str, *more: str) -> Result:
    """Run a command in a thread of its own: Playwright runs a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(CliRunner().invoke, app, [*line.split(), *more]).result()


@pytest.mark.parametrize("style", STYLES)
def test_client_and_command_line_work_with_a_path_prefix(
    style: str, proxied: Proxied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, hub = proxied.urls[style], proxied.hub
    with Client(url, hub.key) as client:
        assert ["plant"] == [one.name for one in client.list_integrations()]
        assert len([*client.list_object_versions("purchase_orders", "1", limit=1)]) == 1
    monkeypatch.chdir(tmp_path)
    given = ["--url", url, "--key", hub.key]
    listed = typed("integration list --json", *given)
    assert ["plant"] == [one["name"] for one in json.loads(listed.stdout)]
    exported = typed("object export purchase_orders --out orders.csv", *given)
    assert (0, True) == (exported.exit_code, Path("orders.csv").stat().st_size > 100)
    assert 403 == send("GET", f"{url}/metrics")[0]
    document = json.loads(send("GET", f"{url}/api/openapi.json")[1])
    assert [{"url": PREFIX}] == document["servers"]
    minted: dict[str, str] = hub.api(
        "POST", f"/integrations/{proxied.integration['id']}/webhook-urls", {"name": style}
    )
    assert minted["url"].startswith(f"{proxied.urls[STYLES[0]]}/hooks/uvh_")
    through = url + urlsplit(minted["url"]).path.removeprefix(PREFIX)
    assert 404 != send("POST", through, b"{}", content_type="application/json")[0]
