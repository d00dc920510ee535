"""API: what the watchdog found to be the matter with an integration."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub import findings, integrations
from ultraviolet.hub.findings import Finding
from ultraviolet.web.api.paging import Limit, Page, whole
from ultraviolet.web.gate import GivenHub, at_least


@get("/integrations/{integration:str}/findings", guards=[at_least("viewer")], tags=["integrations"])
async def list_findings(
    hub: GivenHub,
    integration: FromPath[str],
    standing: Annotated[bool, QueryParameter(required=False, description="Only what still stands.")] = False,
    limit: Limit = 100,
) -> Page[Finding]:
    """List what was found, each with the next step and what became of it; what still stands comes first."""

    def read(connection: Connection) -> list[Finding]:
        found = integrations.find(connection, integration)
        return findings.recent(connection, found.id, limit, standing=standing)

    return whole(await hub.store.read(read))


HANDLERS = [list_findings]
