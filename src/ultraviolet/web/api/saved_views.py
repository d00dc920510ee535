"""API: saved views, tables of objects under a name; everyone has their own."""

from typing import Annotated

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.accounts import saved_views
from ultraviolet.hub.accounts.saved_views import SavedView
from ultraviolet.web.http.pagination import Page, full_page
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role
from ultraviolet.web.middleware.etags import IfMatch, check_if_match
from ultraviolet.web.queries import objects

TAGS = ["objects"]


class ViewContent(msgspec.Struct, forbid_unknown_fields=True):
    """A name, and the query part of the address of a page of objects."""

    name: str
    query: str


class NewView(ViewContent, forbid_unknown_fields=True, kw_only=True):
    """A view to keep."""

    resource: str


@get("/views", guards=[require_role("viewer")], tags=TAGS)
async def list_views(
    hub: GivenHub,
    caller: GivenCaller,
    resource: Annotated[str | None, QueryParameter(required=False)] = None,
) -> Page[SavedView]:
    """List your saved views, by resource and name."""
    named = objects.resource_of(hub.catalog, resource).name if resource else None
    return full_page(await hub.database.read(saved_views.list_views, caller.name, named))


@post("/views", guards=[require_role("viewer")], tags=TAGS)
async def create_view(hub: GivenHub, caller: GivenCaller, data: JSONBody[NewView]) -> SavedView:
    """Keep a view; one of the same name is replaced."""
    named = objects.resource_of(hub.catalog, data.resource).name
    return await hub.database.write(
        saved_views.create_view, caller.name, named, data.name, data.query
    )


@get("/views/{view_id:int}", guards=[require_role("viewer")], tags=TAGS)
async def get_view(hub: GivenHub, caller: GivenCaller, view_id: FromPath[int]) -> SavedView:
    """Read one of your saved views."""
    return await hub.database.read(saved_views.get_view, caller.name, view_id)


@put("/views/{view_id:int}", guards=[require_role("viewer")], tags=TAGS)
async def update_view(
    hub: GivenHub,
    caller: GivenCaller,
    view_id: FromPath[int],
    data: JSONBody[ViewContent],
    if_match: IfMatch = None,
) -> SavedView:
    """Return one of your saved views another name and content."""

    def write(connection: Connection) -> SavedView:
        check_if_match(
            if_match, saved_views.get_view(connection, caller.name, view_id, to_change=True)
        )
        return saved_views.update_view(connection, caller.name, view_id, data.name, data.query)

    return await hub.database.write(write)


@delete("/views/{view_id:int}", guards=[require_role("viewer")], tags=TAGS)
async def delete_view(
    hub: GivenHub, caller: GivenCaller, view_id: FromPath[int], if_match: IfMatch = None
) -> None:
    """Drop one of your saved views."""

    def write(connection: Connection) -> None:
        check_if_match(
            if_match, saved_views.get_view(connection, caller.name, view_id, to_change=True)
        )
        saved_views.delete_view(connection, caller.name, view_id)

    await hub.database.write(write)


HANDLERS = [list_views, create_view, get_view, update_view, delete_view]
