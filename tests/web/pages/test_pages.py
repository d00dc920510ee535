"""The pages: signing in, forms with their token, secrets shown once, and every page renders."""

import html
import re
from typing import Any

import pytest

PAGES = (
    "/",
    "/integrations",
    "/integrations/new",
    "/integrations/1",
    "/integrations/1/set-up",
    "/integrations/1/freshness",
    "/webhooks",
    "/webhooks?integration=1",
    "/events",
    "/events?resource=parts&action=UPDATE&outcome=waiting&object=1&integration=1",
    "/objects",
    "/objects/purchase_orders",
    "/objects/purchase_orders?sort=id&q=x&state=stale",
    "/fetches",
    "/drift",
    "/drift?cause=told_in_part&resource=parts",
    "/verifications",
    "/settings",
    "/settings/alerts",
    "/settings/audit",
    "/settings/retention",
    "/about",
    "/settings/users/1/sessions",
    "/account",
    "/search",
    "/search?q=nothing says this",
)


def test_unauthenticated_user_is_redirected_to_sign_in(edge: Any) -> None:
    answer = edge.send("GET", "/events")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next_page=%2Fevents")
    assert edge.send("GET", "/sign-in").status_code == 200


def test_link_signs_in_once(signed_in: Any) -> None:
    cookie = signed_in.client.cookies.jar
    assert [one.name for one in cookie] == ["ultraviolet_session"]
    assert signed_in.send("GET", "/").status_code == 200


def test_password_signs_in(signed_in: Any) -> None:
    assert (
        signed_in.submit("/settings/password", user="1", password="correct horse").status_code
        == 303
    )
    assert signed_in.send("GET", "/").status_code == 303
    wrong = signed_in.send(
        "POST", "/sign-in", data={"name": "ada", "password": "wrong password", "next": "/"}
    )
    assert wrong.status_code == 401
    right = signed_in.send(
        "POST", "/sign-in", data={"name": "ada", "password": "correct horse", "next": "//evil.test"}
    )
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert "httponly" in right.headers["set-cookie"].lower()
    assert "samesite=lax" in right.headers["set-cookie"].lower()


def test_basic_authentication_of_a_proxy_is_ignored(signed_in: Any) -> None:
    proxied = {"authorization": "Basic YTpi"}
    assert 200 == signed_in.send("GET", "/", headers=proxied).status_code
    signed_in.client.cookies.clear()
    assert 200 == signed_in.send("GET", "/sign-in", headers=proxied).status_code
    assert 200 == signed_in.send("GET", "/livez", headers=proxied).status_code
    assert 303 == signed_in.send("GET", "/", headers=proxied).status_code


def test_sign_out_ends_the_session(signed_in: Any) -> None:
    assert signed_in.submit("/sign-out").status_code == 303
    assert signed_in.send("GET", "/").status_code == 303


def test_form_without_csrf_token_is_refused(signed_in: Any) -> None:
    assert (
        signed_in.send("POST", "/settings/keys", data={"name": "x", "role": "admin"}).status_code
        == 403
    )
    other = {"sec-fetch-site": "cross-site"}
    assert signed_in.send("POST", "/sign-out", headers=other).status_code == 403
    unsafe = signed_in.send("POST", "/api/v1/api-keys", json={"name": "x", "role": "admin"})
    assert unsafe.status_code == 403


