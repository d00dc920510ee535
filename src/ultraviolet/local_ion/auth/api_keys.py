"""API keys of the local ION: made, checked, and kept only as a hash."""

import hashlib
import hmac
import json
import secrets
import uuid
from typing import Any

import msgspec

from ultraviolet.local_ion.auth import permissions
from ultraviolet.local_ion.store.store import Store, Transaction, dump


class ApiKey(msgspec.Struct, frozen=True):
    """A key in use: whose it is, and what that user was allowed when it was made (None: everything)."""

    client_id: str
    user_id: int
    permissions: frozenset[str] | None


def create(tx: Transaction, client_id: str | None = None, secret: str | None = None) -> tuple[int, str]:
    """Make a key with the permissions of its maker; gives its id and its secret, which is shown only now."""
    secret = secret or secrets.token_urlsafe(32)
    allowed = _frozen(tx)
    values = {
        "client_id": client_id or f"api-key-{uuid.uuid4()}",
        "client_secret": hashed(secret),
        "enabled": 1,
        "permissions": None if allowed is None else dump(sorted(allowed)),
    }
    return tx.insert("api_keys", values), secret


def ensure(store: Store, client_id: str, secret: str) -> None:
    """See to it that a key with fixed credentials exists."""
    with store.writing(1) as tx:
        found = tx.find("api_keys", client_id=client_id)
        if not found:
            create(tx, client_id, secret)
        elif found[0]["client_secret"] != hashed(secret):
            tx.update("api_keys", found[0]["id"], {"client_secret": hashed(secret), "enabled": 1})


def authenticate(store: Store, client_id: str, secret: str) -> ApiKey | None:
    """Give the key these credentials belong to, if it is enabled and its user active."""
    row = store.connection.execute(
        "SELECT k.client_secret, k.created_by_id, k.permissions FROM api_keys k JOIN users u ON u.id = k.created_by_id"
        " WHERE k.client_id = ? AND k.enabled AND NOT u.deactivated",
        (client_id,),
    ).fetchone()
    if row is None or not hmac.compare_digest(row[0], hashed(secret)):
        return None
    return ApiKey(client_id, row[1], frozenset(json.loads(row[2])) if row[2] else None)


def count(store: Store) -> int:
    """Tell how many keys there are."""
    return store.connection.execute("SELECT count(*) FROM api_keys").fetchone()[0]


def update(tx: Transaction, row: dict[str, Any], *, enabled: bool | None, regenerate: bool) -> str | None:
    """Enable, disable or renew a key; gives the new secret if there is one."""
    values: dict[str, Any] = {} if enabled is None else {"enabled": int(enabled)}
    secret = secrets.token_urlsafe(32) if regenerate else None
    if secret is not None:
        values["client_secret"] = hashed(secret)
    tx.update("api_keys", row["id"], values)
    return secret


def _frozen(tx: Transaction) -> frozenset[str] | None:
    """Give what a key made now may do for ever: what its maker may by roles, but no more than the maker's own key."""
    held = permissions.of_user(tx, tx.actor_id)
    if held is None or tx.permissions is None:
        return tx.permissions if held is None else held
    return held & tx.permissions


def hashed(secret: str) -> str:
    """Hash a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
