"""Transports of the API client: HTTP, or the application in this process."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import unquote

import aiohttp
import msgspec

from ultraviolet.cli.support.api import Answer
from ultraviolet.errors import HubUnreachableError
from ultraviolet.outgoing import MAX_HUB_ANSWER_BYTES, AnswerTooLargeError, get_proxy, read_body

TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5, sock_read=600)


class HttpTransport:
    """A connection to a running hub over HTTP."""

    def __init__(self, url: str, key: str) -> None:
        """Use this address and API key."""
        self.url = url.rstrip("/")
        self.headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    async def start(self) -> None:
        """Open one session for all requests."""
        self.session = aiohttp.ClientSession(headers=self.headers, timeout=TIMEOUT)

    async def request(self, method: str, path: str, body: bytes | None) -> Answer:
        """Send one request over HTTP."""
        try:
            async with self._send(method, path, body) as response:
                return _answer(response, await read_body(response, MAX_HUB_ANSWER_BYTES))
        except (aiohttp.ClientError, AnswerTooLargeError, TimeoutError) as error:
            raise HubUnreachableError(
                f"The hub at {self.url} does not respond ({error})."
                " Start it with `ultraviolet serve`."
            ) from error

    async def download(self, path: str, write: Callable[[bytes], object]) -> Answer:
        """Stream a file to `write`."""
        try:
            async with self._send("GET", path) as response:
                if not _answer(response).is_file:
                    return _answer(response, await read_body(response, MAX_HUB_ANSWER_BYTES))
                async for chunk in response.content.iter_any():
                    write(chunk)
                return _answer(response)
        except (aiohttp.ClientError, AnswerTooLargeError, TimeoutError) as error:
            raise HubUnreachableError(
                f"The connection to the hub at {self.url} was lost: {error}"
            ) from error

    async def stop(self) -> None:
        """Close the session."""
        await self.session.close()

    def _send(
        self, method: str, path: str, body: bytes | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        # A followed redirect would lose the method and the key, and the response would mislead.
        proxy = get_proxy(self.url)
        return self.session.request(
            method, self.url + path, data=body, allow_redirects=False, proxy=proxy
        )


def _answer(response: aiohttp.ClientResponse, body: bytes = b"") -> Answer:
    return Answer(
        response.status, body, response.content_type, response.headers.get("location", "")
    )


class AppTransport:
    """The hub's ASGI application, run in this process."""

    def __init__(self, app: Any, key: str, close: Callable[[], None]) -> None:
        """Use this application and API key; `close` closes its database."""
        self.close = close
        self.app = app
        self.key = key
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def start(self) -> None:
        """Run the application's start-up."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.lifespan = asyncio.create_task(self.app(scope, self.inbox.get, self.outbox.put))
        await self._lifespan("startup")

    async def request(self, method: str, path: str, body: bytes | None) -> Answer:
        """Call the application once, as a server would."""
        chunks: list[bytes] = []
        answer = await self._call(method, path, body, lambda _: chunks.append)
        return msgspec.structs.replace(answer, body=b"".join(chunks))

    async def download(self, path: str, write: Callable[[bytes], object]) -> Answer:
        """Stream a file to `write`."""
        chunks: list[bytes] = []
        failures: list[OSError] = []

        def take(chunk: bytes) -> None:
            """Write a chunk; keep an error until the application has finished."""
            if not failures:
                try:
                    write(chunk)
                except OSError as error:
                    failures.append(error)

        answer = await self._call(
            "GET", path, None, lambda head: take if head.is_file else chunks.append
        )
        if failures:
            raise failures[0]
        return msgspec.structs.replace(answer, body=b"".join(chunks))

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | None,
        taker: Callable[[Answer], Callable[[bytes], object]],
    ) -> Answer:
        """Call the application; pass chunks to the writer that `taker` selects by the headers."""
        heads: list[Answer] = []
        requested, answered = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            if requested.is_set():
                # As from a server: a streamed response waits for the disconnect at its end.
                await answered.wait()
                return {"type": "http.disconnect"}
            requested.set()
            return {"type": "http.request", "body": body or b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = {name.lower(): value.decode() for name, value in message["headers"]}
                media_type = headers.get(b"content-type", "").partition(";")[0]
                heads.append(Answer(message["status"], b"", media_type))
            else:
                taker(heads[0])(message.get("body", b""))
                if not message.get("more_body"):
                    answered.set()

        await self.app(_scope(method, path, self.key, body), receive, send)
        return heads[0]

    async def stop(self) -> None:
        """Run the application's shut-down."""
        await self._lifespan("shutdown")
        await self.lifespan
        self.close()

    async def _lifespan(self, phase: str) -> None:
        await self.inbox.put({"type": f"lifespan.{phase}"})
        answer = await self.outbox.get()
        if answer["type"] != f"lifespan.{phase}.complete":
            raise HubUnreachableError(str(answer.get("message") or f"The hub's {phase} failed."))


def _scope(method: str, path: str, key: str, body: bytes | None) -> dict[str, Any]:
    plain, _, query = path.partition("?")
    headers = [
        (b"host", b"localhost"),
        (b"authorization", f"Bearer {key}".encode()),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body or b"")).encode()),
    ]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(plain),
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 0),
        "state": {},
    }
