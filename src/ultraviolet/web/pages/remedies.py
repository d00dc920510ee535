"""What a person can do at once about something that keeps the mirror from being trusted: one button for each kind of cause."""

import msgspec

from ultraviolet.hub.access import Role
from ultraviolet.hub.freshness import Cause


class Remedy(msgspec.Struct, frozen=True):
    """A button, and who may press it; without a `role` a link."""

    label: str
    address: str
    role: Role | None = None
    fields: dict[str, str] = {}


_SET_UP = ("receiver", "subscriptions", "silent", "no_event_yet")
_READ = ("overdue", "never_proven", "hub_was_down")
_TEST = ("ion_fails", "unreachable", "credentials")


def remedy(cause: Cause, integration_id: int) -> Remedy | None:
    """Give what helps against a cause; None where nothing on a page does."""
    here = f"/integrations/{integration_id}"
    if cause.kind in _SET_UP:
        return Remedy("Reactivate and subscribe again", f"{here}/set-up/automatic", "admin")
    if cause.kind in _READ:
        return Remedy(
            "Fetch now",
            "/fetches",
            "operator",
            {"integration": str(integration_id), "mode": "incremental"},
        )
    if cause.kind in _TEST:
        return Remedy("Test the connection again", f"{here}/test", "operator")
    if cause.kind == "paused":
        return Remedy("Resume", f"{here}/resume", "operator")
    if cause.kind in ("unreadable", "hopeless", "behind"):
        return Remedy("See which", f"{here}/freshness")
    return None
