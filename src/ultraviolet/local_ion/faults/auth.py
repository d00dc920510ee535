"""Faults of tokens and permissions."""

import re

from ultraviolet.errors import UnauthenticatedError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.auth.oauth import Claims, InvalidTokenError
from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.faults.registry import FaultRegistry


class AuthFaults:
    """Applies the active faults to tokens and permissions."""

    def __init__(self, faults: FaultRegistry, catalog: Catalog) -> None:
        self._faults = faults
        roots = (catalog.schema.query_type, catalog.schema.mutation_type)
        self._root_fields = frozenset(name for root in roots if root for name in root.fields)

    def token_lifetime(self, client_id: str, default_seconds: int) -> float | None:
        """Return the lifetime of a new token in seconds; None for a key revoked by a fault."""
        lifetime: float = default_seconds
        for fault in self._faults.trigger("issue", client_id):
            if fault.kind == "key_revoked":
                return None
            lifetime = fault.setting("seconds")
        return lifetime

    def check_token(self, claims: Claims) -> None:
        """Raise UnauthenticatedError for a valid token if a fault rejects it."""
        for fault in self._faults.trigger("token", claims.client_id):
            if fault.kind == "token_rejected":
                raise UnauthenticatedError(fault.setting("message"))
            raise UnauthenticatedError(InvalidTokenError.__doc__)

    def restrict(self, viewer: Viewer, query: str) -> Viewer:
        """Return the viewer without the permissions that faults revoke."""
        if not self._faults.active("permission"):
            return viewer
        mentioned = self._root_fields.intersection(re.findall(r"\w+", query))
        revoked = self._faults.trigger("permission", *mentioned)
        if not revoked:
            return viewer
        allowed = self._root_fields if viewer.permissions is None else viewer.permissions
        left = (name for name in allowed if not any(fault.matches(name) for fault in revoked))
        return Viewer(viewer.user_id, frozenset(left))
