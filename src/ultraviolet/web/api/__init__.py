"""The API under /api/v1: what the pages and the command line can do, for programs."""

from typing import Any

from litestar import Router
from litestar.openapi.datastructures import ResponseSpec

from ultraviolet.web.api import (
    access,
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
    webhook_urls,
)
from ultraviolet.web.gate import at_least
from ultraviolet.web.problems import MEDIA_TYPE, Problem

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


def router() -> Router:
    """Gather the routes of the API."""
    handlers = [
        *integrations.HANDLERS,
        *setup.HANDLERS,
        *webhook_urls.HANDLERS,
        *events.HANDLERS,
        *objects.HANDLERS,
        *exports.HANDLERS,
        *fetches.HANDLERS,
        *findings.HANDLERS,
        *retention.HANDLERS,
        *verifications.HANDLERS,
        *drift.HANDLERS,
        *event_files.HANDLERS,
        *access.HANDLERS,
        *status.HANDLERS,
    ]
    for handler in handlers:
        handler.responses = {**_problems(), **(handler.responses or {})}
        handler.security = [{"key": [guard.role]} for guard in _guards(handler)]
    return Router("/api/v1", route_handlers=handlers)


def _guards(handler: Any) -> list[at_least]:
    return [guard for guard in handler.guards or () if isinstance(guard, at_least)]


def _problems() -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Problem, description=says, media_type=MEDIA_TYPE, generate_examples=False)
        for status, says in _REFUSALS.items()
    }
