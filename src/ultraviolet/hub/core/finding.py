"""A finding: what the hub tells a user about a problem, and what the user can do about it.

Checks create findings. Freshness, connection tests, alerts, pages, API and the command line show
them as they are.
"""

from enum import StrEnum
from typing import Any, Literal, Self, TypeAlias

import msgspec

from ultraviolet.command_text import command

Severity: TypeAlias = Literal["error", "warning", "info"]
"""An error makes the mirror stale or stops the hub; information needs no action."""

Kind: TypeAlias = Literal[
    # the connection to ION
    "unreachable",
    "credentials",
    "ion_fails",
    "permission",
    "rate_limit",
    "clock",
    "schema",
    "not_offered",
    # webhooks
    "receiver",
    "subscriptions",
    "silent",
    "no_event_yet",
    "forged",
    "unverified",
    "gap",
    # content of the mirror
    "unsynced",
    "catching_up",
    "unreadable",
    "hopeless",
    "behind",
    "differs",
    "never_proven",
    "overdue",
    "invalid_value",
    "restored",
    # operation of the hub
    "paused",
    "healing_off",
    "hub_was_down",
    "unmaintained",
    "events_wait",
    "spool",
    "database",
    "disk",
    "data",
    "secret_key",
    "port",
    "hub",
    "api_key",
    "public_address",
    "freshness",
    "not_understood",
]
"""What is wrong."""
UNCHECKED_RECEIVER = "not readable"
"""The subject if the hub may not read the receiver, so that deliveries may still arrive."""
CONSEQUENCES: frozenset[Kind] = frozenset({"behind", "overdue", "never_proven", "unsynced"})
"""Kinds of findings that are not causes themselves while the hub cannot read ION."""


class Action(StrEnum):
    """What a user can do about a finding: a button or link on pages, and a command."""

    label: str
    verb: str
    role: Literal["operator", "admin"] | None
    """The role that the button requires; None: a link."""
    route: str

    def __new__(cls, value: str, label: str, route: str, verb: str, role: Any = None) -> Self:
        """Create an action with the text, route and role of its button, and its command."""
        action = str.__new__(cls, value)
        action._value_ = value
        action.label, action.route, action.verb, action.role = label, route, verb, role
        return action

    REPAIR_WEBHOOKS = (
        "repair_webhooks",
        "Repair webhooks",
        "/integrations/{}/set-up/automatic",
        "setup apply",
        "admin",
    )
    SET_UP_WEBHOOKS = (
        "set_up_webhooks",
        "Set up webhooks",
        "/integrations/{}/set-up",
        "setup apply",
    )
    FETCH = "fetch", "Sync now", "/fetches", "fetch run", "operator"
    TEST = (
        "test",
        "Test connection again",
        "/integrations/{}/test",
        "integration test",
        "operator",
    )
    FIX_CREDENTIALS = (
        "fix_credentials",
        "Fix credentials",
        "/integrations/{}/settings",
        "integration edit",
    )
    RESUME = "resume", "Resume", "/integrations/{}/resume", "integration resume", "operator"
    FULL_FETCH = "full_fetch", "Full sync", "/fetches", "fetch run", "operator"
    ROTATE_WEBHOOK = (
        "rotate_webhook",
        "Rotate the webhook URL",
        "/webhooks?integration={}",
        "webhook list",
    )
    SHOW_FRESHNESS = (
        "show_freshness",
        "View freshness",
        "/integrations/{}/freshness",
        "freshness",
    )

    SHOW_FETCHES = "show_fetches", "View syncs", "/fetches?integration={}", "fetch list"

    def path(self, integration_id: int) -> str:
        """Return the path of the page or, with a role, of the form."""
        return self.route.format(integration_id)

    def fields(self, integration_id: int) -> dict[str, str]:
        """Return the fields of the form."""
        mode = {Action.FETCH: "incremental", Action.FULL_FETCH: "full"}.get(self)
        return {"integration": str(integration_id), "mode": mode} if mode else {}

    def command(self, integration: str) -> str:
        """Return the command for an integration."""
        if self is Action.FULL_FETCH:
            return command(self.verb, integration, mode="full")
        if self is Action.FIX_CREDENTIALS:
            return command(self.verb, integration, client_id="CLIENT_ID")
        return command(self.verb, integration)


def rotation_step(url_id: int) -> str:
    """Return the next step if a webhook URL receives deliveries with a wrong signature.

    The watchdog compares the shared secret with ION's, so the sender is not ION.
    """
    rotate = command("webhook rotate", str(url_id))
    return f"If this continues, another party knows the URL; replace it: `{rotate}`"


class Finding(msgspec.Struct, frozen=True):
    """A problem or a note: what happened, its effect on the data, and the next step."""

    kind: Kind
    severity: Severity
    message: str
    next_step: str
    action: Action | None = None
    subject: str = ""
    """The subject of the problem, such as a resource."""
    repaired: bool = False
    """Whether the hub has corrected it."""

    @property
    def rejects_credentials(self) -> bool:
        """Whether ION rejects the credentials of the integration."""
        return self.kind == "credentials" and self.severity == "error"

    @property
    def stops_deliveries(self) -> bool:
        """Whether deliveries cannot arrive, and the hub does not repair that by itself."""
        is_open = self.kind == "receiver" and self.severity == "error" and not self.repaired
        return is_open and self.subject != UNCHECKED_RECEIVER


class StoredFinding(Finding, frozen=True, kw_only=True):
    """A finding of an integration, stored until it is resolved."""

    id: int
    integration_id: int
    found_at: str
    repaired_at: str | None
    resolved_at: str | None
