"""Read a usual POST request that has arrived as a whole, at a fraction of a parser's cost.

Everything unusual is left to the parser of the server: requests in pieces, pipelined requests,
chunked bodies, repeated headers, unusual characters and everything invalid.
"""

import functools
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

_MAX_HEAD_BYTES = 8192
_MAX_HEADERS = 60
_MAX_LENGTH_DIGITS = 9
_MAX_HOST_BYTES = 300
"""More than a name of 253 characters with a port."""
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:[0-9]*)?")
_HEAD = re.compile(
    rb"POST (/[\w/.~-]*) HTTP/1\.1\r\n((?:[\w!#$%&'*+.^`|~-]+: ?(?:[!-~][ -~]*)?\r\n)+)\r\n"
)
_HEADER = re.compile("([^:]+): ?(.*)\r\n")
_PARSER_HEADERS = frozenset({"transfer-encoding", "expect", "upgrade", "proxy-connection"})
"""Headers that change how a request is read."""


class PlainRequest(msgspec.Struct, frozen=True):
    """A complete POST request over a connection that stays open."""

    path: str
    headers: dict[str, str]
    """Values by lower-case name."""
    body: bytes
    client: Any = None
    """Address and port of the peer, if known."""


def read_plain_request(data: bytes, client: Any = None) -> PlainRequest | None:
    """Return the request if `data` is exactly one usual request; otherwise None."""
    head = _HEAD.match(data, 0, _MAX_HEAD_BYTES)
    if head is None:
        return None
    path, lines = head.groups()
    pairs = _HEADER.findall(lines.decode("ascii"))
    headers = {name.lower(): value for name, value in pairs}
    length = headers.get("content-length", "")
    if (
        not length.isdecimal()
        or len(length) > _MAX_LENGTH_DIGITS
        or head.end() + int(length) != len(data)
        or len(headers) != len(pairs)
        or len(pairs) > _MAX_HEADERS
        or b" \r\n" in lines
        or not _PARSER_HEADERS.isdisjoint(headers)
        or headers.get("connection", "keep-alive").lower() != "keep-alive"
        or not is_valid_host(headers.get("host", "").encode())
    ):
        return None
    return PlainRequest(path.decode("ascii"), headers, data[head.end() :], client)


@functools.lru_cache(1000)
def is_valid_host(host: bytes) -> bool:
    """Return whether a Host header is an authority (RFC 9110); the application builds URLs from it."""
    if len(host) > _MAX_HOST_BYTES or not _HOST.fullmatch(host):
        return False
    try:
        urlsplit(b"//" + host).port  # noqa: B018  raises if it is out of range
    except ValueError:
        return False
    return True
