"""Page: one event with its payload, receivers and processing."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.events.listing import mirrored_names
from ultraviolet.web.pages.events.payload import highlight
from ultraviolet.web.pages.formats.names import singular
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import events
from ultraviolet.web.queries.events import EventDetail

_DONE = {"CREATE": "created", "UPDATE": "updated", "DELETE": "deleted"}
_SIGNATURES = {
    "verified": "The HMAC of the body matches the shared secret.",
    "unverified": "The shared secret was unknown. The delivery was accepted by its secret URL.",
    "recovered": "Read from ION's record of deliveries.",
}


@get("/events/{seq:int}", guards=VIEWER)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, seq: FromPath[int]
) -> Response[str]:
    """Show one event with its payload and processing."""

    def read(connection: Connection) -> dict[str, Any]:
        event = events.get_event(connection, hub.catalog, seq)
        return {
            "event": event,
            "receivers": events.list_receivers(connection, event),
            "effects": events.find_effects(connection, event),
            "integration": integrations.get(connection, event.integration_id),
        }

    context = await hub.database.read(read)
    event: EventDetail = context["event"]
    subject = singular(event.resource) if event.resource else "Unknown object"
    named = event.object_title or event.object_id or ""
    response_note = "200 OK, sent after the event was stored"
    if event.webhook_url_id == 0:
        response_note = "Imported: another hub received the delivery"
    elif event.signature == "recovered":
        response_note = "None: the delivery did not arrive"
    return render.page(
        request,
        "event.html",
        **context,
        title=" ".join(filter(None, (subject, named, _DONE.get(event.action or "", "changed")))),
        object_path=f"/objects/{event.resource}/{event.object_id}"
        f"?integration={event.integration_id}",
        signature_note=_SIGNATURES.get(event.signature, ""),
        response_note=response_note,
        payload=highlight(event.body),
        mirrored=mirrored_names(hub),
    )
