"""Mutation handlers and their registration."""

from collections.abc import Callable
from typing import Any

from ultraviolet.local_ion.store.transaction import Transaction

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]
"""Execute a mutation and return its payload by field name; an id refers to an object."""


class Handlers(dict[str, Handler]):
    """Handlers by mutation name."""

    def handles(self, *names: str) -> Callable[[Handler], Handler]:
        """Register the decorated function as the handler of mutations."""

        def register(handler: Handler) -> Handler:
            self.update(dict.fromkeys(names, handler))
            return handler

        return register
