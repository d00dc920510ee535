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
from ultraviolet.hub.core import audit, finding_store
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import subscriptions
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.receiver_address import find_address_problem
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

    It includes a receiver created by hand; `adopt_receiver`, called by the watchdog too, adopts it.
    `url_id` selects an active webhook URL; None means the one that is in use.
    """
    view = await _view(connections, integration_id, url_id)
    found, problem = None, None
    try:
        receiver = await _known_receiver(connections, integration_id, view, url_id)
        found = _compare(connections, view, receiver)
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


async def plan_setup(connections: Connections, integration_id: int) -> Plan:
    """Return the difference between the desired state and ION; change nothing."""
    view = await _view(connections, integration_id)
    receiver = await _known_receiver(connections, integration_id, view)
    return _compare(connections, view, receiver)


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
        view = await _view(connections, integration_id)
        await client.look()
        receiver = await _known_receiver(connections, integration_id, view)
        created = receiver is None
        if receiver is None:
            url_id = await _create_receiver(connections, client, actor, integration_id)
        else:
            url_id = await _repair_address(connections, actor, integration_id, receiver)
        if not stays_manual:
            await connections.database.write(webhook_urls.set_automatic, url_id)
        if wanted is not None:
            pairs = subscriptions.checked(view.catalog, view.offered, wanted)
            await connections.database.write(webhook_urls.set_wanted, actor, url_id, pairs)
        done = await _repair(
            connections, client, actor, integration_id, created=created, remove_extra=remove_extra
        )
    await connections.ingest.refresh()
    return done


async def adopt_receiver(
    connections: Connections, actor: str, integration_id: int, receiver_id: str | None = None
) -> WebhookUrl | None:
    """Adopt a receiver created by hand, by its id or by the address to which it posts.

    Return None without a receiver; raise InvalidError if the given receiver posts to another address.
    """
    client = await connections.client(integration_id)
    found = receiver_id or await _find_receiver(connections, client, integration_id)
    if found is None:
        return None
    receiver = await webhooks.read_receiver(client, found)
    if receiver is None:
        raise InvalidError(
            f"ION has no receiver {found}. Its ID is in ION's answer to the first mutation.",
            field="receiver_id",
        )
    url_id = await _adopt(connections, actor, integration_id, receiver)
    await connections.ingest.refresh()
    return await connections.database.read(webhook_urls.get_url, url_id)


async def select_subscriptions(
    connections: Connections, actor: str, integration_id: int, wanted: Sequence[Sequence[str]]
) -> None:
    """Save the desired subscriptions; raise InvalidError without a webhook URL."""
    view = await _view(connections, integration_id)
    pairs = subscriptions.checked(connections.catalog, view.offered, wanted)
    if view.url is None:
        raise InvalidError("Create the webhook URL first; the selection is saved with it.")
    await connections.database.write(webhook_urls.set_wanted, actor, view.url.id, pairs)


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


class _View(msgspec.Struct, frozen=True):
    """The desired state, as the hub's database has it."""

    url: WebhookUrl | None
    catalog: Catalog
    """The contract with the selected resources."""
    offered: OfferedSchema
    wanted: list[tuple[str, str]]


async def _view(connections: Connections, integration_id: int, url_id: int | None = None) -> _View:
    def read(connection: Connection) -> _View:
        offered = integrations.offered_schema(connection, connections.catalog, integration_id)
        url = webhook_urls.current_url(connection, integration_id, url_id)
        catalog = connections.catalog.following(
            integrations.get(connection, integration_id).resources
        )
        wanted = subscriptions.supported(catalog, offered)
        if url is not None and url.wanted is not None:
            wanted = [pair for pair in url.wanted if pair in wanted]
        return _View(url, catalog, offered, wanted)

    return await connections.database.read(read)


async def _known_receiver(
    connections: Connections, integration_id: int, view: _View, url_id: int | None = None
) -> Receiver | None:
    """Read the receiver of this hub, by its recorded id or by its address."""
    client = await connections.client(integration_id)
    receiver = None
    if view.url and view.url.receiver_id:
        receiver = await webhooks.read_receiver(client, view.url.receiver_id)
    if receiver is None and view.url:
        found = await _find_receiver(connections, client, integration_id, url_id)
        receiver = await webhooks.read_receiver(client, found) if found else None
    return receiver


