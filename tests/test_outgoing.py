"""Outgoing requests: size limits, bounded memory, and proxies from the environment."""

import asyncio
import gzip
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import pytest

from ultraviolet.cli.support.local_ion_client import LocalIonUnreachableError, call_control_api
from ultraviolet.cli.support.transports import Api
from ultraviolet.client import Client
from ultraviolet.errors import HubUnreachableError, InvalidError, NoHubError
from ultraviolet.hub.accounts import oidc
from ultraviolet.hub.alerts.destinations import DecryptedDestination
from ultraviolet.hub.alerts.rendering import make_test_notification
from ultraviolet.hub.alerts.transports import NotSentError, send
from ultraviolet.hub.core.egress import AddressNotAllowedError, EgressPolicy
from ultraviolet.hub.core.settings import Settings
from ultraviolet.ion.client import IonClient, RetryPolicy
from ultraviolet.ion.errors import IonUnauthorizedError
from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter
from ultraviolet.outgoing import get_proxy
from ultraviolet.testing.answer_proxy import AnswerProxy, Rule

ENDLESS_BYTES = 4 * 1024 * 1024 * 1024
MAX_GROWTH_BYTES = 220 * 1024 * 1024
"""Several times the response limit, and far less than the gigabytes that the server sends."""

MEMORY = """
import asyncio, resource, sys
from ultraviolet.hub.core.egress import LOOPBACK, EgressPolicy
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.errors import IonError
from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter

async def main(url):
    async with EgressPolicy(LOOPBACK).session() as session:
        budget = AdaptiveRateLimiter(100)
        client = IonClient(url, url, "id", "secret", budget=budget, session=session)
        client.sign_in._token, client.sign_in._renew_at = "t", float("inf")
        for _ in range(3):
            try:
                await client.execute("{ parts { id } }")
            except IonError as error:
                print(error)

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
asyncio.run(main(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


class Requests(BaseHTTPRequestHandler):
    """Record every request; answer as the server is configured, and refuse CONNECT."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        listener = cast("Listener", self.server)
        listener.asked.append(self.path)
        self.send_response(listener.status)
        for name, value in listener.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(listener.body)))
        self.end_headers()
        self.wfile.write(listener.body)

    do_POST = do_GET  # noqa: N815  the name that the server looks for

    def do_CONNECT(self) -> None:
        cast("Listener", self.server).asked.append(self.path)
        self.send_error(403)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as in the base class
        """Log nothing."""


