"""Labels of the audit log: actors, actions, targets and details."""

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from ultraviolet.hub.accounts.users import COMMAND_LINE, KEY_PREFIX
from ultraviolet.hub.core.audit import ACTIONS, AuditEntry
from ultraviolet.ion.labels import field_label, resource_label

_AUTOMATIC = "Ultraviolet (automatic)"
_ACTORS = {
    **dict.fromkeys(("hub", "watchdog", "first start", "first connection"), _AUTOMATIC),
    "provider": "Single sign-on",
    "schedule": "Schedule",
    "subscribed": "New subscription",
    "restored database": "Restored database",
    "a resource sent no events": "A resource sent no events",
    "an event that was not understood": "An event that was not understood",
    "events of which ION kept no body": "Events of which ION kept no body",
}
_NAMES = {
    "accept_absence": "Accept deletions",
    "added": "Events added",
    "api_url": "API address",
    "auth_url": "Auth address",
    "client_id": "Client ID",
    "email": "E-mail",
    "ended": "Sessions ended",
    "from_seq": "From event",
    "id": "ID",
    "integration_id": "Integration ID",
    "new": "ID of the new URL",
    "object_id": "Object ID",
    "pairs": "Subscriptions",
    "receiver": "Receiver ID",
    "resealed": "Secrets re-encrypted",
    "sample": "Sample size",
    "source": "Address",
    "to_seq": "To event",
    "versions": "History of objects",
    "way": "Method",
}
"""Names of details that differ from their code."""
_PAGES = {
    "alert_destination": "/settings/alerts",
    "key": "/settings/keys",
    "retention": "/settings/retention",
}
"""Pages of lists that contain the target, by the noun of the action."""
_WORDS = {"provider": "single sign-on", "nothing_new": "no change", "not_chosen": "not selected"}


class Known(msgspec.Struct, frozen=True):
    """The ids of what the audit log names and has a page, by name."""

    integrations: Mapping[str, int]
    users: Mapping[str, int]
    webhook_urls: Mapping[str, int]


def actor_label(name: str) -> str:
    """Return the name of a person, an API key or a part of the hub that did something."""
    if name.startswith(KEY_PREFIX):
        key = name.removeprefix(KEY_PREFIX)
        return "Command line" if key.startswith(COMMAND_LINE) else f"{key} (API key)"
    return _ACTORS.get(name, name)


def action_label(name: str) -> str:
    """Return the label of an audited action such as `user.make_link`."""
    return ACTIONS.get(name, name)


def subject_label(entry: AuditEntry) -> str:
    """Return the name of what an entry is about."""
    by_resource = entry.action == "index.create"
    return resource_label(entry.subject).plural if by_resource else entry.subject


def subject_path(entry: AuditEntry, known: Known) -> str:
    """Return the path of the page of what an entry is about; empty if it has none."""
    noun, name = entry.action.partition(".")[0], entry.subject
    page, ids, end = "", {}, ""
    match noun:
        case "integration" | "fetch" | "verification" | "event":
            page, ids = "/integrations", known.integrations
        case "user" | "session":
            page, ids, end = "/settings/users", known.users, "/sessions"
        case "webhook_url" | "receiver":
            page, ids = "/webhooks", known.webhook_urls
        case "index":
            return f"/objects/{name}"
        case _:
            return _PAGES.get(noun, "")
    return f"{page}/{ids[name]}{end}" if name in ids else ""


def detail_labels(entry: AuditEntry, known: Known) -> dict[str, str]:
    """Return names and values of the details of an entry; an integration by name if it exists."""
    names = {id_: name for name, id_ in known.integrations.items()}
    detail = dict(entry.detail or {})
    if detail.get("integration_id") in names:
        detail = {"integration": names[detail.pop("integration_id")], **detail}
    return {_name(name): _text(value, _VALUES.get(name, str)) for name, value in detail.items()}


def _name(name: str) -> str:
    return _NAMES.get(name) or name.replace("_", " ").capitalize()


def _words(value: str) -> str:
    return _WORDS.get(value, value.replace("_", " "))


_VALUES: dict[str, Callable[[Any], str]] = {
    "action": _words,
    "changed": _name,
    "fields": lambda field: field_label(field).label,
    "kind": _words,
    "outcome": _words,
    "resource": lambda name: resource_label(name).plural,
    "way": _words,
}
"""Labels of values that are names of code, by the name of the detail."""


def _text(value: Any, label: Callable[[Any], str]) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(label, cast("list[Any]", value))) or "none"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else label(value)
