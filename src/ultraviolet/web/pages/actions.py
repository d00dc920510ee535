"""What a person can do at once about something that keeps the mirror from being trusted: one button for each kind of cause."""

import msgspec

from ultraviolet.hub.accounts.users import Role
from ultraviolet.hub.health.freshness import Cause


class Action(msgspec.Struct, frozen=True):
    """A button with its required role; without a `role`, a link."""

    label: str
    address: str
    role: Role | None = None
    fields: dict[str, str] = {}


_SET_UP = ("receiver", "subscriptions", "silent", "no_event_yet")
_READ = ("overdue", "never_proven", "hub_was_down")
_TEST = ("ion_fails", "unreachable", "credentials")


def action_for(cause: Cause, integration_id: int) -> Action | None:
    """Return what helps against a cause; None where nothing on a page does."""
    here = f"/integrations/{integration_id}"
    if cause.kind in _SET_UP:
        return Action("Repair webhooks", f"{here}/set-up/automatic", "admin")
    if cause.kind in _READ:
        return Action(
            "Sync now",
            "/fetches",
            "operator",
            {"integration": str(integration_id), "mode": "incremental"},
        )
    if cause.kind in _TEST:
        return Action("Test connection again", f"{here}/test", "operator")
    if cause.kind == "paused":
        return Action("Resume", f"{here}/resume", "operator")
    if cause.kind in ("unreadable", "hopeless", "behind"):
        return Action("View freshness", f"{here}/freshness")
    return None
