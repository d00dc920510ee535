"""Page: the setup of webhooks in ION, step by step, manual or automatic."""

import json
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import NotFoundError
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.health.resource_freshness import State
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import subscriptions, webhook_setup
from ultraviolet.hub.integrations.models import Integration, is_sandbox
from ultraviolet.hub.integrations.setup_guide import SubscriptionState
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.web.middleware.auth import ADMIN, VIEWER, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.formats.addresses import runner
from ultraviolet.web.pages.forms.form_values import number_in
from ultraviolet.web.pages.one_time import ONE_TIME_COOKIE, find_secret
from ultraviolet.web.pages.overview import Status, status_of
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.pages.webhook_urls import WEBHOOK_URL, guide_address, redirect_with_url

_RECEIVER_STEP = 1
_ACTIONS = ("CREATE", "UPDATE", "DELETE")


class SubscriptionGroup(msgspec.Struct, frozen=True):
    """The subscriptions in one state, with the labels of the state."""

    label: str
    cell: str
    pairs: Sequence[SubscriptionState]
    repairable: bool = False

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Return the subscriptions as (resource, action) pairs."""
        return [(pair.resource, pair.action) for pair in self.pairs]

    @property
    def by_resource(self) -> list[tuple[str, str]]:
        """Return the title of each resource with its actions."""
        actions: dict[str, list[str]] = {}
        for pair in self.pairs:
            actions.setdefault(resource_label(pair.resource).plural, []).append(pair.action.lower())
        return [(title, ", ".join(actions[title])) for title in sorted(actions, key=str.casefold)]


PATH = "/integrations/{integration_id:int}/set-up"


@get(PATH, guards=VIEWER)
async def show(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration_id: FromPath[int],
    way: FromQuery[Literal["automatic", "manual"] | None] = None,
    url_id: Annotated[int | None, QueryParameter(name="url")] = None,
) -> Response[str]:
    """Show the steps of the manual or automatic setup of one webhook URL, with their status.

    Without `url`: the one just created in this browser, the newest unfinished, or the one in use.
    """
    secret = find_secret(request, hub, caller.name, WEBHOOK_URL)
    shown_id = url_id or (secret.subject_id if secret else None)

    def read(connection: Connection) -> tuple[Integration, int | None, bool, OfferedSchema]:
        integration = integrations.get(connection, integration_id)
        chosen = url_id and webhook_urls.get_url(connection, url_id)
        if chosen and chosen.integration_id != integration_id:
            raise NotFoundError(f"Webhook URL {url_id} belongs to another integration.")
        if chosen and chosen.state != "active":
            raise NotFoundError(
                f"Webhook URL {url_id} is {chosen.state}. Open the setup guide of an active one."
            )
        unfinished = webhook_urls.unfinished_url(connection, integration_id)
        usual = unfinished.id if unfinished and way != "automatic" else None
        used = webhook_urls.current_url(connection, integration_id)
        offered = integrations.offered_schema(connection, hub.catalog, integration_id)
        return integration, shown_id or usual, bool(used and used.receiver_id), offered

    integration, shown_id, has_receiver, offered = await hub.database.read(read)

    def read_state(connection: Connection) -> tuple[Freshness, Status, list[WebhookUrl]]:
        judged = hub.freshness(connection, integration)
        urls = webhook_urls.list_active(connection, integration_id)
        return judged, status_of(connection, judged), urls

    judged, health, urls = await hub.database.read(read_state)
    found = await webhook_setup.setup_overview(hub.connections, integration_id, shown_id)
    url = found.webhook_url
    address = secret.text if secret and url and url.id == secret.subject_id else ""
    receiver_id = url.receiver_id if url else None
    if found.plan:  # what step 2 shows; the hub may not have adopted this receiver yet
        receiver_id = found.plan.receiver.id if found.plan.receiver else None
    texts = _filled(found.texts, url, address, receiver_id)
    groups = _groups(found.plan)
    catalog = hub.catalog.following(integration.resources)
    run = hub.setup_runs.get(integration_id)
    pending = [i for i, step in enumerate(found.steps) if step.needed and not step.done]
    second = has_receiver and receiver_id is None
    errors = [one for one in judged.findings if one.severity == "error"]
    subscribed = any(one.subscribed_at for one in urls)
    gap = judged.state in (State.CATCHING_UP, State.UNSYNCED) or bool(errors) or not subscribed
    catching_up = not pending and gap and all(one.stops_deliveries for one in errors)
    usual = "manual" if address or second else "automatic"
    page = render.page(
        request,
        "set_up.html",
        address=f"/integrations/{integration_id}/set-up",
        query=f"&url={url.id}" if url else "",
        second=second,
        integration=integration,
        overview=found,
        catching_up=catching_up,
        only_webhooks=bool(errors) and all(one.stops_deliveries for one in errors),
        others=[one for one in urls if url and one.id != url.id],
        health=health,
        rejected=any(one.rejects_credentials for one in judged.findings),
        texts=texts,
        wanted=url.wanted if url else None,
        choosable=sorted(
            (catalog.resources[name] for name in subscriptions.names(catalog, offered)),
            key=lambda resource: resource.title,
        ),
        there={pair: group.cell for group in groups for pair in group.keys},
        groups=groups,
        repairable=any(group.repairable and group.pairs for group in groups)
        or bool(found.plan and found.plan.problems),
        actions=_ACTIONS,
        sandbox=is_sandbox(integration.api_url),
        way=way or usual,
        current=pending[0] if pending else len(found.steps),
        poll_interval="2s" if pending or catching_up else "10s",
        runner={
            name: runner(integration.api_url, texts[name], json.loads(texts[f"{name}_variables"]))
            for name, is_complete in (("receiver", address), ("subscriptions", receiver_id))
            if is_complete
        },
        webhook_address=address,
        run=run,
        failed=run.error if run else "",
        refused=run.refused if run else (),
    )
    if address and found.steps[_RECEIVER_STEP].done:
        page.delete_cookie(ONE_TIME_COOKIE, path="/")  # the receiver in ION has the address now
    return page


@post(PATH + "/url", guards=ADMIN)
async def create_url(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Create a webhook URL, and continue with it filled into the texts."""
    name = await hub.database.read(
        webhook_urls.free_name, integration_id, webhook_setup.RECEIVER_NAME
    )
    url, token = await hub.database.write(
        webhook_urls.create_url, caller.name, integration_id, name
    )
    await hub.ingest.refresh()
    text = webhook_urls.public_address(hub.public_url, token)
    address = guide_address(url)
    return redirect_with_url(request, hub, caller.name, address, url, text)


