"""Notifications, and what the local ION answers for services that it does not have."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.rules.validation import require
from ultraviolet.local_ion.store.columns import document
from ultraviolet.local_ion.store.store import Transaction, dump

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]


def _dispatch(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    user = require(tx, "users", int(values["userId"]))
    payload = document(values.get("payload"))
    row = {
        "user_id": user["id"],
        "type": str(values["notificationType"]).lower(),
        "title": values["title"],
        "description": values["description"],
        "link_text": values["linkText"],
        "path": values["path"],
        "payload": None if payload is None else dump(payload),
        "read": 0,
    }
    tx.insert("user_notifications", row)
    return {"response": {"messageId": str(uuid.uuid4())}}


def _analytics(_: Transaction, __: dict[str, Any]) -> dict[str, Any]:
    """Answer that there is no page of analytics: the local ION has none (assumed)."""
    return {"embeddedAnalytics": {"url": None}}


MUTATIONS: Mapping[str, Handler] = {
    "dispatchNotification": _dispatch,
    "generateReadEmbeddedAnalytics": _analytics,
    "generateWriteEmbeddedAnalytics": _analytics,
}
"""By name."""
