"""The typed client: generated code, retries, errors, the stream of changes."""

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
    """Return a client of a hub with these responses in order, and the list of its requests."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = answers[len(asked) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    return Client("http://hub.test", "uvk_key", transport=httpx.MockTransport(answer)), asked


def stream_of(text: str) -> httpx.Response:
    """Return the response of a stream that breaks off after this text."""
    return httpx.Response(
        200, text=text, headers={"content-type": "text/event-stream; charset=utf-8"}
    )


def test_generated_files_are_up_to_date() -> None:
    command = [sys.executable, "tools/make_client.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout)


def test_import_is_lazy() -> None:
    code = "import sys, ultraviolet; assert 'httpx' not in sys.modules; ultraviolet.Client"
    code += "; assert 'httpx' in sys.modules"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_list_is_read_page_by_page() -> None:
    def page(name: str, following: str) -> httpx.Response:
        item = f'{{"id": 1, "name": "{name}", "role": "viewer", "created_at": "", "new": 1'
        item += ', "last_sign_in_at": null}'
        return httpx.Response(200, text=f'{{"items": [{item}], "next": {following}}}')

    hub, asked = client(page("ada", '"c"'), page("bob", "null"), page("ada", '"c"'))
    assert ["ada", "bob"] == [user.name for user in hub.list_users()]
    assert (None, "c") == tuple(request.url.params.get("cursor") for request in asked)
    assert ["ada"] == [user.name for user in hub.list_users(limit=1)]


def test_retried_post_keeps_its_idempotency_key() -> None:
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


def test_delete_is_not_retried_after_a_timeout() -> None:
    hub, asked = client(httpx.ReadTimeout("too slow"))
    with pytest.raises(
        HubUnreachableError, match=r"http://hub\.test/ does not respond: no answer in time"
    ):
        hub.delete_user("ada")
    assert 1 == len(asked)


def test_waiting_operation_has_no_read_timeout() -> None:
    hub, asked = client(*[httpx.Response(422, json={"title": "Invalid"})] * 2)
    for wait in (None, False):
        with pytest.raises(ProblemError):
            hub.create_verification("plant", wait=wait)
    assert [None, 120] == [request.extensions["timeout"]["read"] for request in asked]


def test_name_is_one_path_segment() -> None:
    hub, asked = client(httpx.Response(422, json={"title": "Invalid"}))
    with pytest.raises(ProblemError):
        hub.import_events("plant #1?a", b"")
    assert b"/api/v1/integrations/plant%20%231%3Fa/events/import" == asked[0].url.raw_path
    with pytest.raises(
        InvalidError
    ):  # a server reads a slash as the end of a part, however it is written
        hub.import_events("plant/a", b"")


def test_retry_after_may_be_a_date() -> None:
    hub, asked = client(
        httpx.Response(503, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        httpx.Response(204),
    )
    hub.delete_user("ada")
    assert 2 == len(asked)


def test_problem_has_details() -> None:
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


def test_stream_resumes_after_a_break() -> None:
    def stream(*numbers: int) -> httpx.Response:
        change = (
            '{"cursor": "c%d", "integration_id": 1, "resource": "parts", "id": "%d", "version": 1,'
        )
        change += ' "change": "create", "changed": [], "source_time": null, "observed_at": "",'
        change += ' "origin": {}}'
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
def test_stream_is_split_at_line_feeds_only(letter: str) -> None:
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


OTHER_RESPONSES = {
    "a sign-in page": httpx.Response(200, html="<html>Sign in</html>"),
    "an empty response": httpx.Response(200),
    "other JSON": httpx.Response(200, json={"session": "expired"}),
    "a redirect": httpx.Response(301, headers={"location": "https://hub.test/"}),
}
OPERATIONS: dict[str, Callable[[Client], object]] = {
    "an object": lambda hub: hub.get_me(),
    "a list": lambda hub: list(hub.list_users()),
    "no content": lambda hub: hub.delete_user("ada"),
    "the stream": lambda hub: next(hub.changes()),
}


@pytest.mark.parametrize("asked", OPERATIONS)
@pytest.mark.parametrize("answered", OTHER_RESPONSES)
def test_response_of_another_server_is_an_error(asked: str, answered: str) -> None:
    hub, requests = client(OTHER_RESPONSES[answered])
    with pytest.raises(NoHubError, match="Check the address"):
        OPERATIONS[asked](hub)
    assert 1 == len(requests)


def test_html_page_is_not_an_export() -> None:
    hub, _ = client(OTHER_RESPONSES["a sign-in page"])
    with pytest.raises(NoHubError, match=r"200 \(text/html\)"):
        next(hub.export_objects("parts"))


def test_address_and_key_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ULTRAVIOLET_URL", raising=False)
    with pytest.raises(InvalidError, match="ULTRAVIOLET_URL"):
        Client()
    monkeypatch.setenv("ULTRAVIOLET_URL", "http://hub.test")
    monkeypatch.setenv("ULTRAVIOLET_KEY", "uvk_key")
    Client().close()
