"""Pages: integrations."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import UltravioletError
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import PRESETS, IntegrationChanges, NewIntegration
from ultraviolet.hub.integrations.resource_selection import list_selectable
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.http.problem_details import detail_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role
from ultraviolet.web.pages.overview import status_of
from ultraviolet.web.pages.schedules import describe, schedule
from ultraviolet.web.pages.templating import GivenRenderer, Renderer, confirm
from ultraviolet.web.pages.webhook_urls import count_day
from ultraviolet.web.queries import fetches, summary, verifications

_SHOWN = 100
_FIELDS = ("name", "api_url", "auth_url", "client_id", "client_secret")
_EDITED = ("name", "api_url", "auth_url", "incremental_schedule", "full_schedule")


@get("/integrations", guards=[require_role("viewer")], include_in_schema=False)
async def show_all(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, cursor: FromQuery[str | None] = None
) -> Response[str]:
    """List integrations in the order they were added."""
    after = number(cursor) or 0

    def read(connection: Connection) -> dict[str, Any]:
        page = page_of(
            integrations.list_page(connection, after, _SHOWN + 1), _SHOWN, lambda one: one.id
        )
        rows = [
            {
                "integration": one,
                "status": status_of(hub.freshness(connection, one)),
                "incremental": describe(one.incremental_schedule),
                "full": describe(one.full_schedule),
            }
            for one in page.items
        ]
        return {"rows": rows, "next": page.next}

    return render.page(request, "integrations.html", **await hub.database.read(read))


@get("/integrations/new", guards=[require_role("admin")], include_in_schema=False)
async def form(request: AnyRequest, render: GivenRenderer) -> Response[str]:
    """Show the form for a new integration."""
    return _form(request, render, dict.fromkeys(_FIELDS, ""), "", 200)


@post("/integrations", guards=[require_role("admin")], include_in_schema=False)
async def add(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str] | Redirect:
    """Add an integration, test it and show the result."""
    sent = await request.form()
    given: dict[str, Any] = {name: str(sent.get(name, "")) for name in _FIELDS}
    try:
        made = await hub.database.write(
            integrations.create, hub.secrets, caller.name, NewIntegration(**given)
        )
    except UltravioletError as error:
        return _form(request, render, given, detail_of(error), error.status)
    await hub.pool.integrations_changed()
    await hub.connections.test(made.id)
    return _to(made.id)


@get("/integrations/{integration_id:int}", guards=[require_role("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show one integration."""
    return await _page(request, hub, render, integration_id)


@get("/freshness", guards=[require_role("viewer")], include_in_schema=False)
async def show_first_freshness(hub: GivenHub) -> Redirect:
    """Redirect to the freshness of the first integration."""
    first = await hub.database.read(integrations.list_page, limit=1)
    address = f"/integrations/{first[0].id}/freshness" if first else "/integrations"
    return Redirect(address, status_code=303)


