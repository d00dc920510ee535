"""Set up the receiver and its subscriptions in ION, automatically or by hand.

The complete address of a webhook URL exists only when it is created. Automatic setup therefore
creates a webhook URL and a receiver for it, or repairs a known receiver and keeps its address.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core import audit
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import subscriptions
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.receivers import (
    KnownReceiver,
    address_problem,
    adopt_new,
    main_receiver,
    read_receivers,
    remember,
    works,
)
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


class Overview(msgspec.Struct, frozen=True):
    """The status of setup and the texts for manual setup."""

    steps: list[SetupStep]
    texts: SetupTexts
    plan: Plan | None
    webhook_url: WebhookUrl | None
    problem: str | None
    """Why ION could not be read."""


class SetupResult(msgspec.Struct, frozen=True):
    """The result of automatic setup."""

    webhook_url: WebhookUrl
    receiver_created: bool
    corrected: tuple[str, ...]
    """What was wrong with the receiver itself, such as its address, and is corrected."""
    subscribed: int
    activated: int
    removed: int
    refused: list[str]
    plan: Plan


class RotationResult(msgspec.Struct, frozen=True):
    """A new address, and whether ION already posts to it."""

    webhook_url: WebhookUrl
    url: str
    moved: bool
    detail: str


async def setup_overview(
    connections: Connections, integration_id: int, url_id: int | None = None
) -> Overview:
    """Return the status of setup without changing the hub or ION.

    It includes receivers created by hand; `adopt_receiver`, called by the watchdog too, adopts them.
    `url_id` selects an active webhook URL; None means the one that is in use.
    """
    found, problem = None, None
    try:
        setup = await read_setup(connections, integration_id, url_id)
        view, found = setup.view, setup.plan
    except (IonError, InvalidError) as error:
        view, problem = await _view(connections, integration_id, url_id), str(error)
    wanted = view.wanted if view.selected else None
    return Overview(
        steps=setup_steps(view.url, found),
        texts=setup_texts(view.catalog, PLACEHOLDER, wanted, view.offered),
        plan=found,
        webhook_url=view.url,
        problem=problem,
    )


class View(msgspec.Struct, frozen=True):
    """The desired state, as the hub's database has it."""

    url: WebhookUrl | None
    catalog: Catalog
    """The contract with the selected resources."""
    offered: OfferedSchema
    wanted: list[tuple[str, str]]
    selected: bool
    """Whether a person selected the desired subscriptions; otherwise they are all."""


class Setup(msgspec.Struct, frozen=True):
    """The desired state of a webhook URL and what ION has: the receivers of all URLs."""

    view: View
    own: KnownReceiver | None
    """The receiver of the URL in view."""
    known: list[KnownReceiver]
    plan: Plan


async def read_setup(
    connections: Connections, integration_id: int, url_id: int | None = None
) -> Setup:
    """Read the receivers in ION and compare them with the desired state; change nothing."""
    known = await read_receivers(connections, integration_id)
    main = main_receiver(connections, known)
    view = await _view(connections, integration_id, url_id)
    if main and view.url and view.url.id != url_id:
        view = await _view(connections, integration_id, main.url.id)
    own = next((one for one in known if view.url and one.url.id == view.url.id), None)
    plan = compare_subscriptions(
        connections.catalog,
        view.wanted,
        own.receiver if own else None,
        [one.receiver for one in known if one is not own and works(connections, one)],
        address_problem(connections, own.receiver) if own else None,
    )
    return Setup(view, own, known, plan)


async def note_subscribed(connections: Connections, url: WebhookUrl | None, found: Plan) -> None:
    """Record since when all desired subscriptions exist, if that is not recorded yet."""
    if (
        url
        and url.subscribed_at is None
        and found.receiver
        and not found.missing
        and not found.inactive
    ):
        await connections.database.write(webhook_urls.set_subscribed, url.id)


