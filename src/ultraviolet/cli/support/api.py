"""The API client of the command line: the package `client`, with JSON instead of structs."""

import time
from collections.abc import Callable, Iterator
from typing import Any, LiteralString, NewType

import httpx

from ultraviolet.client.transport import Transport, decode
from ultraviolet.text import path_segment

_READ_TIMEOUT_SECONDS = 600.0

Json = dict[str, Any]
Address = NewType("Address", str)
"""A path below the API's root, created by `to`."""
Path = LiteralString | Address
"""A path of the API: a literal or a checked address, never text from user input."""


def to(template: LiteralString, *parts: object) -> Address:
    """Return a path with the values as segments. Raise InvalidError for an invalid segment."""
    return Address(template.format(*map(path_segment, parts)))


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

    def download(self, path: Path, write: Callable[[bytes], object], **query: Any) -> None:
        """Stream a file to `write`."""
        for chunk in self._download(path, query):
            write(chunk)
