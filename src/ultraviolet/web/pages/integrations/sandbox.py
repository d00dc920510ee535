"""Page actions: start and stop the sandbox of an integration."""

from litestar import post
from litestar.params import FromPath
from litestar.response import Redirect

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.middleware.auth import ADMIN, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.integrations.tabs import PATH


@post(f"{PATH}/sandbox", guards=ADMIN)
async def start(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Start a local ION with the objects of the integration; the page follows."""
    mask = "mask" in await request.form()
    integration = await hub.database.read(integrations.get, integration_id)
    await hub.sandboxes.start(caller.name, integration.id, integration.name, mask=mask)
    return Redirect(f"/integrations/{integration_id}/sandbox", status_code=303)


@post(f"{PATH}/sandbox/stop", guards=ADMIN)
async def stop(hub: GivenHub, integration_id: FromPath[int]) -> Redirect:
    """Stop the sandbox and delete its data."""
    await hub.sandboxes.stop(integration_id)
    return Redirect(f"/integrations/{integration_id}/sandbox", status_code=303)
