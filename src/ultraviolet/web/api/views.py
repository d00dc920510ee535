"""API: saved views, tables of objects under a name; everyone has their own."""

from typing import Annotated

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub import saved_views
from ultraviolet.hub.saved_views import SavedView
from ultraviolet.web.api.paging import Page, whole
from ultraviolet.web.etags import IfMatch, unchanged
from ultraviolet.web.gate import GivenCaller, GivenHub, at_least
from ultraviolet.web.reading import objects

TAGS = ["objects"]


class ViewContent(msgspec.Struct, forbid_unknown_fields=True):
    """A name, and the query part of the address of a page of objects."""

    name: str
    query: str


class NewView(ViewContent, forbid_unknown_fields=True, kw_only=True):
    """A view to keep."""

    resource: str


@get("/views", guards=[at_least("viewer")], tags=TAGS)
async def list_views(
    hub: GivenHub,
    caller: GivenCaller,
    resource: Annotated[str | None, QueryParameter(required=False)] = None,
) -> Page[SavedView]:
    """List your saved views, by resource and name."""
    named = objects.resource_of(hub.catalog, resource).name if resource else None
    return whole(await hub.store.read(lambda c: saved_views.list_(c, caller.name, named)))


@post("/views", guards=[at_least("viewer")], tags=TAGS)
async def create_view(hub: GivenHub, caller: GivenCaller, data: JSONBody[NewView]) -> SavedView:
    """Keep a view; one of the same name is replaced."""
    named = objects.resource_of(hub.catalog, data.resource).name
    return await hub.store.write(
        lambda c: saved_views.save(c, caller.name, named, data.name, data.query)
    )


@get("/views/{view_id:int}", guards=[at_least("viewer")], tags=TAGS)
async def get_view(hub: GivenHub, caller: GivenCaller, view_id: FromPath[int]) -> SavedView:
    """Read one of your saved views."""
    return await hub.store.read(lambda c: saved_views.get(c, caller.name, view_id))


@put("/views/{view_id:int}", guards=[at_least("viewer")], tags=TAGS)
async def change_view(
    hub: GivenHub,
    caller: GivenCaller,
    view_id: FromPath[int],
    data: JSONBody[ViewContent],
    if_match: IfMatch = None,
) -> SavedView:
    """Give one of your saved views another name and content."""

    def write(connection: Connection) -> SavedView:
        unchanged(if_match, saved_views.get(connection, caller.name, view_id, to_change=True))
        return saved_views.change(connection, caller.name, view_id, data.name, data.query)

    return await hub.store.write(write)


@delete("/views/{view_id:int}", guards=[at_least("viewer")], tags=TAGS)
async def forget_view(
    hub: GivenHub, caller: GivenCaller, view_id: FromPath[int], if_match: IfMatch = None
) -> None:
    """Drop one of your saved views."""

    def write(connection: Connection) -> None:
        unchanged(if_match, saved_views.get(connection, caller.name, view_id, to_change=True))
        saved_views.forget(connection, caller.name, view_id)

    await hub.store.write(write)


HANDLERS = [list_views, create_view, get_view, change_view, forget_view]
