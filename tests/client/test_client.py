"""The typed client: written from the API as it is, patient, and told why where the hub refuses."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import stamina
from litestar.response.sse import ServerSentEventMessage

from ultraviolet import Client
from ultraviolet.client import ProblemError
from ultraviolet.errors import HubUnreachableError, InvalidError, NoHubError

ROOT = Path(__file__).parent.parent.parent
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    with stamina.set_testing(testing=True, attempts=4):
        yield


def client(*answers: httpx.Response | Exception) -> tuple[Client, list[httpx.Request]]:
    """A client of a hub that gives these answers, one after the other."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = answers[len(asked) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    return Client("http://hub.test", "uvk_key", transport=httpx.MockTransport(answer)), asked


def stream_of(text: str) -> httpx.Response:
    """The answer of a stream that breaks off after this."""
    return httpx.Response(
        200, text=text, headers={"content-type": "text/event-stream; charset=utf-8"}
    )


def test_it_is_as_the_api_is() -> None:
    command = [sys.executable, "tools/make_client.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout)


def test_it_is_not_loaded_before_it_is_used() -> None:
    code = "import sys, ultraviolet; assert 'httpx' not in sys.modules; ultraviolet.Client; assert 'httpx' in sys.modules"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_a_list_is_read_page_after_page() -> None:
    def page(name: str, following: str) -> httpx.Response:
        item = f'{{"id": 1, "name": "{name}", "role": "viewer", "created_at": "", "last_sign_in_at": null, "new": 1}}'
        return httpx.Response(200, text=f'{{"items": [{item}], "next": {following}}}')

    hub, asked = client(page("ada", '"c"'), page("bob", "null"), page("ada", '"c"'))
    assert ["ada", "bob"] == [user.name for user in hub.list_users()]
    assert (None, "c") == tuple(request.url.params.get("cursor") for request in asked)
    assert ["ada"] == [user.name for user in hub.list_users(limit=1)]


def test_what_is_sent_again_is_done_once() -> None:
    made = httpx.Response(201, json={"url": "http://hub.test/sign-in/uvl_x"})
    hub, asked = client(
        httpx.Response(503, headers={"retry-after": "1"}, json={"title": "Store unavailable"}),
        httpx.ReadTimeout("too slow"),
        httpx.Response(409, json={"type": "https://x/in-progress", "title": "In progress"}),
        made,
    )
    assert "http://hub.test/sign-in/uvl_x" == hub.create_sign_in_link("ada").url
    assert 1 == len({request.headers["idempotency-key"] for request in asked})
    assert {"Bearer uvk_key"} == {request.headers["authorization"] for request in asked}


def test_what_may_have_been_done_is_not_sent_again_without_a_key() -> None:
    hub, asked = client(httpx.ReadTimeout("too slow"))
    with pytest.raises(HubUnreachableError, match=r"http://hub\.test/ does not answer: too slow"):
        hub.delete_user("ada")
    assert 1 == len(asked)


def test_what_waits_for_the_end_is_waited_for() -> None:
    hub, asked = client(*[httpx.Response(422, json={"title": "Invalid"})] * 2)
    for wait in (None, False):
        with pytest.raises(ProblemError):
            hub.create_verification("plant", wait=wait)
    assert [None, 120] == [request.extensions["timeout"]["read"] for request in asked]


def test_a_name_is_a_part_of_the_address_whatever_is_in_it() -> None:
    hub, asked = client(httpx.Response(422, json={"title": "Invalid"}))
    with pytest.raises(ProblemError):
        hub.requests.import_events("plant #1?a", b"")
    assert b"/api/v1/integrations/plant%20%231%3Fa/events/import" == asked[0].url.raw_path
    with pytest.raises(
        InvalidError
    ):  # a server reads a slash as the end of a part, however it is written
        hub.requests.import_events("plant/a", b"")


def test_a_proxy_may_say_by_date_when_to_come_again() -> None:
    hub, asked = client(
        httpx.Response(503, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        httpx.Response(204),
    )
    hub.delete_user("ada")
    assert 2 == len(asked)


def test_a_refusal_says_why() -> None:
    body = {
        "type": "https://x/invalid",
        "title": "Invalid",
        "status": 422,
        "detail": "name: is empty",
    }
    body["errors"] = [{"field": "name", "message": "is empty", "source": "body"}]
    hub, asked = client(httpx.Response(422, json=body, headers={"x-request-id": "r1"}))
    with pytest.raises(ProblemError, match="is empty") as caught:
        hub.create_user(name="")
    problem = caught.value
    assert (422, "invalid", "name", "r1") == (
        problem.status,
        problem.kind,
        problem.errors[0].field,
        problem.request_id,
    )
    assert 1 == len(asked)


def test_a_stream_goes_on_where_it_broke_off() -> None:
    def stream(*numbers: int) -> httpx.Response:
        change = '{"cursor": "c%d", "integration_id": 1, "resource": "parts", "id": "%d", "version": 1, "change": "create",'
        change += ' "changed": [], "source_time": null, "observed_at": "", "origin": {}}'
        lines = [f"id: c{n}\nevent: change\ndata: {change % (n, n)}\n\n" for n in numbers]
        return stream_of(": listening\n\n" + "".join(lines))

    gone = httpx.Response(410, json={"type": "https://x/cursor-gone", "title": "Cursor gone"})
    hub, asked = client(
        stream(1, 2), httpx.ConnectError("away"), httpx.Response(503), stream(3), gone
    )
    seen: list[str] = []
    with pytest.raises(ProblemError) as caught:
        seen.extend(change.id for change in hub.changes(resource=["parts"]))
    assert "cursor-gone" == caught.value.kind
    assert ["1", "2"] == seen[:2]
    assert [None, "c2", "c2", "c2", "c3"] == [
        request.headers.get("last-event-id") for request in asked
    ]


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85"])
def test_a_line_of_the_stream_ends_where_the_hub_ends_it_and_nowhere_else(letter: str) -> None:
    change = {
        "cursor": "c1",
        "integration_id": 1,
        "resource": "parts",
        "id": "1",
        "version": 1,
        "change": "create",
    }
    change |= {"changed": [f"a{letter}b"], "source_time": None, "observed_at": "", "origin": {}}
    said = ServerSentEventMessage(
        data=msgspec.json.encode(change).decode(), event="change", id="c1"
    )
    hub, _ = client(stream_of(said.encode().decode()))
    assert [f"a{letter}b"] == next(hub.changes()).changed


ELSEWHERE = {
    "a page to sign in": httpx.Response(200, html="<html>Sign in</html>"),
    "nothing": httpx.Response(200),
    "JSON of something else": httpx.Response(200, json={"session": "expired"}),
    "another address": httpx.Response(301, headers={"location": "https://hub.test/"}),
}
ASK: dict[str, Callable[[Client], object]] = {
    "one thing": lambda hub: hub.get_me(),
    "a list": lambda hub: list(hub.list_users()),
    "what is answered with nothing": lambda hub: hub.delete_user("ada"),
    "the stream": lambda hub: next(hub.changes()),
}


@pytest.mark.parametrize("asked", ASK)
@pytest.mark.parametrize("answered", ELSEWHERE)
def test_what_no_hub_answers_is_no_success(asked: str, answered: str) -> None:
    hub, requests = client(ELSEWHERE[answered])
    with pytest.raises(NoHubError, match="Check the address"):
        ASK[asked](hub)
    assert 1 == len(requests)


def test_a_page_to_sign_in_is_no_export() -> None:
    hub, _ = client(ELSEWHERE["a page to sign in"])
    with pytest.raises(NoHubError, match="200, text/html"):
        next(hub.export_objects("parts"))


def test_a_hub_and_a_key_have_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ULTRAVIOLET_URL", raising=False)
    with pytest.raises(InvalidError, match="ULTRAVIOLET_URL"):
        Client()
    monkeypatch.setenv("ULTRAVIOLET_URL", "http://hub.test")
    monkeypatch.setenv("ULTRAVIOLET_KEY", "uvk_key")
    Client().close()
