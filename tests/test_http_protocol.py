"""Limits of request heads, their time, and connections per source, over real sockets."""

import asyncio
import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from ultraviolet import http_protocol
from ultraviolet.http_protocol import ConnectionCounter, Exchange, Limits, make_protocol
from ultraviolet.plain_request import PlainRequest

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200"


class Server:
    """A server with these limits that answers with the number of headers and bytes it read."""

    def __init__(self, limits: Limits, timeout_keep_alive: float = 60) -> None:
        self.exchanges: queue.SimpleQueue[Exchange] = queue.SimpleQueue()
        """The requests at /short, which wait for their response."""
        self.held = threading.Event()
        self.entered = threading.Semaphore(0)
        config = uvicorn.Config(
            self.application,
            http=make_protocol(limits, shortcut=self.shortcut),
            ws="none",
            loop="uvloop",
            lifespan="off",
            log_config=None,
            interface="asgi3",
            timeout_keep_alive=timeout_keep_alive,  # pyright: ignore[reportArgumentType]
        )
        self.server = uvicorn.Server(config)
        self.listening = socket.create_server((HOST, 0), backlog=1000)
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(
            target=asyncio.run, args=(self.server.serve([self.listening]),)
        )
        self.thread.start()

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, scope["path"] != "/unread"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size, more = size + len(message["body"]), message["more_body"]
        if scope["path"] == "/held":
            self.entered.release()
            await asyncio.to_thread(self.held.wait)
        body = json.dumps([len(scope["headers"]), size]).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def shortcut(self, request: PlainRequest, exchange: Exchange) -> bool:
        self.loop = asyncio.get_running_loop()
        if request.path == "/short":
            self.exchanges.put(exchange)
        return request.path == "/short"

    def wait_for_exchange(self) -> None:
        while self.exchanges.empty():
            time.sleep(0.001)

    def respond(self) -> None:
        """Answer the next request at /short."""
        exchange = self.exchanges.get(timeout=30)
        response = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n[short]"
        self.loop.call_soon_threadsafe(exchange.respond, response)

    def connect(self, source: str = HOST) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=30, source_address=(source, 0))

    def send(self, *pieces: bytes) -> bytes:
        """Send pieces over one connection, and return all data until the server closes it."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read_all(connection)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.listening.close()


def read_all(connection: socket.socket) -> bytes:
    read = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            read += piece
    return read


def read_response(connection: socket.socket) -> bytes:
    """Return one response on a connection that stays open."""
    read = b""
    while not read.endswith(b"]"):
        read += connection.recv(65_536)
    return read


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Server]]:
    with contextlib.ExitStack() as stack:

        def start(**given: Any) -> Server:
            return stack.enter_context(contextlib.closing(Server(Limits(**given))))

        yield start


@pytest.fixture(scope="module")
def server(serve: Callable[..., Server]) -> Server:
    return serve()


def head(*lines: bytes, target: bytes = b"/", method: bytes = b"GET", close: bool = True) -> bytes:
    closing = [b"connection: close"] if close else []
    return b"\r\n".join(
        [method + b" " + target + b" HTTP/1.1", b"host: x", *closing, *lines, b"", b""]
    )


GOOD_HOSTS = (b"", b"hub.example", b"hub.example:", b"127.0.0.1:8000", b"[::1]:65535", b"a_b%20")
BAD_HOSTS = (
    b"a b:x",
    b"a:x",
    b"x:65536",
    b"[::1",
    b"]",
    b"[:]",
    b"[v1.x]:1",
    b"a@b",
    b"x/y",
    b"\xff",
    b"x" * 301,
)


def padded(size: int) -> bytes:
    """Return a request head of this size in bytes."""
    return head(b"padding: " + b"x" * (size - len(head(b"padding: "))))


def test_head_of_the_maximum_size_is_accepted_and_a_larger_one_refused(server: Server) -> None:
    assert server.send(padded(http_protocol.MAX_HEAD_BYTES)).startswith(OK)
    assert server.send(padded(http_protocol.MAX_HEAD_BYTES + 1)).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head(*[b"a: b"] * 98), 200),
        (head(*[b"a: b"] * 99), 431),
        (head(*[b"a:"] * 100_000), 431),
        (b"GET / HTTP/1.1\r\n" + b"x" * 5_000_000, 431),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 5_000_000, 431),
        (head(target=b"/" + b"x" * 16_000), 200),
        (head(target=b"/" + b"x" * 16_384), 414),
        (b"GET /" + b"x" * 5_000_000, 414),
        (b"\r\n" * 1_000_000, 431),
        (b"x" * 5_000_000, 400),
        (b"\x16\x03\x01 no HTTP", 400),
        (head(method=b"CONNECT", target=b"h:443"), 400),
        (head(b"content-length: 1", b"transfer-encoding: chunked"), 400),
        (head(b"host: y"), 400),
        *(
            (b"GET / HTTP/1.1\r\nhost: " + host + b"\r\nconnection: close\r\n\r\n", status)
            for status, hosts in ((200, GOOD_HOSTS), (400, BAD_HOSTS))
            for host in hosts
        ),
        (
            head(
                b"upgrade: websocket", b"connection: upgrade", b"sec-websocket-key: x", close=False
            ),
            200,
        ),
        (
            head(b"upgrade: h2c", b"connection: upgrade", close=False) + b"PRI * HTTP/2.0\r\n\r\n",
            200,
        ),
    ],
)
def test_too_large_head_gets_a_response(server: Server, sent: bytes, status: int) -> None:
    answer = server.send(sent)
    assert answer.startswith(b"HTTP/1.1 %d" % status), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    if status != 200:
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == status
        assert b"connection: close" in answer


def test_head_in_small_pieces_has_the_same_limit(server: Server) -> None:
    assert server.send(b"GET / HTTP/1.1\r\n", *[b"a: " + b"x" * 1000] * 100).startswith(
        b"HTTP/1.1 431"
    )


CHUNKED = head(b"transfer-encoding: chunked", method=b"POST")


def test_chunk_framing_is_limited_and_trailers_are_dropped(
    server: Server,
) -> None:
    assert server.send(CHUNKED, b"1;ext=1\r\nx\r\n0\r\ntrailer: 1\r\n\r\n").endswith(b"[3, 1]")
    assert server.send(CHUNKED, b"1;" + b"e" * 1_000_000).startswith(b"HTTP/1.1 431")
    assert server.send(CHUNKED, b"0\r\na: " + b"t" * 1_000_000).startswith(b"HTTP/1.1 431")
    assert server.send(CHUNKED, b"0\r\n" + b"a: b\r\n" * 101 + b"\r\n").startswith(b"HTTP/1.1 431")
    many = b"".join(b"1;" + b"e" * 30_000 + b"\r\nx\r\n" for _ in range(20))
    assert server.send(CHUNKED, many, b"0\r\n\r\n").endswith(b"[3, 20]")


def test_bodies_are_not_limited(server: Server) -> None:
    body = b"x" * 3_000_000
    sent = head(b"content-length: %d" % len(body), method=b"POST")
    assert server.send(sent, body).endswith(b"[3, 3000000]")


def test_pipelined_requests_are_answered_in_order_with_limited_heads(
    server: Server,
) -> None:
    few = head(close=False) * 20 + head()
    assert server.send(few).count(OK) == 21
    with_large = server.send(head(close=False) + padded(100_000))
    first, answered, refusal = with_large.partition(b"]HTTP/1.1 431")
    assert (first.startswith(OK), answered) == (True, b"]HTTP/1.1 431"), (
        "one answer after the other"
    )
    assert refusal.count(b"HTTP/1.1 ") == 0
    assert server.send(head(close=False) * 10_000).count(OK) <= http_protocol.MAX_PIPELINED + 1


def test_connection_is_usable_after_a_body_that_follows_its_response(
    server: Server,
) -> None:
    with server.connect() as connection:
        connection.sendall(
            head(b"content-length: 100000", target=b"/unread", method=b"POST", close=False)
        )
        assert read_response(connection).startswith(OK)
        connection.sendall(b"x" * 100_000 + head())
        assert read_all(connection).startswith(OK)


@pytest.fixture(scope="module")
def short_timeout_server(serve: Callable[..., Server]) -> Server:
    return serve(head_timeout_seconds=0.5)


def test_slow_head_times_out(short_timeout_server: Server) -> None:
    with (
        short_timeout_server.connect() as silent,
        short_timeout_server.connect() as trickling,
        short_timeout_server.connect() as later,
    ):
        later.sendall(head(close=False))
        assert read_response(later).startswith(OK)
        later.sendall(b"\r\n")
        trickling.sendall(b"GET / HTTP/1.1\r\nx: ")
        trickling.settimeout(0.05)
        answer = b""
        for _ in range(600):
            with contextlib.suppress(TimeoutError):
                answer = trickling.recv(65_536)
                break
            trickling.sendall(b"y")
        assert answer.startswith(b"HTTP/1.1 408")
        assert silent.recv(100) == b""
        assert read_all(later) == b""


def test_slow_response_and_slow_body_do_not_time_out(short_timeout_server: Server) -> None:
    with (
        short_timeout_server.connect() as held,
        short_timeout_server.connect() as body,
        short_timeout_server.connect() as silent,
    ):
        held.sendall(head(target=b"/held"))
        body.sendall(head(b"content-length: 2", method=b"POST") + b"x")
        assert silent.recv(100) == b"", "the deadline of one that connected after them is over"
        short_timeout_server.held.set()
        assert read_all(held).startswith(OK)
        body.sendall(b"y")
        assert read_all(body).endswith(b"[3, 2]")


def test_excess_connections_of_a_source_close_the_oldest_without_a_request(
    serve: Callable[..., Server],
) -> None:
    server = serve(sources=ConnectionCounter(3))
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(server.connect()) for _ in range(2)]
        for one in busy:
            one.sendall(head(target=b"/held"))
            assert server.entered.acquire(timeout=30)
        idle = [stack.enter_context(server.connect()) for _ in range(3)]
        assert read_all(idle[0]).startswith(b"HTTP/1.1 429")
        assert read_all(idle[1]).startswith(b"HTTP/1.1 429")
        idle[2].sendall(head(close=False))
        assert read_response(idle[2]).startswith(OK)
        with server.connect() as refused:
            assert read_all(refused).startswith(b"HTTP/1.1 429")
        with server.connect("127.0.0.2") as elsewhere:
            elsewhere.sendall(head())
            assert read_all(elsewhere).startswith(OK)
        server.held.set()
        assert [read_all(one)[:12] for one in busy] == [OK, OK]
    assert server.send(head()).startswith(OK)


def test_trusted_proxy_is_not_limited(serve: Callable[..., Server]) -> None:
    server = serve(sources=ConnectionCounter(3, ["127.0.0.0/8"]))
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(server.connect()) for _ in range(50)]
        for one in opened:
            one.sendall(head())
        assert {read_all(one)[:12] for one in opened} == {OK}


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("10.1.2.3", ""),
        ("::ffff:10.1.2.3", ""),
        ("", ""),
    ],
)
def test_source_of_an_address_is_its_network(peer: str, source: str) -> None:
    assert ConnectionCounter(3, ["10.0.0.0/8"]).get_source(peer) == source


def short(target: bytes = b"/short") -> bytes:
    return head(b"content-length: 3", method=b"POST", target=target, close=False) + b"abc"


def test_requests_behind_one_with_a_shortcut_are_answered_in_order(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(short())
        server.wait_for_exchange()
        connection.sendall(short(b"/other") + head(b"a: b"))
        server.respond()
        read = read_all(connection)
    assert read.count(OK) == 3
    assert read.index(b"[short]") < read.index(b"[2, 3]") < read.index(b"[3, 0]")


@pytest.mark.parametrize("waits", [True, False])
def test_invalid_data_behind_a_shortcut_is_refused_after_its_response(
    server: Server, waits: bool
) -> None:
    with server.connect() as connection:
        connection.sendall(short())
        server.wait_for_exchange()
        if waits:
            connection.sendall(b"\0\r\n\r\n")
        server.respond()
        if not waits:
            assert read_response(connection).endswith(b"[short]")
            connection.sendall(b"\0\r\n\r\n")
        read = read_all(connection)
    assert read.rindex(b"HTTP/1.1 400") > read.find(b"[short]")
    assert (b"[short]" in read) is waits


def test_idle_connection_is_closed_but_not_one_that_waits_for_its_response() -> None:
    server = Server(Limits(), timeout_keep_alive=0.2)
    with contextlib.closing(server), server.connect() as connection:
        connection.sendall(short())
        server.respond()
        assert read_response(connection).endswith(b"[short]")
        connection.sendall(short())
        server.wait_for_exchange()
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(30)
        server.respond()
        assert read_response(connection).endswith(b"[short]")
        assert connection.recv(1) == b"", "closed when idle"


def test_shutdown_waits_for_the_response_of_a_shortcut() -> None:
    server = Server(Limits())
    with server.connect() as connection:
        connection.sendall(short())
        server.wait_for_exchange()
        server.server.should_exit = True
        server.respond()
        assert read_all(connection).endswith(b"[short]")
    server.close()
