"""The receivers in ION that post to the webhook URLs of an integration, and their adoption."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from ultraviolet.hub.core import finding_store
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.receiver_address import find_address_problem
from ultraviolet.ion import webhooks
from ultraviolet.ion.webhooks import Receiver


class KnownReceiver(NamedTuple):
    """A receiver in ION with its webhook URL."""

    url: WebhookUrl
    receiver: Receiver
    posts_to_url: bool
    """Whether ION posts to the URL; if not, the hub knows the receiver only by its id."""


async def read_receivers(connections: Connections, integration_id: int) -> list[KnownReceiver]:
    """Read the receivers of all active webhook URLs, found by address, otherwise by recorded id."""
    urls = await connections.database.read(webhook_urls.list_active, integration_id)
    if not urls:
        return []
    client = await connections.client(integration_id)
    listed = await webhooks.list_receivers(client)

    def match(connection: Connection) -> dict[int, str]:
        return {
            url.id: receiver_id
            for receiver_id, token in listed
            if (url := webhook_urls.find_by_token(connection, integration_id, token))
            and url.state == "active"
        }

    posting = await connections.database.read(match)
    known: list[KnownReceiver] = []
    for url in urls:
        recorded = None if url.receiver_id in posting.values() else url.receiver_id
        receiver_id = posting.get(url.id, recorded)
        receiver = await webhooks.read_receiver(client, receiver_id) if receiver_id else None
        if receiver:
            known.append(KnownReceiver(url, receiver, url.id in posting))
    return known


def main_receiver(connections: Connections, known: Sequence[KnownReceiver]) -> KnownReceiver | None:
    """Return the receiver that the hub repairs: a working one, with the most subscriptions."""
    return max(
        known,
        key=lambda one: (
            works(connections, one),
            sum(each.active for each in one.receiver.subscriptions),
            one.url.id,
        ),
        default=None,
    )


def works(connections: Connections, known: KnownReceiver) -> bool:
    """Return whether ION posts events of this receiver to this hub, and counts them as delivered."""
    return find_problem(connections, known) is None


def find_problem(connections: Connections, known: KnownReceiver) -> str | None:
    """Return why events of this receiver do not arrive at this hub, or are not counted."""
    receiver = known.receiver
    if not known.posts_to_url:
        return f"Receiver {receiver.id} posts to a URL that this hub does not serve"
    if elsewhere := address_problem(connections, receiver):
        return elsewhere
    if not receiver.active:
        return f"Receiver {receiver.id} is disabled in ION"
    if receiver.expected_response_code != webhooks.EXPECTED_RESPONSE_CODE:
        return (
            f"Receiver {receiver.id} expects status {receiver.expected_response_code},"
            " but the hub answers 200, which ION counts as a failure"
        )
    return None


def find_problems(
    connections: Connections, urls: Sequence[WebhookUrl], known: Sequence[KnownReceiver]
) -> dict[int, str | None]:
    """Return by URL with a recorded receiver why ION does not post to it, or None."""
    problems = {one.url.id: find_problem(connections, one) for one in known}
    ids = {one.receiver.id for one in known}
    for url in urls:
        if url.receiver_id and url.id not in problems:
            reason = (
                "posts to another webhook URL" if url.receiver_id in ids else "was deleted in ION"
            )
            problems[url.id] = (
                f"Receiver {url.receiver_id} {reason}; revoke this URL if nothing else posts to it"
            )
    return problems


def address_problem(connections: Connections, receiver: Receiver) -> str | None:
    """Return a sentence if a receiver posts to another address than that of this hub."""
    return find_address_problem(receiver, connections.public_url) if connections.serves else None


async def adopt_new(connections: Connections, actor: str, known: Sequence[KnownReceiver]) -> bool:
    """Record the receivers that were created by hand; return whether there was any.

    A changed shared secret of a recorded receiver is left to the watchdog, which reports it.
    """
    new = [
        one
        for one in known
        if one.posts_to_url and (one.url.receiver_id != one.receiver.id or not one.url.verifies)
    ]
    for one in new:
        await remember(connections, actor, one.url.id, one.receiver)
    if new:
        await connections.ingest.refresh()
    return bool(new)


async def remember(connections: Connections, actor: str, url_id: int, receiver: Receiver) -> None:
    """Record the receiver of a webhook URL and its shared secret, to verify signatures."""

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
