"""Pages: one integration in tabs, each at its own address, and its freshness by resource."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.command_text import command
from ultraviolet.errors import NotFoundError
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.health.resource_freshness import ResourceFreshness, State
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.hub.integrations.resource_selection import list_selectable
from ultraviolet.ion.labels import resource_label
from ultraviolet.web.http.params import required_integration
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.integrations.schedules import PRESETS, schedule
from ultraviolet.web.pages.objects.table import group_rank
from ultraviolet.web.pages.overview import status_of
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.pages.webhook_urls import count_day
from ultraviolet.web.queries import fetches, summary, verifications
from ultraviolet.web.queries.fetches import FetchFilter

PATH = "/integrations/{integration_id:int}"
TABS = {
    "": "Overview",
    "sync": "Syncs & schedules",
    "webhooks": "Webhooks",
    "resources": "Resources",
    "findings": "Findings",
    "sandbox": "Sandbox",
    "settings": "Settings",
}
"""Labels of the tabs by the end of their address."""
MAX_FINDINGS = 50
_MAX_FETCHES = 8


def _read_tab(
    connection: Connection, hub: Hub, tab: str, integration: Integration, judged: Freshness
) -> dict[str, Any]:
    """Return what only this tab shows."""
    id_ = integration.id
    shown: dict[str, Any]
    match tab:
        case "":
            shown = {
                "summary": summary.get_summary(connection, id_),
                "running": fetches.list_running(connection, id_),
                "verification": verifications.last_verification(connection, id_),
            }
        case "sync":
            shown = {
                "incremental": schedule(integration.incremental_schedule),
                "full": schedule(integration.full_schedule),
                "presets": PRESETS,
                "running": fetches.list_running(connection, id_),
                "fetches": fetches.list_fetches(connection, FetchFilter(id_), None, _MAX_FETCHES),
                "summary": summary.get_summary(connection, id_),
            }
        case "webhooks":
            urls = webhook_urls.list_urls(connection, id_)
            shown = {"day": count_day(connection, urls), "names": {id_: integration.name}}
        case "resources":
            offered = integrations.offered_schema(connection, hub.catalog, id_)
            selected = integration.resources
            shown = {"resources": list_selectable(connection, hub.catalog, id_, selected, offered)}
        case "findings":
            found = finding_store.list_findings(connection, id_, MAX_FINDINGS)
            stored = {(one.kind, one.message) for one in found if not one.resolved_at}
            follow = {(one.kind, one.message) for one in status_of(connection, judged).consequences}
            shown = {
                "findings": [
                    one for one in found if one.resolved_at or (one.kind, one.message) not in follow
                ],
                "current": [
                    one for one in judged.findings if (one.kind, one.message) not in stored | follow
                ],
            }
        case "sandbox":
            serve = command("ion serve", from_hub=hub.public_url, integration=integration.name)
            started = hub.sandboxes.get(id_)
            shown = {"available": hub.sandboxes.available, "sandbox": started, "serve": serve}
        case _:
            shown = {"summary": summary.get_summary(connection, id_)}
    return shown


@get([PATH, *(f"{PATH}/{tab}" for tab in TABS if tab)], guards=VIEWER)
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
            "health": status_of(connection, judged),
            "urls": urls,
            "rejected": any(one.rejects_credentials for one in judged.findings),
            "failing": judged.state is State.FAILING,
            "receives": any(url.state == "active" and url.first_verified_at for url in urls),
            "open_findings": len(
                finding_store.list_findings(
                    connection, integration_id, MAX_FINDINGS, unresolved=True
                )
            ),
            **_read_tab(connection, hub, tab, integration, judged),
        }

    return render.page(
        request,
        f"integration_{tab or 'overview'}.html",
        tab=tab,
        tabs=TABS,
        here_path=f"/integrations/{integration_id}",
        **await hub.database.read(read),
    )


@get("/freshness", guards=VIEWER)
async def find_freshness(hub: GivenHub, integration: FromQuery[str] = "") -> Redirect:
    """Redirect to the freshness of an integration, or ask which one."""
    try:
        found = await hub.database.read(required_integration, integration)
    except NotFoundError:
        if integration:
            raise
        return Redirect("/integrations", status_code=303)
    return Redirect(f"/integrations/{found}/freshness", status_code=303)


@get(f"{PATH}/freshness", guards=VIEWER)
async def show_freshness(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show when each resource was last proven right: problems first, others folded."""

    def read(connection: Connection) -> dict[str, Any]:
        integration = integrations.get(connection, integration_id)
        judged = hub.freshness(connection, integration)
        rows = [row for row in judged.resources if row.stale or row.finding]
        others = [row for row in judged.resources if row not in rows]
        unchanged: dict[str, list[ResourceFreshness]] = {}
        for row in others:
            if not row.changes:
                unchanged.setdefault(resource_label(row.resource).group, []).append(row)
        columns = {
            "failing": any(row.failing for row in rows),
            "latency": any(row.p50_seconds is not None for row in judged.resources),
            "note": any(row.skipped or row.finding for row in rows),
        }
        health = status_of(connection, judged)
        return {
            "integration": integration,
            "integrations": integrations.list_page(connection),
            "judged": judged,
            "rows": rows,
            "changed": [row for row in others if row.changes],
            "unchanged": {name: unchanged[name] for name in sorted(unchanged, key=group_rank)},
            "health": health,
            "columns": columns,
        }

    return render.page(request, "freshness.html", **await hub.database.read(read))
