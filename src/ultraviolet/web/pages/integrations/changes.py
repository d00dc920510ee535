"""Actions on one integration: edit, test, verify, pause, resume and delete."""

from typing import Any

from litestar import post
from litestar.params import FromPath
from litestar.response import Redirect

from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import tested_changes
from ultraviolet.hub.integrations.models import IntegrationChanges
from ultraviolet.web.middleware.auth import ADMIN, OPERATOR, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.forms.form_values import confirm, number_in
from ultraviolet.web.pages.integrations.tabs import PATH

_CONNECTION = ("api_url", "auth_url", "client_id")
_SCHEDULES = ("incremental_schedule", "full_schedule")


@post(f"{PATH}/settings", guards=ADMIN)
async def rename(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Change the name."""
    changes = IntegrationChanges(name=str((await request.form()).get("name", "")))
    return await _change(hub, caller.name, integration_id, changes, "settings")


@post(f"{PATH}/sync", guards=ADMIN)
async def change_schedule(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Change the schedules and the request budget."""
    sent = await request.form()
    given: dict[str, Any] = {name: str(sent.get(name, "")) for name in _SCHEDULES}
    budget = number_in(sent, "requests_per_second")
    changes = IntegrationChanges(**given, requests_per_second=budget)
    return await _change(hub, caller.name, integration_id, changes, "sync")


@post(f"{PATH}/resources", guards=ADMIN)
async def choose_resources(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Change the selected resources."""
    names = [str(name) for name in (await request.form()).getall("resource", [])]
    changes = IntegrationChanges(resources=names)
    return await _change(hub, caller.name, integration_id, changes, "resources")


@post(f"{PATH}/connection", guards=ADMIN)
async def change_connection(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Test and save other addresses or credentials, or save them untested if asked to."""
    sent = await request.form()
    given: dict[str, Any] = {name: str(sent.get(name, "")) for name in _CONNECTION}
    if secret := str(sent.get("client_secret", "")):
        given["client_secret"] = secret
    changes = IntegrationChanges(**given)
    if "untested" in sent:
        return await _change(hub, caller.name, integration_id, changes, "settings")
    await tested_changes.edit_tested(hub.connections, caller.name, integration_id, changes)
    await hub.pool.integrations_changed()
    return Redirect(f"/integrations/{integration_id}", status_code=303)


@post(f"{PATH}/test", guards=OPERATOR)
async def test(hub: GivenHub, integration_id: FromPath[int]) -> Redirect:
    """Test the connection."""
    await hub.connections.test(integration_id)
    return Redirect(f"/integrations/{integration_id}", status_code=303)


@post(f"{PATH}/verify", guards=OPERATOR)
async def verify(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Begin to compare mirror and ION; the page follows."""
    number = await hub.requests.verify(integration_id, caller.name, wait=False)
    return Redirect(f"/verifications/{number}", status_code=303)


@post(f"{PATH}/pause", guards=OPERATOR)
async def pause(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Stop reading."""
    await hub.database.write(integrations.pause, caller.name, integration_id)
    await hub.pool.integrations_changed()
    return Redirect(f"/integrations/{integration_id}", status_code=303)


@post(f"{PATH}/resume", guards=OPERATOR)
async def resume(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Resume syncing."""
    await hub.database.write(integrations.resume, caller.name, integration_id)
    await hub.pool.integrations_changed()
    return Redirect(f"/integrations/{integration_id}", status_code=303)


@post(f"{PATH}/remove", guards=ADMIN)
async def remove(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Delete an integration."""
    integration = await hub.database.read(integrations.get, integration_id)
    confirm(await request.form(), integration.name, "Nothing was removed.")
    await hub.remove(caller.name, lambda _: integration_id)
    return Redirect("/integrations", status_code=303)


async def _change(
    hub: Hub, actor: str, integration_id: int, changes: IntegrationChanges, tab: str
) -> Redirect:
    await hub.database.write(integrations.edit, hub.secrets, actor, integration_id, changes)
    await hub.pool.integrations_changed()
    return Redirect(f"/integrations/{integration_id}/{tab}", status_code=303)
