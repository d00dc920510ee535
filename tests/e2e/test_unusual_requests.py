"""No path, query, header, cookie or body causes an internal error, over raw sockets."""

import json
import re
import socket
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.web import app

HOST = "127.0.0.1"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ION_ROUTES = (
    "GET /", "GET /home", "GET /graphql", "POST /graphql", "POST /realms/api-keys/protocol/openid-connect/token",
    "GET /_local/ready", "GET /_local/plant", "PATCH /_local/plant", "GET /_local/faults", "POST /_local/faults",
    "DELETE /_local/faults", "GET /_local/faults/kinds", "POST /_local/faults/scenarios", "GET /_local/snapshots",
    "POST /_local/snapshot", "POST /_local/restore", "GET /static/{name}", "GET /files/{name}", "PUT /files/{name}",
    "GET /{name}", "GET /resources", "GET /resources/{name}", "GET /resources/parts/{name}", "GET /deliveries",
    "POST /resources/parts/{name}", "POST /resources/suppliers/new",
)  # fmt: skip

PARTS = (
    "1", "0", "-1", "parts", "suppliers", "app.css", "%00", "app.css%00.js", "%ff", "%c3%28", "%ed%a0%80", "%F0%9F%92%A9",
    "%", "%zz", "%2e%2e%2fapp.css", "..%2f..%2f..%2fetc%2fpasswd", "a" * 300, "a" * 5000, "9" * 30, "9" * 5000,
    "1e999", "NaN", "1_0", "%D9%A3", "+1", "%20", "%0d%0ax:1", "a%2fb", "", "%25%30%30", "2026-13-45", "*", ";a=b", "~",
)  # fmt: skip
HEADER_NAMES = (
    "authorization", "cookie", "content-type", "content-encoding", "accept", "accept-encoding", "accept-language",
    "if-match", "if-none-match", "if-modified-since", "range", "idempotency-key", "last-event-id", "x-forwarded-for",
    "x-forwarded-proto", "origin", "referer", "x-request-id", "traceparent", "x-csrf-token", "sec-fetch-site",
    "hx-request", "x-http-method-override", "expect", "prefer", "x-ion-signature", "host", "te", "upgrade",
)  # fmt: skip
HEADER_VALUES = (
    b"", b"\xff\xfe", b"\xc3\xa9", b"x" * 9000, b"Bearer", b"Bearer \xff", b"bearer a b c", b"Basic !!!", b"*", b'"', b'W/"',
    b"ultraviolet_session=", b"ultraviolet_session=\xff; a=b; ;=;", b'ultraviolet_session="\\000"', b"local_ion_session=\xff",
    b"local_ion_session=\xc3\xa9", b"application/json", b"application/json; charset=none", b"application/x-www-form-urlencoded",
    b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=\xff", b"text/html",
    b"multipart/form-data; boundary=b", b"application/msgpack", b'a/b; c="', b"gzip, br;q=\xff", b"bytes=-1-2,9999999999999-",
    b"00-ff-ff-ff", b"::1, not an address, \x80", b"http://[", b"https://a:99999999", b"0" * 300, b"%00", b"true",
    b"Mon, 99 Foo 9999 99:99:99 GMT", b"100-continue", b"text/event-stream", b"q=1e999", b"[::1", b"\xe2\x80\xae",
)  # fmt: skip
BODIES = (
    b"", b"null", b"[]", b"{}", b"0", b'"x"', b"\x00", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900,
    b"9" * 5000, b"1e999999", b"-1e-999", b'{"name": "\\ud83d"}', b'{"name": "\\u0000"}', b'{"name": "\xed\xa0\x80"}',
    b'{"name": 99999999999999999999999999}', b'{"name": null, "name": [1]}', b"NaN", b"csrf=%ff&name=%00&x", b"a" * 200_000,
    b"=&=&&;%=%zz", b"--b\r\n\r\n", b'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\nx', b"--b\r\nx\r\n--b--", b"--b--",
    b"\x81\xa4name\xc0", b'{"query": "{ me { id } }", "variables": []}', b'[{"query": 1}]', b'{"query": "\\ud800"}',
    b'{"query": "' + b"{a" * 2000 + b'"}', b'{"query": "{ parts(first: 99999999999999999999) { edges { node { id } } } }"}',
    b'{"query": "{ parts(filters: {id: {eq: \\"\\u0000\\"}}) { edges { node { id } } } }"}', b"query=%7B", b"grant_type=%ff",
    b"grant_type=client_credentials&client_id=%00&client_secret=%ff", b'{"changes_per_second": 1e999}',
    b'{"changes_per_second": NaN}', b'{"kind": "latency", "seconds": -1e999}', b'{"name": "../../x"}', b'{"name": ""}',
)  # fmt: skip
TYPICAL_NAMES = ("name", "limit", "cursor", "integration", "q", "sort", "filter", "filters", "at", "since", "until",
    "format", "resource", "fields", "variables", "query", "operationName", "signature", "which", "code", "state", "page")  # fmt: skip


