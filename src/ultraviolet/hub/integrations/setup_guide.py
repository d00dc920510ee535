"""The setup guide: GraphQL to paste into ION, the plan, and the steps with their status."""

from collections.abc import Collection, Sequence
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
    """Texts to paste into ION's query runner, in this order."""

    receiver_mutation: str
    receiver_variables: str
    subscription_document: str
    subscription_variables: str
    placeholder: str
    """The text in place of the webhook URL, which is shown only once."""
    receiver_placeholder: str
    """The text in place of the id in ION's answer to the receiver mutation."""


class ReceiverState(msgspec.Struct, frozen=True):
    """A receiver in ION, without its address and secret."""

    id: str
    name: str
    active: bool


class Plan(msgspec.Struct, frozen=True):
    """The difference between the desired and the actual subscriptions."""

    receiver: ReceiverState | None
    present: tuple[SubscriptionState, ...]
    missing: tuple[SubscriptionState, ...]
    inactive: tuple[SubscriptionState, ...]
    extra: tuple[SubscriptionState, ...]
    problems: tuple[str, ...]
    elsewhere: int = 0
    """How many of the present subscriptions only other receivers of this hub have."""
    elsewhere_on: tuple[str, ...] = ()
    """The ids of these other receivers."""

    @property
    def covered_elsewhere(self) -> bool:
        """Whether the receiver has no subscription, and needs none."""
        incomplete = self.missing or self.inactive
        return not incomplete and 0 < self.elsewhere == len(self.present)

    @property
    def others(self) -> str:
        """The other receivers in words: "receiver 2", "receivers 2 and 3"."""
        ids = " and ".join(self.elsewhere_on)
        return f"receivers {ids}" if len(self.elsewhere_on) > 1 else f"receiver {ids}"


class SetupStep(msgspec.Struct, frozen=True):
    """One step of the setup, with its status."""

    name: str
    done: bool
    detail: str
    needed: bool = True
    """False if another receiver has all subscriptions, so that no delivery is expected."""


def setup_texts(
    catalog: Catalog,
    url: str = PLACEHOLDER,
    wanted: Sequence[tuple[str, str]] | None = None,
    offered: OfferedSchema | None = None,
) -> SetupTexts:
    """Return the GraphQL for manual setup; `wanted` None means all supported subscriptions."""
    known = offered or OfferedSchema.whole(catalog)
    chosen = subscriptions.supported(catalog, known) if wanted is None else wanted
    return SetupTexts(
        receiver_mutation=webhooks.CREATE_RECEIVER,
        receiver_variables=_pretty({"input": {"name": RECEIVER_NAME, "webhookUri": url}}),
        subscription_document=webhooks.subscription_document(
            subscriptions.to_ion_names(catalog, known, chosen)
        ),
        subscription_variables=_pretty({"receiver": RECEIVER_PLACEHOLDER}),
        placeholder=PLACEHOLDER,
        receiver_placeholder=RECEIVER_PLACEHOLDER,
    )


def setup_steps(url: WebhookUrl | None, found: Plan | None) -> list[SetupStep]:
    """Return the steps of setup with their status."""
    receiver = found.receiver if found else None
    subscribed = SetupStep("Subscribed", done=False, detail="ION could not be read")
    if found:
        present = len(found.present)
        wanted = present + len(found.missing) + len(found.inactive)
        done = present == wanted and (receiver is not None or found.covered_elsewhere)
        detail = f"{present} of {wanted}"
        if found.covered_elsewhere:
            detail = f"All {wanted} subscriptions are on {found.others}"
        elif found.elsewhere:
            detail += f", {found.elsewhere} of them on {found.others}"
        subscribed = SetupStep("Subscribed", done, detail)
    first, verified = (url.first_delivery_at, url.first_verified_at) if url else (None, None)
    address = f"Ends in …{url.last_four}" if url else "Not created yet"
    name = f"{receiver.name}, ID {receiver.id}" if receiver else "Not found yet"
    if found is None:
        name = "ION could not be read"
    problems = found.problems if found else ()
    unverified = (
        "Waiting for a delivery"
        if url and url.verifies
        else "The hub does not know the shared secret yet; it checks every minute"
    )
    waiting = "Waiting: change an object in ION"
    needed = not (found and found.covered_elsewhere)
    if found and not needed:
        waiting = unverified = f"Not needed: all subscriptions are on {found.others}"
    return [
        SetupStep("Webhook URL created", url is not None, address),
        SetupStep(
            "Receiver exists in ION",
            receiver is not None and not problems,
            "; ".join((name, *problems)),
        ),
        subscribed,
        SetupStep(
            "First delivery received",
            first is not None,
            first or waiting,
            needed,
        ),
        SetupStep("Signature verified", verified is not None, verified or unverified, needed),
    ]


def compare_subscriptions(
    catalog: Catalog,
    wanted: Sequence[tuple[str, str]],
    receiver: Receiver | None,
    others: Sequence[Receiver] = (),
    address_problem: str | None = None,
) -> Plan:
    """Return the difference between the desired subscriptions and those of the receiver.

    What another working receiver of the hub has is present too.
    """
    found = subscriptions.difference(catalog, wanted, receiver)
    elsewhere = {
        (each.resource, each.action): (each, other.id)
        for other in others
        for each in subscriptions.difference(catalog, wanted, other).present
    }
    incomplete = [(each.resource, each.action) for each in (*found.missing, *found.inactive)]
    covered = [elsewhere[pair] for pair in incomplete if pair in elsewhere]
    problems = [address_problem] if address_problem else []
    if receiver and not receiver.active:
        problems.append("The receiver is disabled in ION")
    if receiver and receiver.expected_response_code != webhooks.EXPECTED_RESPONSE_CODE:
        problems.append(
            f"The receiver expects status {receiver.expected_response_code},"
            " but the hub answers 200, which ION counts as a failure"
        )
    return Plan(
        receiver=ReceiverState(receiver.id, receiver.name, receiver.active) if receiver else None,
        problems=tuple(problems),
        present=(*found.present, *(each for each, _ in covered)),
        missing=_without(found.missing, elsewhere),
        inactive=_without(found.inactive, elsewhere),
        extra=found.extra,
        elsewhere=len(covered),
        elsewhere_on=tuple(sorted({id_ for _, id_ in covered})),
    )


def _without(
    states: Sequence[SubscriptionState], known: Collection[tuple[str, str]]
) -> tuple[SubscriptionState, ...]:
    return tuple(each for each in states if (each.resource, each.action) not in known)


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()
