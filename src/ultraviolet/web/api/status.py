"""API: the status of the hub and of each integration."""

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
    """Status of one integration."""

    name: str
    state: Literal["active", "paused", "failing", "untested"]
    freshness: State
    sentence: str
    """Whether the mirror is up to date; if not, the reason and the next step."""


class Status(msgspec.Struct):
    """Status of the hub."""

    version: str
    public_url: str
    integrations: list[IntegrationStatus]


@get("/status", guards=[require_role("viewer")], tags=["status"])
async def get_status(hub: GivenHub) -> Status:
    """Get hub status.

    Includes the status of each integration.
    """

    def read(connection: Connection) -> list[IntegrationStatus]:
        return [
            _integration_status(connection, hub, integration)
            for integration in integrations.list_page(connection)
        ]

    return Status(ultraviolet.__version__, hub.public_url, await hub.database.read(read))


def _integration_status(
    connection: Connection, hub: Hub, integration: Integration
) -> IntegrationStatus:
    summary = queries_summary.get_summary(connection, integration.id)
    freshness = hub.freshness(connection, integration)
    return IntegrationStatus(
        **msgspec.structs.asdict(summary),
        name=integration.name,
        state=_state(integration),
        freshness=freshness.state,
        sentence=freshness.sentence,
    )


def _state(integration: Integration) -> Literal["active", "paused", "failing", "untested"]:
    if integration.paused:
        return "paused"
    if integration.test_result is None:
        return "untested"
    return "active" if integration.test_result.ok else "failing"


HANDLERS = [get_status]