def test_every_response_has_security_headers(signed_in: Any, subtests: pytest.Subtests) -> None:
    told = {
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
    }
    for path in (
        "/",
        "/no/such/page",
        "/fetches?cursor=x",
        "/api/v1/none",
        "/static/app.js",
        "/livez",
    ):
        with subtests.test(path=path):
            headers = signed_in.send("GET", path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert told == {name: headers[name] for name in told}


def test_form_with_an_invalid_number_is_refused(signed_in: Any, subtests: pytest.Subtests) -> None:
    for path, fields in {
        "/fetches": {"integration": "x", "mode": "full"},
        "/verifications": {"integration": "²"},
        "/webhooks": {"integration": "", "name": "a"},
        "/settings/password": {"user": "x", "password": "correct horse"},
    }.items():
        with subtests.test(path=path):
            assert signed_in.submit(path, **fields).status_code == 422


def test_pages_allow_no_inline_script(signed_in: Any) -> None:
    answer = signed_in.send("GET", "/")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "<script>" not in answer.text
    assert " style=" not in answer.text


@pytest.mark.usefixtures("integration")
def test_every_page_renders(signed_in: Any, subtests: pytest.Subtests) -> None:
    for path in PAGES:
        with subtests.test(path=path):
            answer = signed_in.send("GET", path)
            assert answer.status_code == 200, answer.text
            assert re.search(r"<h1[^>]*>.+</h1>", answer.text)


@pytest.mark.usefixtures("at_once")
def test_webhook_url_is_shown_on_one_page_until_hidden(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    token = re.findall(
        r"/hooks/([\w-]+)", signed_in.create("/webhooks", integration="1", name="Violet")
    )[0]
    answer = signed_in.send("GET", "/webhooks")
    assert token in answer.text
    assert answer.headers["cache-control"] == "no-store"
    signed_in.submit("/one-time-secret/hide")
    for path in ("/webhooks", "/integrations/1", "/integrations/1/set-up", "/settings", "/"):
        assert token not in signed_in.send("GET", path).text


@pytest.mark.usefixtures("at_once")
def test_setup_guide_contains_the_new_url(signed_in: Any, integration: dict[str, Any]) -> None:
    page = signed_in.create("/integrations/1/set-up/url")
    (token,) = set(re.findall(r"/hooks/([\w-]+)", page))
    assert re.search(rf"webhookUri&#34;: &#34;http://hub.test/hooks/{token}", page)
    assert "mutation CreateWebhookReceiver($input: CreateWebhookReceiverInput!)" in page
    signed_in.submit("/one-time-secret/hide")
    assert token not in signed_in.send("GET", "/integrations/1/set-up?way=manual").text


def test_unknown_integration_has_an_error_page(signed_in: Any) -> None:
    answer = signed_in.send("GET", "/integrations/99")
    assert answer.status_code == 404
    assert "Unknown integration 99. There are no integrations yet." in answer.text
    assert "Check the address" not in answer.text, "a second instruction"


def test_irreversible_actions_require_the_name(signed_in: Any, integration: dict[str, Any]) -> None:
    assert signed_in.submit("/webhooks", integration="1", name="Violet").status_code == 303
    refused = signed_in.submit("/webhooks/1/revoke", confirm="violet")
    assert refused.status_code == 422
    assert "The URL still receives deliveries." in refused.text
    assert signed_in.submit("/webhooks/1/revoke", confirm="Violet").status_code == 303
    assert signed_in.submit("/integrations/1/remove").status_code == 422
    assert signed_in.submit("/integrations/1/remove", confirm="plant").status_code == 303
    assert signed_in.send("GET", "/integrations/1").status_code == 404


def test_redirects_stay_on_the_site(signed_in: Any) -> None:
    token = re.search(r'name="csrf" value="(\w+)"', signed_in.send("GET", "/").text)
    assert token
    for page, back in (("//evil.example/x", "/"), ("/objects/parts", "/objects/parts")):
        from_there = {"referer": f"http://hub.test{page}"}
        sent = {"csrf": token[1], "theme": "dark"}
        led = signed_in.send("POST", "/theme", data=sent, headers=from_there)
        assert back == led.headers["location"]
        refused = signed_in.send(
            "POST", "/theme", data={**sent, "theme": "pink"}, headers=from_there
        )
        assert f'href="{back}"' in refused.text
        assert 'href="//' not in refused.text


def test_selected_theme_is_kept(signed_in: Any) -> None:
    assert "data-theme=" not in signed_in.send("GET", "/").text
    assert signed_in.submit("/theme", theme="dark").status_code == 303
    assert 'data-theme="dark"' in signed_in.send("GET", "/").text
    assert signed_in.submit("/theme", theme="pink").status_code == 422


def test_assets_are_cached_until_they_change(signed_in: Any) -> None:
    page = signed_in.send("GET", "/").text
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        answer = signed_in.send("GET", address)
        assert (answer.status_code, "max-age=31536000" in answer.headers["cache-control"]) == (
            200,
            True,
        ), address
        assert "?v=" in address


@pytest.mark.parametrize(
    ("address", "status", "text"),
    [
        ("/?range=year", 422, "“year” is not a valid time range. Use one of: 1 h, 24 h, 7 d."),
        ("/drift?days=3", 422, "“3” is not a valid period. Use one of: Last 48 hours, Last 14"),
        ("/objects/nothing", 404, "ION has no resource “nothing”. The list of objects"),
        (
            "/events?outcome=x",
            422,
            "“x” is not a valid state. Use one of: Waiting, Applied, No change, Not selected, Not",
        ),
        ("/fetches?mode=fast", 422, "“fast” is not a valid mode. Use one of: Incremental, Full."),
        ("/settings/audit?action=key.creat", 422, "“key.creat” is not a valid action."),
        ("/objects/parts?state=x", 422, "“x” is not a valid sync state. Use one of: Fresh"),
        ("/objects/purchase_orders?where=status:is:x", 422, "“x” is not a value of Status. Use"),
        ("/events?since=yesterday", 422, "“yesterday” is not a valid time. Examples: 2026-11-24"),
    ],
)
def test_invalid_address_is_explained(
    signed_in: Any, integration: dict[str, Any], address: str, status: int, text: str
) -> None:
    assert integration
    page = signed_in.send("GET", address)
    assert (page.status_code, text in html.unescape(page.text)) == (status, True), page.text


def test_page_of_an_unknown_address_keeps_the_navigation_and_offers_search(
    edge: Any, signed_in: Any
) -> None:
    html = {"accept": "text/html"}
    for address in ("/nothing", "/objects/parts/1/2/3/4", "/settings/nothing", "/nothing?a=b"):
        page = signed_in.send("GET", address, headers=html)
        assert page.status_code == 404
        assert "This page does not exist" in page.text
        assert '<nav aria-label="Main">' in page.text, address
        assert 'aria-label="Search objects"' in page.text
        assert signed_in.send("POST", address, headers=html).status_code in (404, 405)
    signed_in.submit("/sign-out")
    page = signed_in.send("GET", "/nothing", headers=html)
    assert page.status_code == 404
    assert "<nav" not in page.text


def test_missing_objects_are_explained_without_commands_and_link_their_list(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    for address, list_link in (
        ("/objects/purchase_orders/99999?integration=1", "Open Objects"),
        ("/objects/nope", "Open Objects"),
        ("/fetches/9999", "Open Syncs"),
        ("/events/9999", "Open Events"),
        ("/verifications/9999", "Open Verify"),
        ("/webhooks/9999", "Open Webhooks"),
        ("/integrations/9999", "Open Integrations"),
    ):
        page = signed_in.send("GET", address, headers={"accept": "text/html"})
        assert page.status_code == 404, address
        content = page.text.partition("<main")[2]
        assert list_link in content, address
        said = content.partition("</main>")[0]
        assert not re.search(r"GET /|/api/|<code>|[Ff]etch [0-9a-z]|[a-z]_[a-z]+ \d", said), said
    assert signed_in.api("GET", "/fetches/9999").json()["detail"] == "Sync 9999 does not exist."
