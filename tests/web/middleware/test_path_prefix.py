"""The hub below a path prefix of its public URL: links, redirects and cookies have the prefix."""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.web.conftest import ADMIN_KEY

from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.settings import Settings
from ultraviolet.web import app
from ultraviolet.web.middleware.path_prefix import PathPrefixMiddleware
from ultraviolet.web.pages.formats.addresses import STATIC
from ultraviolet.web.pages.templating import TEMPLATES

ATTRIBUTES = (
    r"""\b(href|action|formaction|src|sse-connect|hx-(?:get|post|put|patch|delete))=(["'])(.*?)\2"""
)
ALLOWED = re.compile(
    r"\{\{ root \}\}(/|\{\{)|[?#]|\{\{ \"[\w./-]+\" \| asset|\{\{ (here\.\w+\(|runner)|hide$"
    r"|\{\{ sandbox\.url \}\}|https://www\.apache\.org/|\{\{ package\.(home \}\}|license_file \| asset)",
    re.DOTALL,
)
VALID = {
    "https://hub.example.com": "",
    "https://hub.example.com/": "",
    "https://example.com/uv": "/uv",
    "https://example.com/uv/": "/uv",
    "http://10.0.0.1:8080/tools/uv-2": "/tools/uv-2",
    "https://[::1]:8443/uv": "/uv",
    "HTTPS://EXAMPLE.com/uv": "/uv",
}
INVALID = (
    "https://example.com/uv?x=1",
    "https://example.com/uv?",
    "https://example.com/#top",
    "https://example.com/uv#",
    "https://me:secret@example.com/uv",
    "https://me@example.com",
    "ftp://example.com/uv",
    "javascript:alert(1)",
    "example.com/uv",
    "/uv",
    "https:///uv",
    "https://example.com//uv",
    "https://example.com/uv//",
    "https://example.com/a/../uv",
    "https://example.com/%75v",
    "https://example.com/u v",
    "https://example.com/uv\n",
    "https://example.com\\uv",
    "https://example.com/\"onload='x",
    "https://example.com:0/uv",
    "https://example.com:99999/uv",
)


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough here."""
    return sqlite_url


@pytest.fixture
def hub_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"public_url": getattr(request, "param", "http://hub.test/uv")}


def settings(tmp_path: Path, url: str) -> Settings:
    return Settings.from_environment(
        data=tmp_path, public_url="", environment={"ULTRAVIOLET_PUBLIC_URL": url}
    )


@pytest.mark.parametrize(("url", "prefix"), VALID.items())
def test_public_url_may_have_a_path(url: str, prefix: str, tmp_path: Path) -> None:
    assert prefix == settings(tmp_path, url).path_prefix


@pytest.mark.parametrize("url", INVALID)
def test_invalid_public_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match=r"^ULTRAVIOLET_PUBLIC_URL") as refused:
        settings(tmp_path, url)
    assert "secret" not in str(refused.value)


def test_pages_and_assets_are_served_with_and_without_the_prefix(signed_in: Any) -> None:
    assert {"/uv"} == {cookie.path for cookie in signed_in.client.cookies.jar}
    page = signed_in.send("GET", "/uv/events")
    assert 200 == page.status_code
    links = re.findall(r'(?:href|src|action|hx-get|sse-connect)="([^"#?]+)', page.text)
    assert len(links) > 20
    assert all(link.startswith("/uv/") for link in links), links
    asset = next(link for link in links if "/static/" in link)
    assert 200 == signed_in.send("GET", asset).status_code
    assert 200 == signed_in.send("GET", asset.removeprefix("/uv")).status_code


def test_redirects_and_openapi_servers_have_the_prefix(edge: Any) -> None:
    sent = edge.send("GET", "/uv/events?q=1")
    assert "/uv/sign-in?next_page=%2Fevents%3Fq%3D1" == sent.headers["location"]
    assert (
        "/uv/sign-in?next_page=%2Fevents%3Fq%3D1"
        == edge.send("GET", "/events?q=1").headers["location"]
    )
    assert (
        404 == edge.send("GET", "/uvx/events", headers={"accept": "application/json"}).status_code
    )
    document = edge.send("GET", "/uv/api/openapi.json").json()
    assert [{"url": "/uv"}] == document["servers"]


def test_theme_form_redirects_back_with_the_prefix(signed_in: Any) -> None:
    page = signed_in.send("GET", "/uv/")
    token = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert token
    form = {"csrf": token[1], "theme": "dark"}
    headers = {"referer": "http://hub.test/uv/events?q=1"}
    answer = signed_in.send("POST", "/uv/theme", data=form, headers=headers)
    assert (303, "/uv/events") == (answer.status_code, answer.headers["location"])
    assert "path=/uv;" in answer.headers["set-cookie"].lower() + ";"


@pytest.mark.parametrize("hub_settings", ["https://hub.test/uv"], indirect=True)
def test_session_cookie_is_secure_if_the_public_url_is_https(signed_in: Any) -> None:
    (cookie,) = signed_in.client.cookies.jar
    assert ("/uv", True) == (cookie.path, cookie.secure)


@pytest.mark.parametrize(
    "prefix", ["/api", "/api/v1", "/hooks", "/static/x", "/events", "/objects/parts"]
)
def test_prefix_that_is_a_route_of_the_hub_is_refused(prefix: str, edge: Any) -> None:
    edge.hub.settings = msgspec.structs.replace(
        edge.hub.settings, public_url=f"http://hub.test{prefix}"
    )
    with pytest.raises(InvalidError, match="because the hub uses it"):
        app.create_app(edge.hub)


def test_templates_and_scripts_contain_no_absolute_paths() -> None:
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text()
        # Expressions may contain quotes, which are replaced first.
        plain = re.sub(r"\{\{.*?\}\}", lambda found: found[0].replace('"', "'"), text)
        for _, _, value in re.findall(ATTRIBUTES, plain):
            assert ALLOWED.match(value.replace("'", '"')), (template.name, value)
    own = [*STATIC.glob("*.js"), *STATIC.glob("*.css")]
    assert len(own) >= 3
    for file in own:
        found = re.findall(r"""(?:["'`(])(/(?![/*])[\w-]+[^"'`)\s]*)["'`)]""", file.read_text())
        assert not found, (file.name, found)


def test_paths_without_the_prefix_are_detected() -> None:
    for bad in ("/events", "{{ address }}", "//evil", "events"):
        assert not ALLOWED.match(bad)


@given(st.text(alphabet="/uvx.", max_size=8))
def test_prefix_matches_only_whole_segments(rest: str) -> None:
    seen: list[str] = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["path"])
        assert scope["raw_path"].decode() == scope["path"]

    path = f"/uv{rest}"
    scope: dict[str, Any] = {"type": "http", "path": path, "raw_path": path.encode(), "headers": []}
    asyncio.run(PathPrefixMiddleware(application, "/uv")(scope, None, None))  # pyright: ignore[reportArgumentType]
    assert [(rest or "/") if rest[:1] in ("", "/") else path] == seen


def test_api_key_works_with_and_without_the_prefix(edge: Any) -> None:
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "accept": "application/json"}
    assert 200 == edge.send("GET", "/uv/api/v1/me", headers=headers).status_code
    assert 200 == edge.send("GET", "/api/v1/me", headers=headers).status_code
