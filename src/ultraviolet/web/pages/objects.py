"""Pages: the mirror by resource, a resource's objects, one object with its links and history."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath
from sqlalchemy import Connection

from ultraviolet.hub import integrations
from ultraviolet.ion.catalog import Resource
from ultraviolet.web.api.filters import one
from ultraviolet.web.api.paging import decode, part
from ultraviolet.web.gate import AnyRequest, GivenHub, at_least
from ultraviolet.web.pages.render import GivenRenderer
from ultraviolet.web.reading import objects
from ultraviolet.web.reading.objects import Wanted

_SHOWN = 50
_VERSIONS = 50
_COLUMNS = ("status", "quantity", "partNumber", "revision", "type")


@get("/objects", guards=[at_least("viewer")], include_in_schema=False)
async def show_resources(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show the resources with counts."""
    asked = request.query_params.get("integration")

    def read(connection: Connection) -> dict[str, Any]:
        choice = integrations.list_page(connection)
        chosen = (
            integrations.find(connection, asked).id if asked else next((each.id for each in choice), None)
        )
        found = objects.counts(connection, hub.catalog, chosen) if chosen is not None else []
        return {"integrations": choice, "chosen": chosen, "resources": found}

    return render.page(request, "resources.html", **await hub.store.read(read))


@get("/objects/{name:str}", guards=[at_least("viewer")], include_in_schema=False)
async def show_objects(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, name: FromPath[str]
) -> Response[str]:
    """List the objects of a resource: what changed last, or from the first id on when paging."""
    resource = objects.resource_of(hub.catalog, name)
    asked = {
        key: request.query_params.get(key) or None for key in ("integration", "q", "state", "cursor", "order")
    }
    by_id = asked["cursor"] is not None or asked["order"] == "id"

    def read(connection: Connection) -> dict[str, Any]:
        chosen = one(connection, asked["integration"])
        wanted = Wanted(chosen, resource, asked["q"], asked["state"])
        integration = integrations.get(connection, chosen)
        if not by_id:
            found = objects.newest(connection, wanted, _SHOWN)
            return {"integration": integration, "objects": found, "next": None}
        found = objects.by_id(connection, wanted, decode(asked["cursor"]), _SHOWN + 1)
        page = part(found, _SHOWN, lambda shown: shown.id)
        return {"integration": integration, "objects": page.items, "next": page.next}

    return render.page(
        request,
        "objects.html",
        **await hub.store.read(read),
        resource=resource,
        columns=_columns(resource),
        q=asked["q"] or "",
        state=asked["state"],
        by_id=by_id,
        live=not by_id,
    )


@get("/objects/{name:str}/{object_id:str}", guards=[at_least("viewer")], include_in_schema=False)
async def show_object(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, name: FromPath[str], object_id: FromPath[str]
) -> Response[str]:
    """Show one object and every content it had."""
    resource = objects.resource_of(hub.catalog, name)
    asked = request.query_params.get("integration")

    def read(connection: Connection) -> dict[str, Any]:
        chosen = one(connection, asked)
        return {
            "integration": integrations.get(connection, chosen),
            "object": objects.one(connection, chosen, resource, object_id),
            "history": objects.history(connection, chosen, resource, object_id, None, _VERSIONS),
        }

    found = await hub.store.read(read)
    shown = found["object"]
    hub.attend(found["integration"].id, resource.name, object_id)
    title = f"{_singular(resource)} {object_id}" + (f": {shown.title}" if shown.title else "")
    links = {link.key: shown.links[link.field] for link in resource.links if link.field in shown.links}
    return render.page(request, "object.html", **found, resource=resource, title=title, by_key=links)


def _columns(resource: Resource) -> list[str]:
    return [name for name in _COLUMNS if resource.field(name)][:3]


def _singular(resource: Resource) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in resource.type)
    return words.strip().capitalize()


HANDLERS = [show_resources, show_objects, show_object]
