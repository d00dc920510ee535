"""API: set up the receiver and the subscriptions in ION, automatically or manually."""

from typing import Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from ultraviolet.errors import InvalidError
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.web.http.params import required_integration
from ultraviolet.web.middleware.auth import ADMIN, VIEWER, GivenCaller, GivenHub

TAGS = ["setup"]


class SetupRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How to set up: through ION's API, or by adopting a receiver that was created manually.

    `wanted` lists (resource, action) pairs. Default: the previous selection, at first all pairs.
    """

    mode: Literal["automatic", "manual"] = "automatic"
    receiver_id: str | int | None = None
    wanted: list[tuple[str, str]] | None = None
    remove_extra: bool = False


@get("/integrations/{integration:str}/setup", guards=VIEWER)
async def get_setup(hub: GivenHub, integration: FromPath[str]) -> webhook_setup.Overview:
    """Get setup status.

    Includes desired and actual subscriptions, and the documents for manual setup.
    """
    found = await hub.database.read(required_integration, integration)
    return await webhook_setup.setup_overview(hub.connections, found)


@post("/integrations/{integration:str}/setup", guards=ADMIN, status_code=200)
async def apply_setup(
    hub: GivenHub, caller: GivenCaller, integration: FromPath[str], data: JSONBody[SetupRequest]
) -> webhook_setup.SetupResult | webhook_setup.Overview:
    """Apply setup.

    Creates or repairs receiver and subscriptions through ION's API, or adopts a receiver that was
    created manually. Applying it again changes nothing. If no receiver is known, automatic setup
    creates a webhook URL, because the hub does not keep the addresses of existing ones.
    """
    found = await hub.database.read(required_integration, integration)
    if data.mode == "automatic":
        done = await webhook_setup.apply_setup(
            hub.connections, caller.name, found, wanted=data.wanted, remove_extra=data.remove_extra
        )
        hub.check_webhooks(found)
        return done
    receiver = None if data.receiver_id is None else str(data.receiver_id)
    adopted = await webhook_setup.adopt_receiver(hub.connections, caller.name, found, receiver)
    if adopted is None:
        raise InvalidError(
            "No receiver in ION posts to this hub. Create one in ION, then repeat with its id."
        )
    if data.wanted is not None:
        await webhook_setup.select_subscriptions(hub.connections, caller.name, found, data.wanted)
    return await webhook_setup.setup_overview(hub.connections, found, adopted.id)
