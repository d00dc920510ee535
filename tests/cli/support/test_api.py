"""The client over a transport that answers from a table."""

import re
from urllib.parse import unquote

import pytest
from docs.generate.errors import errors

from ultraviolet.cli.support.api import EXIT_CODES, Answer, Api, ApiError, to
from ultraviolet.errors import InvalidError, NoHubError, UltravioletError

NAMES = ("ada#2", "bob?x", "a%2e", "éö", "{0}")


class Canned:
    """A hub of fixed answers, which remembers what it was asked."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def request(self, method: str, path: str, body: bytes | None) -> Answer:
        self.asked.append(f"{method} {path}")
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
    assert len(hub.asked) == 2


@pytest.mark.parametrize(
    ("status", "code"), [(401, 3), (403, 3), (404, 4), (409, 5), (422, 2), (500, 1)]
)
def test_a_problem_becomes_an_error_with_its_exit_code(status: int, code: int) -> None:
    body = b'{"type": "https://example.org/problems/not-found", "title": "Not found", "detail": "No such thing."}'
    with Api(Canned({"/api/v1/x": Answer(status, body)})) as api, pytest.raises(ApiError) as caught:
        api.get("/x")

    assert str(caught.value) == "No such thing."
    assert caught.value.exit_code == code
    assert caught.value.kind == "not-found"


def test_exit_codes_over_the_api_are_those_of_the_errors() -> None:
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
    ("answer", "says"),
    [
        (Answer(200, b"<html>Sign in</html>", "text/html"), "It answered 200 (text/html)"),
        (Answer(200), "It answered 200 ("),
        (Answer(301, b"{}", location="https://hub.test/"), "redirects to https://hub.test/ (301)"),
    ],
)
def test_what_no_hub_answers_is_no_success(answer: Answer, says: str) -> None:
    with (
        Api(Canned({"/api/v1/x": answer})) as api,
        pytest.raises(NoHubError, match=re.escape(says)) as caught,
    ):
        api.delete("/x")
    assert 6 == caught.value.exit_code


def test_no_content_is_a_success() -> None:
    with Api(Canned({"/api/v1/x": Answer(204)})) as api:
        assert {} == api.delete("/x")


def test_an_answer_that_is_not_json_is_an_error_too() -> None:
    with (
        Api(Canned({"/api/v1/x": Answer(502, b"<html>")})) as api,
        pytest.raises(ApiError, match="502"),
    ):
        api.get("/x")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_part_of_the_address_whatever_is_in_it(name: str) -> None:
    *before, part, after = to("/users/{}/sessions", name).split("/")
    assert (["", "users"], name, "sessions") == (before, unquote(part), after)
    assert not {"#", "?"} & set(part)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_what_would_name_something_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match="not a valid id or name"):
        to("/users/ada/sessions/{}", name)
