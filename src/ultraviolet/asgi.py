"""ASGI components of the hub and the local ION: application, HEAD requests, static files."""

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Router
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import NotFoundException
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.static_files import (
    create_static_files_router,  # pyright: ignore[reportUnknownVariableType]
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
DESIGN = Path(__file__).parent / "design"
"""Design tokens, font and icons of the pages of both programs."""
App = Callable[[Any, Any, Any], Awaitable[None]]


class Application(Litestar):
    """Litestar without its pydantic plugin, which takes 10 MB and a tenth of a second."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


class HeadAsGet:
    """Answer HEAD with the status and headers of GET, and add HEAD to Allow headers with GET."""

    def __init__(self, application: App) -> None:
        self._application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        send = _add_head_to_allow(send)
        if scope["method"] != "HEAD":
            await self._application(scope, receive, send)
            return
        answered = False

        async def receive_until_answered() -> Message:
            return {"type": "http.disconnect"} if answered else await receive()

        async def send_without_body(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                await send(message)
                answered = True  # a stream ends here
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        as_get = {**scope, "method": "GET"}
        await self._application(as_get, receive_until_answered, send_without_body)


def _add_head_to_allow(send: Send) -> Send:
    async def send_with_head(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in (204, 405):
            headers: list[tuple[bytes, bytes]] = []
            for name, value in message.get("headers", ()):
                methods = {method.strip() for method in value.split(b",")}
                allows_get = name.lower() == b"allow" and b"GET" in methods
                headers.append(
                    (name, b", ".join(sorted(methods | {b"HEAD"})) if allows_get else value)
                )
            message = {**message, "headers": headers}
        await send(message)

    return send_with_head


def static_files(
    path: str, *directories: Path, cache_control: CacheControlHeader | None = None
) -> Router:
    """Return a router for the current files of directories; other paths do not reach the disk."""
    names = {
        file.relative_to(directory).as_posix()
        for directory in directories
        for file in directory.rglob("*")
        if file.is_file()
    }

    def check_is_known(request: Request[Any, Any, Any]) -> None:
        if request.scope["path"].removeprefix(f"{path}/") not in names:
            raise NotFoundException

    return create_static_files_router(
        path, directories=[*directories], cache_control=cache_control, before_request=check_is_known
    )
