"""HTTP protocol for uvicorn with limits on request heads, their time, and connections per source.

All listeners of the hub and the local ION use it. uvicorn's protocol has none of these limits, and
joins the pieces of a request head in quadratic time.
"""

import asyncio
import functools
import http
import ipaddress
import resource
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, cast

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ultraviolet.plain_request import PlainRequest, is_valid_host, read_plain_request

MAX_HEAD_BYTES = 65_536
"""Limit of a request head, of trailers, and of the framing around one chunk of a body."""
MAX_TARGET_BYTES = 16_384
MAX_HEADERS = 100
MAX_PIPELINED = 100
"""Pipelined requests that wait on one connection."""
HEAD_TIMEOUT_SECONDS = 20.0
"""Time from the connection, or the first byte of a further request, to the end of its head."""
LINGER_SECONDS = 5.0
"""Time for a refused client to read the response; further data from it is discarded."""
CONNECTIONS_PER_SOURCE = 1000
MAX_OPEN_FILES = 65_536

_IPV6_PREFIX_BITS = 64
"""One client usually has a whole IPv6 network of this prefix length."""
_CLOSE_AT_ONCE = (408, 429)
"""Statuses with no unread data of the client, so that closing does not reset the connection."""
_DETAILS = {
    400: "This is not a valid HTTP request.",
    408: "The request did not arrive in time.",
    414: f"The request target is longer than {MAX_TARGET_BYTES} bytes.",
    429: "Too many connections are open from this address. Close some, or wait.",
    431: (
        f"The request head is larger than {MAX_HEAD_BYTES} bytes,"
        f" or has more than {MAX_HEADERS} headers."
    ),
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RefusedHeadError(Exception):
    """The request head exceeds a limit; stops the parser."""

    def __init__(self, status: int) -> None:
        super().__init__(_DETAILS[status])
        self.status = status


class ConnectionCounter:
    """Count the open connections of each source, except those of trusted proxies."""

    def __init__(self, limit: int = CONNECTIONS_PER_SOURCE, proxies: Iterable[str] = ()) -> None:
        self.limit = limit
        self._proxies: tuple[Network, ...] = tuple(map(ipaddress.ip_network, proxies))
        self._open: dict[str, dict[LimitedProtocol, None]] = {}
        self._waiting: dict[str, dict[LimitedProtocol, None]] = {}
        self.get_source = functools.lru_cache(10_000)(self._get_source)

    def add(self, source: str, protocol: "LimitedProtocol") -> "LimitedProtocol | None":
        """Count a new connection; return the connection to close if there are too many.

        This is the source's oldest connection without a request, possibly the new one.
        """
        waiting = self._waiting.setdefault(source, {})
        waiting[protocol] = None
        opened = self._open.setdefault(source, {})
        opened[protocol] = None
        if len(opened) <= self.limit:
            return None
        excess = next(iter(waiting))
        self.remove(source, excess)
        return excess

    def mark_requested(self, source: str, protocol: "LimitedProtocol") -> None:
        """Record that a connection has sent a request head."""
        self._discard(self._waiting, source, protocol)

    def remove(self, source: str, protocol: "LimitedProtocol") -> None:
        """Remove a closed connection."""
        self._discard(self._waiting, source, protocol)
        self._discard(self._open, source, protocol)

    @staticmethod
    def _discard(
        connections: "dict[str, dict[LimitedProtocol, None]]",
        source: str,
        protocol: "LimitedProtocol",
    ) -> None:
        of_source = connections.get(source)
        if of_source is not None:
            of_source.pop(protocol, None)
            if not of_source:
                del connections[source]

    def _get_source(self, peer: str) -> str:
        """Return the source of a peer address; empty if its connections are not limited."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return ""
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        if not self.limit or any(address in network for network in self._proxies):
            return ""
        if isinstance(address, ipaddress.IPv4Address):
            return str(address)
        return str(ipaddress.ip_network((address, _IPV6_PREFIX_BITS), strict=False))


class Limits(msgspec.Struct, frozen=True, eq=False):
    """The limits of a listener."""

    sources: ConnectionCounter = msgspec.field(default_factory=ConnectionCounter)
    head_timeout_seconds: float = HEAD_TIMEOUT_SECONDS


class Exchange:
    """A request that a shortcut answers, in place of uvicorn's cycle of an ASGI request."""

    message_event = asyncio.Event()
    """Nothing waits for it."""

    def __init__(self, protocol: "LimitedProtocol") -> None:
        self._protocol = protocol
        self.server_state = protocol.server_state
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = False

    def respond(self, response: bytes, *, close: bool = False) -> None:
        """Write the complete response, and continue with the next request."""
        self.response_started = self.response_complete = True
        protocol = self._protocol
        if not protocol.transport.is_closing():
            protocol.transport.write(response)
            if close or not self.keep_alive:
                protocol.transport.close()
        protocol.on_exchange_complete()


Shortcut = Callable[[PlainRequest, Exchange], bool]
"""Answers a request without ASGI; returns False if the application must answer it."""


class LimitedProtocol(HttpToolsProtocol):
    """Refuse request heads that are too large or too slow, and excess connections.

    The parser gets at most MAX_HEAD_BYTES without progress. This bounds the memory of everything
    except bodies, and the pieces that the parser joins. The application limits bodies.

    A plain request can be answered by a shortcut, which saves the parser's callbacks, a task, and
    the messages between server and application.
    """

    url: bytes
    parser: Any
    cycle: Any
    """The last request: a cycle of uvicorn or an `Exchange`; None before the first."""

    def __init__(
        self,
        *args: Any,
        limits: Limits | None = None,
        shortcut: Shortcut | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits or Limits()
        self._shortcut = shortcut
        self.url = b""
        self._source = ""
        self._head_timer: asyncio.TimerHandle | None = None
        self._unframed_bytes = 0
        self._progress = False
        self._received = False
        self._head_complete = False
        self._body_complete = True
        self._discarding = False
        self._refusal = 0
        self._exchanged_at = 0.0
        """When a shortcut last answered, by the loop's clock."""

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, transport: asyncio.Transport
    ) -> None:
        """Start the timeout of the first request head, and count the connection."""
        super().connection_made(transport)
        self._start_head_timer()
        if self.client is None:
            return
        sources = self._limits.sources
        self._source = sources.get_source(self.client[0])
        if self._source and (excess := sources.add(self._source, self)):
            excess.refuse(429)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._cancel_head_timer()
        self._unset_keepalive_if_required()
        if self._source:
            self._limits.sources.remove(self._source, self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data within the limits."""
        if self._discarding:
            self._unset_keepalive_if_required()
            return
        self._received = True
        cycle = self.cycle
        if (
            self._shortcut
            and self._body_complete
            and not self._unframed_bytes
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and (request := read_plain_request(data, self.client))
        ):
            exchange = Exchange(self)
            if self._shortcut(request, exchange):
                self.cycle = exchange
                if self._head_timer is not None or not self._head_complete:
                    self._end_head()
                return
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade:
            # Upgrades are not supported: answer over HTTP and discard the following data.
            self.cycle.keep_alive = False
            self._discarding = True
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.status if isinstance(cause, RefusedHeadError) else 400)
        except RefusedHeadError as error:
            self.refuse(error.status)
        else:
            if self._head_timer is None and (
                not self._head_complete or self.cycle.response_complete
            ):
                self._start_head_timer()

    def eof_received(self) -> None:
        """Close a refused connection when its client has closed its side."""
        if self._discarding and not self._refusal and not self._is_answering():
            self.transport.close()

    def refuse(self, status: int) -> None:
        """Answer with an error and close, after a response in progress."""
        if self._discarding:
            return
        self._discarding = True
        self._cancel_head_timer()
        self.flow.resume_reading()
        cycle = self.cycle
        if not self._is_answering():
            self._write_problem(status)
        elif not self._head_complete or self._body_complete:
            self._refusal = status  # for the request after the current one
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
            else:
                self._write_problem(status)

    def on_message_begin(self) -> None:
        """Reset the state for a request."""
        super().on_message_begin()
        self._head_complete = self._body_complete = False

    def on_headers_complete(self) -> None:
        """Pass the request to the application."""
        if len(self.url) > MAX_TARGET_BYTES:
            raise RefusedHeadError(414)
        head_bytes = len(self.url) + sum(map(len, chain.from_iterable(self.headers)))
        if head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            raise RefusedHeadError(431)
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or not all(map(is_valid_host, hosts)):
            raise RefusedHeadError(400)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RefusedHeadError(429)
        super().on_headers_complete()
        self.headers = []  # for trailers, which are dropped
        self._progress = True
        self._end_head()

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of a body."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Complete a request."""
        if len(self.headers) > MAX_HEADERS:
            raise RefusedHeadError(431)
        self._progress = self._body_complete = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Continue with the next request, or refuse it if it is known to be invalid."""
        super().on_response_complete()
        if self._refusal and self.cycle.response_complete and not self.transport.is_closing():
            self._write_problem(self._refusal)

    def on_exchange_complete(self) -> None:
        """Continue after a response of a shortcut.

        Its timeout for the next request keeps running during the request, because setting it again
        for each request costs more than reading one.
        """
        self._exchanged_at = self.loop.time()
        if self.timeout_keep_alive_task is None or self.pipeline or self._refusal:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for the whole time."""
        idle = self.loop.time() - self._exchanged_at
        if self._is_answering() or idle < self.timeout_keep_alive:
            rest = max(0.0, self.timeout_keep_alive - idle) or self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_later(
                rest, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _feed(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while rest:
            allowed_bytes = MAX_HEAD_BYTES - self._unframed_bytes
            if not allowed_bytes:
                raise RefusedHeadError(414 if len(self.url) > MAX_TARGET_BYTES else 431)
            piece, rest = rest, b""
            if len(piece) > allowed_bytes:
                piece, rest = (view := memoryview(piece))[:allowed_bytes], view[allowed_bytes:]
            self._progress = False
            self.parser.feed_data(piece)
            self._unframed_bytes = 0 if self._progress else self._unframed_bytes + len(piece)

    def _end_head(self) -> None:
        self._head_complete = True
        if self._head_timer is not None:
            self._cancel_head_timer()
            if self._source:
                self._limits.sources.mark_requested(self._source, self)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(
            self._limits.head_timeout_seconds, self._on_head_timeout
        )

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        self._head_timer = None
        if self._received and not self._head_complete:
            self.refuse(408)
        else:
            self.transport.close()

    def _write_problem(self, status: int) -> None:
        phrase = http.HTTPStatus(status).phrase
        problem = {
            "type": "about:blank",
            "title": phrase,
            "status": status,
            "detail": _DETAILS[status],
        }
        body = msgspec.json.encode(problem)
        head = [
            f"HTTP/1.1 {status} {phrase}\r\n".encode(),
            *(b"%b: %b\r\n" % header for header in self.server_state.default_headers),
            b"content-type: application/problem+json\r\n",
            b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body),
        ]
        self.transport.write(b"".join(head) + body)
        self._unset_keepalive_if_required()
        if status in _CLOSE_AT_ONCE:
            self.transport.close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def make_protocol(
    limits: Limits,
    protocol: type[LimitedProtocol] = LimitedProtocol,
    shortcut: Shortcut | None = None,
) -> type[asyncio.Protocol]:
    """Return a protocol class for uvicorn with these limits."""
    made = functools.partial(protocol, limits=limits, shortcut=shortcut)
    return cast("type[asyncio.Protocol]", made)


def raise_open_files_limit() -> None:
    """Raise the soft limit of open files, usually 1,024, to the hard limit or 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, target), hard))
