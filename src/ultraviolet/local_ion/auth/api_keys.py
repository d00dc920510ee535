"""API keys of the local ION; secrets are stored as hashes."""

import hashlib
import hmac
import secrets
import uuid
from typing import Any

import msgspec

from ultraviolet.local_ion.auth import permissions
from ultraviolet.local_ion.auth.oauth import Claims
from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID, Store
from ultraviolet.local_ion.store.transaction import Transaction


def new_client_id() -> str:
    """Return the client id of a new key."""
    return f"api-key-{uuid.uuid4()}"


def create(
    tx: Transaction, client_id: str, secret: str | None = None, service_user_id: int | None = None
) -> tuple[int, str]:
    """Create a key; return its id and its secret.

    A key of a service user has the permissions of that user's roles. Without one, the key acts as
    its creator, with the permissions of this moment. The actor's own key limits both.
    """
    secret = secret or secrets.token_urlsafe(32)
    own = permissions.load_user_permissions(tx.connection, tx.catalog, tx.actor_id)
    allowed = intersection(own, tx.permissions)
    if service_user_id is not None and allowed == own:
        allowed = None
    values = {
        "client_id": client_id,
        "client_secret": hash_secret(secret),
        "enabled": 1,
        "permissions": None if allowed is None else dump_json(sorted(allowed)),
        "service_user_id": service_user_id,
    }
    return tx.insert("api_keys", values), secret


def intersection(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return the permissions that both sets contain; None contains all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def ensure(store: Store, client_id: str, secret: str) -> None:
    """Create the key with fixed credentials, or set its secret."""
    with store.write(ADMINISTRATOR_ID) as tx:
        existing = tx.find("api_keys", client_id=client_id)
        if not existing:
            create(tx, client_id, secret)
        elif existing[0]["client_secret"] != hash_secret(secret):
            values = {"client_secret": hash_secret(secret), "enabled": 1}
            tx.update("api_keys", existing[0]["id"], values)


def authenticate(store: Store, client_id: str, secret: str) -> Claims | None:
    """Return the claims of an enabled key whose user is active; None for invalid credentials."""
    row = store.connection.execute(
        "SELECT k.client_secret, u.id"
        " FROM api_keys k JOIN users u ON u.id = coalesce(k.service_user_id, k.created_by_id)"
        " WHERE k.client_id = ? AND k.enabled AND NOT u.deactivated",
        (client_id,),
    ).fetchone()
    if row is None or not hmac.compare_digest(row[0], hash_secret(secret)):
        return None
    return Claims(client_id=client_id, user_id=row[1])


class ApiKey(msgspec.Struct, frozen=True):
    """An API key without its secret.

    It acts as its service user, whose name is that of the key, or as its creator without one.
    """

    client_id: str
    etag: str
    created: str
    created_by: str
    enabled: bool
    user_id: int
    user_name: str
    user_active: bool
    has_service_user: bool


_SELECT_KEYS = """
SELECT k.client_id, k._etag, k._created, c.name, k.enabled, u.id, u.name, NOT u.deactivated,
       k.service_user_id IS NOT NULL
FROM api_keys k
JOIN users u ON u.id = coalesce(k.service_user_id, k.created_by_id)
JOIN users c ON c.id = k.created_by_id
ORDER BY k.id DESC"""


def list_keys(store: Store) -> list[ApiKey]:
    """Return all keys, the newest first."""
    rows = store.connection.execute(_SELECT_KEYS).fetchall()
    return [
        ApiKey(
            client_id, etag, created, by or "", bool(enabled), user, name or "", bool(on), bool(own)
        )
        for client_id, etag, created, by, enabled, user, name, on, own in rows
    ]


def count(store: Store) -> int:
    """Return the number of keys."""
    return store.connection.execute("SELECT count(*) FROM api_keys").fetchone()[0]


def update(
    tx: Transaction, row: dict[str, Any], *, enabled: bool | None, regenerate: bool
) -> str | None:
    """Enable, disable or renew a key; return the new secret, if any."""
    values: dict[str, Any] = {} if enabled is None else {"enabled": int(enabled)}
    secret = secrets.token_urlsafe(32) if regenerate else None
    if secret is not None:
        values["client_secret"] = hash_secret(secret)
    tx.update("api_keys", row["id"], values)
    return secret


def hash_secret(secret: str) -> str:
    """Return the hash of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