async def apply_setup(
    connections: Connections,
    actor: str,
    integration_id: int,
    *,
    wanted: Sequence[Sequence[str]] | None = None,
    remove_extra: bool = False,
    stays_manual: bool = False,
) -> SetupResult:
    """Create or repair the receiver and its subscriptions in ION; do nothing if all exist.

    `wanted` None keeps the previous selection, initially all supported subscriptions. From now on
    the hub keeps the receiver correct, unless a manual setup `stays_manual`.
    """
    async with connections.setup_lock(integration_id):
        integration = await connections.database.read(integrations.get, integration_id)
        if integration.test_result is None:
            await connections.test(integration_id)  # loads the schema that ION offers
        client = await connections.client(integration_id)
        await client.look()
        setup = await read_setup(connections, integration_id)
        own = setup.own
        if own is None:
            url_id = await _create_receiver(connections, client, actor, integration_id)
        elif own.posts_to_url:
            url_id = own.url.id
        else:
            url_id = await _move_receiver(connections, actor, own)
        for one in setup.known:
            if one.posts_to_url:
                await remember(connections, actor, one.url.id, one.receiver)
        if not stays_manual:
            await connections.database.write(webhook_urls.set_automatic, url_id)
        if wanted is not None:
            pairs = subscriptions.checked(setup.view.catalog, setup.view.offered, wanted)
            await connections.database.write(webhook_urls.set_wanted, actor, integration_id, pairs)
        done = await _repair(
            connections, client, actor, url_id, created=own is None, remove_extra=remove_extra
        )
    await connections.ingest.refresh()
    return done


async def adopt_receiver(
    connections: Connections, actor: str, integration_id: int, receiver_id: str | None = None
) -> WebhookUrl | None:
    """Adopt all receivers created by hand; return the URL of the given one, or of the one in use.

    Return None without a receiver; raise InvalidError if the given one posts to another address.
    """
    client = await connections.client(integration_id)
    setup = await read_setup(connections, integration_id)
    chosen = setup.own
    if receiver_id:
        chosen = next((one for one in setup.known if one.receiver.id == receiver_id), None)
        receiver = chosen.receiver if chosen else await webhooks.read_receiver(client, receiver_id)
        if receiver is None:
            raise InvalidError(
                f"ION has no receiver {receiver_id}. Its ID is in ION's answer to the first mutation.",
                field="receiver_id",
            )
        if chosen is None or not chosen.posts_to_url:
            raise InvalidError(
                f"Receiver {receiver.id} ({receiver.name}) does not post to an active webhook URL"
                " of this integration",
                field="receiver_id",
            )
        await remember(connections, actor, chosen.url.id, receiver)
    await adopt_new(connections, actor, setup.known)
    await connections.ingest.refresh()
    return chosen and await connections.database.read(webhook_urls.get_url, chosen.url.id)


async def select_subscriptions(
    connections: Connections, actor: str, integration_id: int, wanted: Sequence[Sequence[str]]
) -> None:
    """Save the desired subscriptions; raise InvalidError without a webhook URL."""
    view = await _view(connections, integration_id)
    pairs = subscriptions.checked(connections.catalog, view.offered, wanted)
    if view.url is None:
        raise InvalidError("Create the webhook URL first; the selection is saved with it.")
    await connections.database.write(webhook_urls.set_wanted, actor, integration_id, pairs)


async def rotate_url(connections: Connections, actor: str, url_id: int) -> RotationResult:
    """Replace an address, and update the receiver in ION if the hub knows it and may."""
    url, token = await connections.database.write(webhook_urls.rotate_url, actor, url_id)
    address = webhook_urls.public_address(connections.public_url, token)
    by_hand = (
        "Enter the new URL in ION's receiver. The old URL works until the first delivery"
        " to the new one, for at most 24 hours"
    )
    if url.receiver_id is None:
        return RotationResult(url, address, moved=False, detail=by_hand)
    try:
        client = await connections.client(url.integration_id)
        receiver = await webhooks.read_receiver(client, url.receiver_id)
        if receiver is None:
            return RotationResult(
                url,
                address,
                moved=False,
                detail=f"Receiver {url.receiver_id} no longer exists in ION. Set up again",
            )
        await webhooks.update_receiver(client, receiver, webhookUri=address)
    except IonError as error:
        return RotationResult(url, address, moved=False, detail=f"{error}. {by_hand}")
    written = {"receiver": receiver.id, "changed": ["address"]}
    await _record(connections, actor, "receiver.update", url, written)
    return RotationResult(url, address, moved=True, detail="ION now posts to the new URL")


async def _view(connections: Connections, integration_id: int, url_id: int | None = None) -> View:
    def read(connection: Connection) -> View:
        offered = integrations.offered_schema(connection, connections.catalog, integration_id)
        url = webhook_urls.current_url(connection, integration_id, url_id)
        catalog = connections.catalog.following(
            integrations.get(connection, integration_id).resources
        )
        wanted = subscriptions.supported(catalog, offered)
        # A new URL has no selection of its own yet.
        urls = [*([url] if url else ()), *webhook_urls.list_active(connection, integration_id)]
        selected = next((one.wanted for one in urls if one.wanted is not None), None)
        if selected is not None:
            wanted = [pair for pair in selected if pair in wanted]
        return View(url, catalog, offered, wanted, selected is not None)

    return await connections.database.read(read)


