"""API: the status of the hub and of each integration."""

import msgspec
from litestar import get
from sqlalchemy import Connection

import ultraviolet
from ultraviolet.hub.health.resource_freshness import State
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.middleware.auth import VIEWER, GivenHub
from ultraviolet.web.queries import summary as queries_summary
from ultraviolet.web.queries.summary import Summary

TAGS = ["status"]


class IntegrationStatus(Summary, frozen=True, kw_only=True):
    """Status of one integration."""

    name: str
    state: State
    sentence: str
    """Whether the mirror is fresh; if not, the reason and the next step."""


class Status(msgspec.Struct):
    """Status of the hub."""

    version: str
    public_url: str
    problem: str | None
    """That no hub runs on the database, and the next step; always null from a running hub."""
    integrations: list[IntegrationStatus]


@get("/status", guards=VIEWER)
async def get_status(hub: GivenHub) -> Status:
    """Get hub status.

    Includes the status of each integration.
    """

    def read(connection: Connection) -> Status:
        found: list[IntegrationStatus] = []
        for integration in integrations.list_page(connection):
            summary = queries_summary.get_summary(connection, integration.id)
            freshness = hub.freshness(connection, integration)
            found.append(
                IntegrationStatus(
                    **msgspec.structs.asdict(summary),
                    name=integration.name,
                    state=freshness.state,
                    sentence=freshness.sentence,
                )
            )
        no_hub = hub.find_no_hub(connection)
        problem = f"{no_hub.message}. Next: {no_hub.next_step}." if no_hub else None
        return Status(ultraviolet.__version__, hub.public_url, problem, found)

    return await hub.database.read(read)
