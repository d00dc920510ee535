"""Create docs/screenshots from a small demo in a real browser; `make screenshots` runs this."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from playwright.sync_api import Page, sync_playwright

TARGET = Path(__file__).parent.parent / "docs" / "screenshots"
PAGES = {
    "overview": "/",
    "events": "/events",
    "event": "/events >> #events tbody a",
    "objects": "/objects",
    "purchase-orders": "/objects/purchase_orders",
    "purchase-order": "/objects/purchase_orders >> #objects tbody a",
    "search": "/search?q=bolt",
    "fetches": "/fetches",
    "fetch": "/fetches >> #fetches tbody a",
    "integrations": "/integrations",
    "integration": "/integrations/1",
    "add-integration": "/integrations/new",
    "freshness": "/integrations/1/freshness",
    "set-up": "/integrations/1/set-up",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/1",
    "drift": "/drift",
    "verify": "/verifications",
    "people": "/settings",
    "api-keys": "/settings/keys",
    "documentation": "/docs",
    "api-reference": "/api/docs",
    "alerts": "/settings/alerts",
    "audit-log": "/settings/audit",
    "retention": "/settings/retention",
    "about": "/settings/about",
    "not-found": "/integrations/99",
}
BOTH = ("overview", "events", "purchase-order", "set-up")
"""Pages that are also captured in the dark theme."""
ON_A_PHONE = ("overview", "events")


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


def shoot(page: Page, base: str, name: str, place: str) -> None:
    """Open a page, or the first link of a page, and save a screenshot."""
    address, _, link = place.partition(" >> ")
    page.goto(base + address)
    if link:
        page.locator(link).first.click()
    page.get_by_role("heading", level=1).wait_for()
    page.locator(".live[data-state=on]").wait_for(state="attached")
    page.screenshot(path=TARGET / f"{name}.png")


def main() -> None:
    """Create all screenshots."""
    TARGET.mkdir(parents=True, exist_ok=True)
    chromium = which("chromium") or which("google-chrome")
    with (
        tempfile.TemporaryDirectory() as folder,
        demo(Path(folder)) as link,
        sync_playwright() as playwright,
    ):
        base = link.partition("/sign-in/")[0]
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("navigation", name="Main").wait_for()
        page.wait_for_timeout(20_000)  # charts need some data
        for name, place in PAGES.items():
            shoot(page, base, name, place)
        page.emulate_media(color_scheme="dark")
        for name in BOTH:
            shoot(page, base, f"{name}-dark", PAGES[name])
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 390, "height": 800})
        for name in ON_A_PHONE:
            shoot(page, base, f"{name}-phone", PAGES[name])
        browser.close()


if __name__ == "__main__":
    main()
