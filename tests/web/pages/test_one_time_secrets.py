"""Secrets that a page shows after their creation."""

import re
from typing import Any

from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.web.pages.one_time import ONE_TIME_COOKIE


def urls(page: str) -> list[str]:
    return re.findall(r"http://hub\.test/hooks/[\w-]+", page)


def test_reloading_the_page_creates_no_second_url(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    [shown] = set(urls(signed_in.create("/webhooks", integration="1", name="Violet")))
    for _ in range(2):
        assert set(urls(signed_in.send("GET", "/webhooks").text)) == {shown}
    assert len(signed_in.get("/integrations/1/webhook-urls")["items"]) == 1


def test_setup_guide_continues_with_the_new_url(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    page = signed_in.create("/webhooks", integration="1", name="Violet")
    [shown] = set(urls(page))
    link = re.search(r'href="(/integrations/1/set-up[^"]*)">Continue setup', page)
    assert link
    address = link.group(1).replace("&amp;", "&")
    assert address.endswith("&url=1")
    guide = signed_in.send("GET", address).text
    assert f"&#34;webhookUri&#34;: &#34;{shown}&#34;" in guide
    assert "&#34;name&#34;: &#34;Violet&#34;" in guide


def test_guide_offers_no_mutation_without_the_url(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.create("/webhooks", integration="1", name="Violet")
    signed_in.submit("/one-time-secret/hide")
    page = signed_in.send("GET", "/integrations/1/set-up?way=manual&url=1").text
    assert "cannot be shown again" in page
    assert "webhookUri" not in page
    assert "createWebhookReceiver" not in page
    assert "createWebhookSubscription" not in page
    rotated = signed_in.create("/integrations/1/set-up/rotate", url="1")
    [shown] = set(urls(rotated))
    assert f"&#34;webhookUri&#34;: &#34;{shown}&#34;" in rotated
    assert 'hx-get="/integrations/1/set-up?way=manual&url=2"' in rotated.replace("&amp;", "&")


def test_guide_is_about_the_url_in_its_address(signed_in: Any, integration: dict[str, Any]) -> None:
    hub = signed_in.hub

    def mint(connection: Any) -> None:
        for name in ("first", "second"):
            webhook_urls.create_url(connection, "kim", 1, name)
        given = {"receiver_id": "1", "shared_secret": "s"}
        webhook_urls.set_receiver(connection, hub.secrets, "kim", 1, **given)

    hub.database.write_now(mint)

    def shown(query: str) -> str:
        page = signed_in.send("GET", f"/integrations/1/set-up{query}").text
        found = re.search(r'Webhook URL:\s+<a href="/webhooks/(\d+)"', page)
        assert found
        return found.group(1)

    assert [shown(query) for query in ("", "?url=1", "?way=manual&url=2", "?way=automatic")] == [
        "2",
        "1",
        "2",
        "1",
    ]
    guide = signed_in.send("GET", "/integrations/1/set-up").text.replace("&amp;", "&")
    assert 'href="/integrations/1/set-up?way=manual&url=1">first</a>' in guide
    assert 'url=2">second</a>' not in guide, "it is the one shown"
    assert signed_in.send("GET", "/integrations/1/set-up?url=9").status_code == 404
    listed = signed_in.send("GET", "/webhooks").text.replace("&amp;", "&")
    assert listed.count("Continue setup</a>") == 1
    assert 'ID <span class="mono">1</span>' in listed
    assert '<td><a href="/integrations/1">' in listed
    assert "/integrations/1/set-up?way=manual&url=2" in listed


def test_hiding_removes_the_secret_from_the_browser(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    signed_in.create("/webhooks", integration="1", name="Violet")
    signed_in.submit("/one-time-secret/hide")
    assert ONE_TIME_COOKIE not in signed_in.client.cookies
    assert urls(signed_in.send("GET", "/webhooks").text) == []


def test_cookie_does_not_contain_the_secret(signed_in: Any, integration: dict[str, Any]) -> None:
    [shown] = set(urls(signed_in.create("/webhooks", integration="1", name="Violet")))
    cookie = signed_in.client.cookies[ONE_TIME_COOKIE]
    assert shown.rpartition("/")[2] not in cookie


def test_invalid_cookie_shows_nothing(signed_in: Any, integration: dict[str, Any]) -> None:
    for value in ("", "x", "AAAA", "%00", "é".encode().hex(), "a" * 5000):
        signed_in.client.cookies.set(ONE_TIME_COOKIE, value, domain="hub.test")
        page = signed_in.send("GET", "/webhooks")
        assert page.status_code == 200, value
        assert urls(page.text) == []


def test_name_is_used_once_per_integration(signed_in: Any, integration: dict[str, Any]) -> None:
    signed_in.create("/webhooks", integration="1", name="Violet")
    answer = signed_in.submit("/webhooks", integration="1", name="Violet")
    assert answer.status_code == 409
    assert "already has a webhook URL named" in answer.text
    assert len(signed_in.get("/integrations/1/webhook-urls")["items"]) == 1


def test_guide_chooses_a_free_name(signed_in: Any, integration: dict[str, Any]) -> None:
    for _ in range(2):
        signed_in.create("/integrations/1/set-up/url")
    names = [one["name"] for one in signed_in.get("/integrations/1/webhook-urls")["items"]]
    assert sorted(names) == ["Ultraviolet", "Ultraviolet 2"]


def test_new_user_gets_a_sign_in_link(signed_in: Any) -> None:
    page = signed_in.create("/settings/users", name="bob", role="viewer")
    assert "Invitation link for bob" in page
    assert re.search(r"http://hub\.test/sign-in/uvl_[\w-]+", page)
