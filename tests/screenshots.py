"""Create docs/screenshots from a small demo in a real browser; `make screenshots` runs this."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Page, sync_playwright

TARGET = Path(__file__).parent.parent / "docs" / "screenshots"
PAGES = {
    "overview": "/",
    "events": "/events",
    "event-drawer": "/events >> #events tbody td.changed >> #drawer:popover-open h1",
    "event": "/events/1",
    "objects": "/objects",
    "purchase-orders": "/objects/purchase_orders",
    "purchase-order": "/objects/purchase_orders/1",
    "purchase-order-history": "/objects/purchase_orders/1 >> [popovertarget]",
    "purchase-order-line": "/objects/purchase_order_lines/1",
    "part": "/objects/parts/1",
    "search": "/search?q=bolt",
    "syncs": "/fetches",
    "sync": "/fetches/1",
    "corrections": "/drift",
    "verify": "/verifications",
    "verification": "/verifications/1",
    "integrations": "/integrations",
    "integration": "/integrations/1",
    "add-integration": "/integrations/new",
    "freshness": "/integrations/1/freshness",
    "setup": "/integrations/1/set-up",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/1",
    "people": "/settings",
    "sessions": "/settings/users/1/sessions",
    "api-keys": "/settings/keys",
    "alerts": "/settings/alerts",
    "audit-log": "/settings/audit",
    "retention": "/settings/retention",
    "about": "/about",
    "account": "/account",
    "documentation": "/docs",
    "documentation-page": "/docs/quick-start",
    "documentation-search": "/docs?q=webhook",
    "api-reference": "/api/docs",
    "not-found": "/integrations/99",
    "shortcuts": "/ >> [data-shortcuts]",
    "menu": "/ >> [data-menu]",
}
"""The address of a page, an element to click, and an element that appears then."""
SIGNED_OUT = {"sign-in": "/sign-in", "sign-in-link": "/sign-in/uvl_unknown"}
WIDTHS = {1440: 900, 390: 844}
THEMES = ("light", "dark")


@contextmanager
def demo(data: Path) -> Iterator[str]:
    """Run a demo for a while; yield its sign-in link."""
    command = [sys.executable, "-m", "ultraviolet", "demo", "--no-browser", "--data", str(data)]
    command += ["--port", "0", "--ion-port", "0", "--changes-per-second", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield next(
                found.group()
                for line in process.stdout
                if (found := re.search(r"http://\S+/sign-in/\S+", line))
            )
        finally:
            process.terminate()


def open_page(page: Page, base: str, place: str) -> None:
    """Open a page, click the named elements, and wait for the elements that appear."""
    address, *steps = place.split(" >> ")
    page.goto(base + address)
    page.locator("h1, .loaded").first.wait_for(state="attached")
    for click, appears in zip(steps[::2], [*steps[1::2], "body"], strict=False):
        if not page.locator(click).first.is_visible():
            continue
        page.locator(click).first.click()
        page.locator(appears).first.wait_for()


def shoot(page: Page, base: str, places: dict[str, str], target: Path, *, full: bool) -> None:
    """Save a screenshot of every page in every width and theme."""
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for name, place in places.items():
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
            open_page(page, base, place)
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                page.screenshot(path=target / f"{name}-{width}-{theme}.png", full_page=full)


def shoot_all(browser: Browser, link: str, target: Path, names: list[str], full: bool) -> None:
    """Sign in by a link and save the screenshots of the named pages, or of all."""
    target.mkdir(parents=True, exist_ok=True)
    base = link.partition("/sign-in/")[0]
    if not names:
        shoot(browser.new_page(), base, SIGNED_OUT, target, full=full)
    page = browser.new_page()
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Main").wait_for()
    page.wait_for_timeout(75_000)  # charts need some data, and the watchdog runs once a minute
    page.goto(f"{base}/verifications")
    page.get_by_role("button", name="Verify now").click()
    page.locator("h1").wait_for()
    chosen = {name: place for name, place in PAGES.items() if not names or name in names}
    shoot(page, base, chosen, target, full=full)


def main() -> None:
    """Create the screenshots, all or those that are named."""
    chromium = which("chromium") or which("google-chrome")
    with (
        tempfile.TemporaryDirectory() as folder,
        demo(Path(folder)) as link,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shoot_all(browser, link, TARGET, sys.argv[1:], full=False)
        browser.close()


if __name__ == "__main__":
    main()