@post(PATH + "/rotate", guards=ADMIN)
async def rotate(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Replace the URL whose address can no longer be shown, and continue with the new one."""
    url_id = number_in(await request.form(), "url")
    url = await hub.database.read(webhook_urls.get_url, url_id)
    if url.integration_id != integration_id:
        raise NotFoundError(f"Webhook URL {url_id} belongs to another integration.")
    rotated = await webhook_setup.rotate_url(hub.connections, caller.name, url_id)
    await hub.ingest.refresh()
    address = guide_address(rotated.webhook_url)
    return redirect_with_url(
        request, hub, caller.name, address, rotated.webhook_url, rotated.url, rotated.detail
    )


@post(PATH + "/automatic", guards=ADMIN)
async def automatic(
    hub: GivenHub,
    caller: GivenCaller,
    integration_id: FromPath[int],
) -> Redirect:
    """Start the setup through ION's API; the page shows its progress."""
    await hub.database.read(integrations.get, integration_id)
    hub.setup_runs.start(caller.name, integration_id)
    return _to(integration_id)


@post(PATH + "/receiver", guards=ADMIN)
async def receiver(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Adopt a receiver that was created manually."""
    given = str((await request.form()).get("receiver_id", "")).strip()
    url = await webhook_setup.adopt_receiver(
        hub.connections, caller.name, integration_id, given or None
    )
    hub.check_webhooks(integration_id)
    return Redirect(guide_address(url), status_code=303) if url else _to(integration_id, "manual")


@post(PATH + "/wanted", guards=ADMIN)
async def choose(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, integration_id: FromPath[int]
) -> Redirect:
    """Save the selected subscriptions."""
    sent = await request.form()
    pairs = [
        (resource, action)
        for resource, _, action in (str(one).partition(" ") for one in sent.getall("wanted", []))
    ]
    await webhook_setup.select_subscriptions(hub.connections, caller.name, integration_id, pairs)
    return _to(integration_id)


def _filled(
    texts: webhook_setup.SetupTexts,
    url: WebhookUrl | None,
    address: str,
    receiver_id: str | None,
) -> dict[str, str]:
    """Return the texts with the address and the id of the receiver, where they are known."""
    variables = {"input": {"name": url.name if url else webhook_setup.RECEIVER_NAME}}
    variables["input"]["webhookUri"] = address or texts.placeholder
    return {
        "receiver": texts.receiver_mutation,
        "receiver_variables": json.dumps(variables, indent=2, ensure_ascii=False),
        "subscriptions": texts.subscription_document,
        "subscriptions_variables": texts.subscription_variables.replace(
            texts.receiver_placeholder, receiver_id or texts.receiver_placeholder
        ),
        "placeholder": texts.placeholder,
    }


def _groups(plan: webhook_setup.Plan | None) -> list[SubscriptionGroup]:
    """Return the subscriptions by state; empty without a receiver."""
    if plan is None or plan.receiver is None:
        return []
    return [
        SubscriptionGroup("Active", "active", plan.present),
        SubscriptionGroup("Missing", "missing", plan.missing, repairable=True),
        SubscriptionGroup("Disabled", "disabled", plan.inactive, repairable=True),
        SubscriptionGroup("Not selected", "extra", plan.extra),
    ]


def _to(integration_id: int, way: str = "automatic") -> Redirect:
    return Redirect(f"/integrations/{integration_id}/set-up?way={way}", status_code=303)
