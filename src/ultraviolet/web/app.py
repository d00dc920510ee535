"""The ASGI application: webhook endpoint, API, pages, live updates and static files."""

import time
from contextlib import suppress
from functools import partial
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from litestar import Litestar, Response
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme, Server
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

import ultraviolet
from ultraviolet.asgi import DESIGN, HeadAsGet, static_files
from ultraviolet.codecs import prepare_codecs
from ultraviolet.errors import UltravioletError
from ultraviolet.hub.accounts import api_keys, sessions
from ultraviolet.hub.accounts.users import Actor
from ultraviolet.hub.hub import Hub
from ultraviolet.web import health
from ultraviolet.web.api import openapi as api_openapi
from ultraviolet.web.api import router as api_router
from ultraviolet.web.http.asgi import Asgi
from ultraviolet.web.http.params import reject_unknown_parameters
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
from ultraviolet.web.pages.forms.rejected_page import check_page
from ultraviolet.web.webhook_endpoint import WebhookEndpoint

_TOUCH_INTERVAL_SECONDS = 60.0
"""Minimum interval between updates of the last use of an API key or a session."""


class _Application(Litestar):
    """Litestar without its pydantic plugin, which takes 10 MB and is not needed."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create_app(hub: Hub, *, pages: bool = True) -> Asgi:
    """Return the ASGI application of a hub; its lifespan starts and stops the controllers.

    Without `pages` it serves programs only, and is created in less time.
    """
    application, throttle = _create_litestar(hub, pages=pages)
    logged = RequestLogMiddleware(cast("Asgi", HeadAsGet(cast("Asgi", application))))
    served = WebhookEndpoint(hub.ingest, logged, throttle) if hub.role != "worker" else logged
    root = hub.settings.path_prefix
    if not root:
        return served
    path_prefix.check_prefix(root, application)
    return path_prefix.PathPrefixMiddleware(served, root)


def openapi(hub: Hub) -> dict[str, Any]:
    """Return the OpenAPI document of the API."""
    return api_openapi.create_document(_create_litestar(hub, pages=False)[0])


def _create_litestar(hub: Hub, *, pages: bool = True) -> tuple[Litestar, WebhookThrottle]:
    throttle = WebhookThrottle(hub.settings.allowed_sources, hub.settings.trusted_proxies)
    served: list[Any] = []
    show_error = None
    if hub.role != "worker":
        served.append(api_router.router(hub))
        if pages:
            from ultraviolet.web.pages import router as pages_router
            from ultraviolet.web.pages.templating import STATIC, get_renderer

            render = get_renderer(hub.settings.path_prefix)
            show_error = partial(pages_router.as_page, render=render)
            cached = CacheControlHeader(max_age=31_536_000, public=True)
            served += [
                pages_router.router(render, SignInThrottle(throttle)),
                live,
                static_files("/static", STATIC, DESIGN, cache_control=cached),
            ]
    # Without a public URL, only the path of the documentation is valid for every client.
    url = urlsplit(hub.public_url)
    is_local = url.hostname in ("localhost", "127.0.0.1", "::1")
    documentation = url.path if is_local else hub.public_url.rstrip("/")

    def handle_error(request: AnyRequest, error: Exception) -> Response[Any]:
        """Return a problem for programs, a page for browsers."""
        accepts_html = "text/html" in request.headers.get("accept", "")
        if show_error is None or request.url.path.startswith("/api/v1") or not accepts_html:
            return as_problem(request, error, documentation)
        return show_error(request, error)

    application = _Application(
        route_handlers=[*health.HANDLERS, *served],
        middleware=[auth_middleware(_actor_finder(hub))],
        dependencies={
            "hub": Provide(lambda: hub, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
        },
        before_request=_check_request,
        exception_handlers={
            UltravioletError: handle_error,
            HTTPException: handle_error,
            Exception: handle_error,
        },
        on_startup=[hub.start],
        on_shutdown=[hub.stop],
        openapi_config=_openapi_config(hub.settings.path_prefix),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )
    prepare_codecs()  # including those created by the framework
    return application, throttle


async def _check_request(request: AnyRequest) -> None:
    await csrf_check(request)
    check_page(request)
    reject_unknown_parameters(request)


def _actor_finder(hub: Hub) -> FindActor:
    touched_at: dict[str, float] = {}

    async def touch(kind: Literal["key", "session"], token: str) -> None:
        """Record the use at most once a minute; ignore an unavailable database."""
        now = time.monotonic()
        if now - touched_at.get(token, -_TOUCH_INTERVAL_SECONDS) >= _TOUCH_INTERVAL_SECONDS:
            for old in [
                each for each, at in touched_at.items() if now - at >= _TOUCH_INTERVAL_SECONDS
            ]:
                del touched_at[old]
            touched_at[token] = now
            record = api_keys.touch_key if kind == "key" else sessions.touch_session
            with suppress(UltravioletError):
                await hub.database.write(record, token)

    async def find(kind: Literal["key", "session"], token: str) -> Actor | None:
        look_up = api_keys.get_key_actor if kind == "key" else sessions.get_session_actor
        found = await hub.database.read(look_up, token)
        if found:
            await touch(kind, token)
        return found

    return find


def _openapi_config(root: str) -> OpenAPIConfig:
    key = SecurityScheme(type="http", scheme="bearer", description="An API key of this hub.")
    return OpenAPIConfig(
        title="Ultraviolet",
        version=ultraviolet.__version__,
        description="A mirror of First Resonance ION data with history. Errors are RFC 9457 problems.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        components=Components(security_schemes={"key": key}),
        security=[{"key": []}],
        servers=[Server(url=root or "/")],
        path="/api",
        render_plugins=[api_openapi.OpenApiDocument(path="/openapi.json")],
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, _method, _path: handler.handler_name,
    )
