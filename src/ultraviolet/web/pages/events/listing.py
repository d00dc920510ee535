"""Page: the list of events, one row per change, with filters and live updates."""

from contextlib import suppress
from typing import Any

from litestar import Response, get
from sqlalchemy import Connection

from ultraviolet.clock import readable
from ultraviolet.errors import NotFoundError
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.http.pagination import encode, number
from ultraviolet.web.http.params import EXTRA_PARAMETERS, optional_integration
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.events.filters import MORE, NAMES, parse_filter
from ultraviolet.web.pages.formats.names import plural, words
from ultraviolet.web.pages.list_filters import list_chips, resource_choices
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import events
from ultraviolet.web.queries.events import ACTIONS, OUTCOMES, EventFilter

_PAGE_SIZE = 50


@get("/events", guards=VIEWER, opt={EXTRA_PARAMETERS: (*NAMES, "cursor")})
async def show_all(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str]:
    """List events; the first page updates live."""
    asked = dict(request.query_params)
    cursor = asked.get("cursor")

    def read(connection: Connection) -> dict[str, Any]:
        integration_id = optional_integration(connection, asked.get("integration"))
        wanted = parse_filter(hub.catalog, asked, integration_id)
        found = events.list_page(connection, hub.catalog, wanted, number(cursor), _PAGE_SIZE)
        url_name = ""
        if wanted.webhook_url_id is not None:
            with suppress(NotFoundError):
                url_name = webhook_urls.get_url(connection, wanted.webhook_url_id).name
        return {
            "wanted": wanted,
            "events": found.events,
            "next": encode(str(found.next)) if found.next else None,
            "integrations": integrations.list_page(connection),
            "url_name": url_name,
        }

    context = await hub.database.read(read)
    wanted: EventFilter = context["wanted"]
    names = {one.id: one.name for one in context["integrations"]}
    labels = {
        "integration": names.get(wanted.integration_id or 0, ""),
        "resource": plural(wanted.resource or ""),
        "action": (wanted.action or "").capitalize(),
        "outcome": words(wanted.outcome or "").capitalize(),
        "since": wanted.since and readable(wanted.since),
        "until": wanted.until and readable(wanted.until),
        "url": context["url_name"],
    }
    return render.page(
        request,
        "events.html",
        **context,
        names=names,
        chips=list_chips(NAMES, asked, labels),
        more_count=sum(bool(asked.get(name)) for name in MORE),
        live=cursor is None,
        filtered=any(asked.values()),
        actions=ACTIONS,
        outcomes=OUTCOMES,
        may_replay=caller.actor.may("operator"),
        resources=resource_choices(
            each for each in hub.catalog.resources.values() if each.subscribable
        ),
        mirrored=mirrored_names(hub),
    )


def mirrored_names(hub: Hub) -> frozenset[str]:
    """Return the names of the resources whose objects have a page."""
    return frozenset(resource.name for resource in hub.catalog.mirrored)
