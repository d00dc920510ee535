"""The ASGI application: webhook endpoint, API, pages, live updates and static files."""

from collections.abc import Awaitable
from functools import cache, partial
from typing import Any, Literal, NamedTuple, cast
from urllib.parse import urlsplit

from litestar import Litestar, Response
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme, Server

import ultraviolet
from ultraviolet.asgi import DESIGN, Application, HeadAsGet, static_files
from ultraviolet.codecs import prepare_codecs
from ultraviolet.errors import UltravioletError
from ultraviolet.hub.accounts.users import Actor
from ultraviolet.hub.hub import Hub
from ultraviolet.outgoing import is_loopback
from ultraviolet.web import health
from ultraviolet.web.api import openapi as api_openapi
from ultraviolet.web.api import router as api_router
from ultraviolet.web.api.openapi_introduction import introduction
from ultraviolet.web.http.asgi import HUB_STATE, Asgi, Receive, Scope, Send
from ultraviolet.web.http.params import reject_unknown_parameters
from ultraviolet.web.http.problem_details import as_problem
from ultraviolet.web.live import live
from ultraviolet.web.middleware import path_prefix
from ultraviolet.web.middleware.actor_finder import ActorFinder
from ultraviolet.web.middleware.auth import (
    AnyRequest,
    auth_middleware,
    caller_of,
    csrf_check,
    session_caller,
)
from ultraviolet.web.middleware.idempotency import MAX_BODY_BYTES
from ultraviolet.web.middleware.rate_limit import RateLimiter
from ultraviolet.web.middleware.request_log import RequestLogMiddleware
from ultraviolet.web.middleware.throttle import SignInThrottle, WebhookThrottle
from ultraviolet.web.pages.forms.rejected_page import check_page
from ultraviolet.web.webhook_endpoint import WebhookEndpoint


class _HubState(NamedTuple):
    """What requests need of one hub, besides the routes."""

    hub: Hub
    actors: ActorFinder
    api_limit: RateLimiter
    sign_ins: SignInThrottle
    documentation: str


Parts = Literal["health", "api", "pages"]
"""The routes to serve: health checks, these and the API, or these and pages."""


class HubApplication:
    """The routes, called with the state of a hub; its lifespan starts and stops the controllers."""

    def __init__(self, routes: Asgi, state: _HubState) -> None:
        self._routes = routes
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the lifespan of the server."""
        if scope["type"] != "lifespan":
            scope[HUB_STATE] = self._state
            await self._routes(scope, receive, send)
            return
        await receive()
        await self._state.hub.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._state.hub.stop()
        await send({"type": "lifespan.shutdown.complete"})


def create_app(hub: Hub, *, pages: bool = True) -> Asgi:
    """Return the ASGI application of a hub; its lifespan starts and stops the controllers.

    Without `pages` it serves programs only, and is created in less time.
    """
    settings = hub.settings
    throttle = WebhookThrottle(settings.allowed_sources, settings.trusted_proxies)
    # Without a public URL, only the path of the documentation is valid for every client.
    url = urlsplit(hub.public_url)

    state = _HubState(
        hub,
        ActorFinder(hub.database),
        RateLimiter(settings.api_rate_limit),
        SignInThrottle(throttle),
        url.path if is_loopback(url.hostname or "") else hub.public_url.rstrip("/"),
    )
    root = settings.path_prefix
    parts: Parts = "health" if hub.role == "worker" else "pages" if pages else "api"
    routes = create_routes(root, parts)
    application = HubApplication(cast("Asgi", HeadAsGet(cast("Asgi", routes))), state)
    logged = RequestLogMiddleware(application)
    served = WebhookEndpoint(hub.ingest, logged, throttle) if hub.role != "worker" else logged
    if not root:
        return served
    path_prefix.check_prefix(root, routes)
    return path_prefix.PathPrefixMiddleware(served, root)


def openapi(hub: Hub) -> dict[str, Any]:
    """Return the OpenAPI document of the API."""
    return api_openapi.create_document(create_routes(hub.settings.path_prefix, "api"))


@cache
def create_routes(root: str, parts: Parts) -> Litestar:
    """Return the routes under a path prefix.

    They belong to no hub, so that a process which opens several creates them once.
    """
    served: list[Any] = []
    show_error = None

    def find_actor(
        scope: Any, kind: Literal["key", "session"], token: str
    ) -> Awaitable[Actor | None]:
        return _state(scope).actors.find(kind, token)

    if parts != "health":
        served.append(
            api_router.router(
                lambda scope: _state(scope).hub, lambda scope: _state(scope).api_limit
            )
        )
    if parts == "pages":
        from ultraviolet.web.pages import router as pages_router
        from ultraviolet.web.pages.formats.addresses import STATIC
        from ultraviolet.web.pages.templating import get_renderer

        render = get_renderer(root)
        show_error = partial(
            pages_router.as_page,
            render=render,
            authenticate=lambda request: session_caller(request, find_actor),
        )
        cached = CacheControlHeader(max_age=31_536_000, public=True)
        served += [
            pages_router.router(render),
            live,
            static_files("/static", STATIC, DESIGN, cache_control=cached),
        ]

    def handle_error(request: AnyRequest, error: Exception) -> Response[Any]:
        """Return a problem for programs, a page for browsers."""
        accepts_html = "text/html" in request.headers.get("accept", "")
        if show_error is None or request.url.path.startswith("/api/v1") or not accepts_html:
            return as_problem(request, error, _state(request.scope).documentation)
        return show_error(request, error)

    application = Application(
        route_handlers=[*health.HANDLERS, *served],
        middleware=[auth_middleware(find_actor)],
        dependencies={
            "hub": Provide(_hub, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
            "sign_ins": Provide(_sign_ins, sync_to_thread=False),
        },
        before_request=_check_request,
        exception_handlers={
            UltravioletError: handle_error,
            HTTPException: handle_error,
            Exception: handle_error,
        },
        openapi_config=_openapi_config(root),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )
    prepare_codecs()  # including those created by the framework
    return application


def _state(scope: Any) -> _HubState:
    return scope[HUB_STATE]


def _hub(request: AnyRequest) -> Hub:
    return _state(request.scope).hub


def _sign_ins(request: AnyRequest) -> SignInThrottle:
    return _state(request.scope).sign_ins


async def _check_request(request: AnyRequest) -> None:
    await csrf_check(request)
    check_page(request)
    reject_unknown_parameters(request)


def _openapi_config(root: str) -> OpenAPIConfig:
    key = SecurityScheme(type="http", scheme="bearer", description="An API key of this hub.")
    return OpenAPIConfig(
        title="Ultraviolet",
        version=ultraviolet.__version__,
        description=introduction(root),
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        components=Components(security_schemes={"key": key}),
        security=[{"key": []}],
        servers=[Server(url=root or "/")],
        path="/api",
        render_plugins=[api_openapi.OpenApiDocument(path="/openapi.json")],
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, _method, _path: handler.handler_name,
    )
