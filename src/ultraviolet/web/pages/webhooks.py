"""Pages: webhook URLs; the answer to minting or rotating one is the only page that ever shows it."""

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.hub import integrations, setup, webhook_urls
from ultraviolet.hub.hub import Hub
from ultraviolet.web.gate import AnyRequest, GivenCaller, GivenHub, at_least
from ultraviolet.web.pages.render import GivenRenderer, Renderer, confirm


class Shown(msgspec.Struct, frozen=True):
    """A URL at the one moment it is known."""

    name: str
    integration_id: int
    url: str
    detail: str = ""


@get("/webhooks", guards=[at_least("viewer")], include_in_schema=False)
async def show_all(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """List all URLs, without their secret parts."""
    return await _page(request, hub, render, None)


@post("/webhooks", guards=[at_least("admin")], status_code=201, include_in_schema=False)
async def mint(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str]:
    """Make a URL and show it, once."""
    sent = await request.form()
    integration_id, name = int(str(sent.get("integration", "0"))), str(sent.get("name", ""))
    made, token = await hub.store.write(lambda c: webhook_urls.mint(c, caller.name, integration_id, name))
    await hub.ingest.refresh()
    return await _page(request, hub, render, _shown(hub, made, token))


@post("/webhooks/{url_id:int}/rotate", guards=[at_least("admin")], include_in_schema=False)
async def rotate(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller, url_id: FromPath[int]
) -> Response[str]:
    """Make a successor and show it, once."""
    rotated = await setup.rotate(hub, caller.name, url_id)
    await hub.ingest.refresh()
    url = rotated.webhook_url
    return await _page(request, hub, render, Shown(url.name, url.integration_id, rotated.url, rotated.detail))


@post("/webhooks/{url_id:int}/revoke", guards=[at_least("admin")], include_in_schema=False)
async def revoke(request: AnyRequest, hub: GivenHub, caller: GivenCaller, url_id: FromPath[int]) -> Redirect:
    """End a URL."""
    url = await hub.store.read(lambda c: webhook_urls.get(c, url_id))
    confirm(await request.form(), url.name, "The URL still takes deliveries.")
    await hub.store.write(lambda c: webhook_urls.revoke(c, caller.name, url_id))
    await hub.ingest.refresh()
    return Redirect("/webhooks", status_code=303)


def _shown(hub: Hub, url: webhook_urls.WebhookUrl, token: str) -> Shown:
    return Shown(url.name, url.integration_id, webhook_urls.address(hub.public_url, token))


async def _page(request: AnyRequest, hub: Hub, render: Renderer, shown: Shown | None) -> Response[str]:
    asked = request.query_params.get("integration", "")

    def read(connection: Connection) -> dict[str, object]:
        choice = integrations.list_page(connection)
        return {
            "integrations": choice,
            "names": {one.id: one.name for one in choice},
            "urls": [url for one in choice for url in webhook_urls.list_(connection, one.id)],
            "chosen": int(asked) if asked.isdecimal() else None,
        }

    return render.page(
        request,
        "webhooks.html",
        status=201 if shown else 200,
        shown=shown,
        address="/webhooks",
        **await hub.store.read(read),
    )


HANDLERS = [show_all, mint, rotate, revoke]