async def _create_receiver(
    connections: Connections, client: IonClient, actor: str, integration_id: int
) -> int:
    def create(connection: Connection) -> tuple[WebhookUrl, str]:
        name = webhook_urls.free_name(connection, integration_id, RECEIVER_NAME)
        return webhook_urls.create_url(connection, actor, integration_id, name, manual=False)

    url, token = await connections.database.write(create)
    failpoint("setup.minted")
    try:
        receiver = await webhooks.create_receiver(
            client, RECEIVER_NAME, webhook_urls.public_address(connections.public_url, token)
        )
    except IonError:
        await connections.database.write(webhook_urls.revoke_url, actor, url.id)
        raise
    failpoint("setup.receiver_created")
    await _record(connections, actor, "receiver.create", url, {"receiver": receiver.id})
    await remember(connections, actor, url.id, receiver)
    return url.id


async def _move_receiver(connections: Connections, actor: str, known: KnownReceiver) -> int:
    """Make a recorded receiver post to a new address of its URL; return the id of that URL."""
    rotated = await rotate_url(connections, actor, known.url.id)
    if not rotated.moved:
        raise IonRefusedError(rotated.detail)
    await remember(connections, actor, rotated.webhook_url.id, known.receiver)
    return rotated.webhook_url.id


async def _record(
    connections: Connections, actor: str, action: str, url: WebhookUrl, written: dict[str, Any]
) -> None:
    """Record a change in ION in the audit log."""
    subject, detail = webhook_urls.subject(url), {"integration_id": url.integration_id, **written}
    await connections.database.write(audit.record, actor, action, subject, detail)


async def _repair(
    connections: Connections,
    client: IonClient,
    actor: str,
    url_id: int,
    *,
    created: bool,
    remove_extra: bool,
) -> SetupResult:
    url = await connections.database.read(webhook_urls.get_url, url_id)
    setup = await read_setup(connections, url.integration_id, url_id)
    assert setup.own
    receiver, before, view = setup.own.receiver, setup.plan, setup.view
    by_id = {each.id: each for each in receiver.subscriptions}
    missing = [(each.resource, each.action) for each in before.missing]
    extra = before.extra if remove_extra else ()
    if before.problems:
        code = webhooks.EXPECTED_RESPONSE_CODE
        changes: dict[str, Any] = {"active": True, "expectedResponseCode": code}
        if address_problem(connections, receiver):
            changes["webhookUri"] = webhook_urls.public_address(
                connections.public_url, receiver.token
            )
        await webhooks.update_receiver(client, receiver, **changes)
        written = {"receiver": receiver.id, "corrected": list(before.problems)}
        await _record(connections, actor, "receiver.update", url, written)
    refused = await webhooks.unsubscribe(client, [by_id[each.id or ""] for each in extra])
    ion_names = subscriptions.to_ion_names(connections.catalog, view.offered, missing)
    failed = await webhooks.activate(client, [by_id[each.id or ""] for each in before.inactive])
    failed += await webhooks.subscribe(client, receiver.id, ion_names)
    failpoint("setup.subscribed")
    if len(failed) < len(ion_names) + len(before.inactive):
        # Before anything can fail: a full fetch must find the changes before the subscription.
        await connections.database.write(webhook_urls.set_subscribed, url.id)
    after = before
    if missing or extra or before.inactive or before.problems:
        after = (await read_setup(connections, url.integration_id, url_id)).plan
    await note_subscribed(connections, url, after)
    done = SetupResult(
        webhook_url=url,
        receiver_created=created,
        corrected=tuple(each for each in before.problems if each not in after.problems),
        subscribed=len(missing) - len(after.missing),
        activated=len(before.inactive) - len(after.inactive),
        removed=len(before.extra) - len(after.extra),
        refused=[*refused, *failed],
        plan=after,
    )
    counts = {name: getattr(done, name) for name in ("subscribed", "activated", "removed")}
    if any(counts.values()):
        written = {"receiver": receiver.id, **counts, "rejected": len(done.refused)}
        await _record(connections, actor, "receiver.subscribe", url, written)
    return done
