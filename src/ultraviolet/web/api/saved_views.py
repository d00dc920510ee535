"""API: saved views of the object tables, private or shared."""

from typing import Annotated

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.accounts import saved_views
from ultraviolet.hub.accounts.saved_views import SavedView, ViewContent
from ultraviolet.web.http.pagination import Cursor, Limit, Page, part_of
from ultraviolet.web.middleware.auth import VIEWER, GivenCaller, GivenHub
from ultraviolet.web.middleware.etags import IfMatch, check_if_match
from ultraviolet.web.queries import objects

TAGS = ["objects"]


class NewSavedView(ViewContent, forbid_unknown_fields=True, kw_only=True):
    """A view to save."""

    resource: str


@get("/saved-views", guards=VIEWER)
async def list_saved_views(
    hub: GivenHub,
    caller: GivenCaller,
    resource: Annotated[str | None, QueryParameter(required=False)] = None,
    cursor: Cursor = None,
    limit: Limit = 1000,
) -> Page[SavedView]:
    """List saved views.

    Lists your own views and those that others share, by resource and name.
    """
    name = objects.resource_name(hub.catalog, resource)
    return part_of(
        await hub.database.read(saved_views.list_views, caller.name, name), cursor, limit
    )


@post("/saved-views", guards=VIEWER)
async def create_saved_view(
    hub: GivenHub, caller: GivenCaller, data: JSONBody[NewSavedView]
) -> SavedView:
    """Create saved view.

    A name that another view of yours has is refused with 409. All users see a shared view; its
    owner and administrators can change it.
    """
    name = objects.find_resource(hub.catalog, data.resource).name
    return await hub.database.write(saved_views.create_view, caller.name, name, data)


@get("/saved-views/{view_id:int}", guards=VIEWER)
async def get_saved_view(hub: GivenHub, caller: GivenCaller, view_id: FromPath[int]) -> SavedView:
    """Get saved view."""
    return await hub.database.read(saved_views.get_view, caller.name, view_id)


@put("/saved-views/{view_id:int}", guards=VIEWER)
async def update_saved_view(
    hub: GivenHub,
    caller: GivenCaller,
    view_id: FromPath[int],
    data: JSONBody[ViewContent],
    if_match: IfMatch = None,
) -> SavedView:
    """Update saved view."""

    def write(connection: Connection) -> SavedView:
        check_if_match(
            if_match, saved_views.get_view(connection, caller.name, view_id, to_change=True)
        )
        return saved_views.update_view(
            connection, caller.name, view_id, data, is_admin=caller.actor.may("admin")
        )

    return await hub.database.write(write)


@delete("/saved-views/{view_id:int}", guards=VIEWER)
async def delete_saved_view(
    hub: GivenHub, caller: GivenCaller, view_id: FromPath[int], if_match: IfMatch = None
) -> None:
    """Delete saved view."""

    def write(connection: Connection) -> None:
        check_if_match(
            if_match, saved_views.get_view(connection, caller.name, view_id, to_change=True)
        )
        saved_views.delete_view(
            connection, caller.name, view_id, is_admin=caller.actor.may("admin")
        )

    await hub.database.write(write)
