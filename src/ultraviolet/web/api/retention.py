"""API: how long the past of an integration is kept, and what that would remove."""

from typing import Annotated

from litestar import get, patch
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub import integrations, retention
from ultraviolet.hub.retention import KeepChanges, Retention
from ultraviolet.web.gate import GivenCaller, GivenHub, at_least

TAGS = ["integrations"]


@get("/integrations/{integration:str}/retention", guards=[at_least("viewer")], tags=TAGS)
async def get_retention(hub: GivenHub, integration: FromPath[str]) -> Retention:
    """Tell how many days each kind of the past is kept, what would be removed now, and what was removed last."""
    return await hub.store.read(lambda c: retention.of(c, integrations.find(c, integration).id))


@patch("/integrations/{integration:str}/retention", guards=[at_least("admin")], tags=TAGS)
async def edit_retention(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[KeepChanges],
    dry_run: Annotated[
        bool, QueryParameter(required=False, description="Only tell what would be removed.")
    ] = False,
) -> Retention:
    """Keep the past for another number of days, or for ever (null); what is older goes within minutes."""

    def read(connection: Connection) -> Retention:
        return retention.of(connection, integrations.find(connection, integration).id, data)

    def write(connection: Connection) -> None:
        found = integrations.find(connection, integration)
        retention.edit(connection, caller.name, found.id, found.name, data)

    if not dry_run:
        await hub.store.write(write)
    return await hub.store.read(read)


HANDLERS = [get_retention, edit_retention]
