"""Mutations of notifications and of services that the local ION does not have."""

import uuid
from typing import Any

from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.validation import require_row
from ultraviolet.local_ion.store.columns import dump_json, parse_json_string
from ultraviolet.local_ion.store.transaction import Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""


@MUTATIONS.handles("dispatchNotification")
def _dispatch_notification(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    user = require_row(tx, "users", int(values["userId"]))
    payload = parse_json_string(values.get("payload"))
    row = {
        "user_id": user["id"],
        "type": str(values["notificationType"]).lower(),
        "title": values["title"],
        "description": values["description"],
        "link_text": values["linkText"],
        "path": values["path"],
        "payload": None if payload is None else dump_json(payload),
        "read": 0,
    }
    tx.insert("user_notifications", row)
    return {"response": {"messageId": str(uuid.uuid4())}}


@MUTATIONS.handles("generateReadEmbeddedAnalytics", "generateWriteEmbeddedAnalytics")
def _embed_analytics(_tx: Transaction, _args: dict[str, Any]) -> dict[str, Any]:
    """Return no URL: the local ION has no analytics (assumed)."""
    return {"embeddedAnalytics": {"url": None}}
