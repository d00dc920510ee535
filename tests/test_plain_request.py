"""Plain requests are read exactly as the parser of the server reads them, or left to it."""

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ultraviolet.plain_request import PlainRequest, is_valid_host, read_plain_request

BODY = b'{"event_id":1}'
HEADERS = (b"host: hub.test:8080", b"x-ion-signature: 0a1b", b"content-length: 14")


def request(
    *headers: bytes, line: bytes = b"POST /hooks/uvh_a-b_1 HTTP/1.1", body: bytes = BODY
) -> bytes:
    return b"\r\n".join([line, *(headers or HEADERS), b"", body])


class Parsed:
    """A request as the server's parser reads it."""

    def __init__(self, data: bytes) -> None:
        self.url = self.body = b""
        self.headers: list[tuple[str, str]] = []
        self.messages = 0
        self.parser: Any = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode().lower(), value.decode()))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_begin(self) -> None:
        self.messages += 1

    def on_message_complete(self) -> None:
        self.messages += 100


def test_usual_delivery_is_read_with_its_headers_by_lower_case_name() -> None:
    data = request(b"Host: hub.test", b"X-Empty:", b"Connection: Keep-Alive", b"Content-Length:14")
    assert read_plain_request(data, ("192.0.2.1", 7)) == PlainRequest(
        "/hooks/uvh_a-b_1",
        {"host": "hub.test", "x-empty": "", "connection": "Keep-Alive", "content-length": "14"},
        BODY,
        ("192.0.2.1", 7),
    )


@pytest.mark.parametrize(
    "data",
    [
        request()[:-1],
        request()[:40],
        request() + b"P",
        request() + request(),
        b"\r\n" + request(),
        request(line=b"GET /hooks/a HTTP/1.1"),
        request(line=b"POST /hooks/a HTTP/1.0"),
        request(line=b"POST /hooks/%61 HTTP/1.1"),
        request(line=b"POST /hooks/a?b=c HTTP/1.1"),
        request(line=b"POST http://hub.test/hooks/a HTTP/1.1"),
        request(line=b"POST  /hooks/a HTTP/1.1"),
        request(b"host: hub.test"),
        request(b"content-length: 14", b"content-length: 14"),
        request(b"content-length: 13", b"content-length: 14"),
        request(b"content-length: +14"),
        request(b"content-length: 1_4"),
        request(b"content-length: " + b"1" * 5000),
        request(b"content-length: 14 "),
        request(b"content-length : 14"),
        request(b"content-length: 14", b" folded: 1"),
        request(b"content-length: 14", b"a: b\x00c"),
        request(b"content-length: 14", b"a: b\nc: d"),
        request(b"content-length: 14", b"a: \xc3\xa4"),
        request(b"content-length: 14", b"a\xc3\xa4: b"),
        request(b"content-length: 14", b"transfer-encoding: chunked"),
        request(b"content-length: 14", b"Expect: 100-continue"),
        request(b"content-length: 14", b"connection: close"),
        request(b"content-length: 14", b"connection: keep-alive, upgrade", b"upgrade: h2c"),
        request(b"content-length: 14", b"proxy-connection: close"),
        request(b"content-length: 14", b"host: hub.test/evil"),
        request(b"content-length: 14", b"host: hub.test:99999"),
        request(b"content-length: 14", b"host: a", b"Host: b"),
        request(b"content-length: 14", *(b"a%d: b" % n for n in range(100))),
        request(b"content-length: 14", b"a: " + b"b" * 10_000),
    ],
)
def test_unusual_request_is_left_to_the_parser(data: bytes) -> None:
    assert read_plain_request(data) is None


PIECES = st.one_of(
    st.sampled_from(
        [
            *HEADERS,
            b"Content-Length: 14",
            b"content-length: 014",
            b"content-length:14",
            b"content-length: 0",
            b"transfer-encoding: chunked",
            b"connection: close",
            b"connection: keep-alive",
            b"a:  b",
            b"a: b\t",
            b"a:\tb",
            b"",
        ]
    ),
    st.from_regex(rb"[!-~]{1,6}: ?[ -~\x80-\xff]{0,6}", fullmatch=True),
    st.binary(max_size=8),
)


@given(
    headers=st.lists(PIECES, min_size=1, max_size=6),
    path=st.from_regex(rb"/[!-~]{0,8}", fullmatch=True),
    body=st.sampled_from([BODY, b"", b"{}"]),
)
@example(headers=list(HEADERS), path=b"/hooks/a", body=BODY)
def test_request_is_read_as_by_the_parser(headers: list[bytes], path: bytes, body: bytes) -> None:
    data = request(*headers, line=b"POST " + path + b" HTTP/1.1", body=body)
    found = read_plain_request(data)
    if found is None:
        return
    parsed = Parsed(data)
    assert parsed.messages == 101
    assert parsed.parser.should_keep_alive()
    assert not parsed.parser.should_upgrade()
    assert (parsed.url.decode(), parsed.body) == (found.path, found.body)
    assert parsed.headers == list(found.headers.items())


@pytest.mark.parametrize(
    ("host", "valid"),
    [
        (b"", True),
        (b"hub.test", True),
        (b"[2001:db8::1]:443", True),
        (b"hub.test:99999", False),
        (b"a b", False),
        (b"a" * 400, False),
    ],
)
def test_host_is_an_authority(host: bytes, valid: bool) -> None:
    assert is_valid_host(host) is valid
