"""API: what needs a person, and where that is told; only the answer to adding a signed webhook carries its secret."""

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from ultraviolet.hub.alerts import alarm, destinations, state
from ultraviolet.hub.alerts.destinations import Destination, Kind
from ultraviolet.hub.alerts.state import Alert
from ultraviolet.web.api.paging import Cursor, Limit, Page, number, part, whole
from ultraviolet.web.gate import GivenCaller, GivenHub, at_least


class NewDestination(msgspec.Struct, forbid_unknown_fields=True):
    """Where alerts shall go."""

    name: str
    kind: Kind
    address: str
    """E-mail addresses separated by commas, or the URL of a webhook."""


class AddedDestination(Destination, frozen=True, kw_only=True):
    """A new destination; `secret` verifies what comes from a signed webhook, and is shown here and never again."""

    secret: str | None


@get("/alerts", guards=[at_least("viewer")], tags=["alerts"])
async def list_alerts(
    hub: GivenHub,
    standing: Annotated[
        bool, QueryParameter(required=False, description="Only what still stands.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Alert]:
    """List what needs or needed a person, newest first; kept for 90 days after it was fixed."""
    before = number(cursor)
    found = await hub.store.read(lambda c: state.recent(c, limit + 1, before, standing=standing))
    return part(found, limit, lambda alert: alert.id)


@get("/alert-destinations", guards=[at_least("admin")], tags=["alerts"])
async def list_destinations(hub: GivenHub) -> Page[Destination]:
    """List where alerts go, and what came of the last message there."""
    return whole(await hub.store.read(destinations.list_))


@post("/alert-destinations", guards=[at_least("admin")], tags=["alerts"])
async def add_destination(
    hub: GivenHub, caller: GivenCaller, data: JSONBody[NewDestination]
) -> AddedDestination:
    """Let alerts go somewhere; send a test next."""
    added, secret = await hub.store.write(
        lambda c: destinations.add(
            c,
            hub.secrets,
            hub.targets,
            caller.name,
            name=data.name,
            kind=data.kind,
            address=data.address,
        )
    )
    values: dict[str, Any] = msgspec.structs.asdict(added)
    return AddedDestination(**values, secret=secret)


@post("/alert-destinations/{destination_id:int}/test", guards=[at_least("admin")], tags=["alerts"])
async def test_destination(hub: GivenHub, destination_id: FromPath[int]) -> Destination:
    """Send a test there; `last_well` and `last_result` say what came of it."""
    return await alarm.test(hub, destination_id)


@delete(
    "/alert-destinations/{destination_id:int}",
    guards=[at_least("admin")],
    status_code=204,
    tags=["alerts"],
)
async def remove_destination(
    hub: GivenHub, caller: GivenCaller, destination_id: FromPath[int]
) -> None:
    """Send nothing there any more."""
    await hub.store.write(lambda c: destinations.remove(c, caller.name, destination_id))


HANDLERS = [list_alerts, list_destinations, add_destination, test_destination, remove_destination]
