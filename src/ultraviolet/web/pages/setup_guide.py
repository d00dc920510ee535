"""Page: setup guide with live status."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from ultraviolet.errors import UltravioletError
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import subscriptions, webhook_setup
from ultraviolet.hub.integrations.setup_guide import SubscriptionState
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.web.http.problem_details import detail_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role
from ultraviolet.web.pages.templating import GivenRenderer, Renderer, runner

_ACTIONS = ("CREATE", "UPDATE", "DELETE")


class SubscriptionGroup(msgspec.Struct, frozen=True):
    """The subscriptions in one state, with the labels of the state."""

    label: str
    title: str
    cell: str
    pairs: Sequence[SubscriptionState]
    repairable: bool = False

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Return the subscriptions as (resource, action) pairs."""
        return [(pair.resource, pair.action) for pair in self.pairs]


PATH = "/integrations/{integration_id:int}/set-up"


@get(PATH, guards=[require_role("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration_id: FromPath[int]
) -> Response[str]:
    """Show the setup status and the texts to paste."""
    return await _page(request, hub, render, integration_id)


@post(PATH + "/url", guards=[require_role("admin")], status_code=201, include_in_schema=False)
async def mint(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str]:
    """Create a webhook URL and show it once, filled into the texts."""
    _, token = await hub.database.write(
        webhook_urls.create_url, caller.name, integration_id, webhook_setup.RECEIVER_NAME
    )
    await hub.ingest.refresh()
    return await _page(
        request,
        hub,
        render,
        integration_id,
        created_url=webhook_urls.public_address(hub.public_url, token),
    )


@post(PATH + "/automatic", guards=[require_role("admin")], include_in_schema=False)
async def automatic(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Response[str] | Redirect:
    """Set up webhooks through ION's API."""
    try:
        done = await webhook_setup.apply_setup(hub.connections, caller.name, integration_id)
    except UltravioletError as error:
        return await _page(request, hub, render, integration_id, failed=detail_of(error))
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
    """Adopt a receiver that was created manually."""
    sent = await request.form()
    try:
        await webhook_setup.adopt_receiver(
            hub.connections,
            caller.name,
            integration_id,
            str(sent.get("receiver_id", "")).strip() or None,
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
    """Save the selected subscriptions."""
    sent = await request.form()
    pairs = [
        (resource, action)
        for resource, _, action in (str(one).partition(" ") for one in sent.getall("wanted", []))
    ]
    try:
        await webhook_setup.select_subscriptions(
            hub.connections, caller.name, integration_id, pairs
        )
    except UltravioletError as error:
        return await _page(request, hub, render, integration_id, failed=detail_of(error))
    return _to(integration_id)


async def _page(
    request: AnyRequest,
    hub: Hub,
    render: Renderer,
    integration_id: int,
    *,
    created_url: str = "",
    failed: str = "",
    refused: Sequence[str] = (),
) -> Response[str]:
    integration = await hub.database.read(integrations.get, integration_id)
    found = await webhook_setup.setup_overview(hub.connections, integration_id)
    offered = await hub.database.read(integrations.offered_schema, hub.catalog, integration_id)
    url = found.webhook_url
    filled = _filled(found.texts, created_url, url.receiver_id if url and not created_url else None)
    groups = _groups(found.plan)
    return render.page(
        request,
        "set_up.html",
        status=201 if created_url else 422 if failed else 200,
        address=f"/integrations/{integration_id}/set-up",
        integration=integration,
        overview=found,
        texts=filled,
        wanted=url.wanted if url else None,
        choosable=_choosable(hub.catalog.following(integration.resources), offered),
        there={pair: group.cell for group in groups for pair in group.keys},
        groups=groups,
        repairable=any(group.repairable and group.pairs for group in groups)
        or bool(found.plan and found.plan.problems),
        actions=_ACTIONS,
        receiver_id=(url.receiver_id or "") if url else "",
        poll_interval="10s" if all(step.done for step in found.steps) else "1500ms",
        runner=_runner_links(integration.api_url, filled),
        created_url=created_url,
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


def _groups(plan: webhook_setup.Plan | None) -> list[SubscriptionGroup]:
    """Return the subscriptions by state; empty if there is no receiver."""
    if plan is None or plan.receiver is None:
        return []
    return [
        SubscriptionGroup("Active", "", "active", plan.present),
        SubscriptionGroup("Missing", "Missing in ION", "missing", plan.missing, repairable=True),
        SubscriptionGroup(
            "Disabled", "Disabled in ION", "disabled", plan.inactive, repairable=True
        ),
        SubscriptionGroup("Extra", "In ION, but not selected", "extra", plan.extra),
    ]


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
