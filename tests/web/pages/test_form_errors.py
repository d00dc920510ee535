"""Every form of a page: rejected input leads back to the page, with the error at its field."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ultraviolet.web.pages import router as pages
from ultraviolet.web.pages.forms.form_errors import RejectedForm, with_errors
from ultraviolet.web.pages.templating import Renderer

PERIODS = {"versions": "", "verifications": "365", "fetches": "30", "drift": "365"}
CONNECTION = {"auth_url": "https://auth.example.com", "client_id": "other-client"}
MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "/sign-in": ("/sign-in", {"name": "ada", "password": "wrong"}, "password"),
    "/integrations": (
        "/integrations/new",
        {"name": "West", "api_url": "ftp://x", **CONNECTION, "client_secret": "never-shown"},
        "api_url",
    ),
    "/integrations/{integration_id:int}/settings": (
        "/integrations/1/settings",
        {"name": "17"},
        "name",
    ),
    "/integrations/{integration_id:int}/sync": (
        "/integrations/1/sync",
        {
            "incremental_schedule": "*/7 * * * *",
            "full_schedule": "daily",
            "requests_per_second": "3",
        },
        "full_schedule",
    ),
    "/integrations/{integration_id:int}/connection": (
        "/integrations/1/settings",
        {**CONNECTION, "api_url": "https://api.example.com", "client_secret": ""},
        "client_secret",
    ),
    "/integrations/{integration_id:int}/resources": ("/integrations/1/resources", {}, ""),
    "/integrations/{integration_id:int}/remove": (
        "/integrations/1/settings",
        {"confirm": "another"},
        "confirm",
    ),
    "/integrations/{integration_id:int}/set-up/receiver": (
        "/integrations/1/set-up?way=manual",
        {"receiver_id": "5"},
        "",
    ),
    "/integrations/{integration_id:int}/set-up/rotate": (
        "/integrations/1/set-up?way=manual",
        {"url": "first"},
        "",
    ),
    "/integrations/{integration_id:int}/set-up/wanted": (
        "/integrations/1/set-up",
        {"wanted": ["unicorns FLY"]},
        "",
    ),
    "/webhooks": ("/webhooks", {"integration": "1", "name": " "}, "name"),
    "/webhooks/{url_id:int}/revoke": ("/webhooks", {"confirm": "another"}, "confirm"),
    "/events/replay": ("/events", {}, ""),
    "/fetches": ("/fetches", {"integration": "1", "mode": "sometimes"}, "mode"),
    "/verifications": ("/verifications", {"integration": "1", "sample": "many"}, "sample"),
    "/objects/{name:str}/indexes": ("/objects/parts?integration=1", {"field": ["wings"]}, ""),
    "/objects/{name:str}/views": (
        "/objects/parts?integration=1",
        {"name": " ", "query": ""},
        "name",
    ),
    "/objects/{name:str}/views/{view_id:int}": (
        "/objects/parts?integration=1",
        {"name": " ", "query": "q=A"},
        "name",
    ),
    "/account/password": ("/account", {"password": "short", "repeated": "short"}, "password"),
    "/settings/users": ("/settings", {"name": "17", "role": "operator"}, "name"),
    "/settings/users/{user_id:int}/role": ("/settings", {"role": "king"}, "role"),
    "/settings/users/{user_id:int}/remove": ("/settings", {"confirm": "another"}, "confirm"),
    "/settings/users/{user_id:int}/provider": (
        "/settings/users/1/sessions",
        {"email": "nobody"},
        "",
    ),
    "/settings/password": ("/settings", {"user": "1", "password": "short"}, "password"),
    "/settings/keys": ("/settings/keys", {"name": " ", "role": "operator"}, "name"),
    "/settings/keys/{key_id:int}/revoke": ("/settings/keys", {"confirm": "another"}, "confirm"),
    "/settings/alerts": (
        "/settings/alerts",
        {"name": "Night shift", "kind": "webhook", "address": "nowhere"},
        "address",
    ),
    "/settings/alerts/{destination_id:int}/remove": (
        "/settings/alerts",
        {"confirm": "another"},
        "confirm",
    ),
    "/settings/retention/{integration_id:int}": (
        "/settings/retention",
        {**PERIODS, "events": "many"},
        "events",
    ),
    "/theme": ("/account", {"theme": "purple"}, ""),
}
"""A mistake in each form: its page, its values, and the field of the error ("": none visible)."""
WITHOUT_INPUT = {
    "/sign-in/{token:str}",
    "/sign-out",
    "/one-time-secret/hide",
    "/integrations/{integration_id:int}/test",
    "/integrations/{integration_id:int}/verify",
    "/integrations/{integration_id:int}/pause",
    "/integrations/{integration_id:int}/resume",
    "/integrations/{integration_id:int}/sandbox",
    "/integrations/{integration_id:int}/sandbox/stop",
    "/integrations/{integration_id:int}/set-up/url",
    "/integrations/{integration_id:int}/set-up/automatic",
    "/webhooks/{url_id:int}/rotate",
    "/verifications/{verification_id:int}/resume",
    "/objects/{name:str}/views/{view_id:int}/forget",
    "/account/sessions/{session_id:int}/end",
    "/account/sessions/end",
    "/settings/users/{user_id:int}/link",
    "/settings/users/{user_id:int}/link/revoke",
    "/settings/users/{user_id:int}/sessions/{session_id:int}/end",
    "/settings/users/{user_id:int}/sessions/end",
    "/settings/alerts/{destination_id:int}/test",
}
"""Forms that consist of a button."""


class Fields(HTMLParser):
    """The fields of a page by form action and name, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, dict[str, str | None]]] = {}
        self.ids: dict[str, int] = {}
        self._action = self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids[given["id"] or ""] = self.ids.get(given["id"] or "", 0) + 1
        if tag == "form":
            self._action = given.get("action") or ""
        elif tag in ("input", "select", "textarea") and given.get("name"):
            self._select = given["name"] or ""
            self.found.setdefault(self._action, {}).setdefault(given["name"] or "", given)
        elif tag == "option" and "selected" in given:
            self.found[self._action][self._select]["value"] = given.get("value")


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def filled(signed_in: Any, integration: dict[str, Any], keep: Any) -> Any:
    """A hub with one of each thing that has a form."""
    keep("parts", {"id": 1, "partNumber": "A"})
    signed_in.submit("/webhooks", integration="1", name="Violet")
    signed_in.submit("/settings/keys", name="robot", role="viewer")
    signed_in.submit("/objects/parts/views", name="Late", query="q=A")
    address = "https://hooks.example.com/1"
    signed_in.submit("/settings/alerts", name="Team", kind="slack", address=address)
    signed_in.submit("/settings/users", name="bo", role="admin")
    return signed_in


