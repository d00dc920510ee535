"""Who calls the local ION: the first API key, and what a token's bearer may do."""

import re
import uuid
from collections.abc import Mapping

import msgspec

from ultraviolet.errors import UnauthenticatedError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.auth.oauth import Claims, UnreadableTokenError
from ultraviolet.local_ion.faults.registry import Faults, concerns
from ultraviolet.local_ion.graphql.executor import Viewer
from ultraviolet.local_ion.rules.seed import ADMINISTRATOR
from ultraviolet.local_ion.store.store import Store

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


class Doorkeeper:
    """What faults make of tokens and permissions."""

    def __init__(self, faults: Faults, catalog: Catalog) -> None:
        self._faults = faults
        roots = (catalog.schema.query_type, catalog.schema.mutation_type)
        self._roots = frozenset(name for root in roots if root for name in root.fields)

    def lifetime(self, client_id: str, usual: int) -> float | None:
        """Give the lifetime of a token about to be issued; None for a key that a fault has revoked."""
        lifetime: float = usual
        for fault in self._faults.strike("issue", client_id):
            if fault.kind == "key_revoked":
                return None
            lifetime = fault.setting("seconds")
        return lifetime

    def admit(self, claims: Claims) -> None:
        """Refuse a good token where a fault says so; raises UnauthenticatedError."""
        for fault in self._faults.strike("token", claims.client_id):
            refused = fault.kind == "token_refused"
            raise UnauthenticatedError(fault.setting("message") if refused else UnreadableTokenError.__doc__)

    def restricted(self, viewer: Viewer, query: str) -> Viewer:
        """Take away what a fault says is no longer allowed."""
        if not self._faults.standing("permission"):
            return viewer
        named = self._roots.intersection(re.findall(r"\w+", query))
        lost = self._faults.strike("permission", *named)
        allowed = self._roots if viewer.permissions is None else viewer.permissions
        left = frozenset(name for name in allowed if not any(concerns(fault, (name,)) for fault in lost))
        return Viewer(viewer.user_id, left) if lost else viewer
