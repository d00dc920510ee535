"""API: what the watchdog found to be the matter with an integration."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.core import findings
from ultraviolet.hub.core.findings import Finding
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.http.pagination import Cursor, Limit, Page, decode, page_of
from ultraviolet.web.middleware.auth import GivenHub, require_role


@get(
    "/integrations/{integration:str}/findings",
    guards=[require_role("viewer")],
    tags=["integrations"],
)
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
        return findings.list_findings(
            connection, found.id, limit + 1, unresolved=standing, after=after
        )

    return page_of(await hub.database.read(read), limit, findings.findings_cursor)


HANDLERS = [list_findings]
