"""Abuse of the door for deliveries, over real sockets: it costs the abuser, and nobody else."""

import json
import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest
from tests.conftest import send

BODY = b'{"event_id": 1, "resource": "parts", "action": "UPDATE", "id": 1}'
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def hub(module_hub: Any) -> Any:
    """A hub behind a proxy on this machine, so that each test can come from an address of its own."""
    return module_hub(ULTRAVIOLET_TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture(scope="module")
def url(hub: Any) -> Any:
    """A webhook URL of an integration whose ION does not answer."""
    given = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    made = hub.api("POST", "/integrations", {**given, "client_id": "x", "client_secret": "x"})
    return hub.api("POST", f"/integrations/{made['id']}/webhook-urls", {"name": "test"})


def post(url: str, body: bytes = BODY, source: str = "192.0.2.1") -> int:
    return send("POST", url, body, x_forwarded_for=source, content_type="application/json")[0]


def last_event(hub: Any) -> Any:
    return hub.api("GET", "/events?limit=1")["items"][0]


def test_unknown_revoked_and_malformed_addresses_answer_alike(hub: Any, url: Any) -> None:
    integration = hub.api("GET", "/integrations")["items"][0]["id"]
    revoked = hub.api("POST", f"/integrations/{integration}/webhook-urls", {"name": "revoked"})
    hub.api("DELETE", f"/webhook-urls/{revoked['id']}")
    tokens = (revoked["url"].rsplit("/", 1)[1], "unknown", "", "a/b", "%ff%00", "x" * 5000)

    answers = {
        send("POST", f"{hub.url}/hooks/{token}", BODY, x_forwarded_for="192.0.2.2") for token in tokens
    }

    assert 1 == len(answers)
    assert {404} == {status for status, _ in answers}


def test_guessing_is_slowed_down_but_never_a_known_address(hub: Any, url: Any) -> None:
    statuses = [post(f"{hub.url}/hooks/guess-{n}", source="192.0.2.3") for n in range(70)]

    assert 404 == statuses[0]
    assert 429 == statuses[-1]
    assert 200 == post(url["url"], source="192.0.2.3")
    assert 404 == post(f"{hub.url}/hooks/guess", source="192.0.2.4")


@pytest.mark.parametrize(
    "body",
    [b"[" * 500_000, b'{"a":' * 100_000, b"\xff\xfe\x00", b"", b"null", b'{"id": NaN}'],
    ids=["nested lists", "nested objects", "invalid UTF-8", "nothing", "null", "no number"],
)
def test_a_body_made_to_hurt_is_kept_and_hurts_nobody(hub: Any, url: Any, wait: Any, body: bytes) -> None:
    began = time.monotonic()
    assert 200 == post(url["url"], body)
    assert time.monotonic() - began < 5
    outcome = wait(lambda: last_event(hub)["outcome"], 20, "the outcome")
    assert "not_understood" == outcome


def test_a_body_that_is_too_large_is_refused(hub: Any, url: Any) -> None:
    assert 413 == post(url["url"], b"x" * (1024 * 1024 + 1))


def test_a_body_that_trickles_holds_up_nobody(hub: Any, url: Any) -> None:
    port = int(hub.url.rsplit(":", 1)[1])
    path = url["url"].split("/", 3)[3]
    with ExitStack() as stack:
        for _ in range(200):
            slow = stack.enter_context(socket.create_connection((HOST, port), timeout=10))
            slow.sendall(f"POST /{path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{{".encode())
        began = time.monotonic()
        assert 200 == post(url["url"])
        assert time.monotonic() - began < 5


def test_idle_connections_hold_up_nobody(hub: Any, url: Any) -> None:
    port = int(hub.url.rsplit(":", 1)[1])
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(socket.create_connection((HOST, port), timeout=10))
        began = time.monotonic()
        assert 200 == post(url["url"])
        assert time.monotonic() - began < 5


def test_only_listed_sources_are_taken(module_hub: Any) -> None:
    hub = module_hub(ULTRAVIOLET_TRUSTED_PROXIES="127.0.0.1", ULTRAVIOLET_ALLOWED_SOURCES="54.149.61.144")
    assert 403 == post(f"{hub.url}/hooks/any", source="192.0.2.9")
    assert 404 == post(f"{hub.url}/hooks/any", source="54.149.61.144")
    assert 403 == post(f"{hub.url}/hooks/any", source="54.149.61.144, 192.0.2.9"), "the nearest hop counts"
    assert json.loads(send("GET", f"{hub.url}/livez")[1])["status"] == "alive"
