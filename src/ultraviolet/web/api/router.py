"""The API under /api/v1: its routes and middleware."""

from collections.abc import Callable
from typing import Any, cast

from litestar import Router
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ASGIApp

from ultraviolet.hub.hub import Hub
from ultraviolet.web.api import (
    alerts,
    attributes,
    audit,
    changes,
    drift,
    events,
    fetches,
    integrations,
    objects,
    saved_views,
    setup,
    sql,
    status,
    users,
    verifications,
    webhook_urls,
)
from ultraviolet.web.http.asgi import Asgi, Scope
from ultraviolet.web.http.handlers import handlers_of
from ultraviolet.web.http.params import REJECT_UNKNOWN
from ultraviolet.web.http.problem_details import MEDIA_TYPE, Problem
from ultraviolet.web.middleware.auth import require_role
from ultraviolet.web.middleware.etags import ETagMiddleware
from ultraviolet.web.middleware.idempotency import IdempotencyMiddleware
from ultraviolet.web.middleware.rate_limit import RateLimiter, RateLimitMiddleware

_MODULES = (
    integrations,
    setup,
    webhook_urls,
    events,
    objects,
    attributes,
    changes,
    fetches,
    verifications,
    drift,
    users,
    audit,
    alerts,
    saved_views,
    sql,
    status,
)
_ERROR_DESCRIPTIONS = {
    400: "Malformed request.",
    401: "Authentication required.",
    403: "Insufficient role.",
    404: "Not found.",
    409: "Conflict with the current state.",
    412: "The ETag is outdated; read the resource again.",
    413: "Request body too large.",
    422: "Validation error.",
    429: "Too many requests; Retry-After has the number of seconds to wait.",
    500: "Internal error.",
    502: "ION rejected the request or did not respond.",
    503: "The database is temporarily unavailable.",
}


def router(
    find_hub: Callable[[Scope], Hub], find_limiter: Callable[[Scope], RateLimiter]
) -> Router:
    """Return the router of the API with its middleware."""
    problems = {
        status: ResponseSpec(
            Problem, description=description, media_type=MEDIA_TYPE, generate_examples=False
        )
        for status, description in _ERROR_DESCRIPTIONS.items()
    }
    handlers: list[tuple[list[str], Any]] = [
        (module.TAGS, handler) for module in _MODULES for handler in handlers_of(module)
    ]
    for tags, handler in handlers:
        handler.tags = tags
        handler.responses = {**problems, **(handler.responses or {})}
        handler.security = [
            {"key": [guard.role]}
            for guard in handler.guards or ()
            if isinstance(guard, require_role)
        ]

    def middleware(app: ASGIApp) -> ASGIApp:
        idempotent = IdempotencyMiddleware(ETagMiddleware(cast("Asgi", app)), find_hub)
        return cast("ASGIApp", RateLimitMiddleware(idempotent, find_limiter))

    return Router(
        "/api/v1",
        route_handlers=[handler for _, handler in handlers],
        middleware=[middleware],
        opt={REJECT_UNKNOWN: True},
    )
