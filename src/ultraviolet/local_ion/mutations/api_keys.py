"""Mutations of API keys."""

from typing import Any

from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.mutations.handler import Handlers
from ultraviolet.local_ion.rules.seed import add_service_user
from ultraviolet.local_ion.rules.validation import check_etag, require_row
from ultraviolet.local_ion.store.transaction import Row, Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""


@MUTATIONS.handles("createApiKey")
def _create_api_key(tx: Transaction, _args: dict[str, Any]) -> dict[str, Any]:
    """Create a key that belongs to a new service user (documented), or to its creator (older)."""
    client_id = api_keys.new_client_id()
    service_user = add_service_user(tx, client_id) if tx.quirks.has("service_users") else None
    key, secret = api_keys.create(tx, client_id, service_user_id=service_user)
    return {"apikey": _payload(tx, key, secret)}


@MUTATIONS.handles("updateApiKey")
def _update_api_key(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    row = _require_api_key(tx, values)
    regenerate = bool(values.get("regenerateSecret"))
    secret = api_keys.update(tx, row, enabled=values.get("enabled"), regenerate=regenerate)
    return {"apikey": _payload(tx, row["id"], secret)}


@MUTATIONS.handles("deleteApiKey")
def _delete_api_key(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Delete a key, and deactivate its service user (assumed)."""
    row = _require_api_key(tx, args["input"])
    payload = _payload(tx, row["id"], None)
    tx.delete("api_keys", row["id"])
    if row["service_user_id"] is not None:
        tx.update("users", row["service_user_id"], {"deactivated": 1})
    return {"apikey": payload}


def _require_api_key(tx: Transaction, values: dict[str, Any]) -> Row:
    found = tx.find("api_keys", client_id=values["clientId"])
    row = require_row(tx, "api_keys", found[0]["id"] if found else 0)
    check_etag(tx, "api_keys", row, values["_etag"])
    return row


def _payload(tx: Transaction, key: int, secret: str | None) -> dict[str, Any]:
    row = require_row(tx, "api_keys", key)
    return {
        "id": row["id"],
        "_created": row["_created"],
        "_updated": row["_updated"],
        "_etag": row["_etag"],
        "clientId": row["client_id"],
        "clientSecret": secret,
        "enabled": bool(row["enabled"]),
        "createdById": row["created_by_id"],
        "updatedById": row["updated_by_id"],
    }
