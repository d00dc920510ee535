"""API: what the watchdog found to be the matter with an integration."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub import findings, integrations
from ultraviolet.hub.findings import Finding
from ultraviolet.web.api.paging import Cursor, Limit, Page, decode, part
from ultraviolet.web.gate import GivenHub, at_least


@get("/integrations/{integration:str}/findings", guards=[at_least("viewer")], tags=["integrations"])
async def list_findings(
    hub: GivenHub,
    integration: FromPath[str],
    standing: Annotated[
        bool, QueryParameter(required=False, description="Only what still stands.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Finding]:
    """List what was found, each with the next step and what became of it; what still stands comes first."""
    after = decode(cursor)

    def read(connection: Connection) -> list[Finding]:
        found = integrations.find(connection, integration)
        return findings.recent(connection, found.id, limit + 1, standing=standing, after=after)

    return part(await hub.store.read(read), limit, findings.place)


HANDLERS = [list_findings]
