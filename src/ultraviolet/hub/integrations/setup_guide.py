"""What set-up shows: texts to paste into ION, the plan, and the steps with where each stands."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import subscriptions
from ultraviolet.hub.integrations.subscriptions import SubscriptionState
from ultraviolet.ion import webhooks
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.ion.webhooks import Receiver

PLACEHOLDER = "<the URL>"
RECEIVER_PLACEHOLDER = "<the receiver's id>"
RECEIVER_NAME = "Ultraviolet"


class SetupTexts(msgspec.Struct, frozen=True):
    """What to paste into ION's query runner, in this order."""

    receiver_mutation: str
    receiver_variables: str
    subscription_document: str
    subscription_variables: str
    placeholder: str
    """Stands for the webhook URL, which is known only while it is shown."""
    receiver_placeholder: str
    """Stands for the id that ION answers to the receiver mutation."""


class ReceiverState(msgspec.Struct, frozen=True):
    """A receiver in ION, without its address and secret."""

    id: str
    name: str
    active: bool


class Plan(msgspec.Struct, frozen=True):
    """What set-up would do: wanted against there."""

    receiver: ReceiverState | None
    present: tuple[SubscriptionState, ...]
    missing: tuple[SubscriptionState, ...]
    inactive: tuple[SubscriptionState, ...]
    extra: tuple[SubscriptionState, ...]
    problems: tuple[str, ...]


class SetupStep(msgspec.Struct, frozen=True):
    """One step of the way, done or not."""

    name: str
    done: bool
    detail: str


def setup_texts(
    catalog: Catalog,
    url: str = PLACEHOLDER,
    wanted: Sequence[tuple[str, str]] | None = None,
    offered: OfferedSchema | None = None,
) -> SetupTexts:
    """Write the GraphQL for doing it by hand; `wanted` None means everything supported."""
    known = offered or OfferedSchema.whole(catalog)
    chosen = subscriptions.supported(catalog, known) if wanted is None else wanted
    return SetupTexts(
        receiver_mutation=webhooks.CREATE_RECEIVER,
        receiver_variables=_pretty({"input": {"name": RECEIVER_NAME, "webhookUri": url}}),
        subscription_document=webhooks.subscription_document(
            subscriptions.in_ions_words(catalog, known, chosen)
        ),
        subscription_variables=_pretty({"receiver": RECEIVER_PLACEHOLDER}),
        placeholder=PLACEHOLDER,
        receiver_placeholder=RECEIVER_PLACEHOLDER,
    )


def setup_steps(url: WebhookUrl | None, found: Plan | None) -> list[SetupStep]:
    """Return the steps of set-up, each with where it stands."""
    receiver = found.receiver if found else None
    first, verified = (url.first_delivery_at, url.first_verified_at) if url else (None, None)
    waiting = "waiting for a delivery" if url and url.verifies else "not known yet"
    minted = f"ends in …{url.last_four}" if url else "Create one, or set up automatically"
    known = f"{receiver.name}, id {receiver.id}" if receiver else "Not seen yet"
    return [
        SetupStep("Webhook URL minted", url is not None, minted),
        SetupStep("Receiver exists in ION", receiver is not None, known),
        _subscribed(found),
        SetupStep(
            "First delivery seen", first is not None, first or "Waiting: change something in ION"
        ),
        SetupStep(
            "Signature verified", verified is not None, verified or f"The shared secret: {waiting}"
        ),
    ]


def _subscribed(found: Plan | None) -> SetupStep:
    if found is None:
        return SetupStep("Subscribed", done=False, detail="ION was not asked")
    wanted = len(found.present) + len(found.missing) + len(found.inactive)
    done = found.receiver is not None and len(found.present) == wanted
    return SetupStep("Subscribed", done, f"{len(found.present)} of {wanted}")


def compare_subscriptions(
    catalog: Catalog, wanted: Sequence[tuple[str, str]], receiver: Receiver | None
) -> Plan:
    """Say what set-up would do."""
    found = subscriptions.difference(catalog, wanted, receiver)
    return Plan(
        receiver=ReceiverState(receiver.id, receiver.name, receiver.active) if receiver else None,
        present=found.present,
        missing=found.missing,
        inactive=found.inactive,
        extra=found.extra,
        problems=_problems(receiver),
    )


def _problems(receiver: Receiver | None) -> tuple[str, ...]:
    problems: list[str] = []
    if receiver and not receiver.active:
        problems.append("The receiver is switched off in ION")
    if receiver and receiver.expected_response_code != webhooks.EXPECTED_RESPONSE_CODE:
        problems.append(
            f"The receiver expects {receiver.expected_response_code}, the hub answers 200: ION takes that for a failure"
        )
    return tuple(problems)


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()
