"""Types of the ASGI interface, the body of a request, and the path of webhook deliveries."""

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


async def read_body(receive: Receive, max_bytes: int) -> bytes | None:
    """Return the body, cut off after this size; None if the sender disconnected."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes or not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
