"""A client that costs next to nothing: written requests over kept connections, answers read to their length."""

import socket
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec


def request(url: str, body: object, headers: Mapping[str, str]) -> bytes:
    """Write a POST of JSON."""
    parts, content = urlsplit(url), msgspec.json.encode(body)
    named = {
        "host": parts.netloc,
        "content-type": "application/json",
        "content-length": str(len(content)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + content


class Connection:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((str(parts.hostname), parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        self._socket.sendall(request)

    def receive(self) -> tuple[int, bytes]:
        """Read one answer: its status and body."""
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
        found = self._socket.recv(1 << 18)
        if not found:
            raise ConnectionError("The connection was closed in the middle of an answer.")
        return found

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def rate(url: str, request: bytes, number: int, connections: int) -> tuple[float, set[tuple[int, bytes]]]:
    """Send a request so many times, one under way on each connection; gives answers a second, and the distinct ones."""
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
