"""Page: replay of selected events, after a preview of the changes."""

import asyncio

from litestar import Response, post
from litestar.response import Redirect

from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.sync.replay import ObjectReplayed, Range, preview_replay
from ultraviolet.text import counted
from ultraviolet.web.middleware.auth import OPERATOR, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.events.listing import mirrored_names
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import events
from ultraviolet.web.queries.event_rows import Event

_MAX_REPLAYED = 200
_PREVIEW_TIMEOUT_SECONDS = 5.0
_NOTHING_SELECTED = "Select the events to replay with their checkboxes. Nothing was replayed."
_TOO_MANY = (
    f"Select at most {_MAX_REPLAYED} events. Nothing was replayed. "
    "To replay more, use ultraviolet event replay --integration INTEGRATION."
)


@post("/events/replay", guards=OPERATOR, status_code=200)
async def replay(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str] | Redirect:
    """Preview the replay of the selected events; replay them after confirmation."""
    sent = await request.form()
    seqs = sorted({int(str(seq)) for seq in sent.getall("seq", []) if str(seq).isdecimal()})
    if not 1 <= len(seqs) <= _MAX_REPLAYED:
        raise InvalidError(_TOO_MANY if seqs else _NOTHING_SELECTED)
    if sent.get("sure") != "yes":
        chosen = await hub.database.read(events.list_by_seq, hub.catalog, seqs)
        changes, problem = await _preview(hub, chosen)
        objects = {(event.integration_id, event.resource, event.object_id) for event in chosen}
        return render.page(
            request,
            "replay.html",
            events=chosen,
            event_count=counted(len(chosen), "event"),
            object_count=counted(len(objects), "object"),
            changes=changes,
            problem=problem,
            mirrored=mirrored_names(hub),
            address="/events",
        )
    for seq in seqs:
        await hub.requests.replay(caller.name, Range(from_seq=seq, to_seq=seq))
    return Redirect("/events?outcome=replayed", status_code=303)


async def _preview(hub: Hub, chosen: list[Event]) -> tuple[list[ObjectReplayed], str]:
    """Return the expected changes of a replay, or why the hub cannot preview it."""
    found: list[ObjectReplayed] = []
    try:
        async with asyncio.timeout(_PREVIEW_TIMEOUT_SECONDS):
            for integration_id in sorted({event.integration_id for event in chosen}):
                seqs = sorted(
                    event.seq for event in chosen if event.integration_id == integration_id
                )
                found += (
                    await preview_replay(await hub.connections.open_context(integration_id), seqs)
                ).changes
    except TimeoutError:
        return found, f"ION did not respond within {_PREVIEW_TIMEOUT_SECONDS:.0f} seconds."
    except UltravioletError as error:
        return found, error.explanation
    return found, ""