class Listener(ThreadingHTTPServer):
    """A small web server, or an HTTP proxy that answers requests itself."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.asked: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {"content-type": "application/json"}
        self.body = b'{"data": {"ok": true}}'
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.shutdown()
    listener.server_close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """Return a proxy that the environment configures for all requests."""
    proxy = Listener()
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    yield proxy
    proxy.shutdown()
    proxy.server_close()


@pytest.mark.parametrize(
    "rule",
    [
        Rule("endless", size_bytes=ENDLESS_BYTES),
        Rule("bomb", size_bytes=ENDLESS_BYTES, encoding="gzip"),
        Rule("bomb", size_bytes=ENDLESS_BYTES, encoding="deflate"),
    ],
    ids=["endless", "gzip", "deflate"],
)
def test_memory_is_bounded_for_any_response_of_ion(listener: Listener, rule: Rule) -> None:
    with AnswerProxy(listener.url, [rule]) as proxy:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, proxy.url],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
    *errors, grown = done.stdout.splitlines()
    assert 3 == len(errors)
    assert all("larger than 32 MB" in error for error in errors)
    assert int(grown) * 1024 < MAX_GROWTH_BYTES


def in_session(use: Callable[[aiohttp.ClientSession], Any], *listed: str) -> Any:
    async def story() -> Any:
        async with EgressPolicy(listed or ("127.0.0.0/8",)).session() as session:
            return await use(session)

    return asyncio.run(story())


def make_client(url: str, session: aiohttp.ClientSession) -> IonClient:
    once = RetryPolicy(attempts=1)
    return IonClient(
        url, url, "id", "secret", budget=AdaptiveRateLimiter(100), session=session, retries=once
    )


def settings(**environment: str) -> Settings:
    return Settings.from_environment(
        data=Path("unused"), public_url="http://127.0.0.1:1", environment=environment
    )


def test_all_clients_refuse_too_large_responses(listener: Listener) -> None:
    large = b" " * (1024 * 1024 + 1)
    listener.body = large
    with pytest.raises(IonUnauthorizedError, match="larger than 1 MB"):
        in_session(lambda session: make_client(listener.url, session).execute("{ok}"))

    async def sign_on(session: aiohttp.ClientSession) -> Any:
        known_as = oidc.OidcClient(listener.url, "id", "secret")
        return await oidc.Provider(known_as, lambda: session, lambda _: None).begin(
            "https://hub", "/"
        )

    with pytest.raises(oidc.ProviderUnreachableError, match="larger than 1 MB"):
        in_session(sign_on)
    listener.body = b" " * (33 * 1024 * 1024)
    with pytest.raises(LocalIonUnreachableError, match="larger than 32 MB"):
        call_control_api(listener.url, "/_local/plant")
    listener.headers = {"content-type": "application/json", "content-encoding": "gzip"}
    listener.body = gzip.compress(b" " * (257 * 1024 * 1024), 1)
    with (
        pytest.raises(HubUnreachableError, match="larger than 256 MB"),
        Client(listener.url, "uvk_x") as client,
    ):
        client.get_integration(1)
    with pytest.raises(HubUnreachableError, match="larger than 256 MB"):
        through_cli(listener.url)
    listener.headers["content-encoding"] = "gzip, gzip"
    listener.body = gzip.compress(gzip.compress(b" " * 1000))
    with pytest.raises(HubUnreachableError), Client(listener.url, "uvk_x") as client:
        client.get_integration(1)


def through_cli(url: str) -> Any:
    with Api(url, "uvk_x") as api:
        return api.get("/about")


def test_endless_reply_of_a_mail_server_is_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    while True:
                        connection.sendall(b"220-still here\r\n" * 100)
                except OSError:
                    return

        threading.Thread(target=talk, daemon=True).start()
        url = f"smtp://127.0.0.1:{server.getsockname()[1]}?tls=off"
        chosen = settings(ULTRAVIOLET_SMTP_URL=url, ULTRAVIOLET_MAIL_FROM="hub@example.com")
        to = DecryptedDestination(1, "mail", "email", "a@example.com", None)
        with pytest.raises(NotSentError, match="too many lines"):
            asyncio.run(send(chosen, EgressPolicy(), to, [make_test_notification()]))


CASES = (
    ("http://ion.example", "", True),
    ("https://ion.example", "", True),
    ("https://ion.example", "other.example,ion.example", False),
    ("https://api.ion.example", "ion.example", False),
    ("https://api.ion.example", ".ion.example", False),
    ("https://api.ion.example", "*.ion.example", False),
    ("https://notion.example", "ion.example", True),
    ("https://ion.example:8443", "ion.example:8443", False),
    ("https://ion.example:8443", "ion.example:443", True),
    ("https://10.1.2.3", "10.0.0.0/8", False),
    ("https://11.1.2.3", "10.0.0.0/8", True),
    ("https://[fd00::1]", "fd00::/8", False),
    ("https://ion.example", "*", False),
    ("https://ion.example", " ", True),
    ("http://127.0.0.1:8000", "", False),
    ("http://127.9.9.9", "", False),
    ("http://[::1]:8000", "", False),
    ("http://[::ffff:127.0.0.1]", "", False),
    ("http://localhost", "", False),
    ("http://hub.localhost", "", False),
    ("http://0.0.0.0.example", "", True),
)


def test_proxy_is_used_except_for_loopback_and_no_proxy(
    proxy: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, exceptions, expected in CASES:
        monkeypatch.setenv("NO_PROXY", exceptions)
        assert (url, expected) == (url, get_proxy(url) is not None), exceptions
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY")
    with pytest.raises(InvalidError, match="only http and https proxies"):
        get_proxy("https://ion.example")


def test_all_clients_use_the_proxy(proxy: Listener) -> None:
    far = "http://far.example"
    with pytest.raises(IonUnauthorizedError):
        in_session(lambda session: make_client(far, session).execute("{ok}"), "far.example")
    assert {"far.example"} == {urlsplit(url).hostname for url in proxy.asked}
    proxy.asked.clear()
    with pytest.raises(NoHubError), Client(far, "uvk_x") as client:
        client.get_integration(1)
    through_cli(far)
    call_control_api(far, "/_local/plant")
    to = DecryptedDestination(1, "program", "webhook", f"{far}/alert", None)
    sent = asyncio.run(
        send(settings(), EgressPolicy(["far.example"]), to, [make_test_notification()])
    )
    assert "far.example answered 200" == sent
    assert {"far.example"} == {urlsplit(url).hostname for url in proxy.asked}
    assert len(proxy.asked) >= 4


def test_https_uses_a_tunnel_through_the_proxy(proxy: Listener) -> None:
    async def use(session: aiohttp.ClientSession) -> None:
        client = make_client("https://8.8.8.8", session)
        await client.execute("{ok}")

    with pytest.raises(Exception, match="403"):
        in_session(use)
    assert ["8.8.8.8:443"] * len(proxy.asked) == proxy.asked


def test_loopback_is_reached_directly(proxy: Listener, listener: Listener) -> None:
    listener.body = b'{"access_token": "t", "expires_in": 60, "data": {"ok": true}}'
    result = in_session(lambda session: make_client(listener.url, session).execute("{ok}"))
    assert {"ok": True} == result.must()
    call_control_api(listener.url, "/_local/plant")
    through_cli(listener.url)
    assert [] == proxy.asked
    assert 4 == len(listener.asked)


def test_proxy_does_not_bypass_the_egress_policy(proxy: Listener) -> None:
    async def get(url: str) -> int:
        async with (
            EgressPolicy().session() as session,
            session.get(url, proxy=get_proxy(url)) as response,
        ):
            return response.status

    for url in ("https://10.0.0.1/", "http://far.example/", "https://169.254.169.254/latest"):
        with pytest.raises(AddressNotAllowedError):
            asyncio.run(get(url))
    assert [] == proxy.asked
