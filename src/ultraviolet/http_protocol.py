"""HTTP over one connection with limits: on the request head, on its time, and on connections per source.

Every listener of the hub and of the local ION uses this protocol. uvicorn's own has none of these limits, and
joins the pieces of a request head in quadratic time.
"""

import asyncio
import functools
import http
import ipaddress
import resource
from collections.abc import Iterable
from typing import Any, cast

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 65_536
"""Bytes of a request head; also of trailers, and of what surrounds one chunk of a body."""
MAX_TARGET_BYTES = 16_384
MAX_HEADERS = 100
MAX_PIPELINED = 100
"""Requests that wait on one connection for the answers before them."""
HEAD_TIMEOUT_SECONDS = 20.0
"""Seconds from the connection, or from the first byte of a further request, to the end of the request head."""
LINGER_SECONDS = 5.0
"""Seconds in which a refused client may read the answer; what it still sends is discarded."""
CONNECTIONS_PER_SOURCE = 1000
MAX_OPEN_FILES = 65_536

_IPV6_PREFIX_BITS = 64
"""One client usually has a whole network of IPv6 addresses."""
_OF_QUIET_CLIENTS = (408, 429)
"""Nothing of the client is left unread then, so that closing at once does not reset the connection."""
_DETAILS = {
    400: "This is not a valid HTTP request.",
    408: "The request did not arrive in time.",
    414: f"The request target is longer than {MAX_TARGET_BYTES} bytes.",
    429: "Too many connections are open from this address. Close some, or wait.",
    431: f"The request head is larger than {MAX_HEAD_BYTES} bytes, or has more than {MAX_HEADERS} headers.",
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RefusedHeadError(Exception):
    """The parser stops here: the request head exceeds a limit."""

    def __init__(self, status: int) -> None:
        super().__init__(_DETAILS[status])
        self.status = status


class ConnectionCounter:
    """Count the open connections of each source; a trusted proxy is not a source but carries many."""

    def __init__(self, limit: int = CONNECTIONS_PER_SOURCE, proxies: Iterable[str] = ()) -> None:
        self.limit = limit
        self._proxies: tuple[Network, ...] = tuple(map(ipaddress.ip_network, proxies))
        self._open: dict[str, dict[LimitedProtocol, None]] = {}
        self._waiting: dict[str, dict[LimitedProtocol, None]] = {}
        self.name = functools.lru_cache(10_000)(self._name)

    def add(self, source: str, protocol: "LimitedProtocol") -> "LimitedProtocol | None":
        """Count a new connection; return the one to close where these are too many.

        That is the oldest connection of the source that has not sent a request yet, which may be the new one.
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

    def requested(self, source: str, protocol: "LimitedProtocol") -> None:
        """Record that a connection has sent a request head."""
        self._discard(self._waiting, source, protocol)

    def remove(self, source: str, protocol: "LimitedProtocol") -> None:
        """Forget a connection."""
        self._discard(self._waiting, source, protocol)
        self._discard(self._open, source, protocol)

    @staticmethod
    def _discard(
        kept: "dict[str, dict[LimitedProtocol, None]]", source: str, protocol: "LimitedProtocol"
    ) -> None:
        of_source = kept.get(source)
        if of_source is not None:
            of_source.pop(protocol, None)
            if not of_source:
                del kept[source]

    def _name(self, peer: str) -> str:
        """Return what is counted as one source, or nothing where its connections are not limited."""
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
    """The limits that differ between listeners."""

    sources: ConnectionCounter = msgspec.field(default_factory=ConnectionCounter)
    head_timeout_seconds: float = HEAD_TIMEOUT_SECONDS


class LimitedProtocol(HttpToolsProtocol):
    """Refuse a request head that is too large or too slow, and connections that are too many.

    The parser is fed at most as many bytes as may come without progress. So nothing outside of a body takes more
    memory than that, and what the parser joins from pieces stays small. Bodies are the application's to limit.
    """

    url: bytes
    parser: Any

    def __init__(self, *given: Any, limits: Limits | None = None, **named: Any) -> None:
        super().__init__(*given, **named)
        self._limits = limits or Limits()
        self._source = ""
        self._head_timer: asyncio.TimerHandle | None = None
        self._unframed_bytes = 0
        self._progress = False
        self._received = False
        self._head_complete = False
        self._body_complete = True
        self._discarding = False
        self._refusal = 0
        self._headers_seen = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Start the deadline of the first request, and count the connection."""
        super().connection_made(transport)
        self._start_head_timer()
        if self.client is None:
            return
        sources = self._limits.sources
        self._source = sources.name(self.client[0])
        if self._source and (excess := sources.add(self._source, self)):
            excess.refuse(429)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._cancel_head_timer()
        self._unset_keepalive_if_required()
        if self._source:
            self._limits.sources.remove(self._source, self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        self._unset_keepalive_if_required()
        if self._discarding:
            return
        self._received = True
        try:
            if len(data) <= MAX_HEAD_BYTES - self._unframed_bytes:
                self._feed(data)
            else:
                self._feed_in_pieces(memoryview(data))
        except httptools.HttpParserUpgrade:
            # No other protocol is served: the request is answered over HTTP, and what follows it is unreadable.
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
        """Close a connection that was refused, once its client has no more to say."""
        if self._discarding and not self._refusal and not self._is_answering():
            self.transport.close()

    def refuse(self, status: int) -> None:
        """Answer with an error and close; an answer that is under way is finished first."""
        if self._discarding:
            return
        self._discarding = True
        self._cancel_head_timer()
        self.flow.resume_reading()
        cycle = self.cycle
        if not self._is_answering():
            self._write_problem(status)
        elif not self._head_complete or self._body_complete:
            self._refusal = status  # of what follows the request that is being answered
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.close()
            else:
                self._write_problem(status)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_complete = self._body_complete = False
        self._headers_seen = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self.url += url
        if len(self.url) > MAX_TARGET_BYTES:
            raise RefusedHeadError(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers count as well, but no application reads them."""
        self._headers_seen += 1
        if self._headers_seen > MAX_HEADERS:
            raise RefusedHeadError(431)
        if self._head_complete:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        if (
            len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            > MAX_HEAD_BYTES
        ):
            raise RefusedHeadError(431)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RefusedHeadError(429)
        super().on_headers_complete()
        self._progress = self._head_complete = True
        self._headers_seen = 0
        if self._head_timer is not None:
            self._cancel_head_timer()
            if self._source:
                self._limits.sources.requested(self._source, self)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._progress = self._body_complete = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or refuse it where it is already known to be invalid."""
        super().on_response_complete()
        if self._refusal and self.cycle.response_complete and not self.transport.is_closing():
            self._write_problem(self._refusal)

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _feed(self, piece: bytes | memoryview) -> None:
        self._progress = False
        self.parser.feed_data(piece)
        self._unframed_bytes = 0 if self._progress else self._unframed_bytes + len(piece)

    def _feed_in_pieces(self, data: memoryview) -> None:
        while data:
            room = MAX_HEAD_BYTES - self._unframed_bytes
            if not room:
                raise RefusedHeadError(431)
            self._feed(data[:room])
            data = data[room:]

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(
            self._limits.head_timeout_seconds, self._head_overdue
        )

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_overdue(self) -> None:
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
        if status in _OF_QUIET_CLIENTS:
            self.transport.close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def make_protocol(
    limits: Limits, protocol: type[LimitedProtocol] = LimitedProtocol
) -> type[asyncio.Protocol]:
    """Return what uvicorn makes the protocol of each connection with."""
    return cast("type[asyncio.Protocol]", functools.partial(protocol, limits=limits))


def raise_open_files_limit() -> None:
    """Take as many connections as the system allows this process; shells and services set a limit of 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
