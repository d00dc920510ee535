"""The API under /api/v1: what the pages and the command line can do, for programs."""

from litestar import Router

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
    setup,
    status,
    verifications,
    webhook_urls,
)


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
        *verifications.HANDLERS,
        *drift.HANDLERS,
        *event_files.HANDLERS,
        *access.HANDLERS,
        *status.HANDLERS,
    ]
    return Router("/api/v1", route_handlers=handlers)
