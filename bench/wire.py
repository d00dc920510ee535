"""A minimal HTTP client: prepared requests over open connections."""

import selectors
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec


def request(url: str, body: object, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a POST of JSON."""
    return written(url, msgspec.json.encode(body), headers)


def written(url: str, content: bytes, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a POST of encoded JSON."""
    parts = urlsplit(url)
    named = {
        "host": parts.netloc,
        "content-type": "application/json",
        "content-length": str(len(content)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + content


class Flood(msgspec.Struct):
    """The result of concurrent requests."""

    seconds: float
    delays: list[float]
    statuses: set[int]
    processor: float
    """Processor time of the sender in seconds."""

    @property
    def rate(self) -> float:
        """Responses per second."""
        return len(self.delays) / self.seconds

    def percentile(self, which: int) -> float:
        """Return a percentile of the delays in seconds."""
        return sorted(self.delays)[min(len(self.delays) - 1, len(self.delays) * which // 100)]


def flood(url: str, requests: Sequence[bytes], connections: int, more: Sequence[str] = ()) -> Flood:
    """Send each request once over several connections, one at a time on each.

    With `more` servers, the connections are distributed evenly.
    """
    urls = [url, *more]
    waiting = iter(requests)
    delays: list[float] = []
    statuses: set[int] = set()
    with selectors.DefaultSelector() as selector:
        began, spent = time.perf_counter(), time.process_time()
        for number in range(connections):
            connection = Connection(urls[number % len(urls)])
            selector.register(connection.socket, selectors.EVENT_READ, [connection, 0.0])
            _next(connection, waiting, selector)
        while selector.get_map():
            for key, _ in selector.select(60):
                connection, sent = key.data
                status, _body = connection.receive()
                delays.append(time.perf_counter() - sent)
                statuses.add(status)
                _next(connection, waiting, selector)
        seconds = time.perf_counter() - began
    return Flood(seconds, delays, statuses, time.process_time() - spent)


def _next(
    connection: "Connection", waiting: Iterator[bytes], selector: selectors.BaseSelector
) -> None:
    request = next(waiting, None)
    if request is None:
        selector.unregister(connection.socket)
        connection.close()
        return
    selector.get_key(connection.socket).data[1] = time.perf_counter()
    connection.send(request)


class Connection:
    """One open connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((str(parts.hostname), parts.port or 80))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.socket.sendall(request)

    def receive(self) -> tuple[int, bytes]:
        """Read a response; return its status and body."""
        data = bytearray()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._read()
        head = bytes(data[:end]).lower()
        start = head.index(b"content-length:") + len(b"content-length:")
        length = end + 4 + int(head[start:].partition(b"\r\n")[0])
        while len(data) < length:
            data += self._read()
        return int(head[9:12]), bytes(data[end + 4 : length])

    def _read(self) -> bytes:
        found = self.socket.recv(1 << 18)
        if not found:
            raise ConnectionError("The connection was closed in the middle of a response.")
        return found

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


def rate(
    url: str, request: bytes, number: int, connections: int
) -> tuple[float, set[tuple[int, bytes]]]:
    """Send a request several times on several connections; return the rate and the distinct responses."""
    opened = [Connection(url) for _ in range(connections)]
    answers: set[tuple[int, bytes]] = set()
    rounds = max(1, number // connections)
    began = time.perf_counter()
    for connection in opened:
        connection.send(request)
    for turn in range(rounds):
        for connection in opened:
            answers.add(connection.receive())
            if turn < rounds - 1:
                connection.send(request)
    seconds = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return rounds * connections / seconds, answers