class Request(NamedTuple):
    """One raw request."""

    method: str
    target: str
    headers: tuple[tuple[str, bytes], ...]
    body: bytes

    def __repr__(self) -> str:
        """Show the beginning of long parts, because Hypothesis warns of long texts."""
        return f"Request({self.method} {self.target[:300]} {str(self.headers)[:500]} {self.body[:200]!r})"

    def written(self, *more: tuple[str, bytes]) -> bytes:
        framing = [("connection", b"close"), ("content-length", b"%d" % len(self.body))]
        lines = [f"{self.method} {self.target} HTTP/1.1".encode()]
        lines += [name.encode() + b": " + value for name, value in (*more, *self.headers, *framing)]
        return b"\r\n".join([*lines, b"", self.body])


def status_of(port: int, sent: bytes) -> int:
    """Send a request and return the status, without waiting for the end of a stream."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(sent)
        head = b""
        while head.count(b"\r\n") < 1:
            piece = connection.recv(4096)
            assert piece, f"no answer to {sent[:500]!r}"
            head += piece
    return int(head.split(b" ", 2)[1])


def requests(routes: list[str], names: list[str]) -> st.SearchStrategy[Request]:
    values = st.sampled_from(PARTS) | st.text(max_size=20).map(percent_encoded)
    pairs = st.tuples(st.sampled_from(names) | values, values).map("=".join)
    queries = st.lists(pairs | values, max_size=3).map(
        lambda given: "?" + "&".join(given) if given else ""
    )
    spelled = st.sampled_from(("", "", "", "", "", "", "/", "/.", "http://x", "/%2e%2e"))
    header = st.tuples(st.sampled_from(HEADER_NAMES), st.sampled_from(HEADER_VALUES))
    headers = st.lists(header, max_size=3).map(tuple)

    def to(route: str) -> st.SearchStrategy[Request]:
        usual, _, path = route.partition(" ")
        method = st.just(usual) | st.just(usual) | st.just(usual) | st.sampled_from(METHODS)
        filled = filling(path, values)
        target = st.builds(
            lambda before, path, query: before + path + query, spelled, filled, queries
        )
        return st.builds(Request, method, target, headers, st.sampled_from(BODIES))

    return st.sampled_from(routes).flatmap(to)


def filling(path: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    holes = re.findall(r"\{[^}]*\}", path)
    filled = st.tuples(*[st.just("1") | st.sampled_from(PARTS) | values for _ in holes])
    return filled.map(lambda given: fill(path, given))


def fill(path: str, given: tuple[str, ...]) -> str:
    for value in given:
        path = re.sub(r"\{[^}]*\}", lambda _, value=value: value, path, count=1)
    return path


def percent_encoded(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))


@pytest.fixture(scope="module")
def connected(hub: Any, local_ion: Any) -> Any:
    """A hub with an integration and some data."""
    hub.connect(local_ion)
    return hub


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Return all routes of the hub and all names of query parameters."""
    return routes_of_hub(tmp_path_factory.mktemp("routes"))


def routes_of_hub(data: Path) -> tuple[list[str], list[str]]:
    hub = Hub.open(Settings(data, f"sqlite:///{data / 'hub.db'}", "http://hub.test"))
    application = app.create_routes("", "pages")
    names = re.findall(
        r'"in":"query","name":"([^"]+)"|"name":"([^"]+)","in":"query"', compact(app.openapi(hub))
    )
    hub.close()
    routes = {f"{method} {route.path}" for route in application.routes for method in route.methods}
    routes = {route for route in routes if not route.startswith("OPTIONS")} | {
        "POST /hooks/{token}",
        "GET /{name}",
    }
    return sorted(routes), sorted({either or other for either, other in names} | set(TYPICAL_NAMES))


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def test_hub_handles_unusual_requests_without_internal_error(
    connected: Any, served: tuple[list[str], list[str]]
) -> None:
    port = int(connected.url.rsplit(":", 1)[1])
    key = ("authorization", f"Bearer {connected.key}".encode())

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck),
              phases=(Phase.explicit, Phase.generate))  # fmt: skip
    @given(requests(*served), st.booleans())
    @example(Request("GET", "/static/app.css%00.js", (), b""), False)
    def asks(request: Request, signed_in: bool) -> None:
        sent = request.written(*[key] if signed_in else [("host", b"x")])
        assert status_of(port, sent) not in (500, 502), (
            request.method,
            request.target,
            request.headers,
            request.body[:99],
        )

    asks()
    assert [] == internal_errors(connected.child.log)


