"""Secrets that a page shows after their creation."""

import re
from typing import Any

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
    guide = signed_in.send("GET", link.group(1)).text
    assert f"&#34;webhookUri&#34;: &#34;{shown}&#34;" in guide
    assert "&#34;name&#34;: &#34;Violet&#34;" in guide


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
