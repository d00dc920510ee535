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
from ultraviolet.hub.accounts import api_keys, sessions
from ultraviolet.hub.accounts.users import Actor
from ultraviolet.hub.hub import Hub
from ultraviolet.web import health
from ultraviolet.web.api import openapi as api_openapi
from ultraviolet.web.api import router as api_router
from ultraviolet.web.http.asgi import Asgi
from ultraviolet.web.http.problem_details import as_problem
from ultraviolet.web.live import live
from ultraviolet.web.middleware import path_prefix
from ultraviolet.web.middleware.auth import AnyRequest, Find, auth_middleware, caller_of, csrf_check
from ultraviolet.web.middleware.idempotency import LARGEST_BODY
from ultraviolet.web.middleware.request_log import RequestLogMiddleware
from ultraviolet.web.middleware.throttle import SignInThrottle, WebhookThrottle
from ultraviolet.web.pages import router as pages_router
from ultraviolet.web.pages.templating import STATIC, Renderer
from ultraviolet.web.webhook_endpoint import WebhookEndpoint

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
    noted = RequestLogMiddleware(cast("Asgi", HeadAsGet(cast("Asgi", application))))
    served = WebhookEndpoint(hub.ingest, noted, guard) if hub.role != "worker" else noted
    root = hub.settings.path_prefix
    if not root:
        return served
    path_prefix.check(root, application)
    return path_prefix.Prefix(served, root)


def openapi(hub: Hub) -> dict[str, Any]:
    """Return the OpenAPI document of the API."""
    return api_openapi.create_document(_application(hub)[0])


def _application(hub: Hub) -> tuple[Litestar, WebhookThrottle]:
    render = Renderer(hub.settings.path_prefix)
    answer = _answering(render)
    serves = hub.role != "worker"
    guard = WebhookThrottle(hub.settings.allowed_sources, hub.settings.trusted_proxies)
    served: list[Any] = (
        [
            api_router.router(hub),
            pages_router.router(render, SignInThrottle(guard)),
            live,
            static_files("/static", STATIC, CacheControlHeader(max_age=31_536_000, public=True)),
        ]
        if serves
        else []
    )
    application = _Application(
        route_handlers=[*health.HANDLERS, *served],
        middleware=[auth_middleware(_finder(hub))],
        dependencies={
            "hub": Provide(lambda: hub, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
        },
        before_request=csrf_check,
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
            note = api_keys.touch_key if kind == "key" else sessions.touch_session
            with suppress(UltravioletError):
                await hub.database.write(note, token)

    async def find(kind: Literal["key", "session"], token: str) -> Actor | None:
        look_up = api_keys.get_key_actor if kind == "key" else sessions.get_session_actor
        found = await hub.database.read(look_up, token)
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
        return pages_router.as_page(request, error, render)

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
        render_plugins=[api_openapi.OpenApiDocument(path="/openapi.json")],
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, _method, _path: handler.handler_name,
    )
