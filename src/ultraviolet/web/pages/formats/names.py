"""Names of resources, fields, states and origins for people."""

from typing import Any

import msgspec
from markupsafe import Markup

from ultraviolet.ion.attributes import attribute_name
from ultraviolet.ion.labels import field_label, resource_label
from ultraviolet.mirror.drift import CAUSE_LABELS

_GOOD = {"active", "done", "fresh", "applied", "verified", "ok", "create", "connected", "equal"}
_WARN = {
    "stale",
    "partial",
    "paused",
    "running",
    "waiting",
    "unverified",
    "rotated",
    "skipped",
    "warning",
    "pending",
}
_BAD = {"failed", "not_understood", "revoked", "deleted", "delete", "error", "refused", "missing"}
_ORIGINS = {
    "event": "event",
    "replay": "replay of event",
    "heal": "targeted read",
    "poll": "poll",
    "fetch": "sync",
    "verify": "verification",
}
_LABELS = {
    "nothing_new": "no change",
    "cancelled": "canceled",
    "not_chosen": "not selected",
    "taken": "received",
    "put_off": "deferred",
}
_CAUSE_LABELS: dict[str, str] = {**CAUSE_LABELS}
MISMATCHES = {
    "integer": "not a whole number",
    "real": "not a number",
    "boolean": "not true or false",
    "time": "not a time",
    "text": "not text",
    "id": "not an ID",
}


def singular(resource: str) -> str:
    """Return the name of one object of a resource."""
    return resource_label(resource).singular


def plural(resource: str) -> str:
    """Return the name of the objects of a resource."""
    return resource_label(resource).plural


def label(field: str) -> str:
    """Return the name of a field or custom attribute for people."""
    return attribute_name(field) or field_label(field).label


def words(name: str) -> str:
    """Return the label of a code name."""
    return _LABELS.get(name, name.replace("_", " "))


def tone_of(word: str) -> str:
    """Choose the color of a state."""
    plain = word.lower()
    for name, group in (("good", _GOOD), ("warn", _WARN), ("bad", _BAD)):
        if plain in group:
            return name
    return "plain"


def cause_label(cause: str) -> str:
    """Return the label of a cause of drift."""
    return _CAUSE_LABELS.get(cause, words(cause))


def kind_label(origin_kind: str) -> str:
    """Name the kind of an origin."""
    return "webhook" if origin_kind == "event" else _ORIGINS.get(origin_kind, origin_kind)


def origin(root: str, given: Any) -> Markup:
    """Name the origin of a content, with a link if it has a page."""
    values: dict[str, Any] = msgspec.to_builtins(given)
    kind, ref = str(values.get("kind", "?")), values.get("ref")
    page = {"event": "events", "replay": "events", "fetch": "fetches"}.get(kind)
    name = _ORIGINS.get(kind, kind)
    if page and ref:
        return Markup('{} <a href="{}/{}/{}">{}</a>').format(name, root, page, ref, ref)
    return Markup("{}").format(name)
