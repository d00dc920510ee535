"""Pages: integrations, from the form that adds one to what it is like now."""

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import UltravioletError
from ultraviolet.hub import findings, integrations, webhook_urls
from ultraviolet.hub.integrations import PRESETS, NewIntegration
from ultraviolet.web.gate import AnyRequest, GivenCaller, GivenHub, at_least
from ultraviolet.web.pages.render import GivenRenderer, Renderer, confirm
from ultraviolet.web.problems import words
from ultraviolet.web.reading import drift, freshness, verifications
from ultraviolet.web.reading.drift import DriftFilter

_FIELDS = ("name", "api_url", "auth_url", "client_id", "client_secret")


@get("/integrations", guards=[at_least("viewer")], include_in_schema=False)
async def show_all(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """List integrations."""
    found = await hub.store.read(integrations.list_page)
    return render.page(request, "integrations.html", integrations=found)


@get("/integrations/new", guards=[at_least("admin")], include_in_schema=False)
async def form(request: AnyRequest, render: GivenRenderer) -> Response[str]:
    """Ask for what it takes to connect."""
    return _form(request, render, dict.fromkeys(_FIELDS, ""), "", 200)


@post("/integrations", guards=[at_least("admin")], include_in_schema=False)
async def add(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str] | Redirect:
    """Add an integration, test it, and show what came of it."""
    sent = await request.form()
    given: dict[str, Any] = {name: str(sent.get(name, "")) for name in _FIELDS}
    try:
        made = await hub.store.write(
            lambda c: integrations.create(c, hub.secrets, caller.name, NewIntegration(**given))
        )
    except UltravioletError as error:
        return _form(request, render, given, words(error), error.status)
    await hub.test(made.id)
    return _to(made.id)


@get("/integrations/{integration_id:int}", guards=[at_least("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show one integration."""

    def read(connection: Connection) -> dict[str, Any]:
        integration = integrations.get(connection, integration_id)
        return {
            "integration": integration,
            "test": integration.test_result,
            "summary": freshness.summary(connection, integration_id),
            "urls": webhook_urls.list_(connection, integration_id),
            "names": {integration_id: integration.name},
            "verification": verifications.last(connection, integration_id),
            "findings": findings.recent(connection, integration_id, 20),
        }

    return render.page(request, "integration.html", **await hub.store.read(read))


@get("/integrations/{integration_id:int}/freshness", guards=[at_least("viewer")], include_in_schema=False)
async def show_freshness(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show when each resource was last proven right, and what drifted."""

    def read(connection: Connection) -> dict[str, Any]:
        integration = integrations.get(connection, integration_id)
        judged = hub.freshness(connection, integration)
        return {
            "integration": integration,
            "judged": judged,
            "rows": judged.resources,
            "drift": drift.samples(connection, integration_id, DriftFilter(), None, 100),
        }

    return render.page(request, "freshness.html", **await hub.store.read(read))


@post("/integrations/{integration_id:int}/test", guards=[at_least("operator")], include_in_schema=False)
async def test(hub: GivenHub, integration_id: FromPath[int]) -> Redirect:
    """Test the connection."""
    await hub.test(integration_id)
    return _to(integration_id)


@post("/integrations/{integration_id:int}/verify", guards=[at_least("operator")], include_in_schema=False)
async def verify(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Begin to compare mirror and ION; the page follows."""
    await hub.verify(integration_id, caller.name, wait=False)
    return _to(integration_id)


@post("/integrations/{integration_id:int}/pause", guards=[at_least("operator")], include_in_schema=False)
async def pause(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Stop reading."""
    await hub.store.write(lambda c: integrations.pause(c, caller.name, integration_id))
    hub.integrations_changed()
    return _to(integration_id)


@post("/integrations/{integration_id:int}/resume", guards=[at_least("operator")], include_in_schema=False)
async def resume(hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]) -> Redirect:
    """Go on."""
    await hub.store.write(lambda c: integrations.resume(c, caller.name, integration_id))
    hub.integrations_changed()
    return _to(integration_id)


@post("/integrations/{integration_id:int}/remove", guards=[at_least("admin")], include_in_schema=False)
async def remove(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Forget an integration."""
    integration = await hub.store.read(lambda c: integrations.get(c, integration_id))
    confirm(await request.form(), integration.name, "Nothing was removed.")
    await hub.store.write(lambda c: integrations.remove(c, caller.name, integration_id))
    hub.integrations_changed()
    return Redirect("/integrations", status_code=303)


def _form(
    request: AnyRequest, render: Renderer, given: dict[str, str], failed: str, status: int
) -> Response[str]:
    return render.page(
        request, "integration_form.html", status=status, given=given, failed=failed, presets=PRESETS
    )


def _to(integration_id: int) -> Redirect:
    return Redirect(f"/integrations/{integration_id}", status_code=303)


HANDLERS = [show_all, form, add, show, show_freshness, test, verify, pause, resume, remove]
