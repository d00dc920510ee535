"""Who calls the local ION: the first API key, and what a token's bearer may do."""

import uuid
from collections.abc import Mapping

import msgspec

from ultraviolet.errors import UnauthenticatedError
from ultraviolet.local_ion import api_keys
from ultraviolet.local_ion.oauth import Claims, UnreadableTokenError
from ultraviolet.local_ion.schema import Viewer
from ultraviolet.local_ion.seed import ADMINISTRATOR
from ultraviolet.local_ion.store import Store

QUERY_RUNNER = Claims(client_id="query-runner", user_id=ADMINISTRATOR)
"""The query runner's page calls as the plant's administrator."""

PERMISSIONS = (
    "SELECT k.permissions FROM api_keys k JOIN users u ON u.id = k.created_by_id"
    " WHERE k.client_id = ? AND k.enabled AND NOT u.deactivated"
)


class Credentials(msgspec.Struct, frozen=True):
    """What a client signs in with."""

    client_id: str
    client_secret: str


def credentials_of(environment: Mapping[str, str]) -> Credentials | None:
    """Read fixed credentials from ION_CLIENT_ID and ION_CLIENT_SECRET; None unless both are set."""
    client_id, client_secret = environment.get("ION_CLIENT_ID"), environment.get("ION_CLIENT_SECRET")
    return Credentials(client_id, client_secret) if client_id and client_secret else None


def first_key(store: Store, given: Credentials | None) -> Credentials | None:
    """See to it that somebody can sign in; gives credentials only if they were made just now."""
    if given is not None:
        api_keys.ensure(store, given.client_id, given.client_secret)
        return None
    if api_keys.count(store):
        return None
    client_id = f"api-key-{uuid.uuid4()}"
    with store.writing(ADMINISTRATOR) as transaction:
        _, secret = api_keys.create(transaction, client_id)
    return Credentials(client_id, secret)


def viewer_of(store: Store, claims: Claims) -> Viewer:
    """Tell what a caller may do; raises UnauthenticatedError when its key is gone or disabled."""
    if claims == QUERY_RUNNER:
        return Viewer(ADMINISTRATOR)
    row = store.connection.execute(PERMISSIONS, (claims.client_id,)).fetchone()
    if row is None:
        raise UnauthenticatedError(UnreadableTokenError.__doc__)
    return Viewer(claims.user_id, frozenset(msgspec.json.decode(row[0], type=list[str])) if row[0] else None)
