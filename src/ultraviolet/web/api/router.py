"""The API under /api/v1: what the pages and the command line can do, for programs."""

from typing import Any, cast

from litestar import Router
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ASGIApp

from ultraviolet.hub.hub import Hub
from ultraviolet.web.api import (
    alerts,
    changes,
    drift,
    event_files,
    events,
    exports,
    fetches,
    findings,
    integrations,
    objects,
    retention,
    saved_views,
    setup,
    status,
    users,
    verifications,
    webhook_urls,
)
from ultraviolet.web.http.asgi import Asgi
from ultraviolet.web.http.problem_details import MEDIA_TYPE, Problem
from ultraviolet.web.middleware.auth import require_role
from ultraviolet.web.middleware.etags import ETagMiddleware
from ultraviolet.web.middleware.idempotency import IdempotencyMiddleware
from ultraviolet.web.middleware.rate_limit import RateLimiter, RateLimitMiddleware

_REFUSALS = {
    400: "The request cannot be read.",
    401: "Who is asking is not known.",
    403: "The role of the one who asks does not reach.",
    404: "What is asked for is not there.",
    409: "It stands against what is there.",
    412: "It was changed since the ETag was given; read it again.",
    413: "The body is too large.",
    422: "A value is not what it has to be.",
    429: "This key has asked too often; Retry-After says how long to wait.",
    500: "The hub met something it did not expect.",
    502: "ION refused, or did not answer.",
    503: "The database is away for now.",
}


def router(hub: Hub) -> Router:
    """Gather the routes of the API, and what all of them pass through."""
    handlers = [
        *integrations.HANDLERS,
        *setup.HANDLERS,
        *webhook_urls.HANDLERS,
        *events.HANDLERS,
        *objects.HANDLERS,
        *changes.HANDLERS,
        *exports.HANDLERS,
        *fetches.HANDLERS,
        *findings.HANDLERS,
        *retention.HANDLERS,
        *verifications.HANDLERS,
        *drift.HANDLERS,
        *event_files.HANDLERS,
        *users.HANDLERS,
        *alerts.HANDLERS,
        *saved_views.HANDLERS,
        *status.HANDLERS,
    ]
    for handler in handlers:
        handler.responses = {**_problems(), **(handler.responses or {})}
        handler.security = [{"key": [guard.role]} for guard in _guards(handler)]
    limits = RateLimiter(hub.settings.api_rate_limit)

    def around(app: ASGIApp) -> ASGIApp:
        return cast(
            "ASGIApp",
            RateLimitMiddleware(
                IdempotencyMiddleware(ETagMiddleware(cast("Asgi", app)), hub), limits
            ),
        )

    return Router("/api/v1", route_handlers=handlers, middleware=[around])


def _guards(handler: Any) -> list[require_role]:
    return [guard for guard in handler.guards or () if isinstance(guard, require_role)]


def _problems() -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            Problem, description=says, media_type=MEDIA_TYPE, generate_examples=False
        )
        for status, says in _REFUSALS.items()
    }
