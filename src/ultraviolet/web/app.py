"""The application: deliveries in front, then the API, the pages, the live stream and their assets."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, cast

from litestar import Litestar, Response
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme, Server
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

import ultraviolet
from ultraviolet.asgi import HeadAsGet, static_files
from ultraviolet.codecs import prepare_codecs
from ultraviolet.errors import UltravioletError
from ultraviolet.hub import access, sessions
from ultraviolet.hub.access import Actor
from ultraviolet.hub.hub import Hub
from ultraviolet.web import api, health, pages, prefix
from ultraviolet.web.api import document
from ultraviolet.web.gate import AnyRequest, Find, caller_of, gate, same_site
from ultraviolet.web.guard import Guard, SignInGuard
from ultraviolet.web.hooks import Asgi, Hooks
from ultraviolet.web.live import live
from ultraviolet.web.pages.render import STATIC, Renderer
from ultraviolet.web.problems import as_problem
from ultraviolet.web.repeats import LARGEST_BODY
from ultraviolet.web.requests import Requests

_NOTED_EVERY = 60.0
"""Seconds between two notes that an API key or a session was used."""


class _Application(Litestar):
    """Litestar for msgspec's structs; by itself it takes in pydantic too, 10 MB, because Typer brings that along."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create_app(hub: Hub) -> Asgi:
    """Make the ASGI application of an opened hub; its lifespan starts and stops the controllers."""
    application, guard = _application(hub)
    noted = Requests(cast("Asgi", HeadAsGet(cast("Asgi", application))))
    served = Hooks(hub.ingest, noted, guard) if hub.role != "worker" else noted
    root = hub.settings.path_prefix
    if not root:
        return served
    prefix.check(root, application)
    return prefix.Prefix(served, root)


def openapi(hub: Hub) -> dict[str, Any]:
    """Give the OpenAPI document of the API."""
    return document.of(_application(hub)[0])


def _application(hub: Hub) -> tuple[Litestar, Guard]:
    render = Renderer(hub.settings.path_prefix)
    answer = _answering(render)
    serves = hub.role != "worker"
    guard = Guard(hub.settings.allowed_sources, hub.settings.trusted_proxies)
    served: list[Any] = (
        [
            api.router(hub),
            pages.router(render, SignInGuard(guard)),
            live,
            static_files("/static", STATIC, CacheControlHeader(max_age=31_536_000, public=True)),
        ]
        if serves
        else []
    )
    application = _Application(
        route_handlers=[*health.HANDLERS, *served],
        middleware=[gate(_finder(hub))],
        dependencies={
            "hub": Provide(lambda: hub, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
        },
        before_request=same_site,
        exception_handlers={UltravioletError: answer, HTTPException: answer, Exception: answer},
        on_startup=[hub.start],
        on_shutdown=[hub.stop],
        openapi_config=_openapi(hub.settings.path_prefix),
        request_max_body_size=LARGEST_BODY,
        logging_config=None,
    )
    prepare_codecs()  # of what the framework made from the routes
    return application, guard


def _finder(hub: Hub) -> Find:
    used: dict[str, float] = {}

    async def note_use(kind: Literal["key", "session"], token: str) -> None:
        """Remember that one is in use, once a minute at most; a database that is away is no reason to refuse."""
        now = time.monotonic()
        if now - used.get(token, -_NOTED_EVERY) >= _NOTED_EVERY:
            for old in [each for each, at in used.items() if now - at >= _NOTED_EVERY]:
                del used[old]
            used[token] = now
            note = access.touch_key if kind == "key" else sessions.touch
            with suppress(UltravioletError):
                await hub.store.write(lambda connection: note(connection, token))

    async def find(kind: Literal["key", "session"], token: str) -> Actor | None:
        look_up = access.actor_of_key if kind == "key" else access.actor_of_session
        found = await hub.store.read(lambda connection: look_up(connection, token))
        if found:
            await note_use(kind, token)
        return found

    return find


def _answering(render: Renderer) -> Callable[[AnyRequest, Exception], Response[Any]]:
    def answer(request: AnyRequest, error: Exception) -> Response[Any]:
        """Answer an error: a problem to programs, a page to people."""
        if request.url.path.startswith("/api") or "text/html" not in request.headers.get(
            "accept", ""
        ):
            return as_problem(request, error)
        return pages.as_page(request, error, render)

    return answer


def _openapi(root: str) -> OpenAPIConfig:
    key = SecurityScheme(type="http", scheme="bearer", description="An API key of this hub.")
    return OpenAPIConfig(
        title="Ultraviolet",
        version=ultraviolet.__version__,
        description="A complete, fresh and provable copy of First Resonance ION. Errors are RFC 9457 problems.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        components=Components(security_schemes={"key": key}),
        security=[{"key": []}],
        servers=[Server(url=root or "/")],
        path="/api",
        render_plugins=[document.Document(path="/openapi.json")],
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, _method, _path: handler.handler_name,
    )
