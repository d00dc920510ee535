"""API keys for automation, stored as hashes."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from ultraviolet import clock
from ultraviolet.db.locks import for_update
from ultraviolet.db.sql import as_struct
from ultraviolet.db.tables.accounts import api_keys
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.accounts.users import KEY_PREFIX, Actor, Role, check_role
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.encryption import hash_token, new_token
from ultraviolet.hub.core.validation import check_characters


class ApiKey(msgspec.Struct, frozen=True):
    """An API key, without the key itself."""

    id: int
    name: str
    role: Role
    last_four: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


def create_key(
    connection: Connection, actor: str, name: str, role: Role, expires_at: str | None = None
) -> tuple[ApiKey, str]:
    """Create a key; return it with its token, which cannot be read again.

    Raise ConflictError if another valid key has the name.
    """
    name = name.strip()
    if not name:
        raise InvalidError("A key needs a name that describes its use", field="name")
    check_characters(name)
    named = select(api_keys.c.id).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    if connection.execute(named).first():
        raise ConflictError(
            f"An API key named {name} already exists. Choose another name, or revoke it first.",
            field="name",
        )
    token = new_token("uvk")
    try:
        expiry = None if expires_at is None else clock.normalize_rfc3339(expires_at)
    except ValueError as error:
        raise InvalidError(
            f"{expires_at} is not a time such as 2027-01-31T12:00:00Z", field="expires_at"
        ) from error
    key = _insert_key(connection, name, check_role(role), token, expiry)
    audit.record(connection, actor, "key.create", key.name, {"id": key.id, "role": role})
    return key, token


def set_key(connection: Connection, name: str, role: Role, token: str) -> ApiKey:
    """Make `token` the only key of this name, for a key from the settings or of a process."""
    key_hash = hash_token(token)
    connection.execute(
        delete(api_keys).where(api_keys.c.name == name, api_keys.c.key_hash != key_hash)
    )
    row = _select_by_token(connection, token)
    return as_struct(ApiKey, row) if row else _insert_key(connection, name, role, token, None)


def delete_key(connection: Connection, name: str) -> None:
    """Delete the key that `set_key` created under this name."""
    connection.execute(delete(api_keys).where(api_keys.c.name == name))


def delete_key_by_token(connection: Connection, token: str) -> None:
    """Delete the key with this token; keep a key of the same name with another token."""
    connection.execute(delete(api_keys).where(api_keys.c.key_hash == hash_token(token)))


def get_key_actor(connection: Connection, token: str) -> Actor | None:
    """Return the actor of an API key; None if it is unknown, revoked or expired."""
    row = _select_by_token(connection, token)
    if row is None or row["revoked_at"]:
        return None
    if row["expires_at"] and row["expires_at"] < clock.now_rfc3339():
        return None
    identity = f"{KEY_PREFIX}{hash_token(token).hex()}"
    return Actor(f"{KEY_PREFIX}{row['name']}", row["role"], identity)


def touch_key(connection: Connection, token: str) -> None:
    """Record that a key was used now."""
    statement = update(api_keys).where(api_keys.c.key_hash == hash_token(token))
    connection.execute(statement.values(last_used_at=clock.now_rfc3339()))


def list_keys(connection: Connection) -> list[ApiKey]:
    """Return all keys, newest first."""
    query = select(api_keys).order_by(api_keys.c.id.desc())
    return [as_struct(ApiKey, row) for row in connection.execute(query).mappings()]


def get_key(connection: Connection, key_id: int, *, to_change: bool = False) -> ApiKey:
    """Return a key; raise NotFoundError. With `to_change`, lock its row in this transaction."""
    query = select(api_keys).where(api_keys.c.id == key_id)
    row = connection.execute(for_update(query, to_change=to_change)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"Unknown API key {key_id}")
    return as_struct(ApiKey, row)


def revoke_key(connection: Connection, actor: str, key_id: int) -> ApiKey:
    """Revoke a key permanently; raise NotFoundError."""
    statement = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    if connection.execute(statement.values(revoked_at=clock.now_rfc3339())).rowcount:
        audit.record(connection, actor, "key.revoke", get_key(connection, key_id).name)
    return get_key(connection, key_id)


def _select_by_token(connection: Connection, token: str) -> RowMapping | None:
    query = select(api_keys).where(api_keys.c.key_hash == hash_token(token))
    return connection.execute(query).mappings().one_or_none()


def _insert_key(
    connection: Connection, name: str, role: Role, token: str, expires_at: str | None
) -> ApiKey:
    values = {"name": name, "role": role, "key_hash": hash_token(token), "last_four": token[-4:]}
    values |= {"created_at": clock.now_rfc3339(), "expires_at": expires_at}
    statement = insert(api_keys).values(**values).returning(api_keys)
    return as_struct(ApiKey, connection.execute(statement).mappings().one())
