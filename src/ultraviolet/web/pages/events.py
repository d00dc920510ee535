"""Pages: events, event details and replay."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.sync.replay import ObjectReplayed, Range, preview_replay
from ultraviolet.ion import answers
from ultraviolet.web.http.pagination import encode, number
from ultraviolet.web.http.params import EXTRA_PARAMETERS
from ultraviolet.web.http.problem_details import detail_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import events
from ultraviolet.web.queries.events import Event, EventDetail, EventFilter

_SHOWN = 50
_MAX_REPLAYED = 200
_PREVIEW_TIMEOUT_SECONDS = 5.0
_ACTIONS = ("CREATE", "UPDATE", "DELETE")
_OUTCOMES = ("waiting", "applied", "nothing_new", "not_chosen", "not_understood", "replayed")
_PARAMETERS = (
    "integration",
    "resource",
    "object",
    "action",
    "outcome",
    "q",
    "since",
    "until",
    "url",
    "cursor",
)
_VERIFIED = "HMAC verified"
_UNVERIFIED = "The shared secret was unknown. The delivery was accepted by its secret URL."


@get(
    "/events",
    guards=[require_role("viewer")],
    include_in_schema=False,
    opt={EXTRA_PARAMETERS: _PARAMETERS},
)
async def show_all(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str]:
    """List events; the first page updates live."""
    asked = dict(request.query_params)
    cursor = asked.get("cursor")
    wanted = _wanted(hub, asked)

    def read(connection: Connection) -> dict[str, Any]:
        found = events.list_page(connection, wanted, number(cursor), _SHOWN)
        return {"found": found, "integrations": integrations.list_page(connection)}

    context = await hub.database.read(read)
    following = context["found"].next
    return render.page(
        request,
        "events.html",
        **context,
        events=context["found"].events,
        next=encode(str(following)) if following else None,
        wanted=wanted,
        live=cursor is None,
        filtered=any(asked.values()),
        actions=_ACTIONS,
        outcomes=_OUTCOMES,
        may_replay=caller.actor.may("operator"),
        resources=sorted(one.name for one in hub.catalog.resources.values() if one.subscribable),
        mirrored=_mirrored(hub),
    )


@get("/events/{seq:int}", guards=[require_role("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, seq: FromPath[int]
) -> Response[str]:
    """Show one event with its payload and processing."""

    def read(connection: Connection) -> dict[str, Any]:
        event = events.get_event(connection, seq)
        return {
            "event": event,
            "effects": events.find_effects(connection, event),
            "integration": integrations.get(connection, event.integration_id),
        }

    context = await hub.database.read(read)
    event: EventDetail = context["event"]
    resource = (event.resource or "unknown object").replace("_", " ")
    return render.page(
        request,
        "event.html",
        **context,
        title=f"{(event.action or 'unknown action').lower()} of {resource} {event.object_id or ''}",
        object_path=f"/objects/{event.resource}/{event.object_id}"
        f"?integration={event.integration_id}",
        signature_note=_VERIFIED if event.signature == "verified" else _UNVERIFIED,
        pretty=_pretty(event.body),
        mirrored=_mirrored(hub),
    )


@post("/events/replay", guards=[require_role("operator")], status_code=200, include_in_schema=False)
async def replay(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str] | Redirect:
    """Preview the replay of the selected events; replay them after confirmation."""
    sent = await request.form()
    seqs = sorted({int(str(seq)) for seq in sent.getall("seq", []) if str(seq).isdecimal()})
    if not 1 <= len(seqs) <= _MAX_REPLAYED:
        raise InvalidError(f"Select at least one and at most {_MAX_REPLAYED} events to replay.")
    if sent.get("sure") != "yes":
        chosen = await hub.database.read(events.list_by_seq, seqs)
        changes, problem = await _rehearsed(hub, chosen)
        objects = {(event.integration_id, event.resource, event.object_id) for event in chosen}
        return render.page(
            request,
            "replay.html",
            events=chosen,
            event_count=_count(len(chosen), "event"),
            object_count=_count(len(objects), "object"),
            changes=changes,
            problem=problem,
            mirrored=_mirrored(hub),
            address="/events",
        )
    for seq in seqs:
        await hub.requests.replay(caller.name, Range(from_seq=seq, to_seq=seq))
    return Redirect("/events?outcome=replayed", status_code=303)


async def _rehearsed(hub: Hub, chosen: list[Event]) -> tuple[list[ObjectReplayed], str]:
    """Return the expected changes of a replay, or the reason why there is no preview."""
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
        return found, f"ION did not answer within {_PREVIEW_TIMEOUT_SECONDS:.0f} seconds."
    except UltravioletError as error:
        return found, detail_of(error)
    return found, ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _wanted(hub: Hub, asked: dict[str, str]) -> EventFilter:
    integration, resource = asked.get("integration", ""), asked.get("resource", "")
    url = asked.get("url", "")
    named = hub.catalog.resolve(resource) if resource else None
    return EventFilter(
        integration_id=int(integration) if integration.isdecimal() else None,
        resource=named.name if named else resource or None,
        action=asked.get("action") or None,
        outcome=asked.get("outcome") or None,
        object_id=asked.get("object") or None,
        said=asked.get("q") or None,
        since=_moment(asked.get("since")),
        until=_moment(asked.get("until")),
        webhook_url_id=int(url) if url.isdecimal() else None,
    )


def _moment(given: str | None) -> str | None:
    """Read a time as a browser sends it, in UTC."""
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidError(f"“{given}” is not a valid time. Example: 2026-11-24T12:03.") from error
    return clock.format_rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _mirrored(hub: Hub) -> frozenset[str]:
    return frozenset(resource.name for resource in hub.catalog.mirrored)


def _pretty(body: str) -> str:
    """Indent valid JSON; return anything else unchanged."""
    try:
        decoded = answers.decode(body.encode())
    except ValueError:
        return body
    return body if decoded.repaired else json.dumps(decoded.value, indent=2, ensure_ascii=False)


HANDLERS = [show_all, show, replay]
