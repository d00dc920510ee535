"""Suggestions of the command palette: resources and objects that match a text."""

import msgspec
from litestar import get
from litestar.params import FromQuery
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.web.http.params import optional_integration
from ultraviolet.web.middleware.auth import VIEWER, GivenHub
from ultraviolet.web.pages.formats.names import label
from ultraviolet.web.pages.formats.values import matched_text
from ultraviolet.web.queries.links import object_name, object_title
from ultraviolet.web.queries.object_lists.order import ObjectQuery, Order
from ultraviolet.web.queries.object_lists.page import read_page
from ultraviolet.web.queries.objects import ObjectFilter, resource_name
from ultraviolet.web.queries.search import search

MAX_RESOURCES = 5
MAX_OBJECTS = 12
_MAX_FIRST = 10


class Suggestion(msgspec.Struct, frozen=True):
    """A page that the palette offers, with the reason for it."""

    title: str
    detail: str
    address: str
    icon: str
    id: str = ""
    """The id of an object."""


@get("/palette", guards=VIEWER)
async def suggest(
    hub: GivenHub,
    q: FromQuery[str] = "",
    resource: FromQuery[str] = "",
    integration: FromQuery[str] = "",
) -> list[Suggestion]:
    """Return resources by title, then objects by the kind of their match.

    With a resource, return only its objects; with an integration, only objects of it. With both
    and without a text, return the first objects.
    """
    text = q.strip()
    name = resource_name(hub.catalog, resource)

    def read(connection: Connection) -> list[Suggestion]:
        chosen = optional_integration(connection, integration)
        hits = search(connection, hub.catalog, text, name, chosen).hits[:MAX_OBJECTS]
        known = integrations.list_page(connection)
        of = {one.id: f" · {one.name}" for one in known} if len(known) > 1 else {}
        suggestions: list[Suggestion] = []
        for hit in hits:
            unnamed = object_name(hit.resource, hit.id)
            detail = f"{unnamed}{of.get(hit.integration_id, '')}"
            if hit.field != "id" and hit.value != hit.title:
                matched = matched_text(hit.value, hit.field, hit.currency)[:80]
                detail = f"{detail} · {label(hit.field)}: {matched}"
            address = f"/objects/{hit.resource}/{hit.id}?integration={hit.integration_id}"
            suggestions.append(
                Suggestion(hit.title or unnamed, detail, address, "database", hit.id)
            )
        return suggestions

    def read_first(connection: Connection) -> list[Suggestion]:
        chosen = optional_integration(connection, integration)
        if chosen is None or not name:
            return []
        wanted = ObjectFilter(chosen, hub.catalog.resources[name])
        query = ObjectQuery(wanted, {}, Order("id", down=False))
        return [
            Suggestion(
                object_name(name, one.id, object_title(one.fields)),
                object_name(name, one.id),
                f"/objects/{name}/{one.id}?integration={chosen}",
                "database",
                one.id,
            )
            for one in read_page(connection, hub.catalog, query, None, _MAX_FIRST).rows
        ]

    if not text:
        return await hub.database.read(read_first)
    resources: list[Suggestion] = []
    if not name:
        said = text.lower()
        matching = [one for one in hub.catalog.mirrored if said in one.title.lower()]
        matching.sort(key=lambda one: _place(one, said))
        resources = [
            Suggestion(one.title, "List of objects", f"/objects/{one.name}", "columns-3")
            for one in matching[:MAX_RESOURCES]
        ]
    return [*resources, *await hub.database.read(read)]


def _place(resource: Resource, said: str) -> tuple[int, bool, int, str]:
    """Order by where the title has the text, then main resources and short titles first."""
    title = resource.title.lower()
    part = 0 if title.startswith(said) else 1 if f" {said}" in title else 2
    return part, not resource_label(resource.name).main, len(title), title
