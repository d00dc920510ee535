"""Pages: all integrations, and the form that tests and adds one."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.hub.core import finding_store
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import tested_changes
from ultraviolet.hub.integrations.models import PRESETS, NewIntegration
from ultraviolet.web.http.params import integrations_page
from ultraviolet.web.middleware.auth import ADMIN, VIEWER, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.integrations.schedules import describe
from ultraviolet.web.pages.integrations.tabs import MAX_FINDINGS
from ultraviolet.web.pages.overview import status_of
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import summary

_PAGE_SIZE = 100
_FIELDS = ("name", "api_url", "auth_url", "client_id", "client_secret")


@get("/integrations", guards=VIEWER)
async def show_all(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, cursor: FromQuery[str | None] = None
) -> Response[str]:
    """List integrations in the order they were added."""

    def read(connection: Connection) -> dict[str, Any]:
        page = integrations_page(connection, cursor, _PAGE_SIZE)
        rows = [
            {
                "integration": one,
                "status": status_of(connection, hub.freshness(connection, one)),
                "summary": summary.get_summary(connection, one.id),
                "findings": len(
                    finding_store.list_findings(connection, one.id, MAX_FINDINGS, unresolved=True)
                ),
                "incremental": describe(one.incremental_schedule),
                "full": describe(one.full_schedule),
            }
            for one in page.items
        ]
        return {"rows": rows, "next": page.next}

    return render.page(request, "integrations.html", **await hub.database.read(read))


@get("/integrations/new", guards=ADMIN)
async def form(request: AnyRequest, render: GivenRenderer) -> Response[str]:
    """Show the form for a new integration."""
    return render.page(request, "integration_form.html", presets=PRESETS)


@post("/integrations", guards=ADMIN)
async def add(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Test the credentials and add an integration, or add it untested if asked to."""
    sent = await request.form()
    given: dict[str, Any] = {name: str(sent.get(name, "")) for name in _FIELDS}
    new = NewIntegration(**given)
    if "untested" in sent:
        added = await hub.database.write(integrations.create, hub.secrets, caller.name, new)
    else:
        added = await tested_changes.create_tested(hub.connections, caller.name, new)
    await hub.pool.integrations_changed()
    return Redirect(f"/integrations/{added.id}", status_code=303)
