"""API: the receiver and the subscriptions in ION, by hand or automatically."""

from typing import Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from ultraviolet.errors import InvalidError
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role


class SetupRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to do: all of it, or take over what was made by hand.

    `wanted` are pairs of a resource and an action; left out, the choice made before stays, at first everything.
    """

    mode: Literal["automatic", "by_hand"] = "automatic"
    receiver_id: str | int | None = None
    wanted: list[tuple[str, str]] | None = None
    remove_extra: bool = False


@get("/integrations/{integration:str}/setup", guards=[require_role("viewer")], tags=["set-up"])
async def get_setup(hub: GivenHub, integration: FromPath[str]) -> webhook_setup.Overview:
    """Tell how far set-up has come, what is wanted and what is there, and the exact texts for doing it by hand."""
    return await webhook_setup.setup_overview(hub.connections, await _id(hub, integration))


@post(
    "/integrations/{integration:str}/setup",
    guards=[require_role("admin")],
    status_code=200,
    tags=["set-up"],
)
async def run_setup(
    hub: GivenHub, caller: GivenCaller, integration: FromPath[str], data: JSONBody[SetupRequest]
) -> webhook_setup.SetupResult | webhook_setup.Overview:
    """Set up or repair through ION's API, or take over a receiver made by hand; repeating it changes nothing.

    Automatic set-up mints a webhook URL of its own where no receiver is known yet, because the address of one
    that was minted before is not kept.
    """
    found = await _id(hub, integration)
    if data.mode == "automatic":
        return await webhook_setup.apply_setup(
            hub.connections, caller.name, found, wanted=data.wanted, remove_extra=data.remove_extra
        )
    receiver = None if data.receiver_id is None else str(data.receiver_id)
    adopted = await webhook_setup.adopt_receiver(hub.connections, caller.name, found, receiver)
    if adopted is None:
        raise InvalidError(
            "No receiver in ION posts to this hub. Create one in ION, then pass its ID."
        )
    if data.wanted is not None:
        await webhook_setup.select_subscriptions(hub.connections, caller.name, found, data.wanted)
    return await webhook_setup.setup_overview(hub.connections, found)


async def _id(hub: Hub, integration: str) -> int:
    return (await hub.database.read(integrations.find, integration)).id


HANDLERS = [get_setup, run_setup]
