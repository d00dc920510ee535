"""A receiver that takes every delivery and remembers which came, and how long after the change it tells.

`python -m bench.sink` prints its address; GET gives what came, as JSON `[[event id, seconds], …]`.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import uvicorn

from ultraviolet.local_ion.server import open_listener


class Told(msgspec.Struct):
    """What a delivery says of itself."""

    event_id: int
    timestamp: datetime


class Sink:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self._came: list[tuple[bytes, datetime]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take a delivery, or tell what came."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        if scope["method"] == "POST":
            self._came.append((body, datetime.now(UTC)))
        answer = b"" if scope["method"] == "POST" else self._told()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _told(self) -> bytes:
        read = msgspec.json.Decoder(Told).decode
        told = [(read(body), at) for body, at in self._came]
        return msgspec.json.encode(
            [(t.event_id, (at - t.timestamp).total_seconds()) for t, at in told]
        )


async def _serve() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        config = uvicorn.Config(Sink(), lifespan="off", log_level="warning", access_log=False)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(_serve())
