"""API: what needs a person, and where that is told; only the answer to adding a signed webhook carries its secret."""

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from ultraviolet.hub.alerts import destinations
from ultraviolet.hub.alerts import service as alert_service
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.destinations import Destination, Kind
from ultraviolet.hub.alerts.store import Alert
from ultraviolet.web.http.pagination import Cursor, Limit, Page, full_page, number, page_of
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role


class NewDestination(msgspec.Struct, forbid_unknown_fields=True):
    """Where alerts shall go."""

    name: str
    kind: Kind
    address: str
    """E-mail addresses separated by commas, or the URL of a webhook."""


class AddedDestination(Destination, frozen=True, kw_only=True):
    """A new destination; `secret` verifies what comes from a signed webhook, and is shown here and never again."""

    secret: str | None


@get("/alerts", guards=[require_role("viewer")], tags=["alerts"])
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
    found = await hub.database.read(alert_store.list_recent, limit + 1, before, open_only=standing)
    return page_of(found, limit, lambda alert: alert.id)


@get("/alert-destinations", guards=[require_role("admin")], tags=["alerts"])
async def list_destinations(hub: GivenHub) -> Page[Destination]:
    """List where alerts go, and what came of the last message there."""
    return full_page(await hub.database.read(destinations.list_destinations))


@post("/alert-destinations", guards=[require_role("admin")], tags=["alerts"])
async def create_destination(
    hub: GivenHub, caller: GivenCaller, data: JSONBody[NewDestination]
) -> AddedDestination:
    """Let alerts go somewhere; send a test next."""
    added, secret = await hub.database.write(
        destinations.add,
        hub.secrets,
        hub.targets,
        caller.name,
        name=data.name,
        kind=data.kind,
        address=data.address,
    )
    values: dict[str, Any] = msgspec.structs.asdict(added)
    return AddedDestination(**values, secret=secret)


@post(
    "/alert-destinations/{destination_id:int}/test", guards=[require_role("admin")], tags=["alerts"]
)
async def test_destination(hub: GivenHub, destination_id: FromPath[int]) -> Destination:
    """Send a test there; `last_well` and `last_result` say what came of it."""
    return await alert_service.send_test(hub, destination_id)


@delete(
    "/alert-destinations/{destination_id:int}",
    guards=[require_role("admin")],
    status_code=204,
    tags=["alerts"],
)
async def delete_destination(
    hub: GivenHub, caller: GivenCaller, destination_id: FromPath[int]
) -> None:
    """Send nothing there any more."""
    await hub.database.write(destinations.remove, caller.name, destination_id)


HANDLERS = [
    list_alerts,
    list_destinations,
    create_destination,
    test_destination,
    delete_destination,
]
