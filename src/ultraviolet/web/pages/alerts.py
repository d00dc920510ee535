"""Page: alert destinations and alert history."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from ultraviolet.errors import InvalidError
from ultraviolet.hub.alerts import destinations
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.destinations import Kind
from ultraviolet.hub.hub import Hub
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.settings import ADMIN, Shown
from ultraviolet.web.pages.templating import GivenRenderer, Renderer, confirm

_SHOWN = 50
_KINDS = {"email": "E-mail", "slack": "Chat webhook", "webhook": "Signed webhook"}


@get("/settings/alerts", guards=ADMIN, include_in_schema=False)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show destinations and alerts."""
    return await _page(request, hub, render, None)


@post("/settings/alerts", guards=ADMIN, include_in_schema=False)
async def add(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str]:
    """Add a destination; the secret of a signed webhook is shown once."""
    sent = await request.form()
    name, kind, address = (
        str(sent.get("name", "")),
        _kind(sent.get("kind")),
        str(sent.get("address", "")),
    )
    added, secret = await hub.database.write(
        destinations.add,
        hub.secrets,
        hub.targets,
        caller.name,
        name=name,
        kind=kind,
        address=address,
    )
    shown = Shown(f"Signing secret of {added.name}", secret) if secret else None
    return await _page(request, hub, render, shown)


@post("/settings/alerts/{destination_id:int}/test", guards=ADMIN, include_in_schema=False)
async def test(hub: GivenHub, destination_id: FromPath[int]) -> Redirect:
    """Send a test; the page shows the result."""
    await hub.alerts.send_test(destination_id)
    return _back()


@post("/settings/alerts/{destination_id:int}/remove", guards=ADMIN, include_in_schema=False)
async def remove(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, destination_id: FromPath[int]
) -> Redirect:
    """Remove a destination."""
    found = await hub.database.read(destinations.get, destination_id)
    confirm(await request.form(), found.name, "The destination still receives alerts.")
    await hub.database.write(destinations.remove, caller.name, destination_id)
    return _back()


async def _page(
    request: AnyRequest, hub: Hub, render: Renderer, shown: Shown | None
) -> Response[str]:
    return render.page(
        request,
        "alerts.html",
        shown=shown,
        kinds=_KINDS,
        mails=hub.settings.smtp_url is not None,
        destinations=await hub.database.read(destinations.list_destinations),
        alerts=await hub.database.read(alert_store.list_recent, _SHOWN),
    )


def _kind(given: Any) -> Kind:
    match given:
        case "email" | "slack" | "webhook":
            return given
        case _:
            raise InvalidError("Select a type: email, slack or webhook.")


def _back() -> Redirect:
    return Redirect("/settings/alerts", status_code=303)


HANDLERS = [show, add, test, remove]
