"""Page: search across everything the mirror has."""

from typing import Any

from litestar import Response, get
from litestar.params import FromQuery
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.middleware.auth import AnyRequest, GivenHub, require_role
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries.search import search


@get("/search", guards=[require_role("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, q: FromQuery[str] = ""
) -> Response[str]:
    """Show what has this id or text."""
    said = q.strip()
    resource = hub.catalog.resolve(said) if said else None

    def read(connection: Connection) -> dict[str, Any]:
        names = {one.id: one.name for one in integrations.list_page(connection)}
        return {"found": search(connection, hub.catalog, said) if said else None, "names": names}

    return render.page(
        request, "search.html", **await hub.database.read(read), q=said, resource=resource
    )


HANDLERS = [show]
