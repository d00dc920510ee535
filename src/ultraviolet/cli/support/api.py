"""The API client of the command line, over HTTP or in this process."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, LiteralString, NewType, Protocol, Self, cast
from urllib.parse import urlencode

import msgspec

from ultraviolet.errors import NoHubError, UltravioletError
from ultraviolet.text import path_segment

OK = 200
SUCCESS = range(200, 300)
NO_CONTENT = 204
FIRST_ERROR_STATUS = 400
ROOT = "/api/v1"
PAGE_SIZE = 100

Json = dict[str, Any]
Address = NewType("Address", str)
"""A path below the API's root, created by `to`."""
Path = LiteralString | Address
"""A path of the API: a literal or a checked address, never text from user input."""


def to(template: LiteralString, *parts: object) -> Address:
    """Return a path with the values as segments. Raise InvalidError for an invalid segment."""
    return Address(template.format(*map(path_segment, parts)))


class ApiError(UltravioletError):
    """The hub rejected the request; the message has the reason."""

    def __init__(self, status: int, problem: Json) -> None:
        """Use the kind, status and message of the problem document."""
        title = str(problem.get("title") or f"The hub responded with status {status}.")
        super().__init__(str(problem.get("detail") or title))
        self.status = status
        self.kind = re.split(r"[/#:]", str(problem.get("type") or "error").rstrip("/"))[-1]
        self.exit_code = EXIT_CODES.get(status, 1)


EXIT_CODES = {
    400: 2,
    401: 3,
    403: 3,
    404: 4,
    409: 5,
    410: 4,
    412: 5,
    422: 2,
    429: 6,
    502: 7,
    503: 6,
}


class Answer(msgspec.Struct, frozen=True):
    """A response: status, body, media type, and the target of a redirect."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    location: str = ""

    @property
    def is_file(self) -> bool:
        """Return whether this is the requested file, not an HTML page of a proxy."""
        return self.status == OK and self.media_type != "text/html"


class Transport(Protocol):
    """A connection to the hub's API."""

    async def start(self) -> None:
        """Open the connection."""
        ...

    async def request(self, method: str, path: str, body: bytes | None) -> Answer:
        """Send one request and return the complete response."""
        ...

    async def stop(self) -> None:
        """Close the connection."""
        ...

    async def download(self, path: str, write: Callable[[bytes], object]) -> Answer:
        """Stream a file to `write`; the returned body is empty unless the request failed."""
        ...


class Api(AbstractContextManager["Api"]):
    """The API, one call at a time; errors are raised as `UltravioletError`."""

    def __init__(self, transport: Transport) -> None:
        """Use a transport, opened on entry and closed on exit."""
        import asyncio

        self.transport = transport
        self.runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self.runner.__enter__()
        self.runner.run(self.transport.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.runner.run(self.transport.stop())
        self.runner.close()

    def get(self, path: Path, **query: Any) -> Json:
        """Send GET; parameters that are None are omitted."""
        return self._send("GET", _address(path, query))

    def post(self, path: Path, body: Json | None = None, **query: Any) -> Json:
        """Send POST."""
        return self._send("POST", _address(path, query), body if body is not None else {})

    def upload(self, path: Path, content: bytes) -> Json:
        """Send POST with these bytes as the body."""
        return self._exchange("POST", path, content)

    def patch(self, path: Path, body: Json, **query: Any) -> Json:
        """Send PATCH."""
        return self._send("PATCH", _address(path, query), body)

    def delete(self, path: Path) -> Json:
        """Send DELETE."""
        return self._send("DELETE", path)

    def items(self, path: Path, limit: int, **query: Any) -> Iterator[Json]:
        """Return up to `limit` items of a list, page by page."""
        cursor: str | None = None
        while limit > 0:
            page = self.get(path, **query, limit=min(limit, PAGE_SIZE), cursor=cursor)
            yield from page["items"][:limit]
            limit -= len(page["items"])
            cursor = page.get("next")
            if cursor is None:
                return

    def download(self, path: Path, write: Callable[[bytes], object], **query: Any) -> None:
        """Stream a file to `write`."""
        answer = self.runner.run(self.transport.download(ROOT + _address(path, query), write))
        if not answer.is_file:
            raise _error(answer)

    def pause(self, seconds: float) -> None:
        """Wait; a hub in this process continues to work meanwhile."""
        import asyncio

        self.runner.run(asyncio.sleep(seconds))

    def _send(self, method: str, path: str, body: Json | None = None) -> Json:
        return self._exchange(method, path, None if body is None else msgspec.json.encode(body))

    def _exchange(self, method: str, path: str, content: bytes | None) -> Json:
        answer = self.runner.run(self.transport.request(method, ROOT + path, content))
        decoded = _decode(answer)
        if decoded is None or answer.status not in SUCCESS:
            raise _error(answer)
        return decoded


def _address(path: str, query: Json) -> str:
    query = {key: value for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(query, doseq=True)}" if query else path


def _error(answer: Answer) -> UltravioletError:
    """Return the error for a response."""
    if answer.status < FIRST_ERROR_STATUS:
        return NoHubError(answer.status, answer.media_type, answer.location)
    not_json = {"title": f"The hub responded with status {answer.status} and without JSON."}
    return ApiError(answer.status, _decode(answer) or not_json)


def _decode(answer: Answer) -> Json | None:
    """Return the JSON of a response, None if it has none."""
    if answer.status == NO_CONTENT:
        return {}
    try:
        decoded: Any = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return None
    return cast("Json", decoded) if isinstance(decoded, dict) else {"items": decoded}
