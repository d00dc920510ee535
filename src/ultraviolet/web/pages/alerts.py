"""Page: active problems, alert destinations and resolved problems."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.hub.alerts import destinations
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.conditions import Topic
from ultraviolet.hub.alerts.service import MAX_ACTIVE
from ultraviolet.web.middleware.auth import ADMIN, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.forms.form_values import confirm
from ultraviolet.web.pages.one_time import OneTimeSecret, find_secret, redirect_with_secret
from ultraviolet.web.pages.templating import GivenRenderer

_PAGE_SIZE = 50
_CHECKS: dict[Topic, tuple[str, str]] = {
    "credentials": ("Credentials", "ION rejects the API key, or the key lacks a permission"),
    "connection": ("Connection", "ION does not respond, or responds with errors"),
    "receiver": (
        "Webhooks",
        "deliveries cannot arrive, events are missing, or signatures are invalid",
    ),
    "freshness": (
        "Freshness",
        "a resource is not confirmed in time, or its objects stay unreadable",
    ),
    "drift": (
        "Differences",
        "the last verification found differences, or events could not be interpreted",
    ),
    "disk": ("Disk", "the disk of the hub's data is almost full"),
}
"""Name and condition by topic."""
_KINDS = {"email": "E-mail", "slack": "Chat webhook", "webhook": "Signed webhook"}


@get("/settings/alerts", guards=ADMIN)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str]:
    """Show active problems with their actions, destinations, and resolved problems."""

    def read(connection: Connection) -> dict[str, Any]:
        active = hub.alerts.list_active(connection)
        ids = {alert.id for alert, _ in active}
        recent = alert_store.list_recent(connection, _PAGE_SIZE)
        topics = [alert.topic for alert, _ in active]
        checks = [(*words, topics.count(topic)) for topic, words in _CHECKS.items()]
        return {
            "active": active,
            "checks": checks,
            "resolved": [one for one in recent if one.id not in ids],
        }

    return render.page(
        request,
        "alerts.html",
        secret=find_secret(request, hub, caller.name, "signing_secret"),
        kinds=_KINDS,
        limit=MAX_ACTIVE,
        seconds=hub.settings.alert_seconds,
        mails=hub.settings.smtp_url is not None,
        destinations=await hub.database.read(destinations.list_destinations),
        **await hub.database.read(read),
    )


@post("/settings/alerts", guards=ADMIN)
async def add(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Add a destination; the next page shows the secret of a signed webhook."""
    sent = await request.form()
    match sent.get("kind"):
        case "email" | "slack" | "webhook" as kind:
            pass
        case _:
            raise InvalidError("Select a type: email, slack or webhook.", field="kind")
    added, secret = await hub.database.write(
        destinations.add,
        hub.secrets,
        hub.targets,
        caller.name,
        name=str(sent.get("name", "")),
        kind=kind,
        address=str(sent.get("address", "")),
    )
    if not secret:
        return _back()
    shown = OneTimeSecret("signing_secret", f"Signing secret of {added.name}", secret, added.id)
    return redirect_with_secret(request, hub, caller.name, "/settings/alerts", shown)


@post("/settings/alerts/{destination_id:int}/test", guards=ADMIN)
async def test(hub: GivenHub, destination_id: FromPath[int]) -> Redirect:
    """Send a test; the page shows the result."""
    await hub.alerts.send_test(destination_id)
    return _back()


@post("/settings/alerts/{destination_id:int}/remove", guards=ADMIN)
async def remove(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, destination_id: FromPath[int]
) -> Redirect:
    """Remove a destination."""
    found = await hub.database.read(destinations.get, destination_id)
    confirm(await request.form(), found.name, "The destination still receives alerts.")
    await hub.database.write(destinations.remove, caller.name, destination_id)
    return _back()


def _back() -> Redirect:
    return Redirect("/settings/alerts", status_code=303)
