"""A typed client of the hub's API for Python programs: `from ultraviolet import Client`."""

from ultraviolet.client.changes import ChangesOfClient as Client
from ultraviolet.client.core import ProblemError
from ultraviolet.errors import HubUnreachableError

__all__ = ["Client", "HubUnreachableError", "ProblemError"]
