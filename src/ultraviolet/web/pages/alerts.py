"""Page: where alerts go, with a test and its result in words, and what needed a person lately."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from ultraviolet.errors import InvalidError
from ultraviolet.hub.alerts import alarm, destinations, state
from ultraviolet.hub.alerts.destinations import Kind
from ultraviolet.hub.hub import Hub
from ultraviolet.web.gate import AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.render import GivenRenderer, Renderer, confirm
from ultraviolet.web.pages.settings import ADMIN, Shown

_SHOWN = 50


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
    added, secret = await hub.store.write(
        lambda c: destinations.add(
            c, hub.secrets, hub.targets, caller.name, name=name, kind=kind, address=address
        )
    )
    shown = Shown(f"Secret that signs what goes to {added.name}", secret) if secret else None
    return await _page(request, hub, render, shown)


@post("/settings/alerts/{destination_id:int}/test", guards=ADMIN, include_in_schema=False)
async def test(hub: GivenHub, destination_id: FromPath[int]) -> Redirect:
    """Send a test; the page says what came of it."""
    await alarm.test(hub, destination_id)
    return _back()


@post("/settings/alerts/{destination_id:int}/remove", guards=ADMIN, include_in_schema=False)
async def remove(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, destination_id: FromPath[int]
) -> Redirect:
    """Send nothing there any more."""
    found = await hub.store.read(lambda c: destinations.get(c, destination_id))
    confirm(await request.form(), found.name, "Alerts still go there.")
    await hub.store.write(lambda c: destinations.remove(c, caller.name, destination_id))
    return _back()


async def _page(
    request: AnyRequest, hub: Hub, render: Renderer, shown: Shown | None
) -> Response[str]:
    return render.page(
        request,
        "alerts.html",
        shown=shown,
        mails=hub.settings.smtp_url is not None,
        destinations=await hub.store.read(destinations.list_),
        alerts=await hub.store.read(lambda c: state.recent(c, _SHOWN)),
    )


def _kind(given: Any) -> Kind:
    match given:
        case "email" | "slack" | "webhook":
            return given
        case _:
            raise InvalidError("Choose a kind: email, slack or webhook.")


def _back() -> Redirect:
    return Redirect("/settings/alerts", status_code=303)


HANDLERS = [show, add, test, remove]
