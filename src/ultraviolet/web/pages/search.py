"""Page: search across everything the mirror has."""

from collections import Counter
from typing import Annotated, Any

from litestar import Response, get
from litestar.params import FromQuery, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries.objects import resource_name
from ultraviolet.web.queries.search import SearchResult, search

_MAX_CHIPS = 5
"""The resources beside the chosen one that the page shows; a menu has the others."""


@get("/search", guards=VIEWER)
async def show(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    q: FromQuery[str] = "",
    among: Annotated[str, QueryParameter(name="resource")] = "",
) -> Response[str]:
    """Show the objects with this id or text, of all resources or of one."""
    said, only = q.strip(), resource_name(hub.catalog, among)
    resource = hub.catalog.resolve(said) if said else None

    def read(connection: Connection) -> dict[str, Any]:
        names = {one.id: one.name for one in integrations.list_page(connection)}
        found = search(connection, hub.catalog, said) if said else None
        resources = Counter(hit.resource for hit in (found.hits if found else []))
        lower_bounds = {"purchase_orders"} if found and found.with_more_orders else set[str]()
        if found and not found.complete:
            lower_bounds = set(resources)
        if only and said:
            found = search(connection, hub.catalog, said, only)
        others = [name for name in resources if name != only]
        return {
            "found": found,
            "more": others[_MAX_CHIPS:],
            "names": names,
            "resources": resources,
            "lower_bounds": lower_bounds,
        }

    context = await hub.database.read(read)
    found: SearchResult | None = context["found"]
    no_results = "No current object has this ID or text."
    if found and not found.indexed:
        no_results = "The search index is still catching up with ION."
    elif found and not found.complete:
        no_results = "Texts of fewer than three characters are searched in few objects only."
    return render.page(
        request,
        "search.html",
        **context,
        q=said,
        resource=resource,
        only=only,
        no_results=no_results,
    )
