"""Page: search across everything the mirror has."""

from typing import Any

from litestar import Response, get
from litestar.params import FromQuery
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries.search import SearchResult, search


@get("/search", guards=VIEWER)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, q: FromQuery[str] = ""
) -> Response[str]:
    """Show the objects with this id or text."""
    said = q.strip()
    resource = hub.catalog.resolve(said) if said else None

    def read(connection: Connection) -> dict[str, Any]:
        names = {one.id: one.name for one in integrations.list_page(connection)}
        return {"found": search(connection, hub.catalog, said) if said else None, "names": names}

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
        no_results=no_results,
    )
