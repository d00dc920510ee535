"""Mutations that are more than create, update or delete of one object."""

from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.mutations import (
    associations,
    boms,
    build_requirements,
    files,
    inventory,
    notifications,
    planning,
    runs,
)
from ultraviolet.local_ion.rules import organization
from ultraviolet.local_ion.rules.validation import require, same_etag
from ultraviolet.local_ion.store.store import Transaction

Special = Callable[[Transaction, dict[str, Any]], dict[str, Any]]


def _create_api_key(tx: Transaction, _: dict[str, Any]) -> dict[str, Any]:
    key, secret = api_keys.create(tx)
    return {"apikey": _shown(tx, key, secret)}


def _shown(tx: Transaction, key: int, secret: str | None) -> dict[str, Any]:
    row = require(tx, "api_keys", key)
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


def _update_api_key(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    row = _api_key(tx, args["input"])
    regenerate = bool(args["input"].get("regenerateSecret"))
    secret = api_keys.update(tx, row, enabled=args["input"].get("enabled"), regenerate=regenerate)
    return {"apikey": _shown(tx, row["id"], secret)}


def _delete_api_key(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    row = _api_key(tx, args["input"])
    shown = _shown(tx, row["id"], None)
    tx.delete("api_keys", row["id"])
    return {"apikey": shown}


def _api_key(tx: Transaction, values: dict[str, Any]) -> dict[str, Any]:
    found = tx.find("api_keys", client_id=values["clientId"])
    row = require(tx, "api_keys", found[0]["id"] if found else 0)
    same_etag(tx, "api_keys", row, values["_etag"])
    return row


SPECIAL: Mapping[str, Special] = {
    "createApiKey": _create_api_key,
    "updateApiKey": _update_api_key,
    "deleteApiKey": _delete_api_key,
    **associations.MUTATIONS,
    **files.MUTATIONS,
    **inventory.MUTATIONS,
    **organization.MUTATIONS,
    **boms.MUTATIONS,
    **build_requirements.MUTATIONS,
    **runs.MUTATIONS,
    **planning.MUTATIONS,
    **notifications.MUTATIONS,
}
"""By name."""
