"""Deliveries over real sockets, in any fragments, are stored and answered in order."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from tests.conftest import HubProcess, send

from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.ion.signatures import SIGNATURE_HEADER, sign

SECRET = "shared"


@pytest.fixture(scope="module")
def url(hub: HubProcess) -> str:
    """A webhook URL that requires signatures."""
    given = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    made = hub.api("POST", "/integrations", {**given, "client_id": "x", "client_secret": "x"})
    minted = hub.api("POST", f"/integrations/{made['id']}/webhook-urls", {"name": "test"})
    beside = Hub.open(Settings(data=hub.data, database_url=hub.store_url, public_url=hub.url))
    with closing(beside):
        beside.database.write_now(
            webhook_urls.set_receiver,
            beside.secrets,
            "test",
            minted["id"],
            receiver_id="1",
            shared_secret=SECRET,
        )
    return minted["url"]


@pytest.fixture
def wire(hub: HubProcess, url: str, wait: Any) -> Iterator[socket.socket]:
    """A connection to a hub that has loaded the webhook URL and its secret."""

    def refused() -> bool:
        return send("POST", url, b"{}")[0] == 401

    wait(refused, 30, "the shared secret to be known")
    parts = urlsplit(hub.url)
    with socket.create_connection(
        (parts.hostname or "", parts.port or 0), timeout=30
    ) as connection:
        yield connection


def delivery(
    url: str, number: int, *more: str, secret: str = SECRET, chunked: bool = False
) -> bytes:
    body = msgspec.json.encode(
        {
            "event_id": number,
            "subscription_id": 1,
            "resource": "parts",
            "action": "UPDATE",
            "id": number,
        }
    )
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    signed = f"{SIGNATURE_HEADER}: {sign(secret, body)}"
    head = "\r\n".join([f"POST {urlsplit(url).path} HTTP/1.1", "host: hub", length, signed, *more])
    if chunked:
        body = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (10, body[:10], len(body) - 10, body[10:])
    return f"{head}\r\n\r\n".encode() + body


def answers(wire: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Read several successive responses of one connection."""
    with wire.makefile("rb") as file:
        found: list[tuple[int, bytes]] = []
        for _ in range(count):
            answer = HTTPResponse(_Reading(file))  # type: ignore[arg-type]
            answer.begin()
            found.append((answer.status, answer.read()))
        return found


class _Reading:
    """A substitute for a socket, so that HTTPResponse reads only its own response."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def makefile(self, _mode: str) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        """Keep the connection open for the next response."""


def kept(hub: HubProcess, numbers: Sequence[int]) -> bool:
    return {str(number) for number in numbers} <= hub.stored_events()


TAKEN = (200, b'{"received":true}')


def test_pipelined_deliveries_are_answered_in_order(
    hub: HubProcess, url: str, wire: socket.socket
) -> None:
    wrong = delivery(url, 103, secret="another")
    page = b"GET /livez HTTP/1.1\r\nhost: hub\r\n\r\n"
    wire.sendall(delivery(url, 101) + delivery(url, 102) + wrong + page + delivery(url, 104))

    found = answers(wire, 5)

    assert [200, 200, 401, 200, 200] == [status for status, _ in found]
    assert b"alive" in found[3][1]
    assert kept(hub, [101, 102, 104])
    assert "103" not in hub.stored_events()


@pytest.mark.parametrize("size", [1, 7, 100], ids="in pieces of {}".format)
def test_fragmented_delivery_is_accepted_once(
    hub: HubProcess, url: str, wire: socket.socket, size: int
) -> None:
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    content = delivery(url, 200 + size)
    for start in range(0, len(content), size):
        wire.sendall(content[start : start + size])

    assert [TAKEN] == answers(wire, 1)
    assert kept(hub, [200 + size])


def test_partial_next_delivery_waits_for_its_rest(
    hub: HubProcess, url: str, wire: socket.socket
) -> None:
    second = delivery(url, 302)
    wire.sendall(delivery(url, 301, secret="another") + second[:-20])
    assert [401] == [status for status, _ in answers(wire, 1)]
    wire.sendall(second[-20:] + delivery(url, 303)[:-20])
    assert [TAKEN] == answers(wire, 1)
    wire.sendall(delivery(url, 303)[-20:])
    assert [TAKEN] == answers(wire, 1)
    assert kept(hub, [302, 303])


def test_chunked_body_is_accepted(hub: HubProcess, url: str, wire: socket.socket) -> None:
    wire.sendall(delivery(url, 401, chunked=True))
    assert [TAKEN] == answers(wire, 1)
    assert kept(hub, [401])


def test_expect_100_continue_is_answered(hub: HubProcess, url: str, wire: socket.socket) -> None:
    head, _, body = delivery(url, 501, "expect: 100-continue").partition(b"\r\n\r\n")
    wire.sendall(head + b"\r\n\r\n")
    assert wire.recv(100).startswith(b"HTTP/1.1 100 ")
    wire.sendall(body)
    assert [TAKEN] == answers(wire, 1)
    assert kept(hub, [501])


def test_connection_close_is_respected(hub: HubProcess, url: str, wire: socket.socket) -> None:
    wire.sendall(delivery(url, 601, "connection: close"))
    everything = b"".join(iter(lambda: wire.recv(1000), b""))
    assert everything.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close\r\n" in everything
    assert everything.endswith(TAKEN[1])


def test_delivery_is_stored_if_client_disconnects(
    hub: HubProcess, url: str, wire: socket.socket, wait: Any
) -> None:
    wire.sendall(delivery(url, 701))
    wire.close()
    wait(lambda: kept(hub, [701]), 30, "the event")
    assert send("GET", f"{hub.url}/livez")[0] == 200
