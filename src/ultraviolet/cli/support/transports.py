"""The API client of the command line, over HTTP or in this process."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import httpx

from ultraviolet.cli.support.api import Json, Path
from ultraviolet.client.transport import Transport, decode
from ultraviolet.errors import HubUnreachableError

_READ_TIMEOUT_SECONDS = 600.0

_Message = dict[str, Any]


class Api(Transport):
    """The API, one call at a time and without retries, so that an error is reported at once."""

    def __init__(
        self,
        url: str,
        key: str,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Connect to a hub; `pause` waits for some seconds."""
        super().__init__(
            url, key, transport=transport, attempts=1, read_timeout_seconds=_READ_TIMEOUT_SECONDS
        )
        self.pause = pause

    def get(self, path: Path, **query: Any) -> Json:
        """Send GET; parameters that are None are omitted."""
        return self._ask("GET", path, (Json,), query=query)

    def post(self, path: Path, body: Json | None = None, **query: Any) -> Json:
        """Send POST."""
        return self._ask("POST", path, (Json,), query=query, body=body or {})

    def upload(self, path: Path, content: bytes) -> Json:
        """Send POST with these bytes as the body."""
        return self._ask("POST", path, (Json,), body=content)

    def patch(self, path: Path, body: Json, **query: Any) -> Json:
        """Send PATCH."""
        return self._ask("PATCH", path, (Json,), query=query, body=body)

    def delete(self, path: Path) -> None:
        """Send DELETE, whose response may be empty."""
        response = self._do("DELETE", path)
        if response.status_code != httpx.codes.NO_CONTENT.value:
            decode(response, response.content, (Json,))

    def items(self, path: Path, limit: int, **query: Any) -> Iterator[Json]:
        """Return up to `limit` items of a list, page by page."""
        return self._items(path, (Json,), limit, query)

    def stream(self, path: Path, body: Json) -> Iterator[bytes]:
        """Send POST; return the chunks of the response."""
        return self._download(path, {}, body)

    def download(self, path: Path, write: Callable[[bytes], object], **query: Any) -> None:
        """Stream a file to `write`."""
        for chunk in self._download(path, query):
            write(chunk)


class AppTransport(httpx.BaseTransport):
    """The hub's ASGI application, which runs only during a request, a download or `pause`."""

    def __init__(self, app: Any, close: Callable[[], None]) -> None:
        """Run the application's start-up; `close` closes its database."""
        self._app = app
        self._close = close
        self._runner = asyncio.Runner()
        self._inbox: asyncio.Queue[_Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[_Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._lifespan = self._runner.get_loop().create_task(
            app(scope, self._inbox.get, self._outbox.put)
        )
        self._run_phase("startup")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Call the application until it sends the head; the rest runs as the body is read."""
        call = _Call(self._app, request, self._runner)
        head = call.next_message()
        if head is None:
            raise HubUnreachableError("The application did not respond.")
        return httpx.Response(head["status"], headers=head["headers"], stream=call)

    def close(self) -> None:
        """Run the application's shut-down."""
        self._run_phase("shutdown")
        self._runner.run(asyncio.wait([self._lifespan]))
        self._runner.close()
        self._close()

    def pause(self, seconds: float) -> None:
        """Wait; the application continues to work meanwhile."""
        self._runner.run(asyncio.sleep(seconds))

    def _run_phase(self, phase: str) -> None:
        self._inbox.put_nowait({"type": f"lifespan.{phase}"})
        answer = self._runner.run(self._outbox.get())
        if answer["type"] != f"lifespan.{phase}.complete":
            raise HubUnreachableError(str(answer.get("message") or f"The hub's {phase} failed."))


class _Call(httpx.SyncByteStream):
    """One call of the application, and its response body."""

    def __init__(self, app: Any, request: httpx.Request, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._messages: asyncio.Queue[_Message | None] = asyncio.Queue(maxsize=1)
        self._ended = asyncio.Event()
        self._bodies = [request.read()]
        path, _, query = request.url.raw_path.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 0),
            "state": {},
        }

        async def run() -> None:
            try:
                await app(scope, self._receive, self._send)
            finally:
                await self._messages.put(None)

        self._task = runner.get_loop().create_task(run())

    def next_message(self) -> _Message | None:
        """Run the application until its next message; return None after the last one."""
        message = self._runner.run(self._messages.get())
        if message is None:
            self._runner.run(asyncio.wait([self._task]))
            self._task.result()  # raises the application's error
        return message

    def __iter__(self) -> Iterator[bytes]:
        while message := self.next_message():
            yield message.get("body", b"")

    def close(self) -> None:
        """End the call, also before the end of the body."""
        if not self._task.done():
            self._task.cancel()
            while not self._messages.empty():  # a full queue would block the call
                self._messages.get_nowait()
            self._runner.run(asyncio.wait([self._task]))

    async def _receive(self) -> _Message:
        if self._bodies:
            return {"type": "http.request", "body": self._bodies.pop(), "more_body": False}
        # As from a server: a streamed response waits for the disconnect at its end.
        await self._ended.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: _Message) -> None:
        await self._messages.put(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._ended.set()
