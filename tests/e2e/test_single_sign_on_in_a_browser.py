"""Single sign-on in a real browser, with a provider in another process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from tests.conftest import wait_for

from ultraviolet.child_process import free_port, is_responding

PEOPLE = (
    {
        "sub": "ada",
        "email": "ada@example.com",
        "email_verified": True,
        "realm_access": {"roles": ["staff"]},
    },
    {
        "sub": "eve",
        "email": "eve@example.com",
        "email_verified": True,
        "realm_access": {"roles": []},
    },
)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    told = [part for one in PEOPLE for part in ("--user-claims", json.dumps(one))]
    command = [
        sys.executable,
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
        *told,
    ]
    environment = {**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"}
    with (tmp_path / "provider.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        wait_for(
            lambda: is_responding(f"{url}/.well-known/openid-configuration"), 60, "the provider"
        )
        yield url
        process.terminate()
        process.wait(15)


def test_user_signs_in_with_a_provider(chromium: str, start_hub: Any, provider: str) -> None:
    hub = start_hub(
        ULTRAVIOLET_OIDC_ISSUER=provider,
        ULTRAVIOLET_OIDC_CLIENT_ID="hub",
        ULTRAVIOLET_OIDC_CLIENT_SECRET="secret",
        ULTRAVIOLET_OIDC_NAME="Plant login",
        ULTRAVIOLET_OIDC_ROLES="staff=operator",
        ULTRAVIOLET_OIDC_ROLES_CLAIM="realm_access.roles",
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(color_scheme="dark").new_page()
        page.goto(f"{hub.url}/drift")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert Axe().run(page).response["violations"] == []
        page.get_by_role("link", name="Sign in with Plant login").focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="ada", exact=True).click()
        expect(page.get_by_role("heading", name="Corrections", level=1)).to_be_visible()
        page.get_by_role("link", name="ada@example.com").click()
        expect(page.get_by_text("signed in as ada@example.com, operator")).to_be_visible()
        expect(page.get_by_role("row", name="this session")).to_contain_text("provider")
        page.get_by_role("button", name="Sign out", exact=True).click()

        page.get_by_role("link", name="Sign in with Plant login").click()
        page.get_by_role("button", name="eve", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("is not in any group with access")
        browser.close()
    assert [one["name"] for one in hub.api("GET", "/users")["items"]] == [
        "ada@example.com",
        "admin",
    ]
