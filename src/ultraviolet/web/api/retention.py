"""API: how long the past of an integration is kept, and what that would remove."""

from typing import Annotated

from litestar import get, patch
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.runtime import retention
from ultraviolet.hub.runtime.retention import Retention, RetentionChanges
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role

TAGS = ["integrations"]


@get("/integrations/{integration:str}/retention", guards=[require_role("viewer")], tags=TAGS)
async def get_retention(hub: GivenHub, integration: FromPath[str]) -> Retention:
    """Return how many days each kind of the past is kept, what would be removed now, and what was removed last."""
    return await hub.database.read(
        lambda c: retention.get_retention(c, integrations.find(c, integration).id)
    )


@patch("/integrations/{integration:str}/retention", guards=[require_role("admin")], tags=TAGS)
async def update_retention(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[RetentionChanges],
    dry_run: Annotated[
        bool, QueryParameter(required=False, description="Only tell what would be removed.")
    ] = False,
) -> Retention:
    """Keep the past for another number of days, or for ever (null); what is older goes within minutes."""

    def read(connection: Connection) -> Retention:
        return retention.get_retention(
            connection, integrations.find(connection, integration).id, data
        )

    def write(connection: Connection) -> None:
        found = integrations.find(connection, integration)
        retention.update_retention(connection, caller.name, found.id, found.name, data)

    if not dry_run:
        await hub.database.write(write)
    return await hub.database.read(read)


HANDLERS = [get_retention, update_retention]
