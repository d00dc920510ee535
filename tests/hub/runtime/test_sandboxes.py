"""Sandboxes end with their hub, also if it is killed, and with their integration."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.conftest import HubProcess, wait_for

from ultraviolet.child_process import is_responding
from ultraviolet.cli.support.connection import find_running


class Admin:
    """A browser of an admin."""

    def __init__(self, hub: HubProcess) -> None:
        hub.api("POST", "/users", {"name": "ann", "role": "admin"})
        self.hub = hub
        self.http = httpx.Client(
            base_url=hub.url,
            headers={"origin": hub.url},
            follow_redirects=True,
            timeout=60,
            trust_env=False,
        )
        self.http.post(hub.api("POST", "/users/ann/sign-in-links")["url"])

    def start(self, integration: int) -> httpx.Response:
        page = f"/integrations/{integration}/sandbox"
        csrf = re.findall(r'name="csrf" value="([^"]+)"', self.http.get(page).text)[-1]
        return self.http.post(page, data={"csrf": csrf})

    def address(self, integration: int) -> str | None:
        """Return the address of a running sandbox."""
        shown = self.http.get(f"/integrations/{integration}/sandbox").text
        found = re.search(r'href="(http://127[^"]+)/home"', shown)
        return found and found[1]

    def is_gone(self, integration: int) -> bool:
        """Return whether nothing is left of a sandbox."""
        keys = self.hub.api("GET", "/api-keys")["items"]
        left = str(integration) in {p.stem for p in (self.hub.data / "sandboxes").glob("*")}
        return not left and not any(key["name"].endswith(f" {integration}") for key in keys)


def restart(hub: HubProcess) -> None:
    hub.child.start()

    def ready() -> bool:
        running = find_running(hub.data)
        if running is None or running.pid != hub.child.process.pid:
            return False
        hub.key = running.key
        return is_responding(f"{hub.url}/livez")

    hub.child.wait_until(ready, 60)


def test_nothing_is_left_of_a_sandbox(
    request: pytest.FixtureRequest, start_hub: Callable[..., HubProcess]
) -> None:
    hub = start_hub()
    given = {"api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    given |= {"client_id": "x", "client_secret": "x"}
    first, second = (
        hub.api("POST", "/integrations", {"name": name, **given})["id"] for name in ("a", "b")
    )
    admin = Admin(hub)
    request.addfinalizer(admin.http.close)
    admin.start(first)
    address: Any = wait_for(lambda: admin.address(first), 60, "the sandbox")
    assert admin.start(second).status_code == 200  # it loads, or runs already
    hub.child.kill()
    assert is_responding(f"{address}/_local/ready")

    restart(hub)
    wait_for(lambda: admin.is_gone(first) and admin.is_gone(second), 30, "the cleanup")
    assert not is_responding(f"{address}/_local/ready")

    admin.start(first)
    address = wait_for(lambda: admin.address(first), 60, "another sandbox")
    hub.api("DELETE", f"/integrations/{first}")
    assert admin.is_gone(first)
    assert not is_responding(f"{address}/_local/ready")