@get(
    "/integrations/{integration_id:int}/freshness",
    guards=[require_role("viewer")],
    include_in_schema=False,
)
async def show_freshness(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show when each resource was last proven right."""

    def read(connection: Connection) -> dict[str, Any]:
        integration = integrations.get(connection, integration_id)
        judged = hub.freshness(connection, integration)
        return {
            "integration": integration,
            "judged": judged,
            "rows": judged.resources,
        }

    return render.page(request, "freshness.html", **await hub.database.read(read))


@post("/integrations/{integration_id:int}", guards=[require_role("admin")], include_in_schema=False)
async def edit(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Change name, addresses, schedules and request budget."""
    sent = await request.form()
    given: dict[str, Any] = {name: str(sent[name]) for name in _EDITED if name in sent}
    budget = str(sent.get("requests_per_second", ""))
    if budget.isdecimal():
        given["requests_per_second"] = int(budget)
    if secret := str(sent.get("client_secret", "")):
        given["client_secret"] = secret
    changes = IntegrationChanges(**given)
    return await _change(request, hub, render, caller.name, integration_id, changes)


@post(
    "/integrations/{integration_id:int}/resources",
    guards=[require_role("admin")],
    include_in_schema=False,
)
async def choose_resources(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Change the selected resources."""
    names = [str(name) for name in (await request.form()).getall("resource", [])]
    changes = IntegrationChanges(resources=names)
    return await _change(request, hub, render, caller.name, integration_id, changes)


@post(
    "/integrations/{integration_id:int}/credentials",
    guards=[require_role("admin")],
    include_in_schema=False,
)
async def rotate_credentials(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Change the API key of ION and test it."""
    sent = await request.form()
    changes = IntegrationChanges(
        client_id=str(sent.get("client_id", "")), client_secret=str(sent.get("client_secret", ""))
    )
    answer = await _change(request, hub, render, caller.name, integration_id, changes)
    if isinstance(answer, Redirect):
        await hub.connections.test(integration_id)
    return answer


@post(
    "/integrations/{integration_id:int}/test",
    guards=[require_role("operator")],
    include_in_schema=False,
)
async def test(hub: GivenHub, integration_id: FromPath[int]) -> Redirect:
    """Test the connection."""
    await hub.connections.test(integration_id)
    return _to(integration_id)


@post(
    "/integrations/{integration_id:int}/verify",
    guards=[require_role("operator")],
    include_in_schema=False,
)
async def verify(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Begin to compare mirror and ION; the page follows."""
    number = await hub.requests.verify(integration_id, caller.name, wait=False)
    return Redirect(f"/verifications/{number}", status_code=303)


@post(
    "/integrations/{integration_id:int}/pause",
    guards=[require_role("operator")],
    include_in_schema=False,
)
async def pause(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Stop reading."""
    await hub.database.write(integrations.pause, caller.name, integration_id)
    await hub.pool.integrations_changed()
    return _to(integration_id)


@post(
    "/integrations/{integration_id:int}/resume",
    guards=[require_role("operator")],
    include_in_schema=False,
)
async def resume(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Resume syncing."""
    await hub.database.write(integrations.resume, caller.name, integration_id)
    await hub.pool.integrations_changed()
    return _to(integration_id)


@post(
    "/integrations/{integration_id:int}/remove",
    guards=[require_role("admin")],
    include_in_schema=False,
)
async def remove(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Delete an integration."""
    integration = await hub.database.read(integrations.get, integration_id)
    confirm(await request.form(), integration.name, "Nothing was removed.")
    await hub.remove(caller.name, lambda _: integration_id)
    return Redirect("/integrations", status_code=303)


async def _change(
    request: AnyRequest,
    hub: Hub,
    render: Renderer,
    actor: str,
    integration_id: int,
    changes: IntegrationChanges,
) -> Response[str] | Redirect:
    try:
        await hub.database.write(integrations.edit, hub.secrets, actor, integration_id, changes)
    except UltravioletError as error:
        return await _page(request, hub, render, integration_id, detail_of(error))
    await hub.pool.integrations_changed()
    return _to(integration_id)


async def _page(
    request: AnyRequest, hub: Hub, render: Renderer, integration_id: int, failed: str = ""
) -> Response[str]:
    def read(connection: Connection) -> dict[str, Any]:
        integration = integrations.get(connection, integration_id)
        urls = webhook_urls.list_urls(connection, integration_id)
        return {
            "integration": integration,
            "test": integration.test_result,
            "summary": summary.get_summary(connection, integration_id),
            "urls": urls,
            "day": count_day(connection, urls),
            "names": {integration_id: integration.name},
            "verification": verifications.last_verification(connection, integration_id),
            "running": fetches.list_running(connection, integration_id),
            "findings": finding_store.list_findings(connection, integration_id, 20),
            "resources": list_selectable(
                connection,
                hub.catalog,
                integration_id,
                integration.resources,
                integrations.offered_schema(connection, hub.catalog, integration_id),
            ),
        }

    context = await hub.database.read(read)
    integration = context["integration"]
    found, test = context["summary"], context["test"]
    return render.page(
        request,
        "integration.html",
        status=422 if failed else 200,
        **context,
        failed=failed,
        unreadable=[one for one in test.resources if not one.readable] if test else [],
        deletion=f"Permanently deletes {found.objects:,} objects, their history, all events and "
        f"{len(context['urls'])} webhook {'URL' if len(context['urls']) == 1 else 'URLs'}. "
        "ION itself is not changed. Delete the webhook receiver in ION yourself.",
        incremental=schedule(integration.incremental_schedule),
        full=schedule(integration.full_schedule),
        address=f"/integrations/{integration_id}",
    )


def _form(
    request: AnyRequest, render: Renderer, given: dict[str, str], failed: str, status: int
) -> Response[str]:
    return render.page(
        request, "integration_form.html", status=status, given=given, failed=failed, presets=PRESETS
    )


def _to(integration_id: int) -> Redirect:
    return Redirect(f"/integrations/{integration_id}", status_code=303)


HANDLERS = [
    show_all,
    form,
    add,
    show,
    show_first_freshness,
    show_freshness,
    edit,
    choose_resources,
    rotate_credentials,
    test,
    verify,
    pause,
    resume,
    remove,
]
