"""API: set up the receiver and the subscriptions in ION, automatically or manually."""

from typing import Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from ultraviolet.errors import InvalidError
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.web.http.params import required_integration
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role


class SetupRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How to set up: through ION's API, or by adopting a receiver that was created manually.

    `wanted` lists (resource, action) pairs. Default: the previous selection, at first all pairs.
    """

    mode: Literal["automatic", "manual"] = "automatic"
    receiver_id: str | int | None = None
    wanted: list[tuple[str, str]] | None = None
    remove_extra: bool = False


@get("/integrations/{integration:str}/setup", guards=[require_role("viewer")], tags=["setup"])
async def get_setup(hub: GivenHub, integration: FromPath[str]) -> webhook_setup.Overview:
    """Get setup status.

    Includes desired and actual subscriptions, and the documents for manual setup.
    """
    found = await hub.database.read(required_integration, integration)
    return await webhook_setup.setup_overview(hub, found)


@post(
    "/integrations/{integration:str}/setup",
    guards=[require_role("admin")],
    status_code=200,
    tags=["setup"],
)
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
            hub, caller.name, found, wanted=data.wanted, remove_extra=data.remove_extra
        )
        await hub.ingest.refresh()
        return done
    receiver = None if data.receiver_id is None else str(data.receiver_id)
    if await adopt_receiver(hub, caller.name, found, receiver) is None:
        raise InvalidError(
            "No receiver in ION posts to this hub. Create one in ION, then repeat with its id."
        )
    if data.wanted is not None:
        await save_wanted_subscriptions(hub, caller.name, found, data.wanted)
    return await webhook_setup.setup_overview(hub, found)


async def adopt_receiver(
    hub: Hub, actor: str, integration_id: int, receiver_id: str | None
) -> webhook_urls.WebhookUrl | None:
    """Adopt a receiver, and load its shared secret into ingest."""
    url = await webhook_setup.adopt_receiver(hub, actor, integration_id, receiver_id)
    await hub.ingest.refresh()
    return url


async def save_wanted_subscriptions(
    hub: Hub, actor: str, integration_id: int, wanted: list[tuple[str, str]]
) -> None:
    """Check and save the selected subscriptions."""
    offered = await hub.database.read(integrations.offered_schema, hub.catalog, integration_id)
    pairs = webhook_setup.subscriptions.checked(hub.catalog, offered, wanted)
    url = await hub.database.read(webhook_urls.current_url, integration_id)
    if url is None:
        raise InvalidError("Create a webhook URL first; it stores the selected subscriptions.")
    await hub.database.write(webhook_urls.set_wanted, actor, url.id, pairs)


HANDLERS = [get_setup, apply_setup]
