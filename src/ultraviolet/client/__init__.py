"""A typed client of the hub's API for Python programs: `from ultraviolet import Client`."""

from ultraviolet.client.changes import Client as Client
from ultraviolet.client.transport import ProblemError
from ultraviolet.errors import HubUnreachableError

__all__ = ["Client", "HubUnreachableError", "ProblemError"]