def test_local_ion_handles_unusual_requests_without_internal_error(local_ion: Any) -> None:
    port = int(local_ion.url.rsplit(":", 1)[1])
    token = ("authorization", f"Bearer {local_ion.token()}".encode())

    @settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck),
              phases=(Phase.explicit, Phase.generate))  # fmt: skip
    @given(requests(list(ION_ROUTES), list(TYPICAL_NAMES)), st.booleans())
    def asks(request: Request, signed_in: bool) -> None:
        sent = request.written(*[token] if signed_in else [("host", b"x")])
        assert status_of(port, sent) not in (500, 502), (
            request.method,
            request.target,
            request.headers,
            request.body[:99],
        )

    asks()
    assert [] == internal_errors(local_ion.child.log)


SPELLINGS = (
    "//hooks/",
    "/HOOKS/",
    "/%68ooks/",
    "/hooks/../hooks/",
    "http://hub/hooks/",
    "/hooks%2f",
    "/./hooks//",
    "/hooks/x?y=",
)


def test_webhook_url_is_not_logged_in_any_spelling(connected: Any, local_ion: Any) -> None:
    port = int(connected.url.rsplit(":", 1)[1])
    # The random requests may have deleted the integration of the module.
    integration = connected.connect(local_ion, "spellings")["id"]
    made = connected.api("POST", f"/integrations/{integration}/webhook-urls", {"name": "spelled"})
    token = made["url"].rpartition("/")[2]
    for spelling in SPELLINGS:
        for written in (
            token,
            percent_encoded(token),
            percent_encoded(percent_encoded(token)),
            token.upper(),
        ):
            status_of(
                port,
                Request(
                    "POST", spelling + written, (("x-ion-signature", b"0123abcd"),), b"{}"
                ).written(),
            )
            status_of(
                port,
                Request("GET", spelling + written, (("cookie", token.encode()),), b"").written(),
            )
    text = connected.child.log.read_text(errors="replace")
    for _ in range(4):
        assert token.partition("_")[2].casefold() not in text.casefold()
        text = unquote(text)
    assert text.count("request.answered") > len(SPELLINGS)


def test_head_matches_get_on_both_listeners(connected: Any, local_ion: Any) -> None:
    paths = {connected: ("/livez", "/readyz", "/static/app.css", "/sign-in", "/nothing"),
             local_ion: ("/_local/ready", "/home", "/", "/static/local-ion.css", "/graphql", "/nothing")}  # fmt: skip
    for process, asked in paths.items():
        port = int(process.url.rsplit(":", 1)[1])
        for path in asked:
            head = answer(port, Request("HEAD", path, (), b"").written())
            whole = answer(port, Request("GET", path, (), b"").written())
            assert head.partition(b"\r\n\r\n")[2] == b"", path
            assert settled(head) == settled(whole), path
            assert b"405" not in head.splitlines()[0]


def settled(answer: bytes) -> list[bytes]:
    """Return the status and headers of a response, except those that always differ."""
    lines = answer.partition(b"\r\n\r\n")[0].splitlines()
    moving = (b"date:", b"x-request-id:", b"set-cookie:", b"transfer-encoding:")
    return [lines[0], *sorted(line for line in lines[1:] if not line.lower().startswith(moving))]


def answer(port: int, sent: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(sent)
        read = b""
        while piece := connection.recv(65_536):
            read += piece
    return read


def internal_errors(log: Path) -> list[str]:
    """Return the log lines about internal errors."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if "Traceback" in line or "request.failed" in line]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"1e999999", b"\xff"])
def test_local_ion_refuses_bodies_that_cannot_be_decoded(local_ion: Any, body: bytes) -> None:
    port = int(local_ion.url.rsplit(":", 1)[1])
    for route in ION_ROUTES:
        method, _, path = route.partition(" ")
        if method in ("POST", "PATCH", "PUT") and not path.startswith("/resources"):
            sent = Request(
                method, fill(path, ("1",)), (("content-type", b"application/json"),), body
            )
            assert status_of(port, sent.written()) < 500, route


def test_internal_errors_are_detected_in_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        json.dumps({"event": "request.failed"}) + "\n{}\nTraceback (most recent call last):\n"
    )
    assert len(internal_errors(log)) == 2
