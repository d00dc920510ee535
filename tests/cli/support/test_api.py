"""The API client of the command line over a transport with fixed responses."""

import re
from urllib.parse import unquote

import pytest
from docs.generate.errors import errors

from ultraviolet.cli.support.api import EXIT_CODES, Answer, Api, ApiError, to
from ultraviolet.errors import InvalidError, NoHubError, UltravioletError

NAMES = ("ada#2", "bob?x", "a%2e", "éö", "{0}")


class Canned:
    """A hub with fixed responses, which records requests."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.requests: list[str] = []

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""

    async def request(self, method: str, path: str, body: bytes | None) -> Answer:
        self.requests.append(f"{method} {path}")
        return self.answers[path]


def test_items_follow_the_cursor_until_the_limit() -> None:
    hub = Canned(
        {
            "/api/v1/x?limit=3": Answer(200, b'{"items": [{"n": 1}, {"n": 2}], "next": "c"}'),
            "/api/v1/x?limit=1&cursor=c": Answer(200, b'{"items": [{"n": 3}], "next": "d"}'),
        }
    )
    with Api(hub) as api:
        assert [item["n"] for item in api.items("/x", 3)] == [1, 2, 3]
    assert len(hub.requests) == 2


@pytest.mark.parametrize(
    ("status", "code"), [(401, 3), (403, 3), (404, 4), (409, 5), (422, 2), (500, 1)]
)
def test_problem_becomes_an_error_with_its_exit_code(status: int, code: int) -> None:
    body = b'{"type": "https://example.org/problems/not-found", "title": "Not found",'
    body += b' "detail": "No such thing."}'
    with Api(Canned({"/api/v1/x": Answer(status, body)})) as api, pytest.raises(ApiError) as caught:
        api.get("/x")

    assert str(caught.value) == "No such thing."
    assert caught.value.exit_code == code
    assert caught.value.kind == "not-found"


@pytest.mark.parametrize("base", ["/docs/reference/errors#", "https://example.org/problems/"])
def test_kind_of_an_error_is_the_end_of_its_type(base: str) -> None:
    body = f'{{"type": "{base}cursor-gone", "title": "Gone"}}'.encode()
    with Api(Canned({"/api/v1/x": Answer(410, body)})) as api, pytest.raises(ApiError) as caught:
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
    assert [] == [error for error in over_http if EXIT_CODES.get(error.status) != error.exit_code]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(200, b"<html>Sign in</html>", "text/html"), "answered 200 (text/html)"),
        (Answer(200), "answered 200 ("),
        (Answer(301, b"{}", location="https://hub.test/"), "redirects to https://hub.test/ (301)"),
    ],
)
def test_response_of_another_server_is_an_error(answer: Answer, message: str) -> None:
    with (
        Api(Canned({"/api/v1/x": answer})) as api,
        pytest.raises(NoHubError, match=re.escape(message)) as caught,
    ):
        api.delete("/x")
    assert 6 == caught.value.exit_code


def test_no_content_is_a_success() -> None:
    with Api(Canned({"/api/v1/x": Answer(204)})) as api:
        assert {} == api.delete("/x")


def test_error_without_json_is_reported() -> None:
    with (
        Api(Canned({"/api/v1/x": Answer(502, b"<html>")})) as api,
        pytest.raises(ApiError, match="502"),
    ):
        api.get("/x")


@pytest.mark.parametrize("name", NAMES)
def test_name_is_one_path_segment(name: str) -> None:
    *before, part, after = to("/users/{}/sessions", name).split("/")
    assert (["", "users"], name, "sessions") == (before, unquote(part), after)
    assert not {"#", "?"} & set(part)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_invalid_path_segment_is_rejected(name: str) -> None:
    with pytest.raises(InvalidError, match="not a valid id or name"):
        to("/users/ada/sessions/{}", name)
