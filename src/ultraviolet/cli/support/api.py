"""The hub's API as the command line sees it: one client over two ways of getting there."""

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
REFUSED = 400
ROOT = "/api/v1"
PAGE = 100

Json = dict[str, Any]
Address = NewType("Address", str)
"""Where something is below the API's root, made by `to`."""
Path = LiteralString | Address
"""What the API can be asked for: nothing that was put together from what somebody typed."""


def to(template: LiteralString, *parts: object) -> Address:
    """Put values into the places of a path, each as one part of it; raises InvalidError where one names nothing."""
    return Address(template.format(*map(path_segment, parts)))


class ApiError(UltravioletError):
    """The hub refused; its answer says why."""

    def __init__(self, status: int, problem: Json) -> None:
        """Take over what the problem says: its kind, its status and its message."""
        title = str(problem.get("title") or f"The hub answered {status}.")
        super().__init__(str(problem.get("detail") or title))
        self.status = status
        self.kind = (
            str(problem.get("type") or "error").rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
        )
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
    """What came back: the status, the body as sent, what that is, and where it sends on to."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    location: str = ""

    @property
    def is_file(self) -> bool:
        """Return whether it is what was to be downloaded, and no page of whatever stands before the hub."""
        return self.status == OK and self.media_type != "text/html"


class Transport(Protocol):
    """A way to the hub's API."""

    async def start(self) -> None:
        """Open what requests need."""
        ...

    async def request(self, method: str, path: str, body: bytes | None) -> Answer:
        """Send one request and wait for the whole answer."""
        ...

    async def stop(self) -> None:
        """Close what was opened."""
        ...

    async def download(self, path: str, write: Callable[[bytes], object]) -> Answer:
        """Read something large, handing on each piece; the answer's body is empty unless it is a refusal."""
        ...


class Api(AbstractContextManager["Api"]):
    """The API, one call at a time; errors come as `UltravioletError`."""

    def __init__(self, transport: Transport) -> None:
        """Use a transport, which is opened on entering and closed on leaving."""
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
        """Read something; parameters that are None are left out."""
        return self._send("GET", _address(path, query))

    def post(self, path: Path, body: Json | None = None, **query: Any) -> Json:
        """Create or do something."""
        return self._send("POST", _address(path, query), body if body is not None else {})

    def upload(self, path: Path, content: bytes) -> Json:
        """Send a piece of a file as it is."""
        return self._exchange("POST", path, content)

    def patch(self, path: Path, body: Json, **query: Any) -> Json:
        """Change something."""
        return self._send("PATCH", _address(path, query), body)

    def delete(self, path: Path) -> Json:
        """Remove something."""
        return self._send("DELETE", path)

    def items(self, path: Path, limit: int, **query: Any) -> Iterator[Json]:
        """Go through a list, page after page, until it ends or `limit` items were given."""
        cursor: str | None = None
        while limit > 0:
            page = self.get(path, **query, limit=min(limit, PAGE), cursor=cursor)
            yield from page["items"][:limit]
            limit -= len(page["items"])
            cursor = page.get("next")
            if cursor is None:
                return

    def download(self, path: Path, write: Callable[[bytes], object], **query: Any) -> None:
        """Read a file piece by piece."""
        answer = self.runner.run(self.transport.download(ROOT + _address(path, query), write))
        if not answer.is_file:
            raise _error(answer)

    def pause(self, seconds: float) -> None:
        """Wait while the hub, should it live in this process, goes on working."""
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
    given = {key: value for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def _error(answer: Answer) -> UltravioletError:
    """Say what speaks against an answer."""
    if answer.status < REFUSED:
        return NoHubError(answer.status, answer.media_type, answer.location)
    unread = {"title": f"The hub answered {answer.status} with something that is not JSON."}
    return ApiError(answer.status, _decode(answer) or unread)


def _decode(answer: Answer) -> Json | None:
    """Read what an answer says; None where that is nothing a hub says."""
    if answer.status == NO_CONTENT:
        return {}
    try:
        decoded: Any = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return None
    return cast("Json", decoded) if isinstance(decoded, dict) else {"items": decoded}