def post_routes() -> set[str]:
    router = pages.router(Renderer(""))
    return {
        route.path
        for route in router.routes
        for handler in route.route_handlers  # pyright: ignore[reportAttributeAccessIssue]
        if "POST" in handler.http_methods
    }


def address_of(route: str) -> str:
    if route == "/settings/users/{user_id:int}/remove":
        return "/settings/users/2/remove"  # nobody removes oneself
    return re.sub(r"\{[^}]+\}", "1", route.replace("{name:str}", "parts"))


def heading(html: str) -> str:
    found = re.search(r"<h1[^>]*>(.+)</h1>", html)
    assert found, html
    return found.group(1)


def test_every_form_is_tested() -> None:
    assert MISTAKES.keys() | WITHOUT_INPUT == post_routes()


@pytest.mark.usefixtures("at_once")
def test_rejected_form_shows_its_page_with_the_error_at_the_field(
    filled: Any, subtests: pytest.Subtests
) -> None:
    for route, (page, values, field) in MISTAKES.items():
        with subtests.test(route):
            action = address_of(route)
            before = filled.send("GET", page).text
            answer = filled.submit(action, page=page, **values)
            assert answer.status_code in (401, 422, 502), answer.text
            assert heading(before) == heading(answer.text)
            assert "<title>Error: " in answer.text
            shown = Fields(answer.text)
            assert shown.ids["form-error"] == 1
            assert "never-shown" not in answer.text
            fields = shown.found.get(action, {})
            if field:
                expected = {"aria-invalid": "true", "aria-describedby": "form-error"}
                assert expected.items() <= fields[field].items()
                assert "autofocus" in fields[field]
            else:
                assert re.search(
                    r'role="alert" id="form-error" tabindex="-1" autofocus', answer.text
                )
            for name, value in values.items():
                kept = fields.get(name, {"type": "hidden"})
                if kept.get("type") not in ("hidden", "checkbox") and value not in (
                    "king",
                    "sometimes",
                ):
                    entered = "" if kept.get("type") == "password" else value
                    assert kept.get("value", "") == entered, name


def test_form_without_its_page_has_an_error_page(filled: Any) -> None:
    for page in (
        "",
        "/live",
        "//elsewhere.test/",
        "//[",
        "/api/v1/users",
        "/integrations/99",
        "/navigation/badges",
        "/static/style.css",
        "/static/vendor/inter-latin.woff2",
    ):
        answer = filled.submit("/settings/users", page=page, name="17", role="viewer")
        assert (answer.status_code, heading(answer.text)) == (
            422,
            "Couldn&#39;t save – check the fields",
        )


def test_lists_checkboxes_and_text_areas_keep_their_input() -> None:
    html = (
        '<body><main><details><form method="post" action="/a"><input type="hidden" name="csrf">'
        '<select name="role"><option value="x" selected>X</option><option value="y">Y</option></select>'
        '<input type="checkbox" name="box" value="1" checked><input type="checkbox" name="box" value="2">'
        "<textarea name=text>old &amp; gone</textarea></form></details></main></body>"
    )
    values = {"role": ["y"], "box": ["2"], "text": ["a <b>"]}
    shown = with_errors(html, RejectedForm("/a", values, {"text": "No & no"}))
    assert '<option value="x">X' in shown
    assert '<option value="y" selected>' in shown
    assert 'value="1"><' in shown
    assert 'value="2" checked>' in shown
    assert "<details open>" in shown
    assert ">a &lt;b&gt;</textarea>" in shown
    assert '<span class="field-error" id="form-error">No &amp; no</span></form>' in shown


def test_error_is_shown_in_the_submitted_form_only() -> None:
    def form(id_: int) -> str:
        return (
            f'<form method="post" action="/a"><input type="hidden" name="id" value="{id_}">'
            '<input name="day"></form>'
        )

    values = {"id": ["2"], "day": ["soon"]}
    shown = with_errors(form(1) + form(2), RejectedForm("/a", values, {"day": "No"}))
    first, _, second = shown.partition("</form>")
    assert "form-error" not in first
    assert 'value="soon"' in second
    assert 'aria-invalid="true"' in second
