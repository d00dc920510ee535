"""The API client of the command line over a transport with fixed responses."""

import re
from urllib.parse import unquote

import httpx
import pytest
from docs.generate.errors import errors

from ultraviolet.cli.support.api import to
from ultraviolet.cli.support.transports import Api
from ultraviolet.client import ProblemError
from ultraviolet.errors import InvalidError, NoHubError, UltravioletError

NAMES = ("ada#2", "bob?x", "a%2e", "éö", "{0}")


def api_with(*answers: httpx.Response) -> tuple[Api, list[httpx.Request]]:
    """Return a client of a hub with these responses in order, and the list of its requests."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answers[len(requests) - 1]

    return Api("http://hub.test", "uvk_key", httpx.MockTransport(answer)), requests


def test_items_follow_the_cursor_until_the_limit() -> None:
    api, requests = api_with(
        httpx.Response(200, json={"items": [{"n": 1}, {"n": 2}], "next": "c"}),
        httpx.Response(200, json={"items": [{"n": 3}], "next": "d"}),
    )
    assert [item["n"] for item in api.items("/x", 3)] == [1, 2, 3]
    assert ["limit=3", "limit=1&cursor=c"] == [request.url.query.decode() for request in requests]


@pytest.mark.parametrize(
    ("status", "code"), [(401, 3), (403, 3), (404, 4), (409, 5), (422, 2), (500, 1)]
)
def test_problem_becomes_an_error_with_its_exit_code(status: int, code: int) -> None:
    problem = {
        "type": "https://example.org/problems/not-found",
        "title": "Not found",
        "detail": "No such thing.",
    }
    headers = {"content-type": "application/problem+json"}
    api, _ = api_with(httpx.Response(status, json=problem, headers=headers))
    with pytest.raises(ProblemError) as caught:
        api.get("/x")

    assert str(caught.value) == "No such thing."
    assert caught.value.exit_code == code
    assert caught.value.kind == "not-found"


@pytest.mark.parametrize("base", ["/docs/reference/errors#", "https://example.org/problems/"])
def test_kind_of_an_error_is_the_end_of_its_type(base: str) -> None:
    api, _ = api_with(httpx.Response(410, json={"type": f"{base}cursor-gone", "title": "Gone"}))
    with pytest.raises(ProblemError) as caught:
        api.get("/x")

    assert caught.value.kind == "cursor-gone"


def test_exit_codes_match_the_error_classes() -> None:
    over_http = [
        error
        for error in errors()
        if not error.__module__.startswith("ultraviolet.local_ion")
        and error.status != UltravioletError.status
        and error.exit_code != UltravioletError.exit_code
    ]
    assert {error.status for error in over_http} >= {404, 410, 412, 429, 502, 503}
    assert [] == [
        error
        for error in over_http
        if ProblemError(error.status, b"{}", {}).exit_code != error.exit_code
    ]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.Response(200, html="<html>Sign in</html>"), "answered 200 (text/html)"),
        (httpx.Response(200), "answered 200 ("),
        (
            httpx.Response(301, json={}, headers={"location": "https://hub.test/"}),
            "redirects to https://hub.test/ (301)",
        ),
    ],
)
def test_response_of_another_server_is_an_error(answer: httpx.Response, message: str) -> None:
    api, _ = api_with(answer)
    with pytest.raises(NoHubError, match=re.escape(message)) as caught:
        api.delete("/x")
    assert 6 == caught.value.exit_code


def test_no_content_is_a_success() -> None:
    api, requests = api_with(httpx.Response(204))
    api.delete("/x")
    assert ["DELETE"] == [request.method for request in requests]


def test_error_without_json_is_reported() -> None:
    api, _ = api_with(httpx.Response(502, html="<html>"))
    with pytest.raises(ProblemError, match="502"):
        api.get("/x")


def test_unavailable_hub_is_reported_without_retries() -> None:
    api, requests = api_with(*[httpx.Response(503, json={"title": "Unavailable"})] * 2)
    with pytest.raises(ProblemError, match="Unavailable"):
        api.get("/x")
    assert 1 == len(requests)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_one_path_segment(name: str) -> None:
    *before, part, after = to("/users/{}/sessions", name).split("/")
    assert (["", "users"], name, "sessions") == (before, unquote(part), after)
    assert not {"#", "?"} & set(part)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_invalid_path_segment_is_rejected(name: str) -> None:
    with pytest.raises(InvalidError, match="not a valid id or name"):
        to("/users/ada/sessions/{}", name)
