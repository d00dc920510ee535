"""API: is the hub alive and ready, and how is each integration."""

from typing import Literal

import msgspec
from litestar import get
from sqlalchemy import Connection

import ultraviolet
from ultraviolet.hub.health.freshness import State
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.web.middleware.auth import GivenHub, require_role
from ultraviolet.web.queries import summary as queries_summary
from ultraviolet.web.queries.summary import Summary


class IntegrationStatus(Summary, frozen=True, kw_only=True):
    """One integration at a glance."""

    name: str
    state: Literal["active", "paused", "failing", "untested"]
    freshness: State
    sentence: str
    """Whether the mirror can be trusted now, and if not, why and what to do."""


class Status(msgspec.Struct):
    """The hub at a glance."""

    version: str
    public_url: str
    integrations: list[IntegrationStatus]


@get("/status", guards=[require_role("viewer")], tags=["status"])
async def get_status(hub: GivenHub) -> Status:
    """Tell how the hub and each of its integrations are."""

    def read(connection: Connection) -> list[IntegrationStatus]:
        return [_one(connection, hub, one) for one in integrations.list_page(connection)]

    return Status(ultraviolet.__version__, hub.public_url, await hub.database.read(read))


def _one(connection: Connection, hub: Hub, one: Integration) -> IntegrationStatus:
    summary, judged = queries_summary.summary(connection, one.id), hub.freshness(connection, one)
    return IntegrationStatus(
        **msgspec.structs.asdict(summary),
        name=one.name,
        state=_state(one),
        freshness=judged.state,
        sentence=judged.sentence,
    )


def _state(one: Integration) -> Literal["active", "paused", "failing", "untested"]:
    if one.paused:
        return "paused"
    if one.test_result is None:
        return "untested"
    return "active" if one.test_result.ok else "failing"


HANDLERS = [get_status]
