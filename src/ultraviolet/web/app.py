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
from ultraviolet.hub.accounts import sessions, users
from ultraviolet.hub.accounts.users import Actor
from ultraviolet.hub.hub import Hub
from ultraviolet.web import health
from ultraviolet.web.api import openapi as api_openapi
from ultraviolet.web.api import router as api_router
from ultraviolet.web.http.asgi import Asgi
from ultraviolet.web.http.problem_details import as_problem
from ultraviolet.web.live import live
from ultraviolet.web.middleware import path_prefix
from ultraviolet.web.middleware.auth import (
    AnyRequest,
    FindActor,
    auth_middleware,
    caller_of,
    csrf_check,
)
from ultraviolet.web.middleware.idempotency import MAX_BODY_BYTES
from ultraviolet.web.middleware.request_log import RequestLogMiddleware
from ultraviolet.web.middleware.throttle import SignInThrottle, WebhookThrottle
from ultraviolet.web.pages import router as pages_router
from ultraviolet.web.pages.templating import STATIC, Renderer
from ultraviolet.web.webhook_endpoint import WebhookEndpoint

_TOUCH_INTERVAL_SECONDS = 60.0
"""Seconds between two notes that an API key or a session was used."""


class _Application(Litestar):
    """Litestar for msgspec's structs; by itself it takes in pydantic too, 10 MB, because Typer brings that along."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create_app(hub: Hub) -> Asgi:
    """Make the ASGI application of an opened hub; its lifespan starts and stops the controllers."""
    application, guard = _create_litestar(hub)
    noted = RequestLogMiddleware(cast("Asgi", HeadAsGet(cast("Asgi", application))))
    served = WebhookEndpoint(hub.ingest, noted, guard) if hub.role != "worker" else noted
    root = hub.settings.path_prefix
    if not root:
        return served
    path_prefix.check_prefix(root, application)
    return path_prefix.PathPrefixMiddleware(served, root)


def openapi(hub: Hub) -> dict[str, Any]:
    """Return the OpenAPI document of the API."""
    return api_openapi.create_document(_create_litestar(hub)[0])


def _create_litestar(hub: Hub) -> tuple[Litestar, WebhookThrottle]:
    render = Renderer(hub.settings.path_prefix)
    answer = _error_handler(render)
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
        middleware=[auth_middleware(_actor_finder(hub))],
        dependencies={
            "hub": Provide(lambda: hub, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
        },
        before_request=csrf_check,
        exception_handlers={UltravioletError: answer, HTTPException: answer, Exception: answer},
        on_startup=[hub.start],
        on_shutdown=[hub.stop],
        openapi_config=_openapi_config(hub.settings.path_prefix),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )
    prepare_codecs()  # of what the framework made from the routes
    return application, guard


def _actor_finder(hub: Hub) -> FindActor:
    used: dict[str, float] = {}

    async def note_use(kind: Literal["key", "session"], token: str) -> None:
        """Remember that one is in use, once a minute at most; a database that is away is no reason to refuse."""
        now = time.monotonic()
        if now - used.get(token, -_TOUCH_INTERVAL_SECONDS) >= _TOUCH_INTERVAL_SECONDS:
            for old in [each for each, at in used.items() if now - at >= _TOUCH_INTERVAL_SECONDS]:
                del used[old]
            used[token] = now
            note = users.touch_key if kind == "key" else sessions.touch_session
            with suppress(UltravioletError):
                await hub.database.write(note, token)

    async def find(kind: Literal["key", "session"], token: str) -> Actor | None:
        look_up = users.actor_of_key if kind == "key" else users.actor_of_session
        found = await hub.database.read(look_up, token)
        if found:
            await note_use(kind, token)
        return found

    return find


def _error_handler(render: Renderer) -> Callable[[AnyRequest, Exception], Response[Any]]:
    def answer(request: AnyRequest, error: Exception) -> Response[Any]:
        """Answer an error: a problem to programs, a page to people."""
        if request.url.path.startswith("/api") or "text/html" not in request.headers.get(
            "accept", ""
        ):
            return as_problem(request, error)
        return pages_router.as_page(request, error, render)

    return answer


def _openapi_config(root: str) -> OpenAPIConfig:
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
