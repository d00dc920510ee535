"""Page: the set-up guide, which ticks off live what is done in ION."""

import json
from collections.abc import Sequence
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from ultraviolet.errors import UltravioletError
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import subscriptions, webhook_setup
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.web.api.setup import adopt_receiver, save_wanted_subscriptions
from ultraviolet.web.http.problem_details import detail_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role
from ultraviolet.web.pages.templating import GivenRenderer, Renderer, runner

PATH = "/integrations/{integration_id:int}/set-up"


@get(PATH, guards=[require_role("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show the texts to paste and where it stands."""
    return await _page(request, hub, render, integration_id)


@post(PATH + "/url", guards=[require_role("admin")], status_code=201, include_in_schema=False)
async def mint(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str]:
    """Make a webhook URL and show it once, filled into the texts."""
    _, token = await hub.database.write(
        webhook_urls.create_url, caller.name, integration_id, webhook_setup.RECEIVER_NAME
    )
    await hub.ingest.refresh()
    return await _page(
        request,
        hub,
        render,
        integration_id,
        minted=webhook_urls.public_address(hub.public_url, token),
    )


@post(PATH + "/automatic", guards=[require_role("admin")], include_in_schema=False)
async def automatic(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Do all of it through ION's API."""
    try:
        done = await webhook_setup.apply_setup(hub, caller.name, integration_id)
    except UltravioletError as error:
        return await _page(request, hub, render, integration_id, failed=detail_of(error))
    await hub.ingest.refresh()
    if done.refused:
        return await _page(request, hub, render, integration_id, refused=done.refused)
    return _to(integration_id)


@post(PATH + "/receiver", guards=[require_role("admin")], include_in_schema=False)
async def receiver(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Take over the receiver that was made by hand."""
    sent = await request.form()
    try:
        await adopt_receiver(
            hub, caller.name, integration_id, str(sent.get("receiver_id", "")).strip() or None
        )
    except UltravioletError as error:
        return await _page(request, hub, render, integration_id, failed=detail_of(error))
    return _to(integration_id)


@post(PATH + "/wanted", guards=[require_role("admin")], include_in_schema=False)
async def choose(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Keep a choice of what to subscribe to."""
    sent = await request.form()
    pairs = [
        (resource, action)
        for resource, _, action in (str(one).partition(" ") for one in sent.getall("wanted", []))
    ]
    try:
        await save_wanted_subscriptions(hub, caller.name, integration_id, pairs)
    except UltravioletError as error:
        return await _page(request, hub, render, integration_id, failed=detail_of(error))
    return _to(integration_id)


async def _page(
    request: AnyRequest,
    hub: Hub,
    render: Renderer,
    integration_id: int,
    *,
    minted: str = "",
    failed: str = "",
    refused: Sequence[str] = (),
) -> Response[str]:
    integration = await hub.database.read(integrations.get, integration_id)
    found = await webhook_setup.setup_overview(hub, integration_id)
    offered = await hub.database.read(integrations.offered_schema, hub.catalog, integration_id)
    url = found.webhook_url
    filled = _filled(found.texts, minted, url.receiver_id if url and not minted else None)
    return render.page(
        request,
        "set_up.html",
        status=201 if minted else 422 if failed else 200,
        address=f"/integrations/{integration_id}/set-up",
        integration=integration,
        overview=found,
        texts=filled,
        wanted=url.wanted if url else None,
        choosable=_choosable(hub.catalog.following(integration.resources), offered),
        there=_there(found.plan),
        runner=_runner_links(integration.api_url, filled),
        minted=minted,
        failed=failed,
        refused=refused,
    )


def _filled(texts: webhook_setup.SetupTexts, url: str, receiver_id: str | None) -> dict[str, str]:
    subscribing = texts.subscription_variables
    return {
        "receiver": texts.receiver_mutation,
        "receiver_variables": texts.receiver_variables.replace(
            texts.placeholder, url or texts.placeholder
        ),
        "subscriptions": texts.subscription_document,
        "subscriptions_variables": subscribing.replace(
            texts.receiver_placeholder, receiver_id or texts.receiver_placeholder
        ),
        "placeholder": texts.placeholder,
    }


def _there(plan: webhook_setup.Plan | None) -> dict[tuple[str, str], str]:
    """Say of each pair what ION has, against what is wanted."""
    if plan is None or plan.receiver is None:
        return {}
    groups = ("present", "missing", "inactive", "extra")
    return {(one.resource, one.action): group for group in groups for one in getattr(plan, group)}


def _runner_links(api_url: str, texts: dict[str, str]) -> dict[str, str]:
    return {
        name: runner(api_url, texts[name], json.loads(texts[f"{name}_variables"]))
        for name in ("receiver", "subscriptions")
    }


def _choosable(catalog: Catalog, offered: OfferedSchema) -> list[Any]:
    names = subscriptions.names(catalog, offered)
    return sorted((catalog.resources[name] for name in names), key=lambda resource: resource.title)


def _to(integration_id: int) -> Redirect:
    return Redirect(f"/integrations/{integration_id}/set-up", status_code=303)


HANDLERS = [show, mint, automatic, receiver, choose]
