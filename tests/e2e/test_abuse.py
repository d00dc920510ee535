"""Abuse of the webhook endpoint over real sockets does not delay other deliveries."""

import json
import re
import resource
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import send

BODY = b'{"event_id": 1, "resource": "parts", "action": "UPDATE", "id": 1}'
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def hub(module_hub: Any) -> Any:
    """A hub that trusts a proxy on this machine, so that each test can use its own source address."""
    return module_hub(ULTRAVIOLET_TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture(scope="module", autouse=True)
def incomplete(hub: Any, local_ion: Any) -> Any:
    """Connections to each listener with a request that does not start or does not end."""
    with ExitStack() as stack:
        opened: dict[str, list[socket.socket]] = {}
        for name, process in (("hub", hub), ("local_ion", local_ion)):
            port = int(process.url.rsplit(":", 1)[1])
            opened[name] = [
                stack.enter_context(socket.create_connection((HOST, port), timeout=10))
                for _ in range(50)
            ]
            for connection in opened[name][::2]:
                connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n")
        yield opened


@pytest.fixture(scope="module")
def url(hub: Any) -> Any:
    """A webhook URL of an integration whose ION does not respond."""
    given = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    made = hub.api("POST", "/integrations", {**given, "client_id": "x", "client_secret": "x"})
    return hub.api("POST", f"/integrations/{made['id']}/webhook-urls", {"name": "test"})


@pytest.fixture(scope="module")
def many_sockets() -> int:
    """Return the maximum number of connections of this process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted - 500


def post(url: str, body: bytes = BODY, source: str = "192.0.2.1") -> int:
    return send("POST", url, body, x_forwarded_for=source, content_type="application/json")[0]


def last_event(hub: Any) -> Any:
    return hub.api("GET", "/events?limit=1")["items"][0]


def test_unknown_revoked_and_malformed_urls_receive_equal_responses(hub: Any, url: Any) -> None:
    integration = hub.api("GET", "/integrations")["items"][0]["id"]
    revoked = hub.api("POST", f"/integrations/{integration}/webhook-urls", {"name": "revoked"})
    hub.api("DELETE", f"/webhook-urls/{revoked['id']}")
    tokens = (revoked["url"].rsplit("/", 1)[1], "unknown", "", "a/b", "%ff%00", "x" * 5000)

    answers = {
        send("POST", f"{hub.url}/hooks/{token}", BODY, x_forwarded_for="192.0.2.2")
        for token in tokens
    }

    assert 1 == len(answers)
    assert {404} == {status for status, _ in answers}


def test_guessing_urls_is_throttled_but_known_urls_are_not(hub: Any, url: Any) -> None:
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
def test_hostile_body_is_stored_without_harm(hub: Any, url: Any, wait: Any, body: bytes) -> None:
    began = time.monotonic()
    assert 200 == post(url["url"], body)
    assert time.monotonic() - began < 5
    outcome = wait(lambda: last_event(hub)["outcome"], 20, "the outcome")
    assert "not_understood" == outcome


def test_too_large_body_is_refused(hub: Any, url: Any) -> None:
    assert 413 == post(url["url"], b"x" * (1024 * 1024 + 1))


def test_slow_body_does_not_delay_other_deliveries(hub: Any, url: Any) -> None:
    port = int(hub.url.rsplit(":", 1)[1])
    path = url["url"].split("/", 3)[3]
    with ExitStack() as stack:
        for _ in range(200):
            slow = stack.enter_context(socket.create_connection((HOST, port), timeout=10))
            slow.sendall(
                f"POST /{path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{{".encode()
            )
        began = time.monotonic()
        assert 200 == post(url["url"])
        assert time.monotonic() - began < 5


def test_10_000_idle_connections_do_not_delay_deliveries(
    hub: Any, url: Any, wait: Any, many_sockets: int
) -> None:
    port = int(hub.url.rsplit(":", 1)[1])
    idle = min(10_000, many_sockets)
    with ExitStack() as stack:
        for _ in range(idle):
            stack.enter_context(socket.create_connection((HOST, port), timeout=10))
        wait(lambda: connections(hub) > idle, 10, "all of them being taken")
        began = time.monotonic()
        assert 200 == post(url["url"])
        assert time.monotonic() - began < 5


def test_flood_at_one_url_does_not_delay_another(
    hub: Any, url: Any, wait: Any, many_sockets: int
) -> None:
    """The whole flood waits for the disk when the other delivery arrives."""
    port, path = int(hub.url.rsplit(":", 1)[1]), url["url"].split("/", 3)[3]
    other = hub.api(
        "POST", f"/integrations/{url['integration_id']}/webhook-urls", {"name": "other"}
    )
    count = min(2500, many_sockets)
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        database = stack.enter_context(
            closing(sqlite3.connect(hub.data / "hub.db", isolation_level=None))
        )
        flood = [
            stack.enter_context(socket.create_connection((HOST, port), timeout=30))
            for _ in range(count)
        ]
        database.execute("BEGIN IMMEDIATE")
        for number, connection in enumerate(flood):
            body = BODY.replace(b"1", b"%d" % (number + 10), 1)
            head = f"POST /{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
        settle(hub)
        answer = pool.submit(post, other["url"])
        settle(hub)
        began = time.monotonic()
        database.execute("COMMIT")

        assert 200 == answer.result()
        assert time.monotonic() - began < 5
        assert {b"HTTP/1.1 200"} == {connection.recv(12) for connection in flood}
        query = """SELECT count(*) FILTER (WHERE webhook_url_id = :flood), count(*) FILTER (WHERE webhook_url_id = :flood
            AND seq < (SELECT seq FROM events WHERE webhook_url_id = :other)) FROM events WHERE object_id = '1'"""
        given = {"flood": url["id"], "other": other["id"]}
        kept, before = database.execute(query, given).fetchone()
    assert kept >= count
    assert before <= 2000


@pytest.mark.parametrize("listener", ["hub", "local_ion"])
def test_huge_request_head_is_refused_early(
    listener: str, request: pytest.FixtureRequest, wait: Any
) -> None:
    process = request.getfixturevalue(listener)
    before = resident_megabytes(process)
    with socket.create_connection((HOST, int(process.url.rsplit(":", 1)[1])), timeout=60) as flood:
        flood.sendall(b"GET / HTTP/1.1\r\nhost: x\r\npadding: ")
        with suppress(OSError):  # the hub may close the connection during the transfer
            for _ in range(50):
                flood.sendall(b"x" * 1_000_000)
        assert flood.recv(12) == b"HTTP/1.1 431"
    assert resident_megabytes(process) - before < 30
    path = "/livez" if listener == "hub" else "/_local/ready"
    assert 200 == send("GET", process.url + path)[0]


@pytest.mark.parametrize("listener", ["hub", "local_ion"])
def test_incomplete_request_head_is_closed(
    listener: str, incomplete: dict[str, list[socket.socket]]
) -> None:
    """The connections were opened by the first test, so most of their time-out is over."""
    for connection in incomplete[listener]:
        connection.settimeout(60)
        answer = connection.recv(100)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408")


def resident_megabytes(process: Any) -> float:
    status = Path(f"/proc/{process.child.process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1000


def connections(hub: Any) -> int:
    return sum(1 for _ in Path(f"/proc/{hub.child.process.pid}/fd").iterdir())


def settle(hub: Any) -> None:
    """Wait until the hub has read all previous requests."""
    for _ in range(20):
        assert 200 == send("GET", f"{hub.url}/livez")[0]


def test_only_allowed_sources_can_deliver(module_hub: Any) -> None:
    hub = module_hub(
        ULTRAVIOLET_TRUSTED_PROXIES="127.0.0.1", ULTRAVIOLET_ALLOWED_SOURCES="54.149.61.144"
    )
    assert 403 == post(f"{hub.url}/hooks/any", source="192.0.2.9")
    assert 404 == post(f"{hub.url}/hooks/any", source="54.149.61.144")
    assert 403 == post(f"{hub.url}/hooks/any", source="54.149.61.144, 192.0.2.9"), (
        "the nearest hop counts"
    )
    assert json.loads(send("GET", f"{hub.url}/livez")[1])["status"] == "alive"


def test_forwarded_header_is_ignored_without_a_trusted_proxy(
    module_hub: Any,
) -> None:
    hub = module_hub(ULTRAVIOLET_ALLOWED_SOURCES="54.149.61.144")
    assert 403 == post(f"{hub.url}/hooks/any", source="54.149.61.144")
