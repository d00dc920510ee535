"""Compare the receiver in ION and its subscriptions with the desired state, and repair them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import UNCHECKED_RECEIVER, Action, Finding
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.receiver_address import may_correct
from ultraviolet.hub.integrations.receivers import (
    address_problem,
    adopt_new,
    find_problem,
    find_problems,
)
from ultraviolet.hub.integrations.webhook_setup import Setup
from ultraviolet.ion.errors import (
    ASK_FOR_PERMISSION,
    IonError,
    IonInterceptedError,
    IonRateLimitedError,
    IonUnauthorizedError,
    IonUnreachableError,
    known_step,
)
from ultraviolet.ion.webhooks import Receiver
from ultraviolet.text import counted

ACTOR = "watchdog"
_INTERRUPTED = "deliveries were interrupted"


class Deviation(NamedTuple):
    """A deviation from the desired state: its kind and a sentence."""

    subject: str
    message: str


class CheckedReceiver(NamedTuple):
    """The result of a check."""

    receivers: Sequence[Receiver]
    """Those that post to this hub; none if they do not exist or cannot be read."""
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

    async def run(self) -> CheckedReceiver:
        """Check and repair; raise IonError if ION does not answer."""
        if self._connections.setup_lock(self._id).locked():
            return CheckedReceiver([], None)  # a setup is running
        url = await self._connections.database.read(webhook_urls.current_url, self._id)
        try:
            setup = await self._read()
            if setup.own or (url and url.receiver_id):
                return await self._compare(setup)
        except (
            IonUnauthorizedError,
            IonUnreachableError,
            IonInterceptedError,
            IonRateLimitedError,
        ):
            raise
        except IonError as error:
            if url and url.receiver_id:
                message = f"The receiver and its subscriptions cannot be checked: {error}"
                return CheckedReceiver([], [_failed(UNCHECKED_RECEIVER, message, str(error))])
        message, step = "No receiver in ION posts to this hub", "Finish the setup guide"
        urls = await self._connections.database.read(webhook_urls.list_urls, self._id)
        # Before the first setup, no delivery is expected.
        severity = "error" if any(url.receiver_id for url in urls) else "warning"
        found = Finding("receiver", severity, message, step, Action.SET_UP_WEBHOOKS, "none")
        return CheckedReceiver([], [found])

    async def _read(self) -> Setup:
        """Read the receivers, and adopt those that were created by hand in ION."""
        setup = await webhook_setup.read_setup(self._connections, self._id)
        if await adopt_new(self._connections, ACTOR, setup.known):
            setup = await webhook_setup.read_setup(self._connections, self._id)
        database = self._connections.database
        urls = await database.read(webhook_urls.list_active, self._id)
        problems = find_problems(self._connections, urls, setup.known)
        if any(problems.get(url.id) != url.receiver_problem for url in urls):
            await database.write(webhook_urls.set_receiver_problems, self._id, problems)
            self._connections.changes.publish("integration", self._id)
        return setup

    async def _compare(self, setup: Setup) -> CheckedReceiver:
        receivers = [one.receiver for one in setup.known]
        wrong = await self._deviations(setup)
        if not wrong:
            stored = await self._connections.database.read(finding_store.list_open, self._id)
            is_closed = any(one.stops_deliveries for one in stored)
            return CheckedReceiver(receivers, [], _INTERRUPTED if is_closed else "")
        if wrong == self._not_kept:  # a repetition would write to ION at each check
            return CheckedReceiver(receivers, None)
        own, urls = setup.own, await self._connections.database.read(self._recorded_urls)
        is_address = wrong[0].subject == "address"
        if is_address and not (own and may_correct(own.receiver, self._connections.public_url)):
            reason = "because another hub may own the receiver; repair it if this hub replaces that"
            return CheckedReceiver(receivers, _for_person(wrong, reason))
        if all(url.waits_for_person for url in urls) or (own and own.url.manual and is_address):
            ids = " and ".join(sorted({url.receiver_id or "" for url in urls}))
            reason = f"because receiver {ids} is set up manually"
            return CheckedReceiver(receivers, _for_person(wrong, reason))
        return await self._repair(setup, wrong)

    def _recorded_urls(self, connection: Connection) -> list[WebhookUrl]:
        urls = webhook_urls.list_active(connection, self._id)
        return [url for url in urls if url.receiver_id]

    async def _repair(self, before: Setup, wrong: list[Deviation]) -> CheckedReceiver:
        done = await webhook_setup.apply_setup(
            self._connections, ACTOR, self._id, stays_manual=True
        )
        after = await self._read()
        receivers = [one.receiver for one in after.known]
        remaining = await self._deviations(after)
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
            return CheckedReceiver(receivers, found)
        reason = _INTERRUPTED
        url = before.view.url
        if url and url.subscribed_at is None:
            reason = "subscriptions changed" if url.first_delivery_at else "first setup"
        return CheckedReceiver(receivers, found, reason)

    async def _deviations(self, setup: Setup) -> list[Deviation]:
        url, own, plan = setup.view.url, setup.own, setup.plan
        if own is None:
            gone = url.receiver_id if url else None
            return [Deviation("deleted", f"Receiver {gone} was deleted in ION")]
        if not own.posts_to_url:
            return [Deviation("address", find_problem(self._connections, own) or "")]
        await webhook_setup.note_subscribed(self._connections, own.url, plan)
        elsewhere = address_problem(self._connections, own.receiver)
        wrong = [
            Deviation("address" if problem == elsewhere else "settings", problem)
            for problem in plan.problems
        ]
        entries = await self._connections.database.read(
            webhook_urls.active_urls, self._connections.secrets
        )
        secrets = {entry.url_id: entry.shared_secret for entry in entries.values()}
        for one in setup.known:
            if one.posts_to_url and one.receiver.shared_secret != secrets.get(one.url.id):
                message = f"The shared secret of receiver {one.receiver.id} was changed in ION"
                wrong.append(Deviation("secret", message))
        for subject, found in (("missing", plan.missing), ("inactive", plan.inactive)):
            if found:
                count = counted(len(found), "subscription is", "subscriptions are")
                state = "missing" if subject == "missing" else "disabled"
                wrong.append(Deviation(subject, f"{count} {state} in ION"))
        return wrong


def _for_person(wrong: Sequence[Deviation], reason: str) -> list[Finding]:
    """Return errors about a receiver that the hub does not change by itself.

    Deliveries cannot arrive until a person acts.
    """
    steps = {"missing": "Create them with step 3 of the manual setup, or let the hub create them"}
    usual = "Correct it in ION, or let the hub repair it"
    return [
        Finding(
            "receiver",
            "error",
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
