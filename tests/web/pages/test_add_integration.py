"""Credentials are tested against a local ION before they are saved; rejected ones start no fetch."""

import re
from typing import Any

import pytest


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def right(local_ion: Any) -> dict[str, str]:
    """The values of the form that the local ION accepts."""
    return {
        "name": "plant",
        "api_url": local_ion.url,
        "auth_url": local_ion.url,
        "client_id": local_ion.client_id,
        "client_secret": local_ion.client_secret,
    }


def invalid_field(html: str) -> str:
    found = re.search(r'<input name="(\w+)"[^>]* aria-invalid="true"', html)
    assert found, html
    return found.group(1)


@pytest.mark.usefixtures("at_once")
def test_failed_connection_test_shows_the_error_at_its_field(
    signed_in: Any, right: dict[str, str]
) -> None:
    nobody = "http://127.0.0.1:9"
    for field, wrong in (
        ("client_secret", {"client_secret": "wrong-secret"}),
        ("client_secret", {"client_id": "nobody"}),
        ("api_url", {"api_url": nobody}),
        ("auth_url", {"auth_url": nobody}),
    ):
        given = {**right, **wrong, "page": "/integrations/new"}
        answer = signed_in.submit("/integrations", **given)
        assert answer.status_code == 422, answer.text
        assert invalid_field(answer.text) == field
        assert 'name="name" required value="plant"' in answer.text
        assert given["client_secret"] not in answer.text
        assert signed_in.get("/integrations")["items"] == []
        problem = signed_in.api("POST", "/integrations?test=true", {**right, **wrong})
        assert (problem.status_code, problem.json()["errors"][0]["field"]) == (422, field)

    added = signed_in.submit("/integrations", **right)
    assert (added.status_code, added.headers["location"]) == (303, "/integrations/1")
    page = signed_in.send("GET", "/integrations/1").text
    assert re.search(r"connected</span>\s+as <strong>", page)
    assert signed_in.get("/integrations/1")["test_result"]["ok"]
    again = signed_in.submit("/integrations", **right, page="/integrations/new")
    assert (again.status_code, invalid_field(again.text)) == (409, "name")


@pytest.mark.usefixtures("at_once")
def test_rejected_credentials_start_no_fetch_until_they_pass(
    signed_in: Any, right: dict[str, str]
) -> None:
    untested = {**right, "client_secret": "wrong-secret", "untested": "yes"}
    assert signed_in.submit("/integrations", **untested).status_code == 303
    page = signed_in.send("GET", "/integrations/1").text
    assert re.search("not tested|Fix credentials", page), "the watchdog may have tested them"
    assert "connected</span>" not in page

    signed_in.submit("/integrations/1/test")
    page = signed_in.send("GET", "/integrations/1").text
    assert '<a class="button" href="/integrations/1/settings#connection">Fix credentials' in page
    started = signed_in.submit("/fetches", integration="1", mode="full", page="/integrations/1")
    assert started.status_code == 409
    assert "Nothing was started; fix them first" in started.text
    assert "rejected by ION" in signed_in.send("GET", "/fetches").text

    other = {name: right[name] for name in ("api_url", "auth_url", "client_id")}
    other["client_secret"] = "also-wrong"
    kept = signed_in.submit("/integrations/1/connection", **other, page="/integrations/1/settings")
    assert (kept.status_code, invalid_field(kept.text)) == (422, "client_secret")
    signed_in.submit("/integrations/1/connection", **other, untested="yes")
    assert signed_in.get("/integrations/1/fetches")["items"] == []

    other["client_secret"] = right["client_secret"]
    assert signed_in.submit("/integrations/1/connection", **other).status_code == 303
    assert "Fix credentials" not in signed_in.send("GET", "/integrations/1").text
    started = signed_in.submit("/fetches", integration="1", mode="full")
    assert started.status_code == 303, started.text
