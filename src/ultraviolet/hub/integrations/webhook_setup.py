"""Set-up in ION: the receiver and its subscriptions, by hand or through the API, and how far it has come.

The whole address of a webhook URL exists only when it is minted, so automatic set-up either mints one and
makes a receiver for it, or repairs a receiver it knows, whose address it leaves alone.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from ultraviolet.db.database import Database
from ultraviolet.errors import InvalidError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import subscriptions
from ultraviolet.hub.integrations.connection_test import TestResult
from ultraviolet.hub.integrations.setup_guide import (
    PLACEHOLDER,
    RECEIVER_NAME,
    Plan,
    SetupStep,
    SetupTexts,
    compare_subscriptions,
    setup_steps,
    setup_texts,
)
from ultraviolet.ion import webhooks
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.errors import IonError, IonRefusedError
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.ion.webhooks import Receiver


class Hub(Protocol):
    """What set-up needs of the hub."""

    @property
    def database(self) -> Database: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def secrets(self) -> SecretBox: ...
    @property
    def public_url(self) -> str: ...
    async def client(self, integration_id: int) -> IonClient: ...
    async def test(self, integration_id: int) -> TestResult: ...
    def setting_up(self, integration_id: int) -> asyncio.Lock: ...


class Overview(msgspec.Struct, frozen=True):
    """Everything the set-up page shows."""

    steps: list[SetupStep]
    texts: SetupTexts
    plan: Plan | None
    webhook_url: WebhookUrl | None
    problem: str | None
    """Why ION could not be asked, in words."""


class SetupResult(msgspec.Struct, frozen=True):
    """What automatic set-up did."""

    webhook_url: WebhookUrl
    receiver_created: bool
    subscribed: int
    activated: int
    removed: int
    refused: list[str]
    plan: Plan


class RotationResult(msgspec.Struct, frozen=True):
    """A new address, and whether ION posts to it already."""

    webhook_url: WebhookUrl
    url: str
    moved: bool
    detail: str


async def setup_overview(hub: Hub, integration_id: int) -> Overview:
    """Return how far set-up has come, without changing anything here or in ION.

    A receiver made by hand is shown; it is taken over by `adopt`, which the watchdog calls as well.
    """
    view = await _view(hub, integration_id)
    found, problem = None, None
    try:
        found = await plan_setup(hub, integration_id)
    except (IonError, InvalidError) as error:
        problem = str(error)
    wanted = view.url.wanted if view.url else None
    return Overview(
        steps=setup_steps(view.url, found),
        texts=setup_texts(
            view.catalog, PLACEHOLDER, None if wanted is None else view.wanted, view.offered
        ),
        plan=found,
        webhook_url=view.url,
        problem=problem,
    )


async def plan_setup(hub: Hub, integration_id: int) -> Plan:
    """Read ION and say what is missing; changes nothing."""
    view = await _view(hub, integration_id)
    receiver = await _known_receiver(hub, integration_id, view)
    return compare_subscriptions(hub.catalog, view.wanted, receiver)


async def note_subscribed(hub: Hub, url: WebhookUrl | None, found: Plan) -> None:
    """Keep since when ION posts everything wanted, where that is not known yet."""
    if (
        url
        and url.subscribed_at is None
        and found.receiver
        and not found.missing
        and not found.inactive
    ):
        await hub.database.write(webhook_urls.set_subscribed, url.id)


async def apply_setup(
    hub: Hub,
    actor: str,
    integration_id: int,
    *,
    wanted: Sequence[Sequence[str]] | None = None,
    remove_extra: bool = False,
) -> SetupResult:
    """Bring ION to what is wanted: receiver, subscriptions; done already, it changes nothing.

    `wanted` None keeps the choice made before, which at first is everything supported.
    """
    async with hub.setting_up(integration_id):
        return await _apply(hub, actor, integration_id, wanted, remove_extra=remove_extra)


async def _apply(
    hub: Hub,
    actor: str,
    integration_id: int,
    wanted: Sequence[Sequence[str]] | None,
    *,
    remove_extra: bool,
) -> SetupResult:
    await _know_what_is_offered(hub, integration_id)
    client, view = await hub.client(integration_id), await _view(hub, integration_id)
    await client.look()
    receiver = await _known_receiver(hub, integration_id, view)
    created = receiver is None
    if receiver is None:
        url_id = await _make_receiver(hub, client, actor, integration_id)
    else:
        url_id = await _hold(hub, actor, integration_id, receiver)
    if wanted is not None:
        pairs = subscriptions.checked(view.catalog, view.offered, wanted)
        await hub.database.write(webhook_urls.set_wanted, actor, url_id, pairs)
    return await _repair(hub, client, integration_id, created=created, remove_extra=remove_extra)


async def adopt_receiver(
    hub: Hub, actor: str, integration_id: int, receiver_id: str | None = None
) -> WebhookUrl | None:
    """Take over a receiver made by hand: by its id, or found among ION's by the address it posts to.

    None when there is none yet; raises InvalidError when the receiver named does not post here.
    """
    client = await hub.client(integration_id)
    found = receiver_id or await _discover(hub, client, integration_id)
    if found is None:
        return None
    receiver = await webhooks.read_receiver(client, found)
    if receiver is None:
        raise InvalidError(
            f"ION has no receiver {found}; the id is in its answer to the first mutation"
        )
    url_id = await _take_over(hub, actor, integration_id, receiver)
    return await hub.database.read(webhook_urls.get_url, url_id)


async def rotate_url(hub: Hub, actor: str, url_id: int) -> RotationResult:
    """Replace an address and, where the hub knows the receiver and may, have ION post to the new one."""
    url, token = await hub.database.write(webhook_urls.rotate_url, actor, url_id)
    address = webhook_urls.public_address(hub.public_url, token)
    by_hand = "Enter the new address in ION's receiver; the old one works until the first delivery on the new one, at most 24 hours"
    if url.receiver_id is None:
        return RotationResult(url, address, moved=False, detail=by_hand)
    try:
        client = await hub.client(url.integration_id)
        receiver = await webhooks.read_receiver(client, url.receiver_id)
        if receiver is None:
            return RotationResult(
                url,
                address,
                moved=False,
                detail=f"ION has no receiver {url.receiver_id} any more. Set up again",
            )
        await webhooks.update_receiver(client, receiver, webhookUri=address)
    except IonError as error:
        return RotationResult(url, address, moved=False, detail=f"{error}. {by_hand}")
    return RotationResult(
        url, address, moved=True, detail="ION posts to the new address from now on"
    )


async def _know_what_is_offered(hub: Hub, integration_id: int) -> None:
    tested = await hub.database.read(
        lambda connection: integrations.get(connection, integration_id).test_result
    )
    if tested is None:
        await hub.test(integration_id)


class _View(msgspec.Struct, frozen=True):
    """What the hub knows before ION is asked."""

    url: WebhookUrl | None
    catalog: Catalog
    """With the resources that are chosen."""
    offered: OfferedSchema
    wanted: list[tuple[str, str]]


async def _view(hub: Hub, integration_id: int) -> _View:
    def read(connection: Any) -> _View:
        offered = integrations.offered_schema(connection, hub.catalog, integration_id)
        url = webhook_urls.current_url(connection, integration_id)
        catalog = hub.catalog.following(integrations.get(connection, integration_id).resources)
        wanted = subscriptions.supported(catalog, offered)
        if url is not None and url.wanted is not None:
            wanted = [pair for pair in url.wanted if pair in wanted]
        return _View(url, catalog, offered, wanted)

    return await hub.database.read(read)


async def _known_receiver(hub: Hub, integration_id: int, view: _View) -> Receiver | None:
    """Read the receiver that posts here: the one remembered, else one found by its address."""
    client = await hub.client(integration_id)
    receiver = None
    if view.url and view.url.receiver_id:
        receiver = await webhooks.read_receiver(client, view.url.receiver_id)
    if receiver is None and view.url:
        found = await _discover(hub, client, integration_id)
        receiver = await webhooks.read_receiver(client, found) if found else None
    return receiver


async def _discover(hub: Hub, client: IonClient, integration_id: int) -> str | None:
    """Find the receiver whose address has the secret part of one of our URLs."""
    for receiver_id, token in reversed(await webhooks.list_receivers(client)):
        url = await hub.database.read(webhook_urls.find_by_token, integration_id, token)
        if url and url.state == "active":
            return receiver_id
    return None


async def _make_receiver(hub: Hub, client: IonClient, actor: str, integration_id: int) -> int:
    url, token = await hub.database.write(
        webhook_urls.create_url, actor, integration_id, RECEIVER_NAME
    )
    failpoint("setup.minted")
    try:
        receiver = await webhooks.create_receiver(
            client, RECEIVER_NAME, webhook_urls.public_address(hub.public_url, token)
        )
    except IonError:
        await hub.database.write(webhook_urls.revoke_url, actor, url.id)
        raise
    failpoint("setup.receiver_created")
    await _remember(hub, actor, url.id, receiver)
    return url.id


async def _hold(hub: Hub, actor: str, integration_id: int, receiver: Receiver) -> int:
    """Make sure that a receiver the hub knows posts to an address that goes on working."""
    posts_to = await hub.database.read(webhook_urls.find_by_token, integration_id, receiver.token)
    known = await hub.database.read(webhook_urls.current_url, integration_id)
    if known is None or (posts_to and posts_to.state == "active"):
        return await _take_over(hub, actor, integration_id, receiver)
    rotated = await rotate_url(hub, actor, known.id)
    if not rotated.moved:
        raise IonRefusedError(rotated.detail)
    await _remember(hub, actor, rotated.webhook_url.id, receiver)
    return rotated.webhook_url.id


async def _take_over(hub: Hub, actor: str, integration_id: int, receiver: Receiver) -> int:
    url = await hub.database.read(webhook_urls.find_by_token, integration_id, receiver.token)
    if url is None:
        raise InvalidError(
            f"Receiver {receiver.id} ({receiver.name}) does not post to a working URL of this integration"
        )
    await _remember(hub, actor, url.id, receiver)
    return url.id


async def _remember(hub: Hub, actor: str, url_id: int, receiver: Receiver) -> None:
    await hub.database.write(
        webhook_urls.set_receiver,
        hub.secrets,
        actor,
        url_id,
        receiver_id=receiver.id,
        shared_secret=receiver.shared_secret,
    )


async def _repair(
    hub: Hub, client: IonClient, integration_id: int, *, created: bool, remove_extra: bool
) -> SetupResult:
    view = await _view(hub, integration_id)
    receiver = await _known_receiver(hub, integration_id, view)
    assert view.url
    assert receiver
    before = compare_subscriptions(hub.catalog, view.wanted, receiver)
    by_id = {each.id: each for each in receiver.subscriptions}
    missing = [(each.resource, each.action) for each in before.missing]
    extra = before.extra if remove_extra else ()
    if before.problems:
        await webhooks.update_receiver(
            client, receiver, active=True, expectedResponseCode=webhooks.EXPECTED_RESPONSE_CODE
        )
    refused = await webhooks.unsubscribe(client, [by_id[each.id or ""] for each in extra])
    words = subscriptions.to_ion_names(hub.catalog, view.offered, missing)
    not_given = await webhooks.activate(client, [by_id[each.id or ""] for each in before.inactive])
    not_given += await webhooks.subscribe(client, receiver.id, words)
    failpoint("setup.subscribed")
    if len(not_given) < len(words) + len(before.inactive):
        # At once, lest a crash lose the fetch that finds what changed before; what ION refused may be granted later.
        url_id = view.url.id
        await hub.database.write(webhook_urls.set_subscribed, url_id)
    after = await plan_setup(hub, integration_id)
    await note_subscribed(hub, view.url, after)
    return SetupResult(
        webhook_url=view.url,
        receiver_created=created,
        subscribed=len(missing) - len(after.missing),
        activated=len(before.inactive) - len(after.inactive),
        removed=len(before.extra) - len(after.extra),
        refused=[*refused, *not_given],
        plan=after,
    )
