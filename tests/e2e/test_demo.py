"""`ultraviolet demo`: one command connects a local ION and a hub."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from ultraviolet.child_process import free_port, is_responding

SECOND = 1000
WITHOUT_PROGRAM = {**os.environ, "PATH": "/usr/bin:/bin"}
"""An environment with `ultraviolet` not on PATH."""
ION_PAGES = (
    "/home", "/resources/purchase_orders", "/resources/purchase_orders/1?edit=status",
    "/resources/purchase_order_lines/new?purchaseOrderId=1", "/deliveries",
)  # fmt: skip


def test_demo_shows_changes_and_restarts_a_crashed_hub_once(
    tmp_path: Path, wait: Any, chromium: str
) -> None:
    data, errors = tmp_path / "demo", tmp_path / "errors"
    command = [sys.executable, "-m", "ultraviolet", "demo", "--no-browser", "--data", str(data)]
    stored = Path(os.environ["XDG_CONFIG_HOME"], "ultraviolet", "contexts.json")
    stored.parent.mkdir(parents=True, exist_ok=True)
    other = {"demo": {"data": str(tmp_path)}}  # that of another demo
    stored.write_text(json.dumps({"current": "demo", "contexts": other}))
    with errors.open("wb") as written:
        demo = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=written, text=True, env=WITHOUT_PROGRAM
        )
        try:
            assert demo.stdout
            shown = read_until(demo, "Logs: ")
            status = run_printed_command(shown, "On the command line")
            assert re.search(r"^Local ION +(Fresh|Stale|Ageing):", status, re.MULTILINE), status
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                change_an_order_as_printed(browser.new_context(), shown)
                browser.close()
            run_printed_command(shown, "To use this hub without --data")
            saved = json.loads(stored.read_bytes())
            assert saved["current"] == "demo-2"
            assert saved["contexts"] == other | {"demo-2": {"data": str(data / "hub")}}
            stored.unlink()
            again = subprocess.run(command, capture_output=True, text=True, check=False)
            first = running(data)
            assert again.returncode == 5
            used = f"The demo with the data in {data} is already running at {first['url']}"
            expected = f"ultraviolet: {used}; `kill {demo.pid}` ends it"
            assert again.stderr.splitlines() == [expected]
            os.kill(first["pid"], signal.SIGSEGV)
            second = wait(lambda: another(data, first), 60, "another hub")
            wait(lambda: is_responding(f"{second['url']}/livez"), 60, "its answer")
            os.kill(second["pid"], signal.SIGSEGV)
            assert demo.wait(60) == 1
            demo.stdout.close()
        finally:
            demo.terminate()
            demo.wait()
    said = errors.read_text()
    restart_at_another_port(command, first["url"], data)

    assert re.search(r"Ready after \d+ s, and changes are flowing", shown)
    for name in ("Hub", "Sign in", "Local ION", "Query runner"):
        assert re.search(rf"{name} +http://127\.0\.0\.1:\d+", shown), name
    assert re.search(r"\d+ of \d+ resources, \d+ objects read", said), "no progress"
    restarted = f"The hub (process {first['pid']}) was ended by SIGSEGV; its data is kept, and it restarts.\n"
    assert said.count(restarted) == 1
    assert "ultraviolet: The hub was ended by SIGSEGV. The end of" in said
    assert "Traceback" not in said


def test_demo_of_a_script_stops_by_sigint(tmp_path: Path) -> None:
    """A shell starts the background jobs of a script with SIGINT ignored."""
    command = [sys.executable, "-m", "ultraviolet", "demo", "--no-browser", "--once"]
    script = 'trap "" INT; exec "$@"'
    demo = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", *command, "--data", str(tmp_path / "demo")],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stderr
        next(line for line in demo.stderr if "Starting a local ION" in line)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) != 0
    finally:
        demo.kill()
        demo.communicate()


def test_ports_in_use_are_replaced_by_two_different_ports(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        port, ion_port = (each.getsockname()[1] for each in (one, other))
        for ports in ((port, port), (port, ion_port), (ion_port, port)):
            command = [sys.executable, "-m", "ultraviolet", "demo", "--no-browser"]
            command += ["--port", str(ports[0]), "--ion-port", str(ports[1])]
            demo = subprocess.Popen(
                [*command, "--data", str(tmp_path / "demo")], stderr=subprocess.PIPE, text=True
            )
            try:
                assert demo.stderr
                used = [re.search(r"in use; using (\d+)", demo.stderr.readline()) for _ in ports]
                assert all(used)
                assert len({each[1] for each in used if each}) == len(ports)
            finally:
                demo.kill()
                demo.communicate()


def restart_at_another_port(command: list[str], before: str, data: Path) -> None:
    """The receiver in ION follows the hub to its new address, and the restart waits for that."""
    ports = json.loads((data / "ports.json").read_bytes())
    port = free_port()
    done = subprocess.run(
        [*command, "--once", "--port", str(port)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"http://127.0.0.1:{port}" != before
    assert "and changes are flowing" in done.stdout
    kept = json.loads((data / "ports.json").read_bytes())
    assert kept == {"hub": port, "ion": ports["ion"]}
    with closing(sqlite3.connect(data / "ion" / "ion.db")) as ion:
        [row] = ion.execute(
            "SELECT webhook_uri FROM webhook_receivers WHERE webhook_uri LIKE '%/hooks/%'"
        ).fetchall()
    assert str(row[0]).startswith(f"http://127.0.0.1:{port}/hooks/")


def change_an_order_as_printed(context: BrowserContext, shown: str) -> None:
    """Follow the printed addresses: sign in, change an order in the local ION, see it in the hub."""
    printed = dict(re.findall(r"^  ([A-Z][\w ]*?) +(http://\S+)", shown, re.MULTILINE))
    ion_url = printed["Local ION"].removesuffix("/home")
    paused = Request(f"{ion_url}/_local/plant", b'{"changes_per_second": 0}', method="PATCH")
    urlopen(paused).close()  # the plant must not change the order while its form is open
    hub, ion = context.new_page(), context.new_page()
    hub.goto(printed["Sign in"])
    hub.get_by_role("button", name="Sign in").click()
    expect(hub.get_by_role("navigation", name="Main")).to_be_visible()
    hub.goto(printed["See it"])

    ion.goto(printed["Change it"])
    expect(ion.get_by_label("Description", exact=True)).to_be_focused()
    ion.keyboard.press("Control+A")
    ion.keyboard.type("Changed by a click")
    ion.keyboard.press("Enter")
    expect(ion.get_by_role("status")).to_contain_text("Description saved. ION sent 1 webhook")
    row = hub.get_by_role("row", name=re.compile("^Description")).first
    expect(row).to_contain_text("Changed by a click", timeout=10 * SECOND)
    ion.get_by_role("link", name="Show it").click()
    expect(ion.get_by_role("row", name=re.compile("Purchase order updated"))).to_have_count(1)

    sent: list[str] = []
    ion.on("request", lambda request: sent.append(request.post_data or ""))
    ion.goto(printed["Query runner"])
    expect(ion.get_by_text("UpdatePurchaseOrderInput")).to_be_visible(timeout=20 * SECOND)
    assert not any("updatePurchaseOrder" in body for body in sent), "a link ran by itself"
    with ion.expect_response(lambda found: "UpdateOrder" in (found.request.post_data or "")) as run:
        ion.get_by_role("button", name=re.compile("Execute query")).click()
    assert "errors" not in run.value.json()
    check_accessibility(ion, ion_url)


def check_accessibility(page: Page, ion_url: str) -> None:
    """Check the pages of the local ION with axe, in light and dark, and on a phone."""
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ION_PAGES:
        page.goto(ion_url + path)
        for scheme in ("Light", "Dark"):
            page.get_by_role("button", name=f"{scheme} theme").click()
            found = Axe().run(page).response["violations"]
            assert [] == [(one["id"], one["nodes"][0]["html"]) for one in found], (path, scheme)
        assert 390 == page.evaluate("document.documentElement.scrollWidth"), path


def read_until(process: subprocess.Popen[str], ending: str) -> str:
    assert process.stdout
    shown = ""
    for line in process.stdout:
        shown += line
        if line.startswith(ending):
            break
    return shown


def run_printed_command(shown: str, purpose: str) -> str:
    """Run a command that the demo printed, in a shell without `ultraviolet` on PATH."""
    [command] = re.findall(rf"^{purpose}: (.+)$", shown, re.MULTILINE)
    return subprocess.run(
        command, shell=True, env=WITHOUT_PROGRAM, capture_output=True, text=True, check=True
    ).stdout


def running(data: Path) -> dict[str, Any]:
    """Return the hub.json of the latest hub process."""
    try:
        return json.loads((data / "hub" / "hub.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {"pid": 0, "url": ""}


def another(data: Path, before: dict[str, Any]) -> dict[str, Any] | None:
    now = running(data)
    return now if now["pid"] not in (0, before["pid"]) else None
