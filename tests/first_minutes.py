"""Measure the first minutes of a new user in a fresh clone and a real browser.

`make first-minutes` runs this. The durations exclude reading, typing and thinking.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.e2e.test_set_up_guide import AN_ORDER, UPDATE_ORDER, QueryRunner

HOME = Path(__file__).parent.parent
WHOLE = 300_000
"""Time-out for each element of a page in milliseconds."""


def say(line: str) -> None:
    """Print one row of a table."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Clock:
    """Measures the steps and prints their durations."""

    def __init__(self) -> None:
        self._total = 0.0
        say("\n| step | duration | since the start |\n| --- | --- | --- |")

    @contextmanager
    def step(self, what: str) -> Generator[None]:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self._total += took
        say(f"| {what} | {took:.1f} s | {self._total:.0f} s |")


@contextmanager
def printing(command: list[str], folder: Path, pattern: str) -> Generator[re.Match[str]]:
    """Run a command until its output matches, and keep it running in the context."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        seen = ""
        try:
            for line in process.stdout:
                seen += line
                if found := re.search(pattern, seen, re.DOTALL):
                    break
            else:
                raise SystemExit(f"{command} ended before the expected output:\n{seen}")
            yield found
        finally:
            process.terminate()


def sign_in(page: Page, link: str) -> str:
    """Open a sign-in link; return the address of the hub."""
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    return link.partition("/sign-in/")[0]


def change_an_order(page: Page, runner: QueryRunner, hub: str) -> None:
    """Change an order in ION's query runner; wait until the open page of the hub shows it."""
    order = runner.run(AN_ORDER)["purchaseOrders"]["edges"][0]["node"]
    page.goto(f"{hub}/objects/purchase_orders/{order['id']}")
    text = f"My own change at {time.time():.0f}"
    runner.run(
        UPDATE_ORDER, {"input": {"id": order["id"], "etag": order["_etag"], "description": text}}
    )
    row = page.get_by_role("row", name=re.compile("^Description")).first
    expect(row).to_contain_text(text, timeout=WHOLE)


def connect(page: Page, hub: str, ion: str, key: Sequence[str]) -> None:
    """Add an integration on the page."""
    page.goto(f"{hub}/integrations/new")
    fields = {"Name": "My plant", "API address": ion, "Auth address": ion}
    fields |= {"Client ID": key[0], "Client secret": key[1]}
    for label, value in fields.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Test and add").click()
    expect(page.get_by_role("heading", name="My plant")).to_be_visible(timeout=WHOLE)


def set_up(page: Page) -> None:
    """Set up automatically, and wait for the first delivery of the plant."""
    page.goto(f"{page.url}/set-up")
    page.get_by_role("button", name="Set up automatically").click()
    for step in ("Subscribed", "First delivery received", "Signature verified"):
        expect(page.locator(f'[data-step="{step}"]')).to_have_class("done", timeout=WHOLE)


def main() -> None:
    """Measure the demo, and a new hub with a local ION."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place) / "ultraviolet"
        browser = playwright.chromium.launch(
            executable_path=which("chromium"), args=["--no-sandbox"]
        )
        with ExitStack() as stack:
            walk_the_demo(Clock(), stack, folder, browser)
        with ExitStack() as stack:
            walk_a_hub_of_ones_own(Clock(), stack, folder, browser)
        browser.close()


def walk_the_demo(clock: Clock, stack: ExitStack, folder: Path, browser: Browser) -> None:
    """Measure from the clone to a change of the user in the demo."""
    page, other = browser.new_page(), browser.new_page()
    with clock.step("`git clone`"):
        subprocess.run(["git", "clone", "--quiet", str(HOME), str(folder)], check=True)
    with clock.step("`make setup`, part of `make demo`"):
        subprocess.run(
            ["make", "--silent", "setup"], cwd=folder, check=True, stderr=subprocess.DEVNULL
        )
    with clock.step("`make demo` until changes flow"):
        demo = printing(
            ["make", "--silent", "demo"], folder, r"Sign in +(\S+).*Query runner +(\S+)"
        )
        link, ion = stack.enter_context(demo).groups()
    with clock.step("sign in by the printed link"):
        hub = sign_in(page, link)
    with clock.step("open the query runner"):
        runner = QueryRunner(other, ion)
    with clock.step("change an order there and see it on the hub's page"):
        change_an_order(page, runner, hub)


def walk_a_hub_of_ones_own(clock: Clock, stack: ExitStack, folder: Path, browser: Browser) -> None:
    """Measure from a new hub to a change of the user, with a local ION."""
    page, other = browser.new_page(), browser.new_page()
    ultraviolet = str(folder / ".venv/bin/ultraviolet")
    plant = [ultraviolet, "ion", "serve", "--changes-per-second", "2", "--port", "0"]
    shown = printing(
        plant,
        folder,
        r"GraphQL +(\S+)/graphql.*Client ID +(\S+)\s+Client secret +(\S+).*plant.set_up",
    )
    ion, *key = stack.enter_context(shown).groups()
    with clock.step("`ultraviolet serve` prints a link"):
        serve = [ultraviolet, "serve", "--port", "0", "--data", str(folder / "own")]
        [link] = stack.enter_context(printing(serve, folder, r"(http://\S+/sign-in/\S+)")).groups()
    with clock.step("sign in by it"):
        hub = sign_in(page, link)
    with clock.step("*Integrations → Add*, including the connection test"):
        connect(page, hub, ion, key)
    with clock.step(
        "*Set up automatically*, until a delivery with a verified signature has arrived"
    ):
        set_up(page)
    with clock.step("change an order in ION's query runner and see it on the hub's page"):
        change_an_order(page, QueryRunner(other, ion), hub)


if __name__ == "__main__":
    main()
