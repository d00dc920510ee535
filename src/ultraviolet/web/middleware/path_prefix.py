"""Serve the application below a path of its public address, such as https://example.com/uv.

The application only knows paths without the prefix. This middleware removes the prefix from
requests and adds it to Location, Link and the paths of cookies. Templates write `{{ root }}`
before each path.
"""

import re
from typing import Any

from litestar import Litestar

from ultraviolet.errors import InvalidError
from ultraviolet.web.http.asgi import WEBHOOK_PATH_PREFIX as HOOKS
from ultraviolet.web.http.asgi import Asgi, Message, Receive, Scope, Send

_COOKIE_PATH = re.compile(rb"(;\s*path=)(/[^;]*)", re.IGNORECASE)
_LINK_TARGET = re.compile(rb"<(/(?!/)[^>]*)>")
_REFERER = re.compile(rb"(https?://[^/?#]*)(/[^?#]*)", re.IGNORECASE)


class PathPrefixMiddleware:
    """Accepts requests with the prefix, or without it from a proxy that removes it."""

    def __init__(self, application: Asgi, prefix: str) -> None:
        """`prefix` starts with a slash and does not end with one."""
        self._app = application
        self._prefix = prefix
        self._bytes = prefix.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_prefix(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, self._add_prefix(name, value))
                    for name, value in message.get("headers", [])
                ]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(self._remove_prefix(scope), receive, send_with_prefix)

    def _remove_prefix(self, scope: Scope) -> Scope:
        """Return the scope without the prefix."""

        def strip(found: re.Match[bytes]) -> bytes:
            origin, path = found.groups()
            if path == self._bytes or path.startswith(self._bytes + b"/"):
                path = path[len(self._bytes) :] or b"/"
            return origin + path

        headers: list[Any] = [
            (name, _REFERER.sub(strip, value) if name == b"referer" else value)
            for name, value in scope["headers"]
        ]
        path, raw = scope["path"], scope.get("raw_path")
        if not (path == self._prefix or path.startswith(f"{self._prefix}/")):
            return {**scope, "headers": headers}
        path = path[len(self._prefix) :] or "/"
        if raw is not None and raw.startswith(self._bytes):
            raw = raw[len(self._bytes) :]
            raw = raw if raw.startswith(b"/") else b"/" + raw
        return {**scope, "path": path, "raw_path": raw, "headers": headers}

    def _add_prefix(self, name: bytes, value: bytes) -> bytes:
        """Add the prefix to the paths in a header."""
        match name.lower():
            case b"location" | b"content-location" if value.startswith(
                b"/"
            ) and not value.startswith(b"//"):
                return self._bytes + value
            case b"link":
                return _LINK_TARGET.sub(lambda found: b"<" + self._bytes + found[1] + b">", value)
            case b"set-cookie":
                return _COOKIE_PATH.sub(
                    lambda found: found[1] + self._bytes + (found[2] if len(found[2]) > 1 else b""),
                    value,
                )
            case _:
                return value


def check_prefix(prefix: str, application: Litestar) -> None:
    """Raise InvalidError if a path of the application starts with the prefix."""
    segments = prefix.strip("/").split("/")
    own_paths = [  # with None for each parameter
        [HOOKS.strip("/")],
        *(
            [one if isinstance(one, str) else None for one in route.path_components]
            for route in application.routes
        ),
    ]
    for path in own_paths:
        if len(path) >= len(segments) and all(
            own in (None, segment) for own, segment in zip(path, segments, strict=False)
        ):
            raise InvalidError(
                f"ULTRAVIOLET_PUBLIC_URL must not have the path {prefix},"
                " because the hub uses it. Choose another path"
            )
