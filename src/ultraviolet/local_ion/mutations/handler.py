"""The signature of mutation handlers."""

from collections.abc import Callable
from typing import Any

from ultraviolet.local_ion.store.transaction import Transaction

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]
"""Execute a mutation and return its payload by field name; an id refers to an object."""
