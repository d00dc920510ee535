"""Viewers: the user and permissions behind a token; also the first API key."""

from collections.abc import Mapping

import msgspec

from ultraviolet.errors import UnauthenticatedError
from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.auth.oauth import Claims, InvalidTokenError
from ultraviolet.local_ion.auth.permissions import load_user_permissions
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID, Store

QUERY_RUNNER = Claims(client_id="query-runner", user_id=ADMINISTRATOR_ID)
"""The query runner page acts as the administrator."""

# permissions of an enabled API key whose user is active
SELECT_PERMISSIONS = (
    "SELECT k.permissions, k.service_user_id FROM api_keys k"
    " JOIN users u ON u.id = coalesce(k.service_user_id, k.created_by_id) WHERE k.client_id = ? AND k.enabled AND NOT u.deactivated"
)


class Viewer(msgspec.Struct, frozen=True):
    """The user that runs an operation; `permissions` are root field names, None allows all."""

    user_id: int
    permissions: frozenset[str] | None = None


class Credentials(msgspec.Struct, frozen=True):
    """A client id and its secret."""

    client_id: str
    client_secret: str


def credentials_from_environment(environment: Mapping[str, str]) -> Credentials | None:
    """Return the credentials in ION_CLIENT_ID and ION_CLIENT_SECRET; None unless both are set."""
    client_id, client_secret = (
        environment.get("ION_CLIENT_ID"),
        environment.get("ION_CLIENT_SECRET"),
    )
    return Credentials(client_id, client_secret) if client_id and client_secret else None


def ensure_first_key(store: Store, configured: Credentials | None) -> Credentials | None:
    """Ensure that an API key exists; return its credentials only if it was generated now."""
    if configured is not None:
        api_keys.ensure(store, configured.client_id, configured.client_secret)
        return None
    if api_keys.count(store):
        return None
    client_id = api_keys.new_client_id()
    with store.write(ADMINISTRATOR_ID) as tx:
        _, secret = api_keys.create(tx, client_id)
    return Credentials(client_id, secret)


def load_viewer(store: Store, claims: Claims) -> Viewer:
    """Return the viewer of a token.

    Raise UnauthenticatedError if its API key was deleted or disabled.
    """
    if claims == QUERY_RUNNER:
        return Viewer(ADMINISTRATOR_ID)
    row = store.connection.execute(SELECT_PERMISSIONS, (claims.client_id,)).fetchone()
    if row is None:
        raise UnauthenticatedError(InvalidTokenError.__doc__)
    allowed = frozenset(msgspec.json.decode(row[0], type=list[str])) if row[0] else None
    if row[1] is not None:
        own = load_user_permissions(store.connection, store.schema.catalog, row[1])
        allowed = api_keys.intersection(own, allowed)
    return Viewer(claims.user_id, allowed)
