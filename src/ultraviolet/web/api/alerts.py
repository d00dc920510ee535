"""API: alerts and their destinations.

Only the response that creates a destination has its secret.
"""

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from ultraviolet.hub.alerts import destinations
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.destinations import Destination, Kind
from ultraviolet.hub.alerts.store import Alert
from ultraviolet.web.http.pagination import Cursor, Limit, Page, number, page_of, part_of
from ultraviolet.web.middleware.auth import ADMIN, VIEWER, GivenCaller, GivenHub

TAGS = ["alerts"]


class NewAlertDestination(msgspec.Struct, forbid_unknown_fields=True):
    """An alert destination to create."""

    name: str
    kind: Kind
    address: str
    """E-mail addresses separated by commas, or the URL of a webhook."""


class CreatedAlertDestination(Destination, frozen=True, kw_only=True):
    """A new destination; `secret` verifies signed webhooks and is shown only once."""

    secret: str | None


@get("/alerts", guards=VIEWER)
async def list_alerts(
    hub: GivenHub,
    open_only: Annotated[
        bool, QueryParameter(name="open", required=False, description="Only open alerts.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Alert]:
    """List alerts.

    Newest first.
    Resolved alerts are kept for 90 days.
    """
    before = number(cursor)
    found = await hub.database.read(
        alert_store.list_recent, limit + 1, before, state="open" if open_only else None
    )
    return page_of(found, limit, lambda alert: alert.id)


@get("/alert-destinations", guards=ADMIN)
async def list_alert_destinations(
    hub: GivenHub, cursor: Cursor = None, limit: Limit = 1000
) -> Page[Destination]:
    """List alert destinations.

    Each includes the result of its last message.
    """
    return part_of(await hub.database.read(destinations.list_destinations), cursor, limit)


@post("/alert-destinations", guards=ADMIN)
async def create_alert_destination(
    hub: GivenHub, caller: GivenCaller, data: JSONBody[NewAlertDestination]
) -> CreatedAlertDestination:
    """Create alert destination.

    Send a test message next.
    """
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
    return CreatedAlertDestination(**values, secret=secret)


@post("/alert-destinations/{destination_id:int}/test", guards=ADMIN)
async def test_alert_destination(hub: GivenHub, destination_id: FromPath[int]) -> Destination:
    """Test alert destination.

    Sends a test message.
    `last_well` and `last_result` contain the result.
    """
    return await hub.alerts.send_test(destination_id)


@delete("/alert-destinations/{destination_id:int}", guards=ADMIN, status_code=204)
async def delete_alert_destination(
    hub: GivenHub, caller: GivenCaller, destination_id: FromPath[int]
) -> None:
    """Delete alert destination."""
    await hub.database.write(destinations.remove, caller.name, destination_id)
