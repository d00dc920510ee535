"""Pages: forms that save, change and delete the saved views of an object list."""

from collections.abc import Mapping
from typing import Any

from litestar import post
from litestar.params import FromPath
from litestar.response import Redirect

from ultraviolet.hub.accounts import saved_views
from ultraviolet.hub.accounts.saved_views import ViewContent
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.objects.list_address import ListAddress
from ultraviolet.web.queries import objects


@post("/objects/{name:str}/views", guards=VIEWER)
async def save_view(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, name: FromPath[str]
) -> Redirect:
    """Save the list as it is under a name."""
    resource = objects.find_resource(hub.catalog, name)
    sent = await request.form()
    here = ListAddress(str(sent.get("query", "")))
    content = _content(sent, here.query)
    await hub.database.write(saved_views.create_view, caller.name, resource.name, content)
    return Redirect(f"/objects/{resource.name}?{here.query}", status_code=303)


@post("/objects/{name:str}/views/{view_id:int}", guards=VIEWER)
async def change_view(
    request: AnyRequest,
    hub: GivenHub,
    caller: GivenCaller,
    name: FromPath[str],
    view_id: FromPath[int],
) -> Redirect:
    """Rename or share a saved view, or replace its filters by those of the list as it is."""
    resource = objects.find_resource(hub.catalog, name)
    sent = await request.form()
    here = ListAddress(str(sent.get("query", "")))
    view = await hub.database.read(saved_views.get_view, caller.name, view_id)
    query = here.query if sent.get("replace") else view.query
    content = _content(sent, query)
    is_admin = caller.actor.may("admin")
    await hub.database.write(
        saved_views.update_view, caller.name, view_id, content, is_admin=is_admin
    )
    return Redirect(f"/objects/{resource.name}?{here.query}", status_code=303)


@post("/objects/{name:str}/views/{view_id:int}/forget", guards=VIEWER)
async def delete_view(
    request: AnyRequest,
    hub: GivenHub,
    caller: GivenCaller,
    name: FromPath[str],
    view_id: FromPath[int],
) -> Redirect:
    """Delete a saved view, and leave the list as it is."""
    resource = objects.find_resource(hub.catalog, name)
    here = ListAddress(str((await request.form()).get("query", "")))
    is_admin = caller.actor.may("admin")
    await hub.database.write(saved_views.delete_view, caller.name, view_id, is_admin=is_admin)
    return Redirect(f"/objects/{resource.name}?{here.query}", status_code=303)


def _content(sent: Mapping[str, Any], query: str) -> ViewContent:
    return ViewContent(str(sent.get("name", "")), query, shared=bool(sent.get("shared")))
