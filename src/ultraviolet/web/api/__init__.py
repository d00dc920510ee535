"""The API under /api/v1: what the pages and the command line can do, for programs."""

from typing import Any, cast

from litestar import Router
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ASGIApp

from ultraviolet.hub.hub import Hub
from ultraviolet.web.api import (
    access,
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
    setup,
    status,
    verifications,
    views,
    webhook_urls,
)
from ultraviolet.web.etags import Tagged
from ultraviolet.web.gate import at_least
from ultraviolet.web.hooks import Asgi
from ultraviolet.web.limits import Limited, Limits
from ultraviolet.web.problems import MEDIA_TYPE, Problem
from ultraviolet.web.repeats import Repeats

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
        *access.HANDLERS,
        *alerts.HANDLERS,
        *views.HANDLERS,
        *status.HANDLERS,
    ]
    for handler in handlers:
        handler.responses = {**_problems(), **(handler.responses or {})}
        handler.security = [{"key": [guard.role]} for guard in _guards(handler)]
    limits = Limits(hub.settings.api_rate_limit)

    def around(app: ASGIApp) -> ASGIApp:
        return cast("ASGIApp", Limited(Repeats(Tagged(cast("Asgi", app)), hub), limits))

    return Router("/api/v1", route_handlers=handlers, middleware=[around])


def _guards(handler: Any) -> list[at_least]:
    return [guard for guard in handler.guards or () if isinstance(guard, at_least)]


def _problems() -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            Problem, description=says, media_type=MEDIA_TYPE, generate_examples=False
        )
        for status, says in _REFUSALS.items()
    }
