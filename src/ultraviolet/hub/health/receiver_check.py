"""Compare the receiver in ION and its subscriptions with the desired state, and repair them."""

from collections.abc import Sequence
from typing import NamedTuple

from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.finding import Action, Finding
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.receiver_address import may_correct
from ultraviolet.ion import webhooks
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.errors import (
    ASK_FOR_PERMISSION,
    IonError,
    IonInterceptedError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
    IonUnreachableError,
    known_step,
)
from ultraviolet.ion.webhooks import Receiver
from ultraviolet.text import counted

ACTOR = "watchdog"


class Deviation(NamedTuple):
    """A deviation from the desired state: its kind and a sentence."""

    subject: str
    message: str


class CheckedReceiver(NamedTuple):
    """The result of a check."""

    receiver: Receiver | None
    """None if it does not exist or cannot be read."""
    findings: Sequence[Finding] | None
    """None if the check found out nothing, so that earlier findings remain."""
    repaired: str = ""
    """Why changes may have been missed before the repair; empty without a repair."""


class ReceiverCheck:
    """The check of one integration's receiver."""

    def __init__(self, connections: Connections, integration_id: int) -> None:
        self._connections = connections
        self._id = integration_id
        self._not_kept: list[Deviation] = []
        """Deviations that remained after a repair which ION accepted."""

    async def run(self, client: IonClient) -> CheckedReceiver:
        """Check and repair; raise IonError if ION does not answer."""
        url = await self._connections.database.read(webhook_urls.current_url, self._id)
        if url and url.receiver_id is None:
            # Adopt a receiver that was created by hand in ION and posts to this hub.
            try:
                url = await webhook_setup.adopt_receiver(self._connections, ACTOR, self._id)
            except (IonRefusedError, InvalidError):
                url = None
        if url is None or url.receiver_id is None:
            message, step = "No receiver in ION posts to this hub", "Finish the setup guide"
            found = Finding("receiver", "warning", message, step, Action.SET_UP_WEBHOOKS, "none")
            return CheckedReceiver(None, [found])
        if self._connections.setup_lock(self._id).locked():
            return CheckedReceiver(None, None)  # a setup is running
        try:
            return await self._compare(client, url, url.receiver_id)
        except (
            IonUnauthorizedError,
            IonUnreachableError,
            IonInterceptedError,
            IonRateLimitedError,
        ):
            raise
        except IonError as error:
            message = f"The receiver and its subscriptions cannot be checked: {error}"
            return CheckedReceiver(None, [_failed("not readable", message, str(error))])

    async def _compare(
        self, client: IonClient, url: WebhookUrl, receiver_id: str
    ) -> CheckedReceiver:
        receiver = await webhooks.read_receiver(client, receiver_id)
        wrong = await self._deviations(url, receiver)
        if not wrong:
            return CheckedReceiver(receiver, [])
        if wrong == self._not_kept:  # a repetition would write to ION at each check
            return CheckedReceiver(receiver, None)
        is_address = wrong[0].subject == "address"
        if is_address and not (receiver and may_correct(receiver, self._connections.public_url)):
            reason = "because another hub may own the receiver; repair it if this hub replaces that"
            return CheckedReceiver(receiver, _for_person(wrong, reason))
        if url.waits_for_person or (url.manual and is_address):
            reason = f"because receiver {receiver_id} is set up manually"
            return CheckedReceiver(receiver, _for_person(wrong, reason))
        return await self._repair(client, url, wrong)

    async def _repair(
        self, client: IonClient, url: WebhookUrl, wrong: list[Deviation]
    ) -> CheckedReceiver:
        done = await webhook_setup.apply_setup(
            self._connections, ACTOR, self._id, stays_manual=True
        )
        receiver = await webhooks.read_receiver(client, done.webhook_url.receiver_id or "")
        remaining = await self._deviations(done.webhook_url, receiver)
        if done.refused:
            error = "; ".join(done.refused)
            found = [
                _failed(subject, f"{message}, and ION refused the repair: {error}", error)
                for subject, message in wrong
            ]
        elif remaining == wrong:
            self._not_kept = remaining
            step = "Correct the receiver in ION, or delete it there; the hub then creates another"
            found = [
                Finding(
                    "receiver",
                    "error",
                    f"{message}, and ION does not keep the correction",
                    step,
                    Action.REPAIR_WEBHOOKS,
                    subject,
                )
                for subject, message in wrong
            ]
        else:
            step = "No action needed, unless the change in ION was intended"
            outcome = "the hub repaired the setup and is fetching missed changes"
            found = [
                Finding(
                    "receiver",
                    "warning",
                    f"{message}; {outcome}",
                    step,
                    subject=subject,
                    repaired=True,
                )
                for subject, message in wrong
            ]
        if remaining == wrong:
            return CheckedReceiver(receiver, found)
        reason = "deliveries were interrupted"
        if url.subscribed_at is None:
            reason = "subscriptions changed" if url.first_delivery_at else "first setup"
        return CheckedReceiver(receiver, found, reason)

    async def _deviations(self, url: WebhookUrl, receiver: Receiver | None) -> list[Deviation]:
        if receiver is None:
            return [Deviation("deleted", f"Receiver {url.receiver_id} was deleted in ION")]
        posts_to = await self._connections.database.read(
            webhook_urls.find_by_token, self._id, receiver.token
        )
        if posts_to is None or posts_to.state != "active":
            message = f"Receiver {receiver.id} posts to a URL that this hub does not serve"
            return [Deviation("address", message)]
        entries = await self._connections.database.read(
            webhook_urls.active_urls, self._connections.secrets
        )
        known = {entry.shared_secret for entry in entries.values() if entry.url_id == posts_to.id}
        plan = await webhook_setup.plan_setup(self._connections, self._id)
        await webhook_setup.note_subscribed(self._connections, posts_to, plan)
        elsewhere = webhook_setup.address_problem(self._connections, receiver)
        wrong = [
            Deviation("address" if problem == elsewhere else "settings", problem)
            for problem in plan.problems
        ]
        if receiver.shared_secret not in known:
            message = f"The shared secret of receiver {receiver.id} was changed in ION"
            wrong.append(Deviation("secret", message))
        for subject, found in (("missing", plan.missing), ("inactive", plan.inactive)):
            if found:
                count = counted(len(found), "subscription is", "subscriptions are")
                state = "missing" if subject == "missing" else "disabled"
                wrong.append(Deviation(subject, f"{count} {state} in ION"))
        return wrong


def _for_person(wrong: Sequence[Deviation], reason: str) -> list[Finding]:
    """Return findings about a receiver that the hub does not change by itself."""
    steps = {"missing": "Create them with step 3 of the manual setup, or let the hub create them"}
    usual = "Correct it in ION, or let the hub repair it"
    return [
        Finding(
            "receiver",
            "warning",
            f"{message}. The hub changes nothing, {reason}",
            steps.get(subject, usual),
            Action.SET_UP_WEBHOOKS,
            subject,
        )
        for subject, message in wrong
    ]


def _failed(subject: str, message: str, error: str) -> Finding:
    """Return a finding about an error of ION, with the step that the error suggests."""
    step = known_step(error)
    if step is None or step == ASK_FOR_PERMISSION:
        step = "Give the API key's user the webhook permissions in ION, then create a new key"
    return Finding("receiver", "error", message, step, Action.REPAIR_WEBHOOKS, subject)