async def _find_receiver(
    connections: Connections, client: IonClient, integration_id: int, url_id: int | None = None
) -> str | None:
    """Return the id of a receiver that posts to this or any webhook URL of the integration."""
    for receiver_id, token in reversed(await webhooks.list_receivers(client)):
        url = await connections.database.read(webhook_urls.find_by_token, integration_id, token)
        if url and url.state == "active" and url_id in (None, url.id):
            return receiver_id
    return None


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
    await _remember(connections, actor, url.id, receiver)
    return url.id


async def _repair_address(
    connections: Connections, actor: str, integration_id: int, receiver: Receiver
) -> int:
    """Make a known receiver post to an active webhook URL; return the id of that URL."""
    posts_to = await connections.database.read(
        webhook_urls.find_by_token, integration_id, receiver.token
    )
    known = await connections.database.read(webhook_urls.current_url, integration_id)
    if known is None or (posts_to and posts_to.state == "active"):
        return await _adopt(connections, actor, integration_id, receiver)
    rotated = await rotate_url(connections, actor, known.id)
    if not rotated.moved:
        raise IonRefusedError(rotated.detail)
    await _remember(connections, actor, rotated.webhook_url.id, receiver)
    return rotated.webhook_url.id


async def _adopt(
    connections: Connections, actor: str, integration_id: int, receiver: Receiver
) -> int:
    url = await connections.database.read(
        webhook_urls.find_by_token, integration_id, receiver.token
    )
    if url is None:
        raise InvalidError(
            f"Receiver {receiver.id} ({receiver.name}) does not post to an active webhook URL"
            " of this integration",
            field="receiver_id",
        )
    await _remember(connections, actor, url.id, receiver)
    return url.id


async def _remember(connections: Connections, actor: str, url_id: int, receiver: Receiver) -> None:
    def write(connection: Connection) -> None:
        webhook_urls.set_receiver(
            connection,
            connections.secrets,
            actor,
            url_id,
            receiver_id=receiver.id,
            shared_secret=receiver.shared_secret,
        )
        integration_id = webhook_urls.get_url(connection, url_id).integration_id
        finding_store.save_findings(connection, integration_id, ("receiver",), [], ("none",))

    await connections.database.write(write)


def _compare(connections: Connections, view: _View, receiver: Receiver | None) -> Plan:
    problem = receiver and address_problem(connections, receiver)
    return compare_subscriptions(connections.catalog, view.wanted, receiver, problem)


def address_problem(connections: Connections, receiver: Receiver) -> str | None:
    """Return a sentence if a receiver posts to another address than that of this hub."""
    return find_address_problem(receiver, connections.public_url) if connections.serves else None


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
    integration_id: int,
    *,
    created: bool,
    remove_extra: bool,
) -> SetupResult:
    view = await _view(connections, integration_id)
    receiver = await _known_receiver(connections, integration_id, view)
    assert view.url
    assert receiver
    before = _compare(connections, view, receiver)
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
        await _record(connections, actor, "receiver.update", view.url, written)
    refused = await webhooks.unsubscribe(client, [by_id[each.id or ""] for each in extra])
    ion_names = subscriptions.to_ion_names(connections.catalog, view.offered, missing)
    failed = await webhooks.activate(client, [by_id[each.id or ""] for each in before.inactive])
    failed += await webhooks.subscribe(client, receiver.id, ion_names)
    failpoint("setup.subscribed")
    if len(failed) < len(ion_names) + len(before.inactive):
        # Before anything can fail: a full fetch must find the changes before the subscription.
        await connections.database.write(webhook_urls.set_subscribed, view.url.id)
    after = await plan_setup(connections, integration_id)
    await note_subscribed(connections, view.url, after)
    done = SetupResult(
        webhook_url=view.url,
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
        await _record(connections, actor, "receiver.subscribe", view.url, written)
    return done
