"""Types of the ASGI interface, and the path of webhook deliveries."""

from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

WEBHOOK_PATH_PREFIX = "/hooks/"
HUB_STATE = "ultraviolet"
"""The key of the hub's state in the scope of a request."""
