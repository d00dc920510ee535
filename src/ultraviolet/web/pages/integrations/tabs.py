"""Pages: one integration in tabs, each at its own address, and its freshness by resource."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.command_text import command
from ultraviolet.errors import NotFoundError
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.hub.integrations.resource_selection import list_selectable
from ultraviolet.ion.labels import resource_label
from ultraviolet.web.http.params import required_integration
from ultraviolet.web.middleware.auth import AnyRequest, GivenHub, require_role
from ultraviolet.web.pages.integrations.schedules import schedule
from ultraviolet.web.pages.overview import status_of
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.pages.webhook_urls import count_day
from ultraviolet.web.queries import fetches, summary, verifications
from ultraviolet.web.queries.fetches import FetchFilter

PATH = "/integrations/{integration_id:int}"
TABS = {
    "": "Overview",
    "sync": "Sync & schedule",
    "webhooks": "Webhooks",
    "resources": "Resources",
    "findings": "Findings",
    "sandbox": "Sandbox",
    "settings": "Settings",
}
"""Labels of the tabs by the end of their address."""
_MAX_FINDINGS = 50
_MAX_FETCHES = 8


@get(
    [PATH, *(f"{PATH}/{tab}" for tab in TABS if tab)],
    guards=[require_role("viewer")],
    include_in_schema=False,
)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show a tab of an integration."""
    last = request.url.path.rpartition("/")[2]
    tab = last if last in TABS else ""

    def read(connection: Connection) -> dict[str, Any]:
        integration = integrations.get(connection, integration_id)
        judged = hub.freshness(connection, integration)
        urls = webhook_urls.list_urls(connection, integration_id)
        return {
            "integration": integration,
            "judged": judged,
            "health": status_of(judged),
            "urls": urls,
            "rejected": any(one.rejects_credentials for one in judged.findings),
            "receives": any(url.state == "active" and url.first_verified_at for url in urls),
            "open_findings": len(
                finding_store.list_findings(
                    connection, integration_id, _MAX_FINDINGS, unresolved=True
                )
            ),
            **_READ[tab](connection, hub, integration),
        }

    return render.page(
        request,
        f"integration_{tab or 'overview'}.html",
        tab=tab,
        tabs=TABS,
        here_path=f"/integrations/{integration_id}",
        **await hub.database.read(read),
    )


def _read_overview(connection: Connection, _: Hub, integration: Integration) -> dict[str, Any]:
    return {
        "summary": summary.get_summary(connection, integration.id),
        "running": fetches.list_running(connection, integration.id),
        "verification": verifications.last_verification(connection, integration.id),
    }


def _read_sync(connection: Connection, _: Hub, integration: Integration) -> dict[str, Any]:
    wanted = FetchFilter(integration.id)
    return {
        "incremental": schedule(integration.incremental_schedule),
        "full": schedule(integration.full_schedule),
        "running": fetches.list_running(connection, integration.id),
        "fetches": fetches.list_fetches(connection, wanted, None, _MAX_FETCHES),
        "summary": summary.get_summary(connection, integration.id),
    }


def _read_webhooks(connection: Connection, _: Hub, integration: Integration) -> dict[str, Any]:
    urls = webhook_urls.list_urls(connection, integration.id)
    return {"day": count_day(connection, urls), "names": {integration.id: integration.name}}


def _read_resources(connection: Connection, hub: Hub, integration: Integration) -> dict[str, Any]:
    offered = integrations.offered_schema(connection, hub.catalog, integration.id)
    test = integration.test_result
    return {
        "resources": list_selectable(
            connection, hub.catalog, integration.id, integration.resources, offered
        ),
        "unreadable": [one for one in test.resources if not one.readable] if test else [],
    }


def _read_findings(connection: Connection, hub: Hub, integration: Integration) -> dict[str, Any]:
    found = finding_store.list_findings(connection, integration.id, _MAX_FINDINGS)
    known = {(one.kind, one.message) for one in found if not one.resolved_at}
    judged = hub.freshness(connection, integration).findings
    return {
        "findings": found,
        "current": [one for one in judged if (one.kind, one.message) not in known],
    }


def _read_sandbox(_: Connection, hub: Hub, integration: Integration) -> dict[str, Any]:
    options = {"from_hub": hub.public_url, "integration": integration.name}
    return {
        "available": hub.sandboxes.available,
        "sandbox": hub.sandboxes.get(integration.id),
        "command": f"{command('ion serve', **options)} --mask",
    }


def _read_settings(connection: Connection, _: Hub, integration: Integration) -> dict[str, Any]:
    found = summary.get_summary(connection, integration.id)
    urls = len(webhook_urls.list_urls(connection, integration.id))
    return {
        "deletion": f"Permanently deletes {found.objects:,} objects, their history, all events and "
        f"{urls} webhook {'URL' if urls == 1 else 'URLs'}. "
        "ION itself is not changed. Delete the webhook receiver in ION yourself."
    }


_READ = {
    "": _read_overview,
    "sync": _read_sync,
    "webhooks": _read_webhooks,
    "resources": _read_resources,
    "findings": _read_findings,
    "sandbox": _read_sandbox,
    "settings": _read_settings,
}
"""What each tab shows."""


@get("/freshness", guards=[require_role("viewer")], include_in_schema=False)
async def find_freshness(hub: GivenHub, integration: FromQuery[str] = "") -> Redirect:
    """Redirect to the freshness of an integration, the last viewed one by default."""
    try:
        found = await hub.database.read(required_integration, integration)
    except NotFoundError:
        if integration:
            raise
        return Redirect("/integrations", status_code=303)
    return Redirect(f"/integrations/{found}/freshness", status_code=303)


@get(f"{PATH}/freshness", guards=[require_role("viewer")], include_in_schema=False)
async def show_freshness(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show when each resource was last proven right."""

    def read(connection: Connection) -> dict[str, Any]:
        integration = integrations.get(connection, integration_id)
        judged = hub.freshness(connection, integration)
        rows = sorted(judged.resources, key=lambda row: resource_label(row.resource).plural)
        columns = {
            "failing": any(row.failing for row in rows),
            "latency": any(row.p50_seconds is not None for row in rows),
            "note": any(row.skipped or row.finding for row in rows),
        }
        health = status_of(judged)
        return {
            "integration": integration,
            "integrations": integrations.list_page(connection),
            "judged": judged,
            "rows": rows,
            "health": health,
            "columns": columns,
        }

    return render.page(request, "freshness.html", **await hub.database.read(read))


HANDLERS = [show, find_freshness, show_freshness]
